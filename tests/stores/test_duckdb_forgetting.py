"""What nothing refers to any more goes from a DuckDB file, whatever writers know by heart."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from counted import HOST, STREAM, Call, batches, one_batch
from waiting import wait_until
from written import write_all

from memtap.errors import StoreError
from memtap.stores.contract import CallFilter, Reader, Retention, Store, Writer
from memtap.stores.duckdb import folding, forgetting
from memtap.stores.duckdb.writer import DuckDBWriter

HOUR_US = 3600 * 10**6
DAY_US = 24 * HOUR_US
NOW_US = 500_000 * HOUR_US
ALL = CallFilter()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"duckdb://{tmp_path}/store.duckdb"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """When things are written, as the writer has it."""
    now = [NOW_US]
    monkeypatch.setattr(folding, "now_us", lambda: now[0])
    monkeypatch.setattr(forgetting, "EVERY_S", 0)
    yield now


@pytest.fixture
def left(reader: Reader) -> Callable[[str], list[object]]:
    def ask(what: str) -> list[object]:
        return [row[0] for row in reader._rows(f"SELECT {what} ORDER BY 1")]  # type: ignore[attr-defined]

    return ask


def all_of(store: Store, keep: Retention, now_us: int) -> None:
    while store.maintain(keep, now_us).more:
        pass


def names_of(calls: Sequence[object]) -> list[bytes]:
    return [call.name for call in calls]  # type: ignore[attr-defined]


def test_names_that_no_kept_call_and_no_process_has_go_and_may_come_back(
    store: Store, writer: Writer, reader: Reader, clock: list[int], left: Callable[[str], list[object]]
) -> None:
    number = writer.open_stream(STREAM).stream_no
    old = [Call(1, b"old %d" % at, time_us=NOW_US + at) for at in range(50)]
    later_us = NOW_US + 3 * DAY_US
    new = [Call(1, b"kept", time_us=later_us), Call(1, b"latest", time_us=later_us + 1)]
    again = [Call(2, b"old 7", time_us=later_us + 2), Call(1, b"latest", time_us=later_us + 3)]
    first, second, third = (
        batch._replace(number=at)
        for at, batch in enumerate((*batches([*old, *new], rows=50), one_batch(*again)._replace(first_ordinal=52)))
    )
    assert writer.write(number, first)
    all_of(store, Retention(keep_events_s=86_400), clock[0])
    clock[0] = later_us
    assert writer.write(number, second)
    assert len(left("comm FROM names")) == 52
    all_of(store, Retention(keep_events_s=86_400), clock[0])
    assert left("comm FROM names") == [b"kept", b"latest"]
    assert writer.write(number, third), "the writer knew the name"
    assert names_of(reader.calls(ALL)) == [b"latest", b"old 7", b"latest", b"kept"]


def test_streams_and_hosts_go_when_nothing_of_them_is_kept(
    store: Store, writer: Writer, reader: Reader, clock: list[int], left: Callable[[str], list[object]]
) -> None:
    keep = Retention(keep_events_s=3600, keep_rollups_s=2 * 86_400)
    old = STREAM._replace(name="old", host=HOST._replace(boot_id="before"))
    with closing(store.writer()) as first:
        write_all(first, [Call(1, time_us=NOW_US)], old)
        first.end_processes(1, [1], NOW_US + 1)
    clock[0] += 10 * DAY_US
    long_ago = STREAM._replace(name="of long ago", host=HOST._replace(boot_id="another"))
    with closing(store.writer()) as second:
        write_all(second, [Call(1, time_us=NOW_US - DAY_US)], long_ago)
    write_all(writer, [Call(1, time_us=clock[0])])
    for _ in range(3):
        all_of(store, keep, clock[0])
    assert left("name FROM streams") == [STREAM.name, long_ago.name], "one was written to lately, with calls of before"
    assert left("DISTINCT stream_no FROM batches") == [2, 3]
    assert left("boot_id FROM hosts") == sorted([HOST.boot_id, "another"])
    with pytest.raises(StoreError, match="open it first"):
        writer.write(1, one_batch(Call(1))._replace(number=1, first_ordinal=1))
    assert writer.open_stream(old).stream_no == 4, "begun anew, under a number of its own"


def test_a_stream_that_a_writer_has_open_is_not_dropped(
    store: Store, writer: Writer, reader: Reader, clock: list[int], left: Callable[[str], list[object]]
) -> None:
    number = write_all(writer, [Call(1, time_us=NOW_US)])
    with closing(store.writer()) as other:
        write_all(other, [Call(1, time_us=NOW_US)], STREAM._replace(name="newest"))
    clock[0] += 100 * DAY_US
    for _ in range(3):
        all_of(store, Retention(3600, None, 3600), clock[0])
    assert reader.calls(ALL) == []
    assert left("name FROM streams") == [STREAM.name, "newest"]
    assert writer.write(number, one_batch(Call(1, time_us=clock[0]))._replace(number=1, first_ordinal=1))
    assert [row.stored for row in reader.streams()] == [2, 1]


def test_while_batches_come_nothing_that_they_name_is_dropped(
    store: Store, writer: Writer, reader: Reader, clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names come and go as calls are dropped at once, and batches are loaded ahead: no call is without its name."""
    monkeypatch.setattr(folding, "MOST_ACTIVITY", 1)
    monkeypatch.setattr(folding, "MOST_CALLS", 50)  # each batch can be dropped, however many are folded at once
    clock[0] = kept_us = NOW_US + 10 * DAY_US
    chance = random.Random(1)
    calls = [
        Call(at % 97, b"name %d" % chance.randint(1, 30), (kept_us if at // 50 % 4 == 1 else NOW_US) + at)
        for at in range(2000)
    ]
    number = writer.open_stream(STREAM).stream_no
    waiting = list(batches(calls, rows=50))
    done = threading.Event()
    wrong: list[BaseException] = []

    def keep() -> None:
        try:
            while not done.is_set():
                store.maintain(Retention(3600, None, 3600), kept_us)
        except BaseException as error:
            wrong.append(error)

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        for at, batch in enumerate(waiting):
            for one in waiting[at : at + 3]:
                writer.ahead(number, one)
            assert writer.write(number, batch)
    finally:
        done.set()
        keeper.join()
    assert not wrong
    all_of(store, Retention(3600, None, 3600), kept_us)
    found = {call.time_us: call.name for call in reader.calls(ALL, limit=9999)}
    assert found.items() >= {call.time_us: call.name for call in calls if call.time_us >= kept_us}.items()
    assert found.items() <= {call.time_us: call.name for call in calls}.items()
    assert len(found) < 1500, "calls are dropped"
    rows = reader._rows("SELECT count(*) FROM events WHERE name_id NOT IN (SELECT id FROM names)")  # type: ignore[attr-defined]
    assert rows == [(0,)]
    assert reader.account().stored == 2000


def test_what_is_dropped_between_the_loading_of_a_batch_and_its_turn_is_made_again(
    store: Store, writer: Writer, reader: Reader, clock: list[int], left: Callable[[str], list[object]]
) -> None:
    assert isinstance(writer, DuckDBWriter)
    number = writer.open_stream(STREAM).stream_no
    later_us = NOW_US + 100 * DAY_US
    first, second = batches([Call(1, b"old", NOW_US), Call(1, b"old", later_us)], rows=1)
    assert writer.write(number, first)
    writer.end_processes(number, [1], NOW_US + 1)
    writer.ahead(number, second)
    (ahead,) = writer._lanes._sent
    wait_until(lambda: ahead.state == "loaded")
    clock[0] = later_us
    for _ in range(3):
        all_of(store, Retention(3600, None, 3600), later_us)
    assert left("id FROM processes") == left("comm FROM names") == []
    assert writer.write(number, second)
    assert [(call.pid, call.name, call.time_us) for call in reader.calls(ALL)] == [(1, b"old", later_us)]
    assert [(row.pid, row.requests) for row in reader.processes()] == [(1, 1)]
