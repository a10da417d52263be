"""Holds what the stream said against /proc, and heals what differs."""

from __future__ import annotations

import time
from collections.abc import Collection

from memtap import procfs
from memtap.native import Parser
from memtap.status import Reconciliation

INTERVAL_S = 10.0
SETTLED_US = 2_000_000  # a call's line has come through the pipe by then


class Reconciler:
    """Feeds `proc` lines to a parser of format 2, between its pulls and in the same thread.

    At the beginning of a stream for every process that lives; later, every ten seconds, for those whose mapped bytes
    are not what the stream said: after a loss, and where a stack has grown, which is no call.
    """

    def __init__(self, parser: Parser, left_out: Collection[int]) -> None:
        self._parser = parser
        self._left_out = frozenset(left_out)
        self._due = 0.0
        self.latest = Reconciliation()

    def begin(self) -> None:
        """A stream begins: what was before it is only in /proc."""
        self._due = 0.0

    def tick(self) -> None:
        """Reconciles if it is time."""
        if self._parser.format == 2 and time.monotonic() >= self._due:
            self._reconcile()
            self._due = time.monotonic() + INTERVAL_S

    def _reconcile(self) -> None:
        now_us = time.time_ns() // 1000
        seen = [process for process in procfs.look() if process.pid not in self._left_out]
        found = list(procfs.differences(self._parser.ledger(live=True), seen, now_us - SETTLED_US))
        self._parser.feed(b"".join(procfs.line(difference.seen) for difference in found))
        told = [difference for difference in found if difference.vm is not None]
        self.latest = Reconciliation(
            time_us=now_us,
            processes=len(seen),
            new=len(found) - len(told),
            differing=len(told),
            difference=sum(difference.seen.vm - (difference.vm or 0) for difference in told),
        )
