"""Batches that are loaded ahead of their turn into a DuckDB file: it is the same as if none had been."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from counted import STREAM, Call, batches, some_calls, some_wide_calls

from memtap.errors import StoreAway, StoreError
from memtap.stores import open_store
from memtap.stores.contract import Loss, Retention, SealedBatch, Store, Stream, Writer
from memtap.stores.duckdb import folding, parts, writer
from memtap.stores.duckdb.database import Database
from memtap.stores.duckdb.store import DuckDBStore

CALLS = some_wide_calls(3000)
TABLES = (
    *("events", "processes", "names", "hosts", "streams", "batches", "account_1s", "losses", "loss_totals"),
    *("rollup_1s", "rollup_1m", "rollup_1h"),
)


@pytest.fixture
def opened(tmp_path: Path, open_url: Callable[[str], Store]) -> Callable[[str], Store]:
    return lambda name: open_url(f"duckdb://{tmp_path}/{name}.duckdb")


@pytest.fixture(autouse=True)
def folded_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "MOST_ACTIVITY", 700)
    monkeypatch.setattr(folding, "UNREAD", 1)
    monkeypatch.setattr(folding, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(parts, "CALLS", 400)


def contents(store: Store) -> dict[str, list[Any]]:
    with closing(store.reader()) as reader:
        ask = reader._rows  # type: ignore[attr-defined]
        return {table: sorted(ask(f"SELECT * FROM {table}"), key=str) for table in TABLES}


def some_batches(calls: Sequence[Call] = CALLS) -> list[SealedBatch]:
    """A few with losses."""
    loss = Loss(calls[0].time_us, "tap", 3)
    return [
        batch._replace(losses=(loss, loss)) if batch.number % 7 == 3 else batch for batch in batches(calls, rows=150)
    ]


def write(writer: Writer, number: int, some: Sequence[SealedBatch], ahead: int = 3) -> list[bool]:
    """As a loader does, which names what waits again and again."""
    stored = []
    for at, batch in enumerate(some):
        for waiting in some[at : at + ahead]:
            writer.ahead(number, waiting)
        stored.append(writer.write(number, batch))
    return stored


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What is in a store of which no batch was named ahead."""
    with closing(open_store(f"duckdb://{tmp_path_factory.mktemp('plain')}/plain.duckdb")) as store:
        store.migrate()
        with closing(store.writer()) as writer:
            assert all(write(writer, writer.open_stream(STREAM).stream_no, some_batches(), ahead=0))
        return contents(store)


