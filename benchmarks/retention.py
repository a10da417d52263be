"""How long a MariaDB store's writer waits for its housekeeping: python -m benchmarks.retention [--calls N].

A store of many calls in partitions of a minute, from which each step of the housekeeping drops the oldest minutes and
makes one ahead, while batches are written as those of a live tap are. Waiting at the gate is what the housekeeping
costs a writer of the same process; what it costs in the server shows in how long batches take with it and without.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.reads.filling import CALLS_PER_S, FIRST_US, PROCESSES
from benchmarks.reads.mariadb import MariaDBSide
from memtap.native import Parser
from memtap.stores.contract import Cursor, Host, Retention, SealedBatch, Stream
from memtap.stores.gate import Gate
from memtap.stores.mysql.store import MySQLStore

CALLS = 10_000_000
SPAN_S = 60  # of a partition: `keep_events_s` is 24 of them
RETENTION = Retention(keep_events_s=24 * SPAN_S, keep_rollups_s=24 * SPAN_S)
BATCH, INTERVAL_S = 10_000, 0.2  # calls, and seconds from one batch to the next: 50,000 a second
STREAM = Stream("live", "stdin", Host("bench", "boot", 16 << 30, 4096))


class TimedGate(Gate):
    """Keeps how long each transaction waited to get in."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def enter(self, *, again: bool = False) -> None:
        begun = time.perf_counter()
        super().enter(again=again)
        self.waits.append(time.perf_counter() - begun)


def batches(calls: int, start: Cursor) -> Iterator[SealedBatch]:
    """What comes after the calls that are there."""
    parser = Parser(rows=BATCH)
    number, ordinal = start.next_batch, start.next_ordinal
    while True:
        first = calls + ordinal
        parser.feed(
            b"".join(
                b"mmap2: PID=%d, process=worker/%d, time=%d, length=4096\n"
                % (1 + at // 20 * 7919 % PROCESSES, at // 20 % 40, FIRST_US + at * 1_000_000 // CALLS_PER_S)
                for at in range(first, first + BATCH)
            )
        )
        yield SealedBatch(number, ordinal, 0, b"", parser.seal(), BATCH, 0, 0)
        number, ordinal = number + 1, ordinal + BATCH


def keep(store: MySQLStore, calls: int, stopping: threading.Event, dropped: list[int]) -> None:
    """A step for each minute of the calls, the next one when the last has nothing left to do."""
    end_s = FIRST_US // 1_000_000 + calls // CALLS_PER_S
    now_s = FIRST_US // 1_000_000 + 25 * SPAN_S
    while now_s <= end_s + 24 * SPAN_S and not stopping.is_set():
        done = store.maintain(RETENTION, now_s * 1_000_000)
        dropped.append(done.events_dropped)
        now_s += 0 if done.more else SPAN_S


def measure(store: MySQLStore, calls: int, say: str) -> None:
    gate = TimedGate()
    store._gate = store._housekeeper._gate = gate
    with closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        coming = batches(calls, cursor)
        for _ in range(5):  # they find the processes
            writer.write(cursor.stream_no, next(coming))
        for kept in (False, True):
            stopping = threading.Event()
            dropped: list[int] = []
            keeper = threading.Thread(target=keep, args=(store, calls, stopping, dropped))
            gate.waits.clear()
            took: list[float] = []
            if kept:
                keeper.start()
            while keeper.is_alive() if kept else len(took) < 100:
                batch = next(coming)
                begun = time.perf_counter()
                writer.write(cursor.stream_no, batch)
                took.append(time.perf_counter() - begun)
                time.sleep(max(0.0, INTERVAL_S - (time.perf_counter() - begun)))
            times = f"a batch took {statistics.median(took) * 1000:.0f} ms, the longest {max(took) * 1000:.0f} ms"
            waits = f"the longest wait was {max(gate.waits) * 1000:.0f} ms"
            with_ = f"{len(dropped)} steps dropped {sum(dropped):,} calls" if kept else "no housekeeping"
            print(f"{say}, {with_}: {len(took)} batches, {times}; {waits}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retention", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--folder", type=Path, help="where the store is made (default: a temporary one)")
    options = parser.parse_args()
    with MariaDBSide(options.folder, partition_s=SPAN_S) as side:
        side.fill(options.calls)
        with closing(side.filled()) as store:
            assert isinstance(store, MySQLStore)
            measure(store, options.calls, f"{options.calls:,} calls in MariaDB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
