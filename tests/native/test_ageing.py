"""Processes that have ended are let go of, and no store can tell: memory is bounded, identities stay."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtap.native import Batch, Parser

from .test_format2 import HEADER, call
from .test_pack import ids

FOR_EVER = 2**32 - 1
Identity = tuple[int, int]


def identities(batch: Batch) -> list[Identity]:
    return list(zip(batch.process_pids, batch.process_starts, strict=True))[: batch.process_count]


def rows(batch: Batch) -> list[tuple[Any, ...]]:
    known = identities(batch)
    columns = zip(batch.call, batch.process, batch.name, batch.time_us, batch.length, strict=True)
    return [(code, known[process], batch.names[name], at, size) for code, process, name, at, size in columns]


def sums(batch: Batch) -> dict[tuple[Identity, int], list[int]]:
    known = identities(batch)
    found: dict[tuple[Identity, int], list[int]] = defaultdict(lambda: [0] * 4)
    for row in pa.table(batch.activity(*ids(batch))).to_pylist():
        total = found[known[row["process_id"]], row["second"]]
        for i, field in enumerate(("requested", "released", "requests", "releases")):
            total[i] += int(row[field])
    return found


class Twins:
    """Two parsers of the same lines: one lets go as soon as it may, one never does."""

    def __init__(self, header: bytes = b"") -> None:
        self.ages = Parser(keep_ended=0, header=header)
        self.keeps = Parser(keep_ended=FOR_EVER, header=header)
        self.known_to_have_ended: set[Identity] = set()

    def feed(self, lines: bytes) -> None:
        self.ages.feed(lines)
        self.keeps.feed(lines)

    def end(self, pids: list[int]) -> None:
        self.ages.end(pids)
        self.keeps.end(pids)

    def seal(self) -> None:
        aged, kept = self.ages.seal(), self.keeps.seal()
        assert rows(aged) == rows(kept)
        assert sums(aged) == sums(kept)
        assert aged.seconds == kept.seconds
        ended = {(identities(aged)[i], at) for i, at in aged.ended}
        told = {(identities(kept)[i], at) for i, at in kept.ended}
        self.known_to_have_ended |= {identity for identity, _ in told}
        assert told <= ended
        assert {identity for identity, _ in ended - told} <= self.known_to_have_ended, "late lines: ended once more"
        assert self.ages.ledger(live=True) == self.keeps.ledger(live=True)
        assert self.keeps.carried == 0


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_format_1_cannot_be_told_from_one_that_keeps_everything(data: st.DataObject) -> None:
    twins = Twins()
    for second in range(data.draw(st.integers(1, 30))):
        for _ in range(data.draw(st.integers(0, 3))):
            pid, name = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([b"a", b"b", b"c", b"d"]))
            twins.feed(b"mmap2: PID=%d, process=%s, time=%d000000, length=9\n" % (pid, name, second + 1))
        twins.end(data.draw(st.lists(st.integers(1, 4), max_size=2)))
        twins.seal()


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_format_2_cannot_be_told_from_one_that_keeps_everything(data: st.DataObject) -> None:
    """Lines of a process may come at any time after its end, if no other one had its pid and its tick. Where several
    had, each comes in its time."""
    twins = Twins(HEADER)
    latest: dict[int, int] = dict.fromkeys(range(1, 5), 1)
    for second in range(data.draw(st.integers(1, 40))):
        for _ in range(data.draw(st.integers(0, 3))):
            pid = data.draw(st.integers(1, 4))
            latest[pid] += data.draw(st.sampled_from([0, 0, 1]))
            start = 50_000_000 + latest[pid]
            if pid <= 2:  # a tick each
                start = data.draw(st.integers(1, latest[pid])) * 10_000_000 + 77
            what = data.draw(st.sampled_from(["mmap", "mmap", "fork", "exit", "exit", "proc"]))
            rest = {"mmap": None, "fork": "parent=3", "exit": "status=0", "proc": ""}[what]
            if what == "proc":
                start -= start % 10_000_000
            if what == "proc" and pid > 2:
                continue
            time_us = (second + 1) * 1_000_000
            twins.feed(call(what, pid, start, time_us) if rest is None else call(what, pid, start, time_us, rest))
        twins.seal()


def test_processes_that_have_ended_and_names_that_nobody_has_are_let_go_of() -> None:
    parser = Parser(header=HEADER)
    parser.feed(call("mmap", 1, 5, 1))
    generations = Counter[int]()
    for batch_no in range(200):
        for i in range(500):
            pid = 2 + 500 * batch_no + i
            line = call("exit", pid, pid * 10_000_000, 1 + batch_no, "status=0")
            parser.feed(line.replace(b'process="x"', b'process="x%d"' % pid))
        batch = parser.seal()
        assert (batch.process_count, batch.name_count) <= (12_000, 12_000)
        assert identities(batch)[0] == (1, 0), "who lives stays"
        assert len(batch.ended) == 500
        generations[batch.generation] += 1
    assert 2 < len(generations) < 50
    assert len(parser.ledger(live=True)) == 1
    assert len(parser.ledger()) < 12_000


def test_a_process_that_takes_name_after_name_holds_the_memory_of_one() -> None:
    parser = Parser()
    for i in range(20_000):
        parser.feed(b"mmap2: PID=1, process=n%d, time=1, length=1\n" % i)
        if i % 100 == 99:
            batch = parser.seal()
            assert batch.name_count < 1400
            assert batch.names[batch.name[99]] == b"n%d" % i


def test_old_batches_keep_what_they_refer_to() -> None:
    parser = Parser(keep_ended=0)
    parser.feed(b"mmap2: PID=1, process=a, time=1, length=1\nmmap2: PID=2, process=b, time=1, length=1\n")
    first = parser.seal()
    parser.end([1])
    for _ in range(10):
        parser.feed(b"mmap2: PID=2, process=b, time=1, length=1\n")
        last = parser.seal()
    assert (list(first.process_pids), first.names) == ([1, 2], [b"a", b"b"])
    assert (list(last.process_pids), last.names, list(last.process)) == ([2], [b"b"], [0])
    assert (parser.generation, parser.carried) == (last.generation, 1)
    assert first.generation != last.generation


def test_the_ends_of_a_batch_that_was_dropped_are_told_with_a_later_one() -> None:
    """Whatever generation that is of."""
    parser = Parser(keep_ended=0, header=HEADER)
    parser.feed(call("mmap", 9, 10_000_000, 1) + call("exit", 7, 20_000_000, 5, "status=0"))
    dropped = parser.seal()
    same = parser.seal()
    same.take_ended(dropped)
    assert (same.ended, same.generation) == ([(1, 5)], dropped.generation)
    for _ in range(10):
        parser.feed(call("mmap", 9, 10_000_000, 6))
        later = parser.seal()
    parser.feed(call("exit", 9, 10_000_000, 7, "status=0"))
    last = parser.seal()
    assert list(last.process_pids) == [9]
    last.take_ended(dropped)
    assert [(identities(last)[i], at) for i, at in last.ended] == [((7, 20_000), 5), ((9, 10_000), 7)]
    assert last.generation not in (later.generation, dropped.generation), "local process 1 is another one in the next"
    parser.feed(call("mmap", 8, 30_000_000, 8))
    assert list(parser.seal().process_pids) == [9, 8]


def line1(pid: int, at: int, size: int, name: bytes = b"x") -> bytes:
    return b"mmap2: PID=%d, process=%s, time=%d, length=%d\n" % (pid, name, at, size)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3_000_000), st.integers(0, 9)), max_size=30), max_size=12
    ),
    st.integers(1, 3),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_who_is_quiet_in_format_1_is_let_go_of_and_no_store_can_tell(
    batches: list[list[tuple[int, int, int]]], quiet: int, end: bool
) -> None:
    """A process that comes back has the same pid and start, and a name whatever it was."""
    forgets, keeps = Parser(keep_ended=0, quiet_batches=quiet), Parser(keep_ended=FOR_EVER)
    for calls in batches:
        data = b"".join(line1(pid, 10**15 + at, size, b"name-%d" % (size % 4)) for pid, at, size in calls)
        forgets.feed(data)
        keeps.feed(data)
        if end and calls:
            forgets.end([calls[0][0]])
            keeps.end([calls[0][0]])
        one, other = forgets.seal(), keeps.seal()
        assert rows(one) == rows(other)
        assert sums(one) == sums(other)
        assert one.counts() == other.counts()
        times = list(one.time_us)
        assert one.times(0) == other.times(0) == ((min(times), max(times), 0) if times else None)


def test_a_recording_of_ever_new_pids_takes_no_more_memory_the_longer_it_is() -> None:
    parser = Parser(keep_ended=100, quiet_batches=4)
    most = 0
    for number in range(200):
        parser.feed(b"".join(line1(number * 50 + i + 1, 10**15 + number, 1, b"name-%d" % number) for i in range(50)))
        parser.feed(line1(4_000_000, 10**15 + number, 1))
        batch = parser.seal()
        most = max(most, batch.process_count, batch.name_count)
        assert len(batch.process_pids) == batch.process_count
    assert most < 1000, "of 10,001: those of five batches are 255"
    lives = {row.pid: row.requests for row in parser.ledger()}
    assert lives[4_000_000] == 200, "who has calls in each batch keeps its totals"


def test_who_is_quiet_is_let_go_of_after_so_many_batches_and_not_before() -> None:
    parser = Parser(keep_ended=0, quiet_batches=3)
    generations = []
    for pid in (7, 8, 8, 8, 9, 10, 11, 12, 13, 14):
        parser.feed(line1(pid, 10**15, 1))
        generations.append(parser.seal().generation)
    assert len(set(generations[:4])) == 1, "three batches without a call are sealed before the fifth begins"
    assert {row.pid for row in parser.ledger()} >= {12, 13, 14}
    assert not {row.pid for row in parser.ledger()} & {7, 8}


def test_pids_that_somebody_looks_at_do_not_move() -> None:
    """A view of the array's memory holds up the next batch, and loses nothing of it."""
    parser = Parser()
    parser.feed(b"mmap2: PID=1, process=a, time=1, length=8\n")
    first = parser.seal()
    parser.feed(b"mmap2: PID=2, process=a, time=2, length=8\n")
    for shared in (first.process_pids, first.process_starts):
        with memoryview(shared) as view, pytest.raises(BufferError):  # type: ignore[arg-type]
            parser.seal()
        assert view is not None
    last = parser.seal()
    assert (len(last), list(last.process_pids), list(last.process_starts)) == (1, [1, 2], [0, 0])
