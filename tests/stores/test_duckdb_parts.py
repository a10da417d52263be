"""The parts that a DuckDB file's calls are divided into: filled, read across, emptied and dropped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from counted import FIRST_US, STREAM, Call, batches, some_calls

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.contract import CallFilter, CallRow, Retention, Store
from memtap.stores.duckdb import folding, parts
from memtap.stores.duckdb import schema as duckdb_schema
from memtap.stores.duckdb import store as duckdb_store
from memtap.stores.duckdb.reader import DuckDBReader

EVERYTHING = CallFilter()
SECOND_US = 1_000_000
LATER_US = FIRST_US + 100 * 24 * 3600 * SECOND_US


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "MOST_ACTIVITY", 1)
    monkeypatch.setattr(folding, "UNREAD", 1)
    monkeypatch.setattr(parts, "CALLS", 100)


@pytest.fixture
def store(tmp_path: Path, open_url: Callable[[str], Store]) -> Store:
    return open_url(f"duckdb://{tmp_path}/parts.duckdb")


def write(store: Store, calls: list[Call], rows: int = 50) -> None:
    with closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        for batch in batches(calls, rows=rows, start=cursor):
            assert writer.write(cursor.stream_no, batch)


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    with closing(store.reader()) as reader:
        return reader._rows(sql)  # type: ignore[attr-defined,no-any-return]


def tables(store: Store, prefix: str) -> list[str]:
    found = ask(store, "SELECT table_name FROM duckdb_tables() ORDER BY 1")
    return [name for (name,) in found if name.startswith(prefix)]


def test_a_page_in_either_direction_crosses_the_borders(store: Store) -> None:
    """A hundred calls of the same microsecond lie in two parts."""
    calls = [Call(1 + at % 3, time_us=FIRST_US + at // 100) for at in range(550)]
    write(store, calls, rows=30)
    assert len(tables(store, "events_")) > 3
    with closing(store.reader()) as reader:
        every = reader.calls(EVERYTHING, limit=1000)
        assert [row.id for row in every] == sorted((row.id for row in every), reverse=True)
        assert len(every) == 550
        for at in range(0, 550, 45):
            cursor = (every[at].time_us, every[at].id)
            assert reader.calls(EVERYTHING, before=cursor, limit=120) == every[at + 1 : at + 121]
            assert reader.calls(EVERYTHING, after=cursor, limit=1000) == every[:at]
            assert (
                reader.calls(CallFilter(pid=2), before=cursor, limit=60)
                == [row for row in every[at + 1 :] if row.pid == 2][:60]
            )


def test_pages_go_on_while_retention_drops_what_they_come_to(store: Store) -> None:
    calls = [Call(1, time_us=FIRST_US + at * SECOND_US) for at in range(1000)]
    write(store, calls)
    found: list[CallRow] = []
    before = None
    with closing(store.reader()) as reader:
        every = reader.calls(EVERYTHING, limit=2000)
        for step in range(200):
            page = reader.search(EVERYTHING, before=before, limit=20)
            found += page.rows
            if not page.rows and page.more is None:
                break
            before = page.more or (page.rows[-1].time_us, page.rows[-1].id)
            store.maintain(Retention(keep_events_s=3600), calls[-1].time_us + (2700 + 20 * step) * SECOND_US)
        assert found == every[: len(found)]
        assert 200 < len(found) < 1000
    assert len(tables(store, "events_")) < 8


def test_a_part_without_calls_is_hidden_and_goes_a_step_later(store: Store) -> None:
    write(store, some_calls(1000))
    before = tables(store, "events_")
    hour = Retention(keep_events_s=3600, keep_rollups_s=None)
    with closing(store.reader()) as reader:
        assert isinstance(reader, DuckDBReader)
        while store.maintain(hour, LATER_US).events_dropped:
            pass
        gone = [int(name.rpartition("_")[2]) for name in before if name not in tables(store, "events_")]
        assert gone
        # Whoever had seen them before asks all that are left.
        conditions = reader._conditions(EVERYTHING)
        assert conditions is not None
        assert reader._page_of(gone, conditions, 10) == []
    for _ in range(5):
        store.maintain(hour, LATER_US)
    assert len(tables(store, "events_")) == len(tables(store, "folded_1s_")) == 1
    assert ask(store, "SELECT count(*) FROM parts") == [(1,)]
    write(store, [*some_calls(1000), *some_calls(300, seed=2)])
    assert ask(store, "SELECT count(*) FROM MemoryCalls") == [(300,)]
    assert ask(store, "SELECT sum(requests + releases) FROM processes") == [(1300,)]


def test_what_was_loaded_ahead_into_a_part_that_has_gone_is_stored_in_another(store: Store) -> None:
    calls = some_calls(600)
    with closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        first, second, third = batches(calls, rows=200, start=cursor)
        assert writer.write(cursor.stream_no, first)
        writer.ahead(cursor.stream_no, second)
        writer.ahead(cursor.stream_no, third)
        for _ in range(4):  # all that is stored is old
            store.maintain(Retention(keep_events_s=3600), LATER_US)
        assert writer.write(cursor.stream_no, second)
        assert writer.write(cursor.stream_no, third)
        assert not writer.write(cursor.stream_no, third)
    with closing(store.reader()) as reader:
        assert [row.time_us for row in reader.calls(EVERYTHING, limit=1000)] == [
            call.time_us for call in reversed(calls[200:])
        ]


def test_a_store_opened_again_goes_on_with_its_parts(store: Store, tmp_path: Path) -> None:
    calls = some_calls(900)
    write(store, calls[:300])
    store.close()
    with closing(open_store(f"duckdb://{tmp_path}/parts.duckdb")) as again:
        write(again, calls)
        assert ask(again, "SELECT count(*), count(DISTINCT id) FROM events") == [(900, 900)]
        assert ask(again, "SELECT sum(requests + releases) FROM rollup_1s") == [(900,)]
        with closing(again.reader()) as reader:
            assert len(reader.calls(EVERYTHING, limit=1000)) == 900


def test_a_migration_that_is_cut_off_leaves_what_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"duckdb://{tmp_path}/old.duckdb"
    *older, last = duckdb_schema.MIGRATIONS
    with closing(open_store(url)) as store:
        monkeypatch.setattr(duckdb_store, "MIGRATIONS", tuple(older))
        monkeypatch.setattr(duckdb_store, "VERSION", len(older))
        store.migrate()
        monkeypatch.setattr(duckdb_store, "VERSION", len(older) + 1)
        for at in range(len(last) + 1):
            broken = (*last[:at], "SELECT error('cut off')")
            monkeypatch.setattr(duckdb_store, "MIGRATIONS", (*older, broken))
            with pytest.raises(StoreError, match="cut off"):
                store.migrate()
        monkeypatch.undo()
        assert store.migrate() == (len(older), len(older) + 1)
        assert store.migrate() == (len(older) + 1, len(older) + 1)
        write(store, some_calls(300))
        assert ask(store, "SELECT count(*) FROM MemoryCalls") == [(300,)]