def test_a_store_written_over_lanes_is_the_same_row_for_row(
    opened: Callable[[str], Store], plain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaders = set[str]()
    add = writer._add

    def noted(*arguments: Any) -> int:
        loaders.add(threading.current_thread().name)
        return add(*arguments)

    monkeypatch.setattr(writer, "_add", noted)
    store = opened("ahead")
    with closing(store.writer()) as one:
        assert all(write(one, one.open_stream(STREAM).stream_no, some_batches(), ahead=5))
    assert contents(store) == plain
    assert loaders > {f"memtap-lane-{n}" for n in range(writer.LANES)}


@pytest.mark.parametrize("seed", range(4))
def test_what_was_named_and_what_is_written_may_differ_in_any_way(
    opened: Callable[[str], Store], plain: dict[str, Any], seed: int
) -> None:
    """Batches are named that are not written next, written without being named, written again, by another writer of the
    same stream; processes end, and house is kept meanwhile."""
    chance = random.Random(seed)
    store, all_batches = opened("ahead"), some_batches()
    with closing(store.writer()) as one, closing(store.writer()) as other:
        number = one.open_stream(STREAM).stream_no
        for at, batch in enumerate(all_batches):
            for writer in (one, other):
                first = at + chance.choice([0, 0, 0, 1, 2])
                for waiting in all_batches[first : first + chance.randint(0, 4)]:
                    writer.ahead(number, waiting)
            assert chance.choice([one, one, one, other]).write(number, batch)
            if chance.random() < 0.2:
                again = max(at - chance.randint(0, 3), 0)
                assert not chance.choice([one, other]).write(number, all_batches[again])
            if chance.random() < 0.1:
                store.maintain(Retention(), 0)
            if chance.random() < 0.1:
                one = chance.choice([one, other])
    assert contents(store) == plain


def test_writers_of_two_streams_do_not_disturb_each_other(opened: Callable[[str], Store]) -> None:
    store = opened("two")
    streams = [STREAM._replace(name=f"file:{n}.log", host=STREAM.host._replace(boot_id=f"boot {n}")) for n in range(2)]
    failures: list[BaseException] = []

    def fill(stream: Stream, seed: int) -> None:
        try:
            with closing(store.writer()) as writer:
                number = writer.open_stream(stream).stream_no
                assert all(write(writer, number, some_batches(some_calls(6000, seed))))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=fill, args=(stream, seed)) for seed, stream in enumerate(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with closing(store.reader()) as reader:
        assert [row.stored for row in reader.streams()] == [6000, 6000]
        ask = reader._rows  # type: ignore[attr-defined]
        assert ask("SELECT count(DISTINCT id), count(*) FROM processes") == [(80, 80)]
        assert ask("SELECT count(DISTINCT id), count(DISTINCT comm), count(*) FROM names") == [(7, 7, 7)]
        joined = "FROM events e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id"
        assert ask(f"SELECT count(*), count(DISTINCT e.id) {joined}") == [(12_000, 12_000)]
        assert ask("SELECT sum(requests + releases) FROM processes") == [(12_000,)]


def test_a_checkpoint_finds_its_gap_while_lanes_are_busy(opened: Callable[[str], Store], plain: dict[str, Any]) -> None:
    store = opened("log")
    assert isinstance(store, DuckDBStore)
    database: Database = store._database
    all_batches = some_batches()
    done = threading.Event()
    checkpoints: list[int] = []

    def keep() -> None:
        while not done.is_set():
            database.checkpoint()
            checkpoints.append(1)

    keeper = threading.Thread(target=keep)
    with closing(store.writer()) as writer:
        number = writer.open_stream(STREAM).stream_no
        keeper.start()
        try:
            assert all(write(writer, number, all_batches))
        finally:
            done.set()
            keeper.join()
    assert checkpoints
    assert contents(store) == plain
    url = store.url
    store.close()
    with closing(open_store(url)) as again, closing(again.reader()) as reader:
        assert reader.account().stored == len(CALLS)


def test_a_file_that_is_opened_again_and_again_is_the_same_row_for_row(
    opened: Callable[[str], Store], plain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what DuckDB knows of each row group does not pile up in memory. Somebody reads meanwhile."""
    monkeypatch.setattr(writer, "MOST_GROWN", 400)
    monkeypatch.setattr(writer, "AGAIN_GROWN", 150)
    done = list[bool]()
    reopen = Database.reopen

    def noted(self: Database) -> bool:
        done.append(reopen(self))
        return done[-1]

    monkeypatch.setattr(Database, "reopen", noted)
    store, over, errors = opened("reopened"), threading.Event(), list[Exception]()

    def read() -> None:
        try:
            with closing(store.reader()) as reader:
                while not over.wait(0.002):
                    assert reader.version()
        except Exception as error:
            errors.append(error)

    asking = threading.Thread(target=read)
    asking.start()
    try:
        with closing(store.writer()) as one:
            number = one.open_stream(STREAM).stream_no
            assert all(write(one, number, some_batches(), ahead=5))
            with one._database.connection():  # type: ignore[attr-defined]
                assert not one._database.reopen()  # type: ignore[attr-defined]
    finally:
        over.set()
        asking.join()
    assert not errors
    assert sum(done) >= 3
    assert contents(store) == plain


def test_a_file_that_somebody_else_has_when_it_is_opened_again_is_waited_for(
    opened: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened("taken")
    database = store._database  # type: ignore[attr-defined]

    def taken() -> Any:
        raise StoreError("is in use by process 1")

    with monkeypatch.context() as patched:
        patched.setattr(database, "_open", taken)
        assert database.reopen()
        with pytest.raises(StoreAway, match="in use by process 1"), database.connection():
            pass
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchall() == [(0,)]
