"""A writer and a housekeeper that drops what is old, until it is killed: `python dropping.py URL`.

Prints a line whenever calls have been dropped.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from threading import Thread

sys.path.insert(0, str(Path(__file__).parent))

from counted import FIRST_US, STREAM, Call, batches

from memtap.stores import open_store
from memtap.stores.contract import Retention
from memtap.stores.duckdb import folding, housekeeping, parts

KEPT = Retention(keep_events_s=3600)
EVERY_US = 10_000_000  # a call
ROWS = 50  # of a batch: 500 seconds
IN_PART = 200
MOST = 50_000  # calls, by when it will have been killed


def call(ordinal: int) -> Call:
    return Call(1 + ordinal % 7, time_us=FIRST_US + ordinal * EVERY_US, length=4096 * (1 + ordinal % 5))


def main(url: str) -> None:
    folding.MOST_ACTIVITY = folding.UNREAD = 1
    folding.MOST_FRESH_1M, folding.MOST_FRESH_1H = 100, 200
    parts.CALLS = IN_PART
    housekeeping.MOST_CALLS = 300
    store = open_store(url)
    store.migrate()
    writer = store.writer()
    cursor = writer.open_stream(STREAM)
    ordinal = cursor.next_ordinal

    def now_us() -> int:
        return call(ordinal).time_us

    folding.now_us = now_us

    def keep_house() -> None:
        while True:
            if store.maintain(KEPT, now_us()).events_dropped:
                print(flush=True)

    Thread(target=keep_house, daemon=True).start()
    calls = [call(n) for n in range(ordinal + MOST)]
    for batch in batches(calls, rows=ROWS, start=cursor):
        assert writer.write(cursor.stream_no, batch)
        ordinal += ROWS
        time.sleep(0.004)  # housekeeping keeps up


if __name__ == "__main__":
    main(sys.argv[1])
