"""Whatever is called in whatever order, the ring is a queue and the parser's counts agree with its batches."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from memtap.native import Batch, Parser, Ring

from . import plain, plain2
from .test_format2 import HEADER
from .test_format2 import streams as streams2
from .test_parser import streams as streams1


class AnyOrder(RuleBasedStateMachine):
    """One parser, fed from outside and from a ring of one page; a plain parser reads the same bytes at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = b""  # what the parser was given, in its order
        self.waiting = b""  # what is in the ring
        self.ring = Ring(1)
        self.closed = False
        self.sealed: list[Batch] = []

    @initialize(rows=st.integers(1, 9), second=st.booleans())
    def begin(self, rows: int, second: bool) -> None:
        self.second = second
        self.parser = Parser(rows=rows, header=HEADER if second else b"")
        if not second:
            self.feed(b"mmap2: PID=1, process=x, time=1, length=1\n")

    def feed(self, data: bytes) -> None:
        self.parser.feed(data)
        self.taken += data

    @rule(data=st.data(), whole=st.booleans())
    @precondition(lambda self: not self.closed)
    def write(self, data: st.DataObject, whole: bool) -> None:
        piece = data.draw(streams2 if self.second else streams1())
        piece = (piece + b"\n" if whole else piece)[: self.ring.capacity - self.ring.pending]
        assert self.ring.write(piece) == len(piece)
        self.waiting += piece

    @rule()
    def pull(self) -> None:
        before = self.parser.consumed
        outcome = self.parser.pull(self.ring, 0)
        used = self.parser.consumed - before
        self.taken, self.waiting = self.taken + self.waiting[:used], self.waiting[used:]
        assert (outcome == "ended") <= (self.closed and b"\n" not in self.waiting)
        if outcome == "full":
            self.seal()

    @rule(data=st.data())
    def feed_lines(self, data: st.DataObject) -> None:
        """As the reconciler does between two pulls."""
        self.feed(data.draw(streams2 if self.second else streams1()) + b"\n")

    @rule()
    def seal(self) -> None:
        pending = self.parser.pending
        self.sealed.append(self.parser.seal())
        assert len(self.sealed[-1]) == pending
        pa.table(self.sealed[-1]).validate(full=True)

    @rule(pids=st.lists(st.integers(-1, 9)))
    def end(self, pids: list[int]) -> None:
        self.parser.end(pids)

    @rule(live=st.booleans())
    def ledger(self, live: bool) -> None:
        rows = self.parser.ledger(live=live)
        if not live:
            fates = sum(row.requests + row.releases + row.failed for row in rows)
            assert fates <= self.parser.events

    @rule()
    def close(self) -> None:
        self.ring.close()
        self.closed = True

    @rule()
    def stop(self) -> None:
        self.ring.stop()
        assert self.ring.write(b"x") == 0 if not self.closed else True
        self.ring = Ring(1)
        self.closed, self.waiting = False, b""

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "parser"):
            return
        parser = self.parser
        assert parser.lines == parser.events + parser.rejected + parser.notices
        assert parser.events == sum(map(len, self.sealed)) + parser.pending
        assert (parser.consumed, self.ring.pending) == (len(self.taken), len(self.waiting))

    def teardown(self) -> None:
        if not hasattr(self, "parser"):
            return
        self.parser.finish(self.ring)
        self.seal()
        data = self.taken + self.waiting
        if self.second:
            events, rejected, notices, lost = plain2.read(data, HEADER)
            times = [event.time_us for event in events]
        else:
            expected = plain.read(data)
            times = [event[3] for event in expected.events]
            rejected, notices, lost = expected.rejected, expected.notices, expected.lost
        # what was left in the ring is one line that the stream's end cut, however many lines it would have been
        if b"\n" not in self.waiting:
            assert [at for batch in self.sealed for at in batch.time_us] == times
            assert (self.parser.rejected, self.parser.notices) == (len(rejected), notices)
            assert self.parser.lost == lost % 2**64


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
