"""How long a batch of a live tap takes to be stored while housekeeping drops calls from a store of many."""

from __future__ import annotations

import threading
import time
from contextlib import closing

from benchmarks.reads.filling import CALLS_PER_S, FIRST_US
from benchmarks.reads.loading import batches
from memtap.stores.contract import Host, Maintenance, Retention, Store, Stream

BATCHES = 80  # the first half of them alone
PACE_S = 0.25  # between two batches
CALLS = 2500  # of each: as many a second as the store has
PAUSE_S = 0.5  # between two steps of housekeeping, as memtap's own where there is more to do
STREAM = Stream("waiting", "stdin", Host("bench", "boot", 16 << 30, 4096))


def waiting(store: Store, calls: int) -> dict[str, dict[str, float]]:
    """Milliseconds of the clock, median and longest: `alone`, and with `housekeeping`, in steps that each drop what
    one may. The calls are those that come next of a store of so many; somebody reads it, as of `memtap run`."""
    with closing(store.reader()), closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        half = BATCHES // 2
        took: dict[str, list[float]] = {"alone": [], "housekeeping": []}
        steps: list[Maintenance] = []
        done = threading.Event()

        def keep() -> None:
            now_us = FIRST_US + (calls + half * CALLS) * 1_000_000 // CALLS_PER_S
            while not done.wait(PAUSE_S):
                steps.append(store.maintain(Retention(keep_events_s=3600), now_us))

        keeper = threading.Thread(target=keep)
        for number, batch in enumerate(batches(calls, cursor, BATCHES, CALLS)):
            if number == half:
                keeper.start()
            writer.ahead(cursor.stream_no, batch)
            begun = time.perf_counter()
            assert writer.write(cursor.stream_no, batch)
            took["alone" if number < half else "housekeeping"].append(1e3 * (time.perf_counter() - begun))
            time.sleep(PACE_S)
        done.set()
        keeper.join()
    found = {name: {"median": sorted(each)[len(each) // 2], "longest": max(each[2:])} for name, each in took.items()}
    found["housekeeping"]["steps"] = len(steps)
    found["housekeeping"]["events_dropped"] = sum(step.events_dropped for step in steps)
    return found
