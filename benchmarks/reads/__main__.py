"""What each read costs with more and more stored calls: python -m benchmarks.reads [CALLS…].

Prints milliseconds (medians) and the ratio of the last size to the first; writes the plans beside the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.reads.filling import CALLS_PER_S, FIRST_US, fill
from memtap.stores import open_store
from memtap.stores.contract import CallFilter
from memtap.stores.duckdb.reader import DuckDBReader

REPETITIONS = 15
SECOND_US = 1_000_000


class Explaining(DuckDBReader):
    """Keeps the plan of every statement it puts."""

    plans: list[tuple[str, str]]

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self.plans.append((sql, str(super()._rows(f"EXPLAIN {sql}", values)[0][1])))
        return super()._rows(sql, values)


def reads(calls: int) -> dict[str, Callable[[DuckDBReader], object]]:
    end_us = FIRST_US + calls * SECOND_US // CALLS_PER_S
    middle = (FIRST_US + end_us) // 2
    everything = CallFilter()
    return {
        "process table": lambda reader: reader.processes(),
        "totals": lambda reader: reader.totals(),
        "shares, 1 min": lambda reader: reader.window(end_us - 60 * SECOND_US, end_us),
        "shares, all": lambda reader: reader.window(0, end_us + 3600 * SECOND_US),
        "history of one, 1 min by 1 s": lambda reader: reader.history(77, middle, middle + 60 * SECOND_US),
        "history of one, all by 1 h": lambda reader: reader.history(77, 0, end_us + 3600 * SECOND_US, step=3600),
        "newest page": lambda reader: reader.calls(everything),
        "page in the middle": lambda reader: reader.calls(everything, before=(middle, 2**63)),
        "page of one, newest": lambda reader: reader.calls(CallFilter(process_id=77), limit=50),
        "page of munmap, middle": lambda reader: reader.calls(CallFilter(call="munmap"), before=(middle, 2**63)),
    }


def measured(path: Path, calls: int) -> tuple[dict[str, float], dict[str, list[tuple[str, str]]]]:
    """Milliseconds and plans by read."""
    times: dict[str, float] = {}
    plans: dict[str, list[tuple[str, str]]] = {}
    with closing(open_store(f"duckdb://{path}")) as store:
        reader = store.reader()
        assert isinstance(reader, DuckDBReader)
        explaining = Explaining(reader.database)
        for name, read in reads(calls).items():
            explaining.plans = []
            read(explaining)
            plans[name] = explaining.plans
            each = []
            for _ in range(REPETITIONS):
                begun = time.thread_time()  # a statement runs in the thread that asks, and neighbours do not count
                read(reader)
                each.append((time.thread_time() - begun) * 1000)
            times[name] = statistics.median(each)
    return times, plans


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.reads", description=__doc__)
    parser.add_argument("calls", nargs="*", type=int, default=[1_000_000, 10_000_000])
    parser.add_argument("--plans", type=Path, help="write the plans there, as JSON")
    parser.add_argument("--folder", type=Path, help="where the stores are made (default: a temporary one)")
    options = parser.parse_args()
    times: dict[int, dict[str, float]] = {}
    plans: dict[int, object] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for calls in options.calls:
            path = Path(folder, f"{calls}.duckdb")
            fill(path, calls)
            size = path.stat().st_size
            times[calls], plans[calls] = measured(path, calls)
            path.unlink()
            print(f"{calls:,} calls: {size / calls:.1f} bytes a call, sums included", flush=True)
    first, last = options.calls[0], options.calls[-1]
    print(f"{'CPU milliseconds a read':32}" + "".join(f"{calls:>14,}" for calls in options.calls) + "   ratio")
    for name in times[first]:
        row = "".join(f"{times[calls][name]:14.1f}" for calls in options.calls)
        print(f"{name:32}{row}{times[last][name] / times[first][name]:8.2f}")
    if options.plans:
        options.plans.write_text(json.dumps(plans, indent=1))


if __name__ == "__main__":
    main()
