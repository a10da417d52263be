"""What each read costs with more and more stored calls: python -m benchmarks.reads [CALLS…] [--only STORE].

Medians of the processors' time, a table by store; the plans go into the results. A whole run, `make reads`, writes
benchmarks/reads/results.json and the READMEs' section.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmarks import machine
from benchmarks.reads import report
from benchmarks.reads.asked import Read, reads
from benchmarks.reads.duckdb import DuckDBSide
from benchmarks.reads.loading import BATCHES, loading
from benchmarks.reads.loading import CALLS as CALLS_AT_ONCE
from benchmarks.reads.mariadb import MariaDBSide
from benchmarks.reads.waiting import waiting
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


def measure(sides: Mapping[int, Side], repetitions: int) -> list[dict[str, Any]]:
    """By the number of calls that a side is filled with: milliseconds and plans by read, bytes, and the loader's rates.
    The sizes take turns: what disturbs the machine for a while disturbs them alike."""
    times = {calls: {name: list[float]() for name in reads(calls)} for calls in sides}
    with ExitStack() as stack:
        readers = {calls: stack.enter_context(closing(side.filled())).reader() for calls, side in sides.items()}
        for repetition in range(repetitions + 1):
            for name in reads(0):
                for calls, side in sides.items():
                    begun = side.cpu_ns()
                    reads(calls)[name](readers[calls])
                    if repetition:
                        times[calls][name].append((side.cpu_ns() - begun) / 1e6)
    return [_measured(side, calls, times[calls]) for calls, side in sides.items()]


def _measured(side: Side, calls: int, times: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "calls": calls,
        "bytes": side.bytes(),
        "cpu_ms": {name: statistics.median(each) for name, each in times.items()},
        "plans": {name: side.plans(read) for name, read in reads(calls).items()},
    }
    with closing(side.filled()) as filled, closing(side.empty()) as empty:
        rates = loading(filled, empty, calls, side.cpu_ns)
    found["calls_per_cpu_s"] = dict(zip(("filled", "empty"), rates, strict=True))
    with closing(side.filled()) as filled:  # the last that is asked of it: it drops calls
        found["batch_ms"] = waiting(filled, calls + 2 * BATCHES * CALLS_AT_ONCE)
    return found


def show(name: str, sizes: Sequence[dict[str, Any]]) -> None:
    first, last = sizes[0], sizes[-1]
    print(f"{f'{name}: CPU milliseconds a read':36}" + "".join(f"{each['calls']:>14,}" for each in sizes) + "   ratio")
    for read in first["cpu_ms"]:
        times = [each["cpu_ms"][read] for each in sizes]
        print(f"{read:36}" + "".join(f"{ms:14.1f}" for ms in times) + f"{times[-1] / times[0]:8.2f}")
    rates = last["calls_per_cpu_s"]
    for name, took in last["batch_ms"].items():
        print(f"a live batch, {name}: {took['median']:.0f} ms, the longest {took['longest']:.0f} ms")
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
            with ExitStack() as stack:
                sides: dict[int, Side] = {calls: stack.enter_context(make(options.folder)) for calls in options.calls}
                for calls, side in sides.items():
                    side.fill(calls)
                    print(f"{side.name}: {calls:,} calls are there", file=sys.stderr)
                sizes = measure(sides, options.repetitions)
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
