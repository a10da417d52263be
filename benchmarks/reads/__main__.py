"""What each read costs with more and more stored calls: python -m benchmarks.reads [CALLS…] [--only STORE].

Medians of the processors' time, a table by store; the plans go into the results. A whole run, `make reads`, writes
benchmarks/reads/results.json and the READMEs' section.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmarks import machine
from benchmarks.reads import report
from benchmarks.reads.asked import Read, reads
from benchmarks.reads.duckdb import DuckDBSide
from benchmarks.reads.loading import loading
from benchmarks.reads.mariadb import MariaDBSide
from memtap.stores.contract import Store

CALLS = [1_000_000, 10_000_000, 100_000_000]
REPETITIONS = 15


class Side(Protocol):
    """A kind of store, and one of it with many calls; a context manager."""

    name: str

    def fill(self, calls: int) -> None: ...
    def filled(self) -> Store: ...
    def empty(self) -> Store: ...
    def bytes(self) -> int: ...
    def cpu_ns(self) -> int: ...
    def plans(self, read: Read) -> list[tuple[str, str]]: ...


SIDES: dict[str, Callable[[Path | None], Any]] = {"duckdb": DuckDBSide, "mariadb": MariaDBSide}


def measure(side: Side, calls: int, repetitions: int) -> dict[str, Any]:
    """Milliseconds and plans by read, bytes a call, and the loader's rates."""
    asked = reads(calls)
    each: dict[str, list[float]] = {name: [] for name in asked}
    with closing(side.filled()) as store:
        reader = store.reader()
        for repetition in range(repetitions + 1):
            for name, read in asked.items():
                begun = side.cpu_ns()
                read(reader)
                if repetition:
                    each[name].append((side.cpu_ns() - begun) / 1e6)
    found: dict[str, Any] = {
        "calls": calls,
        "bytes": side.bytes(),
        "cpu_ms": {name: statistics.median(times) for name, times in each.items()},
        "plans": {name: side.plans(read) for name, read in asked.items()},
    }
    with closing(side.filled()) as filled, closing(side.empty()) as empty:
        found["calls_per_cpu_s"] = dict(
            zip(("filled", "empty"), loading(filled, empty, calls, side.cpu_ns), strict=True)
        )
    return found


def show(name: str, sizes: Sequence[dict[str, Any]]) -> None:
    first, last = sizes[0], sizes[-1]
    print(f"{f'{name}: CPU milliseconds a read':36}" + "".join(f"{each['calls']:>14,}" for each in sizes) + "   ratio")
    for read in first["cpu_ms"]:
        times = [each["cpu_ms"][read] for each in sizes]
        print(f"{read:36}" + "".join(f"{ms:14.1f}" for ms in times) + f"{times[-1] / times[0]:8.2f}")
    rates = last["calls_per_cpu_s"]
    print(f"{last['bytes'] / last['calls']:.1f} bytes a call; loader: {rates['filled'] / rates['empty']:.2f} of empty")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reads", description=__doc__)
    parser.add_argument("calls", nargs="*", type=int, default=CALLS)
    parser.add_argument("--only", choices=SIDES, help="one kind of store; the other's figures stay as they are")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--folder", type=Path, help="where the stores are made (default: a temporary one)")
    parser.add_argument("--output", type=Path, help="keep the results there, and leave the READMEs alone")
    options = parser.parse_args()
    found: dict[str, Any] = report.read()
    for key, make in SIDES.items():
        if options.only in (None, key):
            sizes = []
            for calls in options.calls:
                with make(options.folder) as side:
                    side.fill(calls)
                    sizes.append(measure(side, calls, options.repetitions))
                    print(f"{side.name}: {calls:,} calls measured", file=sys.stderr)
            show(side.name, sizes)
            about = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": machine.describe()}
            found[key] = about | {"name": side.name, "repetitions": options.repetitions, "sizes": sizes}
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    elif options.calls == CALLS:
        report.keep(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
