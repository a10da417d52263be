"""Bytes of a trace to columns, on one core."""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.programs import Reader, build
from benchmarks.race import Comparison, Contender, Measurement, compare, one_core, race
from benchmarks.tally import Tally, Wrong, check_by_pid, name_words
from benchmarks.traces import Trace
from memtap.native import Batch, Parser

SLICE_LINES = 65_536  # about as many to a batch, however long a trace's lines are
KEEP_ALL = 2**32 - 1  # its ledger is what is checked
ROWS = 131_072  # room for them: no slice makes the columns grow


class Memtap:
    """The native parser over a trace in memory, in slices. Only `feed` and `seal` are timed. Without `ledger` it does
    what the readers in C do: columns, every byte of the lines checked, names interned."""

    def __init__(self, trace: Trace, *, ledger: bool = True, live: bool = False) -> None:
        """`live`: the first slice, in which nearly all processes begin, is read like the others and not timed."""
        self.trace = trace
        self._ledger = ledger
        self._data = trace.path.read_bytes()
        self._slice_bytes = SLICE_LINES * trace.size // trace.lines
        live = live and trace.size > self._slice_bytes
        self._untimed = self._data[: self._slice_bytes].rfind(b"\n") + 1 if live else 0
        self._expected = trace.tally.found()
        self._totals = trace.ledger.by_pid()
        self.parser = Parser()  # of the latest run

    def batches(self, seconds: list[float]) -> Iterator[Batch]:
        """Each slice's batch, to be let go of before the next one; the seconds it took are appended."""
        parser = Parser(rows=ROWS, keep_ended=KEEP_ALL, ledger=self._ledger)
        data = memoryview(self._data)
        for start in range(0, len(data), self._slice_bytes):
            piece = data[start : start + self._slice_bytes]
            begun = time.perf_counter()
            parser.feed(piece)
            batch = parser.seal()
            seconds.append(time.perf_counter() - begun)
            yield batch
            del batch
        self.parser = parser
        if parser.lines != self.trace.lines or parser.rejected:
            raise Wrong(f"memtap: {parser.lines} lines, {parser.rejected} rejected, of {self.trace.lines}")

    def run(self) -> float:
        """Checked by its ledger: that leaves the caches alone between two slices. Without one, by its events, names
        and sum of lengths, as the readers in C are."""
        seconds: list[float] = []
        events = length = names = 0
        for batch in self.batches(seconds):
            if not self._ledger:
                events += len(batch)
                length += int(np.asarray(batch.length).sum())
                names = len(batch.names)
            del batch  # its memory is the next one's
        if self._untimed:
            del seconds[0]
        if not self._ledger:
            replace(self._expected, events=events, length=length, names=names).check(self._expected, "memtap")
            return sum(seconds)
        totals = {row.pid: (row.requests + row.releases, row.requested, row.released) for row in self.parser.ledger()}
        check_by_pid(totals, self._totals, "memtap's ledger")
        return sum(seconds)

    def check(self) -> None:
        """Every column of every batch."""
        tally = Tally()
        for batch in self.batches([]):
            tally.add_batch(batch)
            del batch
        tally.found().check(self._expected, "memtap")

    def contender(self, name: str) -> Contender:
        lines = self.trace.lines - self._data.count(b"\n", 0, self._untimed)
        return Contender(name, self.run, {"lines": lines, "bytes": self.trace.size - self._untimed}, self.check)


