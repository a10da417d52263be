"""Keeps a store from growing without end, in a thread of its own."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING

from memtap.errors import StoreError
from memtap.stores.retention import Maintenance, Retention, RetentionStatus

if TYPE_CHECKING:
    from memtap.stores.contract import Store

INTERVAL_S = 10.0
AGAIN_S = 0.5  # where a step left something to do
STEP_US = 60_000_000  # a clock that is further ahead than this was set
DOUBT_S = 3600.0  # so long it is not believed: what it makes old would be dropped at once


class DoubtfulClock:
    """The wall clock's time in microseconds; for an hour after it was set ahead, as if it had not been."""

    def __init__(self) -> None:
        self._wall_us, self._boot_s = _clocks()
        self._doubted_s: float | None = None  # since when

    @property
    def doubted(self) -> bool:
        return self._doubted_s is not None

    def now_us(self) -> int:
        wall_us, boot_s = _clocks()
        expected_us = self._wall_us + int((boot_s - self._boot_s) * 1e6)
        if wall_us > expected_us + STEP_US:
            if self._doubted_s is None:
                self._doubted_s = boot_s
            if boot_s - self._doubted_s < DOUBT_S:
                return expected_us
        self._wall_us, self._boot_s, self._doubted_s = wall_us, boot_s, None
        return wall_us


def _clocks() -> tuple[int, float]:
    """The wall clock in microseconds since the epoch, and the seconds since boot, sleep included."""
    return time.time_ns() // 1000, time.clock_gettime(time.CLOCK_BOOTTIME)


class Housekeeper(Thread):
    """Calls `Store.maintain` now and then until stopped. What fails is said in its status, and tried again."""

    def __init__(self, store: Store, retention: Retention | None) -> None:
        super().__init__(name="memtap-housekeeping", daemon=True)
        self._store = store
        self._retention = retention
        self._stopping = Event()
        self._clock = DoubtfulClock()
        self.status = RetentionStatus(retention)

    def run(self) -> None:
        pause_s = AGAIN_S
        while not self._stopping.wait(pause_s):
            latest = self.step()
            pause_s = AGAIN_S if latest and latest.more else INTERVAL_S

    def step(self) -> Maintenance | None:
        """One step, now; None where it failed."""
        now_us = self._clock.now_us()
        before = self.status.latest
        try:
            latest = self._store.maintain(self._retention or Retention(), now_us)
        except Exception as error:  # never fatal: the calls are worth more than the room they take
            why = str(error) if isinstance(error, StoreError) else f"{error!r}; please report this"
            self.status = RetentionStatus(self._retention, before, self.status.latest_us, f"housekeeping: {why}")
            return None
        doubted = "housekeeping: the clock was set ahead; nothing grows older by that for an hour"
        self.status = RetentionStatus(self._retention, latest, now_us, doubted if self._clock.doubted else "")
        return latest

    def stop(self, timeout_s: float | None = None) -> bool:
        """Ends the thread after the step it is in, or leaves it to that. Whether it has ended."""
        self._stopping.set()
        if self.ident is not None:
            self.join(timeout_s)
        return not self.is_alive()
