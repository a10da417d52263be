"""Over how many connections batches are loaded: found by trying, from how quickly they are stored.

A server with processors to spare loads two batches at a time nearly twice as quickly as one; where it has none, or its
disk is what limits it, another connection gains nothing and makes each batch slower. So one more is tried, then one
fewer, now and then, and the number stays that pays. Only batches that were waited for are measured: where none waits,
nobody knows what the server could take.
"""

from __future__ import annotations

AT_FIRST = 2  # connections
BATCHES = 4  # of a measurement
GAIN = 1.1  # another connection pays where it is quicker by that
SLACK = 0.97  # one fewer is no worse where it is as quick as that
PAUSE = 16  # measurements from a trial that failed to the next; then twice as many
LONGEST_PAUSE = 256


class Pace:
    """At most `most` connections; `count`: how many are to be used now."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = min(AT_FIRST, most)
        self._begun_s: float | None = None  # of the measurement; None: it begins with the next batch
        self._rows = 0
        self._batches = 0
        self._rate = 0.0  # rows a second over `_kept` connections
        self._kept = self.count
        self._step = 1
        self._pause = PAUSE
        self._left = 0 if self.count < most else PAUSE  # measurements until the next trial

    def stored(self, rows: int, now_s: float, *, more: bool) -> bool:
        """A batch has been stored; `more`: as many wait as there are connections. Whether `count` is another now."""
        if not more:
            self._begun_s = None
            tried, self.count = self.count, self._kept  # what cannot be measured is not tried
            return self.count != tried
        if self._begun_s is None:
            self._begin(now_s)
            return False
        self._rows += rows
        self._batches += 1
        if self._batches < BATCHES or now_s <= self._begun_s:
            return False
        before, rate = self.count, self._rows / (now_s - self._begun_s)
        self._begin(now_s)
        self._judge(rate)
        if self.count == before:
            return False
        self._begun_s = None  # the batch that is stored next was loaded over another number
        return True

    def _begin(self, now_s: float) -> None:
        self._begun_s, self._rows, self._batches = now_s, 0, 0

    def _judge(self, rate: float) -> None:
        if self.count != self._kept:
            if rate >= self._rate * (GAIN if self._step > 0 else SLACK):
                self._kept, self._pause, self._left = self.count, PAUSE, 1
            else:
                self.count, self._step = self._kept, -self._step
                self._left, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
            return
        self._rate = rate
        self._left -= 1
        if self._left > 0:
            return
        if not 1 <= self.count + self._step <= self.most:
            self._step = -self._step
        if 1 <= self.count + self._step <= self.most:
            self.count += self._step
