"""Which sums a loss has touched.

A process's requested, released and balance are sums of its calls since memtap first saw it. They are exact unless a
call of its own is missing, which is possible only where its life, from `first_us` to its end (open where it lives), and
the time of a loss have a moment in common. Whose calls were lost nobody knows, so every process that lived then is
touched: rather one too many than one too few. Later calls do not bring back what is missing: the sums stay inexact.
Its vm is the kernel's own count in every line, so its next call or reconciliation makes it exact again by itself.

When is a loss? A gap's span and that of calls which the store could not take are in its detail. Of any other only the
time at which it was noticed is known, or that of the line before it: the calls were made within `MARGIN_US` of that,
the time which a line takes through the pipe at most. A loss does not say on which host it was: it touches all.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtap.stores.contract import Loss, ProcessRow

MARGIN_US = 2_000_000  # memtap.reconciler takes a line to be through the pipe by then
LOSSES_READ = 10_000  # the newest; all before the oldest of a list so long counts as one loss

_GAP = re.compile(r"nothing was seen from (\S+Z) to \S+Z \(")  # memtap.taps.supervisor
_DROPPED = re.compile(r": dropped (\d+) to \d+ us$")  # memtap.loader

Span = tuple[int, int]  # microseconds since the epoch, both inclusive


class Exactness:
    """The times of a store's losses, as disjoint spans in ascending order."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        """`losses`: the newest LOSSES_READ, newest first."""
        spans = [span(loss) for loss in losses]
        if len(losses) >= LOSSES_READ:
            spans.append((0, spans[-1][1]))
        self._spans = list(_merged(spans))
        self._ends = [end for _, end in self._spans]

    @property
    def everywhere(self) -> bool:
        """Whether nothing was ever lost."""
        return not self._spans

    def within(self, first_us: int, last_us: int | None) -> bool:
        """Whether nothing was lost in [first_us, last_us]; None: open end."""
        at = bisect_left(self._ends, first_us)
        return at == len(self._spans) or (last_us is not None and last_us < self._spans[at][0])

    def of(self, process: ProcessRow, window: Span | None = None) -> bool:
        """Whether a process's requested, released and balance are exact, since the beginning or in [from, to)."""
        first_us = process.first_us
        last_us = None if process.ended_us is None else max(process.last_us, process.ended_us)
        if window is not None:
            first_us = max(first_us, window[0])
            last_us = window[1] - 1 if last_us is None else min(last_us, window[1] - 1)
        return self.within(first_us, last_us)


def lost_span(loss: Loss) -> Span:
    """When the calls of this loss were made, as far as it says itself."""
    if loss.since_us:
        return min(loss.since_us, loss.time_us), loss.time_us
    first_us = loss.time_us
    if gap := _GAP.search(loss.detail):
        first_us = min(first_us, _microseconds(gap[1]))
    elif dropped := _DROPPED.search(loss.detail):
        first_us = min(first_us, int(dropped[1]))
    return first_us, loss.time_us


def span(loss: Loss) -> Span:
    """When the calls of this loss were made, with the time that a line may be on its way."""
    first_us, last_us = lost_span(loss)
    return max(0, first_us - MARGIN_US), last_us + MARGIN_US


def _microseconds(utc: str) -> int:
    """Of an ISO 8601 time; 0, since ever, where it is none."""
    try:
        return int(datetime.fromisoformat(utc).timestamp()) * 1_000_000
    except ValueError:
        return 0


def _merged(spans: Iterable[Span]) -> Iterable[Span]:
    start = end = None
    for first, last in sorted(spans):
        if start is None or end is None:
            start, end = first, last
        elif first <= end:
            end = max(end, last)
        else:
            yield start, end
            start, end = first, last
    if start is not None and end is not None:
        yield start, end
