"""Runs the benchmarks: python -m benchmarks [--quick] [--long] [--only NAME]... [--json] [--output FILE]"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from rich.console import Console

from benchmarks import encoding, ingesting, instructions, machine, mariadb, memory, parsing, report, results
from benchmarks.table import show
from benchmarks.traces import Trace, crowd, going_on, recording, write_format1, write_format2

EPILOG = """
All of it writes benchmarks/results.json, and from that the README's table and docs/benchmarks.svg. A part of it, or
a quick run, is shown only, unless --output says where to keep it.
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much, in lines, and how often. Sizes differ as speeds do: every repetition is to last a while."""

    repetitions: int
    parse_repetitions: int  # these are short: more of them
    parse: int
    ingest: int
    database: int
    rows: int  # for executemany and rsyslog
    single_rows: int  # for one INSERT a row
    counted: int
    processes: int  # of a storm


WHOLE = Scale(5, 11, 1_000_000, 10_000_000, 4_000_000, 100_000, 5_000, 30_000, 1_000_000)
QUICK = Scale(3, 3, 300_000, 1_000_000, 250_000, 30_000, 1_000, 20_000, 30_000)
TINY = Scale(1, 1, 3_000, 3_000, 3_000, 600, 100, 500, 100)  # for trying that everything is checked


class Inputs:
    """Each trace is written once, when it is first asked for."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self.folder = folder
        self.scale = scale
        self._recording = recording()

    def repeated(self, name: str, lines: int) -> Trace:
        return write_format1(self.folder / name, going_on(self._recording, lines))

    @cached_property
    def parse(self) -> Trace:
        return self.repeated("parse.log", self.scale.parse)

    @cached_property
    def ingest(self) -> Trace:
        return self.repeated("ingest.log", self.scale.ingest)

    @cached_property
    def short(self) -> Trace:
        return self.repeated("short.log", self.scale.ingest // 10)

    def format2(self, lines: int, *, hexadecimal: bool) -> Trace:
        path = self.folder / f"format2-{lines}-{hexadecimal}.log"
        return write_format2(path, going_on(self._recording, lines), hexadecimal=hexadecimal)

    def crowd(self, lines: int, processes: int) -> Trace:
        return write_format1(self.folder / f"crowd-{lines}-{processes}.log", crowd(self._recording, lines, processes))


class Benchmarks:
    """One method a part; `PARTS` names them in the order of a whole run."""

    def __init__(self, inputs: Inputs, found: results.Results, *, long: bool) -> None:
        self.inputs = inputs
        self.scale = inputs.scale
        self.folder = inputs.folder
        self.found = found
        self.long = long

    def parse(self) -> None:
        self.found.add(parsing.format1(self.inputs.parse, self.folder, self.scale.parse_repetitions))

    def format2(self) -> None:
        quoted, hexadecimal = (self.inputs.format2(self.scale.parse, hexadecimal=each) for each in (False, True))
        self.found.add(parsing.formats(self.inputs.parse, quoted, hexadecimal, self.scale.parse_repetitions))

    def ledger(self) -> None:
        few, many = (self.inputs.crowd(self.scale.parse, processes) for processes in (16, 20_000))
        self.found.add(parsing.ledger(few, many, self.scale.parse_repetitions))

    def text(self) -> None:
        self.found.add(encoding.load_data_text(self.inputs.parse, self.scale.parse_repetitions))

    def null(self) -> None:
        self.found.add(ingesting.null_store(self.inputs.ingest, self.folder, self.scale.repetitions))

    def duckdb(self) -> None:
        self.found.add(ingesting.duckdb_store(self.inputs.ingest, self.folder, self.scale.repetitions))

    def mariadb(self) -> None:
        sizes = (self.scale.database, self.scale.rows, self.scale.single_rows)
        trace, medium, small = (self.inputs.repeated(f"database-{lines}.log", lines) for lines in sizes)
        self.found.add(mariadb.mariadb_store(trace, medium, small, self.folder, self.scale.repetitions))

    def memory(self) -> None:
        self.found.peaks += memory.growth(self.inputs.short, self.inputs.ingest, self.folder, long=self.long)
        self.found.peaks += memory.storms(self.scale.processes, self.folder)

    def instructions(self) -> None:
        counter = self.found.counter = instructions.counter()
        if not counter:
            print("instructions are not counted: perf counts none here, valgrind is not installed", file=sys.stderr)
            return
        lines = self.scale.counted
        one = self.inputs.repeated("counted.log", lines)
        two = self.inputs.format2(lines, hexadecimal=True)
        many = self.inputs.crowd(lines, 20_000)
        self.found.counts += instructions.count_all(one, two, many, self.folder, counter)


PARTS = ("parse", "format2", "ledger", "text", "null", "duckdb", "mariadb", "memory", "instructions")


def measure(parts: list[str], scale: Scale, *, long: bool, say: Callable[[str], object]) -> results.Results:
    found = results.Results(date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", machine=machine.describe())
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="memtap-bench-") as folder:
        benchmarks = Benchmarks(Inputs(Path(folder), scale), found, long=long)
        for part in parts:
            started = time.perf_counter()
            getattr(benchmarks, part)()
            say(f"{part}: {time.perf_counter() - started:.0f} s")
    found.seconds = time.perf_counter() - begun
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=EPILOG)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="less input, three repetitions: for trying, not for quoting")
    size.add_argument("--tiny", action="store_true", help="next to nothing, once: that every result is checked")
    parser.add_argument("--long", action="store_true", help="memory: ten times as many lines, too")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="NAME", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="print JSON and no table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="keep the results there")
    args = parser.parse_args()

    scale = QUICK if args.quick else TINY if args.tiny else WHOLE
    parts = [part for part in PARTS if not args.only or part in args.only]
    found = measure(parts, scale, long=args.long, say=lambda text: print(text, file=sys.stderr))
    found.options = {"scale": "quick" if args.quick else "tiny" if args.tiny else "whole", "long": args.long}
    if args.json:
        print(json.dumps(found.as_json()))
    else:
        show(found, Console(width=max(140, Console().width)))
    if args.output:
        results.write(found, args.output)
    elif scale is WHOLE and parts == list(PARTS):
        results.write(found)
        report.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
