"""What waits to be folded, and when a DuckDB store folds it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from counted import STREAM, batches, some_calls

from memtap.stores import open_store
from memtap.stores.contract import SealedBatch
from memtap.stores.duckdb import folding
from memtap.stores.duckdb.store import DuckDBStore

CALLS = some_calls(4000)
PENDING = "SELECT count(*) FROM activity"
EXTENTS = "SELECT first_ordinal, calls, first_us, last_us FROM extents ORDER BY first_ordinal"


def of(path: Path) -> DuckDBStore:
    store = open_store(f"duckdb://{path}")
    assert isinstance(store, DuckDBStore)
    store.migrate()
    return store


def fill(store: DuckDBStore, some: list[SealedBatch]) -> None:
    with closing(store.writer()) as writer:
        number = writer.open_stream(STREAM).stream_no
        for batch in some:
            assert writer.write(number, batch)


def asked(store: DuckDBStore, sql: str) -> list[tuple[int, ...]]:
    with store._database.connection() as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("known", [True, False], ids=["by this memtap", "by one that was killed"])
def test_one_fold_makes_extents_of_bounded_runs_with_their_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(folding, "MOST_CALLS", 1000)
    monkeypatch.setattr(folding, "UNREAD", 100)
    late = 700  # ordinals that no batch has, as a damaged spool leaves them
    some = [
        batch if batch.number < 30 else batch._replace(first_ordinal=batch.first_ordinal + late)
        for batch in batches(CALLS, rows=100)
    ]
    with closing(of(tmp_path / "a.duckdb")) as store:
        fill(store, some)
        assert not asked(store, EXTENTS)
        if not known:
            store._database.written.spans.clear()
        folding.fold(store._database, 1)
        found = asked(store, EXTENTS)
        assert [row[:2] for row in found] == [(0, 1000), (1000, 1000), (2000, 1000), (3700, 1000)]
        times = [call.time_us for call in CALLS]
        parts = [times[first : first + 1000] for first in range(0, 4000, 1000)] if known else [times] * 4
        assert [row[2:] for row in found] == [(min(part), max(part)) for part in parts]
        assert not store._database.written.spans
        assert asked(store, PENDING) == [(0,)]


def test_more_waits_while_nobody_reads_and_little_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = list(batches(CALLS, rows=100))
    monkeypatch.setattr(folding, "MOST_CALLS", 1000)
    folds: list[int] = []
    fold = folding._fold

    def noted(*arguments: object) -> None:
        folds.append(1)
        fold(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(folding, "_fold", noted)
    with closing(of(tmp_path / "unread.duckdb")) as store:
        fill(store, some)
        assert not folds
        assert asked(store, PENDING) > [(0,)]
    with closing(of(tmp_path / "read.duckdb")) as store, closing(store.reader()):
        fill(store, some)
        assert len(folds) == 4
    monkeypatch.setattr(folding, "MOST_ACTIVITY", 500)
    monkeypatch.setattr(folding, "UNREAD", 100)
    folds.clear()
    with closing(of(tmp_path / "end.duckdb")) as store:
        fill(store, some)
        assert len(folds) == 1
        assert asked(store, PENDING) == [(0,)]
