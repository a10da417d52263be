"""The traces that are read: the bundled recording of a real machine, repeated with times and pids that move on.

What is in a trace is known from its making (`Trace.tally`), not from any reader that is measured.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tally import Tally, name_words

CALL_NAMES = (b"mmap2", b"munmap")
PID_STEP = 2003  # more than the recording's pids are apart: each repetition has its own
CROWD_RATE = 100_000  # calls per second of all processes together: 5 of each of 20,000
_LINE = re.compile(rb"(mmap2|munmap): PID=(\d+), process=(.{0,15}), time=(\d+), length=(\d+)\n", re.DOTALL)
_CALL2 = b"%s: %s%d, length=%d, freed=%d, errno=0, kind=%s, vm=%d%s"
HEADER = (
    b'memtap: format=2, tap=bpftrace, version=0.1.0, host="bench", '
    b"boot=00000000-0000-0000-0000-000000000001, clock=realtime, page=4096, memory=25276510208\n"
)


@dataclass(frozen=True, slots=True)
class Calls:
    """Columns of calls, all of one length."""

    call: NDArray[np.uint8]  # an index into CALL_NAMES
    pid: NDArray[np.uint32]
    name: NDArray[np.uint32]  # an index into `names`
    time_us: NDArray[np.uint64]
    length: NDArray[np.uint64]
    names: list[bytes]

    def __len__(self) -> int:
        return len(self.call)

    def head(self, count: int) -> Calls:
        return Calls(
            self.call[:count],
            self.pid[:count],
            self.name[:count],
            self.time_us[:count],
            self.length[:count],
            self.names,
        )

    def add_to(self, tally: Tally) -> None:
        tally.add(self.call == 1, self.pid, self.time_us, self.length, self.name, name_words(self.names))
        tally.add_names([self.names[i] for i in np.unique(self.name)])


@dataclass(frozen=True, slots=True)
class Trace:
    path: Path
    lines: int
    size: int  # bytes
    tally: Tally  # of the columns
    ledger: Tally  # as the ledger counts: without fork, exec and exit, and of releases what was freed


def recording() -> Calls:
    """The bundled recording, as columns."""
    packed = (files("memtap.taps") / "recordings" / "build-and-shell.log.gz").read_bytes()
    rows = _LINE.findall(gzip.decompress(packed))
    call, pid, process, time, length = zip(*rows, strict=True)
    names = sorted(set(process))
    number = {name: i for i, name in enumerate(names)}
    return Calls(
        np.array([CALL_NAMES.index(each) for each in call], np.uint8),
        np.array([int(each) for each in pid], np.uint32),
        np.array([number[each] for each in process], np.uint32),
        np.array([int(each) for each in time], np.uint64),
        np.array([int(each) for each in length], np.uint64),
        names,
    )


def going_on(calls: Calls, count: int) -> Iterator[Calls]:
    """`count` calls: the recording over and over, each time later and by other processes."""
    span = calls.time_us.max() - calls.time_us.min() + np.uint64(1000)
    for i, left in enumerate(range(count, 0, -len(calls))):
        moved = replace(calls, pid=calls.pid + np.uint32(i * PID_STEP), time_us=calls.time_us + np.uint64(i) * span)
        yield moved if left >= len(calls) else moved.head(left)


def crowd(calls: Calls, count: int, processes: int) -> Iterator[Calls]:
    """`count` calls of `processes` processes that all live to the end, in random order: the worst for a cache."""
    random = np.random.default_rng(processes)
    name_of = calls.name[random.integers(0, len(calls), processes)]
    for part in going_on(calls, count):
        who = random.integers(0, processes, len(part), np.uint32)
        first = part.time_us[0]
        when = first + np.arange(len(part), dtype=np.uint64) * np.uint64(1_000_000) // np.uint64(CROWD_RATE)
        yield replace(part, pid=who + np.uint32(100_000), name=name_of[who], time_us=when)


def storm(processes: int) -> Iterator[Calls]:
    """As many distinct pids, each of which maps, unmaps and is gone."""
    step = 50_000
    for first in range(0, processes, step):
        pid = np.arange(first, min(first + step, processes), dtype=np.uint32).repeat(2) + np.uint32(1000)
        count = len(pid)
        yield Calls(
            np.tile(np.array([0, 1], np.uint8), count // 2),
            pid,
            pid % np.uint32(40),
            np.uint64(1_795_411_501_956_689) + np.arange(2 * first, 2 * first + count, dtype=np.uint64),
            np.full(count, 8192, np.uint64),
            [b"worker/%d" % i for i in range(40)],
        )


def write_format1(path: Path, parts: Iterator[Calls]) -> Trace:
    tally = Tally()
    lines = 0
    with path.open("wb") as file:
        for part in parts:
            columns = (part.call, part.pid, part.name, part.time_us, part.length)
            rows = zip(*(column.tolist() for column in columns), strict=True)
            file.writelines(
                b"%s: PID=%d, process=%s, time=%d, length=%d\n" % (CALL_NAMES[call], pid, part.names[name], time, size)
                for call, pid, name, time, size in rows
            )
            part.add_to(tally)
            lines += len(part)
    return Trace(path, lines, path.stat().st_size, tally, tally)


def write_format2(path: Path, parts: Iterator[Calls], *, hexadecimal: bool) -> Trace:
    """As memtap's taps say it: each process begins with fork and exec and ends with exit. Names as bpftrace writes
    them (`hexadecimal`) or as SystemTap does."""
    tally = Tally()
    ledger = Tally()
    lines = 1
    with path.open("wb") as file:
        file.write(HEADER)
        for part in parts:
            text, whole, freed = _format2(part, hexadecimal=hexadecimal)
            file.write(text)
            whole.add_to(tally)
            replace(part, length=np.where(part.call == 1, freed, part.length)).add_to(ledger)
            lines += len(whole)
    return Trace(path, lines, path.stat().st_size, tally, ledger)


def _format2(part: Calls, *, hexadecimal: bool) -> tuple[bytes, Calls, NDArray[np.uint64]]:
    """The lines; all that they say as columns, of fork, exec and exit too, which have no length; what each of
    `part`'s calls gave back."""
    names = [name.ljust(16, b"\0").hex().encode() if hexadecimal else b'"%s"' % name for name in part.names]
    columns = (part.call, part.pid, part.name, part.time_us, part.length)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    last = {row[1]: i for i, row in enumerate(rows)}
    vm: dict[int, int] = {}
    lines: list[bytes] = []
    told: list[tuple[int, int, int, int, int]] = []
    freed: list[int] = []
    for i, (call, pid, name, time, length) in enumerate(rows):
        who = b"pid=%d, start=%d000, uid=1000, cgroup=4711, time=" % (pid, 51_234_000 + pid)
        end = b", rss=3145728, process=%s\n" % names[name]
        if pid not in vm:
            vm[pid] = 5_914_624
            lines.append(b"fork: %s%d, parent=%d, vm=%d%s" % (who, time, 812, vm[pid], end))
            lines.append(b"exec: %s%d, vm=%d%s" % (who, time, vm[pid], end))
            told += [(0, pid, name, time, 0)] * 2
        pages = (length + 4095) & ~4095
        gone = min(pages, vm[pid] - 4096) if call else 0
        freed.append(gone)
        vm[pid] += -gone if call else pages
        what = (b"munmap", b"none") if call else (b"mmap", b"anonymous")
        lines.append(_CALL2 % (what[0], who, time, length, gone, what[1], vm[pid], end))
        told.append((call, pid, name, time, length))
        if last[pid] == i:
            lines.append(b"exit: %s%d, status=0, vm=%d%s" % (who, time, vm[pid], end))
            told.append((0, pid, name, time, 0))
    call_, pid_, name_, time_, length_ = zip(*told, strict=True)
    whole = Calls(
        np.array(call_, np.uint8),
        np.array(pid_, np.uint32),
        np.array(name_, np.uint32),
        np.array(time_, np.uint64),
        np.array(length_, np.uint64),
        part.names,
    )
    return b"".join(lines), whole, np.array(freed, np.uint64)
