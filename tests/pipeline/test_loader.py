"""The loader: what is dropped is told of, what fails is said, and nobody waits longer than they want to."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from memtap.errors import StoreAway, StoreError
from memtap.loader import LOSSES_MAX, Draft, Loader
from memtap.native import Batch, Parser
from memtap.stores.contract import Cursor, SealedBatch, Stream

HEADER = b'memtap: format=2, tap=x, version=1, host="h", boot=b, clock=realtime, page=4096, memory=1\n'


class Kept:
    """A writer that keeps what it gets, once it is allowed to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = threading.Event()
        self.batches: list[SealedBatch] = []

    def ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        return False

    def write(self, stream_no: int, batch: SealedBatch) -> bool:
        self.asked.set()
        if self.error:
            raise self.error
        self.batches.append(batch)
        return True

    def open_stream(self, stream: Stream) -> Cursor:
        return Cursor(1)

    def last_stream(self, prefix: str) -> None:
        return None

    def end_processes(self, stream_no: int, pids: Sequence[int], ended_us: int) -> None:
        pass

    def close(self) -> None:
        pass


def loader(writer: Kept, *, drop: bool, patience_s: float | None) -> Loader:
    return Loader(writer, Cursor(1), most_rows=10, drop=drop, patience_s=patience_s)


def draft(events: Batch) -> Draft:
    return Draft(events, lines=len(events), rejected=0, notices=0)


def calls(parser: Parser, count: int, pid: int = 7) -> Batch:
    who = b"pid=%d, start=1, uid=0, cgroup=0, time=5" % pid
    parser.feed(b'brk: %b, length=1, freed=0, errno=0, kind=anonymous, vm=1, rss=0, process="x"\n' % who * count)
    return parser.seal()


def full() -> tuple[Parser, Kept, Loader]:
    """A loader with no room left, whose store is away."""
    parser = Parser()
    parser.feed(HEADER)
    writer = Kept(StoreAway("away"))
    tested = loader(writer, drop=True, patience_s=None)
    tested.start()
    tested.submit(draft(calls(parser, 10)))
    return parser, writer, tested


def back(writer: Kept, tested: Loader) -> None:
    """The store answers again, and takes what waits."""
    writer.error = None
    while tested.queued:
        time.sleep(0.01)


def test_every_call_is_stored_or_counted_and_every_end_is_told_when_a_store_was_away() -> None:
    parser, writer, tested = full()
    writer.asked.wait()
    for _ in range(3 * LOSSES_MAX):
        tested.submit(draft(calls(parser, 2)))
    parser.feed(b'exit: pid=7, start=1, uid=0, cgroup=0, time=6, status=0, vm=0, rss=0, process="x"\n')
    tested.submit(draft(parser.seal()))
    back(writer, tested)
    tested.submit(draft(calls(parser, 1, pid=8)))
    tested.finish()
    first, last = writer.batches
    assert (len(first.events), len(last.events)) == (10, 1)
    lost = sum(loss.events for loss in last.losses)
    assert lost == tested.lost["store"] == 6 * LOSSES_MAX + 1
    assert len(last.losses) <= LOSSES_MAX, "what is owed has an end"
    assert first.lines + last.lines == len(first.events) + len(last.events) + lost
    assert last.events.ended == [(0, 6)]
    assert last.first_ordinal == 10


def exits(parser: Parser, first: int, count: int) -> Batch:
    what = b'exit: pid=%d, start=1, uid=0, cgroup=0, time=%d, status=0, vm=0, rss=0, process="x"\n'
    parser.feed(b"".join(what % (pid, 1000 + pid) for pid in range(first, first + count)))
    return parser.seal()


def test_what_is_owed_of_a_store_that_is_away_for_ever_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of processes that ended meanwhile the latest are known; how many are not is told with the time."""
    monkeypatch.setattr("memtap.loader.ENDED_MAX", 10)
    monkeypatch.setattr("memtap.loader.SECONDS_MAX", 3)
    parser, writer, tested = full()
    for first in range(100, 160, 3):
        parser.feed(b"no record\n")
        events = exits(parser, first, 3)
        tested.submit(Draft(events, lines=4, rejected=1, notices=0))
        owed = tested._owed
        assert owed
        assert len(owed.events.ended) <= 10
        assert len(owed.events.seconds) <= 4
    for pid in range(200, 230):
        tested.end_processes((pid,), 5_000)
    assert len(tested._queue) == 11, "a batch, and ends"
    back(writer, tested)
    tested.submit(draft(calls(parser, 1)))
    tested.finish()
    last = writer.batches[-1]
    assert [last.events.process_pids[local] for local, _ in last.events.ended] == [*range(150, 160)]
    assert tested.ends_forgotten == 50 + 20
    (told,) = [loss for loss in last.losses if "forgotten" in loss.detail]
    assert (told.events, told.since_us, told.time_us) == (0, 1100, 5000)
    assert told.detail == "no room to wait: 70 processes' ends are forgotten"
    assert sum(loss.events for loss in last.losses) == 60
    assert last.rejected == 20


def test_rejected_lines_of_a_dropped_batch_keep_their_second() -> None:
    parser, writer, tested = full()
    for _ in range(3):
        parser.feed(b"no record\n" * 5)
        events = calls(parser, 2)
        tested.submit(Draft(events, lines=7, rejected=5, notices=0))
    back(writer, tested)
    tested.submit(draft(calls(parser, 1)))
    tested.finish()
    _, last = writer.batches
    assert last.rejected == 15
    assert last.events.seconds == [(0, 1, 15)]


def test_a_writer_that_fails_as_nobody_expected_stops_an_ingest_with_one_line() -> None:
    tested = loader(Kept(ZeroDivisionError("x")), drop=False, patience_s=60)
    tested.start()
    with pytest.raises(StoreError, match=r"^batch not stored: ZeroDivisionError\('x'\)"):
        for _ in range(3):
            tested.submit(draft(calls(Parser(header=HEADER.strip()), 10)))
    tested.finish()


def test_who_asks_for_the_end_does_not_wait_for_a_store_that_is_away() -> None:
    writer = Kept(StoreAway("away"))
    tested = loader(writer, drop=False, patience_s=1_000_000)
    tested.start()
    tested.submit(draft(calls(Parser(header=HEADER.strip()), 10)))
    writer.asked.wait()
    tested.hurry()
    tested.finish()
    assert isinstance(tested.failure, StoreAway)
