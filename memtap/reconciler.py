"""Holds what the stream said against /proc, and heals what differs."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from itertools import islice

from memtap import procfs
from memtap.names import display
from memtap.native import Parser
from memtap.status import Reconciliation

INTERVAL_S = 10.0
LARGEST = 10  # differences told one by one
SETTLING_US = 2_000_000  # a call's line has come through the pipe by then
SLICE = 500  # processes looked at in one tick, some 25 ms: the ring must not run over meanwhile


def _bytes(difference: procfs.Difference) -> int:
    """By how much /proc says more than the stream did."""
    return difference.seen.vm - (difference.vm or 0)


class Reconciler:
    """Feeds `proc` lines to a parser of format 2, between its pulls and in the same thread.

    At the beginning of a stream for every process that lives; later, every ten seconds, for those whose mapped bytes
    are not what the stream said: after a loss, and where a stack has grown, which is no call. And for those whose
    resident bytes have changed much, which is no call either.
    """

    def __init__(self, parser: Parser, left_out: Collection[int]) -> None:
        self._parser = parser
        self._left_out = frozenset(left_out)
        self._due = 0.0
        self._round: Iterator[None] | None = None
        self.latest = Reconciliation()

    def begin(self) -> None:
        """A stream begins: what was before it is only in /proc."""
        self._due = 0.0
        self._round = None

    def tick(self) -> None:
        """Begins a round if it is time, or goes on with it."""
        if self._round is None and self._parser.format == 2 and time.monotonic() >= self._due:
            self._round = self._reconcile()
        if self._round and next(self._round, self) is self:  # its end
            self._round = None
            self._due = time.monotonic() + INTERVAL_S

    def _reconcile(self) -> Iterator[None]:
        """A round, a slice at a time."""
        now_us = time.time_ns() // 1000
        looking = procfs.look()
        everybody: list[procfs.Seen] = []
        while some := list(islice(looking, SLICE)):
            everybody += some
            yield
        seen = procfs.without(self._left_out, everybody)
        found = list(procfs.differences(self._parser.ledger(live=True), seen, SETTLING_US))
        told = [difference for difference in found if difference.vm not in (None, difference.seen.vm)]
        for first in range(0, len(found), SLICE):
            self._parser.feed(b"".join(procfs.line(difference.seen) for difference in found[first : first + SLICE]))
            yield
        self.latest = Reconciliation(
            time_us=now_us,
            processes=len(seen),
            new=sum(difference.vm is None for difference in found),
            differing=len(told),
            difference=sum(map(_bytes, told)),
            largest=tuple(
                (difference.seen.pid, display(difference.seen.comm), _bytes(difference))
                for difference in sorted(told, key=lambda difference: -abs(_bytes(difference)))[:LARGEST]
            ),
        )
