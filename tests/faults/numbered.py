"""Numbered events: what a fault may not lose, repeat or change can be told from the numbers alone.

Event `number` of a trace is made from its number, the trace's seed and beginning, and from nothing else. As a program
it is a tap: it prints a trace at a set rate until SIGTERM and keeps in a file how many lines it has printed whole.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEADER = (
    b'memtap: format=2, tap=bpftrace, version=0.1.0, host="numbered", boot=0d4b8c5e-7f7b-4a55-9b0e-6a6a2f3c1d10,'
    b" clock=realtime, page=4096, memory=17179869184\n"
)
PIDS = 60
LIFE = 997  # every so many events a process exits; its pid comes back
BAD = 251  # every so many lines one is no line, unless it is an exit
STEP_US = 333  # as 3,000 a second come
NAMES = (b"bash", b"python3", b'"a", time=1', b"\xff\xfe", "ñandú".encode(), b"new\nline", b"15 bytes long..", b"")
CALLS = {b"mmap": 2, b"munmap": 1, b"mremap": 3, b"brk": 4, b"exit": 9}  # as a store numbers them
KINDS = (b"none", b"anonymous", b"file", b"reserved")


@dataclass(frozen=True, slots=True)
class Event:
    """One line; `bad` ones are to be rejected."""

    number: int
    call: bytes
    pid: int
    start_us: int
    time_us: int
    length: int
    freed: int
    errno: int
    kind: bytes
    vm: int
    name: bytes
    bad: bool

    @property
    def line(self) -> bytes:
        if self.bad:
            return b"brk: pid=%d, number=%d, cut sho\n" % (self.pid, self.number)
        what = (
            b", status=0"
            if self.call == b"exit"
            else b", length=%d, freed=%d, errno=%d, kind=%b" % (self.length, self.freed, self.errno, self.kind)
        )
        return b"%b: pid=%d, start=%d, uid=1000, cgroup=4711, time=%d%b, vm=%d, rss=%d, process=%b\n" % (
            self.call,
            self.pid,
            self.start_us * 1000 + 4321,
            self.time_us,
            what,
            self.vm,
            self.vm // 2,
            self.name.ljust(16, b"\0").hex().encode(),
        )

    @property
    def effect(self) -> tuple[str, int]:
        """As which of its process's calls it counts, and with how many bytes: stap/FORMAT.md."""
        if self.call == b"exit":
            return "", 0
        if self.errno:
            return "failed", 0
        if self.call == b"munmap":
            return "releases", self.freed
        grown = self.length - self.freed
        return ("releases" if grown < 0 else "requests"), abs(grown)


@dataclass(frozen=True, slots=True)
class Trace:
    """All events there could be: `steps` are moments at which the clock jumps, (number, microseconds)."""

    seed: int
    begin_us: int
    steps: tuple[tuple[int, int], ...] = ()
    _mixed: int = field(init=False, default=0)

    def event(self, number: int) -> Event:
        mixed = ((number + 1) * 0x9E3779B97F4A7C15 ^ (self.seed + 1) * 0xC2B2AE3D27D4EB4F) & (2**64 - 1)
        mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
        mixed ^= mixed >> 32
        exits = number % LIFE == LIFE - 1
        which = number // LIFE % PIDS if exits else mixed % PIDS
        # The exits so far of this pid: one in each round of all of them.
        ended = number // LIFE
        lives = ended // PIDS + (which < ended % PIDS)
        call = b"exit" if exits else (b"mmap", b"munmap", b"mremap", b"brk", b"mmap")[(mixed >> 8) % 5]
        named = (number << 12) + 4096  # bytes that say the number
        freed = {b"munmap": named, b"mremap": (mixed >> 16) % (2 * named), b"brk": (mixed >> 17) % named}.get(call, 0)
        time_us = self.begin_us + number * STEP_US
        for since, jump_us in self.steps:
            if number >= since:
                time_us += jump_us
        return Event(
            number=number,
            call=call,
            pid=1_000_000 + which,
            start_us=10_000 * (100 * which + lives + 1),
            time_us=time_us,
            length=0 if exits else named,
            freed=freed,
            errno=0 if exits or (mixed >> 24) % 16 else 12,
            kind=KINDS[1 + (mixed >> 28) % 3] if call == b"mmap" else b"none",
            vm=4096 + (mixed >> 30) % (1 << 33),
            name=b"n%d" % (number // 150) if mixed >> 40 & 7 == 7 else NAMES[(mixed >> 43) % len(NAMES)],
            bad=number % BAD == BAD - 1 and not exits,
        )

    def events(self, begin: int, end: int) -> Iterator[Event]:
        return map(self.event, range(begin, end))

    def lines(self, begin: int, end: int) -> bytes:
        return b"".join(event.line for event in self.events(begin, end))

    def file(self, path: Path, count: int) -> Path:
        """A recording of the first `count` events."""
        path.write_bytes(HEADER + self.lines(0, count))
        return path

    def arguments(self) -> list[str]:
        return [str(self.seed), str(self.begin_us)]


class Printed:
    """How many lines of a trace a tap has printed, shared through a file: it outlives whoever is killed."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(32))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)

    @property
    def whole(self) -> int:
        """Lines that are in the pipe for certain."""
        return int(struct.unpack_from("<Q", self._map, 0)[0])

    @property
    def begun(self) -> int:
        """Lines of which some may be in the pipe."""
        return int(struct.unpack_from("<Q", self._map, 8)[0])

    def set(self, whole: int, begun: int) -> None:
        struct.pack_into("<QQ", self._map, 0, whole, begun)

    @property
    def pid(self) -> int:
        """Of the tap that prints."""
        return int(struct.unpack_from("<Q", self._map, 24)[0])

    def begin(self) -> None:
        struct.pack_into("<Q", self._map, 24, os.getpid())

    def halt(self) -> None:
        """Whoever prints is to print no more."""
        self._map[16] = 1

    @property
    def halted(self) -> bool:
        return bool(self._map[16])


def main(arguments: Sequence[str]) -> None:
    """Prints `rate` lines a second from where the file says that an earlier tap ended."""
    seed, begin_us, rate = map(int, arguments[:3])
    trace, printed = Trace(seed, begin_us), Printed(Path(arguments[3]))
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    printed.begin()
    os.write(1, HEADER)
    # A line that an earlier one may have begun is given up by both.
    at = first = printed.begun
    started = time.monotonic()
    while not stopping:
        due = first + int((time.monotonic() - started) * rate)
        while at < due and not stopping and not printed.halted:
            end = min(due, at + 200)
            printed.set(at, end)
            _write(trace.lines(at, end))
            printed.set(end, end)
            at = end
        time.sleep(0.01)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main(sys.argv[1:])