class PythonRe:
    """`re` over the whole buffer: `findall`, then columns.

    The plain pattern: no empty name, none with a comma, no bounds. Lazy or greedy names cost more.
    """

    PATTERN = re.compile(rb"(mmap2|munmap): PID=([0-9]+), process=([^,\n]*), time=([0-9]+), length=([0-9]+)\n")

    def __init__(self, trace: Trace) -> None:
        self._data = trace.path.read_bytes()
        self._lines = trace.lines
        self._expected = trace.tally.found()

    def run(self) -> float:
        begun = time.perf_counter()
        call, pid, process, when, length = zip(*self.PATTERN.findall(self._data), strict=True)
        ids: dict[bytes, int] = {}
        calls = array("B", [each == b"munmap" for each in call])
        pids = array("I", map(int, pid))
        names = array("I", [ids.setdefault(each, len(ids)) for each in process])
        times = array("Q", map(int, when))
        lengths = array("Q", map(int, length))
        seconds = time.perf_counter() - begun
        tally = Tally()
        tally.add_names(list(ids))
        tally.add(
            np.frombuffer(calls, np.bool_),
            np.frombuffer(pids, np.uint32),
            np.frombuffer(times, np.uint64),
            np.frombuffer(lengths, np.uint64),
            np.frombuffer(names, np.uint32),
            name_words(list(ids)),
        )
        tally.found().check(self._expected, "Python re")
        return seconds

    def run_findall(self) -> float:
        """Strings alone, no columns: less work than the others do."""
        begun = time.perf_counter()
        rows = self.PATTERN.findall(self._data)
        seconds = time.perf_counter() - begun
        if len(rows) != self._lines:
            raise Wrong(f"Python re: {len(rows)} matches in {self._lines} lines")
        return seconds


def format1(trace: Trace, folder: Path, repetitions: int) -> tuple[list[Measurement], list[Comparison]]:
    amount = {"lines": trace.lines, "bytes": trace.size}
    with one_core(), ExitStack() as stack:

        def reader(name: str) -> Reader:
            return stack.enter_context(closing(Reader(build(name, folder), trace.path)))

        sscanf, trusting, newlines = reader("sscanf_reader"), reader("trusting_loop"), reader("memchr_newlines")
        python = PythonRe(trace)

        def count_newlines() -> float:
            seconds, (lines,) = newlines.ask()
            if int(lines) != trace.lines:
                raise Wrong(f"memchr: {lines} newlines of {trace.lines}")
            return seconds

        measured = race(
            "parse format 1",
            [
                Memtap(trace, ledger=False).contender("memtap, to columns"),
                Memtap(trace).contender("memtap, columns and ledger"),
                trusting.contender("C, a loop that trusts its input", trace),
                sscanf.contender("C, fgets + sscanf", trace),
                Contender("Python re, to columns", python.run, amount),
                Contender("Python re, findall alone", python.run_findall, amount),
                Contender("memchr, newlines alone", count_newlines, amount),
            ],
            repetitions,
        )
    memtap, _, loop, scan, columns, findall, memchr = measured
    claim = "parse format 1 to columns"
    return measured, [
        compare(claim, memtap, scan, "lines", 8),
        compare(claim, memtap, columns, "lines", 25),
        compare(claim, memtap, findall, "lines"),
        compare(claim, memtap, loop, "lines", 0.9),
        compare(claim, memtap, memchr, "lines"),
    ]


def formats(
    first: Trace, quoted: Trace, hexadecimal: Trace, repetitions: int
) -> tuple[list[Measurement], list[Comparison]]:
    with one_core():
        measured = race(
            "parse format 2",
            [
                Memtap(first).contender("memtap, format 1"),
                Memtap(quoted).contender("memtap, format 2, names in quotes"),
                Memtap(hexadecimal).contender("memtap, format 2, names in hexadecimal"),
            ],
            repetitions,
        )
    one, two, three = measured
    return measured, [
        compare("parse format 2, names in quotes (bytes/s)", two, one, "bytes", 0.8),
        compare("parse format 2, names in hexadecimal (bytes/s)", three, one, "bytes", 0.8),
    ]


def ledger(few: Trace, many: Trace, repetitions: int) -> tuple[list[Measurement], list[Comparison]]:
    """With 16 processes all that the ledger touches stays in the first-level cache; with 20,000 in random order each
    call misses it. The lines differ in nothing else. What it costs that 20,000 begin is measured beside."""
    with one_core():
        measured = race(
            "parse + ledger",
            [
                Memtap(many, ledger=False, live=True).contender("memtap, parse alone"),
                Memtap(few, live=True).contender("memtap, 16 live processes"),
                Memtap(many, live=True).contender("memtap, 20,000 live processes"),
                Memtap(many).contender("memtap, 20,000 processes and their beginnings"),
            ],
            repetitions,
        )
    alone, _, live, begun = measured
    return measured, [
        compare("parse + ledger, 20,000 live processes", live, alone, "lines", 0.6),
        compare("parse + ledger, 20,000 processes and their beginnings", begun, alone, "lines"),
    ]
