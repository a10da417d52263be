"""Keeps a store from growing without end, in a thread of its own."""

from __future__ import annotations

import time
from threading import Event, Thread

from memtap.errors import StoreError
from memtap.status import RetentionStatus
from memtap.stores.contract import Maintenance, Retention, Store

INTERVAL_S = 10.0
AGAIN_S = 0.5  # where a step left something to do


class Housekeeper(Thread):
    """Calls `Store.maintain` now and then until stopped. What fails is said in its status, and tried again."""

    def __init__(self, store: Store, retention: Retention | None) -> None:
        super().__init__(name="memtap-housekeeping", daemon=True)
        self._store = store
        self._retention = retention
        self._stopping = Event()
        self.status = RetentionStatus(retention)

    def run(self) -> None:
        pause_s = AGAIN_S
        while not self._stopping.wait(pause_s):
            latest = self.step()
            pause_s = AGAIN_S if latest and latest.more else INTERVAL_S

    def step(self) -> Maintenance | None:
        """One step, now; None where it failed."""
        now_us = time.time_ns() // 1000
        before = self.status.latest
        try:
            latest = self._store.maintain(self._retention or Retention(), now_us)
        except Exception as error:  # never fatal: the calls are worth more than the room they take
            why = str(error) if isinstance(error, StoreError) else f"{error!r}; please report this"
            self.status = RetentionStatus(self._retention, before, self.status.latest_us, f"housekeeping: {why}")
            return None
        self.status = RetentionStatus(self._retention, latest, now_us)
        return latest

    def stop(self, timeout_s: float | None = None) -> None:
        """Ends the thread after the step it is in, or leaves it to that."""
        self._stopping.set()
        if self.ident is not None:
            self.join(timeout_s)
