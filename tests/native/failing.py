"""Run with allocations.c before the C library: each allocation of the core fails once, and nothing else changes."""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import memtap.native.core as core
from memtap.native import Batch, File, Parser, Reader, Ring

Made = TypeVar("Made")
HEADER = b'memtap: format=2, tap=x, version=0, host="vm", boot=6ab3, clock=realtime, page=4096, memory=1'
MAPS = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(core.__file__))]
ADDRESSES = [int(part, 16) for line in MAPS for part in line.split(" ", 1)[0].split("-")]
refused = 0


def again(make: Callable[[], Made]) -> Made:
    """What a caller does who is told of a MemoryError: the same once more."""
    global refused
    try:
        return make()
    except MemoryError:
        refused += 1
        return make()


def feed(parser: Parser, data: bytes) -> None:
    begun = parser.consumed
    again(lambda: parser.feed(data[parser.consumed - begun :]))


def line1(i: int) -> bytes:
    return b"mmap2: PID=%d, process=name%d, time=%d, length=%d\n" % (i, i % 1500, 10**15 + i * 1000, i)


def line2(i: int) -> bytes:
    who = b"pid=%d, start=%d, uid=0, cgroup=1, time=%d" % (i, i * 10**7, 10**15 + i * 1000)
    return b'exec: %s, vm=4096, rss=0, process="n%d"\nexit: %s, status=0, vm=0, rss=0, process="n%d"\n' % (
        who, i % 1500, who, i % 1500,
    )  # fmt: skip


def said(batch: Batch) -> list[Any]:
    ids = array("I", range(batch.process_count)), array("I", range(batch.name_count))
    again(lambda: batch.events(*ids, 0))
    again(lambda: batch.activity(*ids))
    again(lambda: batch.__arrow_c_array__())
    columns = [list(column) for column in (batch.time_us, batch.length, batch.pid, batch.process, batch.name)]
    lists = [list(batch.process_pids), list(batch.process_starts), list(batch.process_facts), list(batch.names)]
    packed = again(batch.pack)
    unpacked = again(lambda: Batch.unpack(packed))
    assert again(unpacked.pack) == packed
    return [*columns, *lists, batch.ended, batch.seconds, packed, again(lambda: batch.events_text(*ids, 0))]


def work(second: bool) -> list[Any]:
    parser = again(lambda: Parser(rows=64, header=HEADER if second else b"", keep_ended=0))
    line = line2 if second else line1
    found: list[Any] = []
    for first in (1, 300, 7000):
        feed(parser, b"".join(map(line, range(first, first * 2))))
        found.append(said(again(parser.seal)))
    parser.end(range(7000))
    for i in range(10):
        feed(parser, line(20_000 + i) + b"bad\n")
        sealed = again(parser.seal)
        # where there is no memory to let go of anybody, another time will do: local ids may differ from here on
        found.append([list(sealed.time_us), list(sealed.pid), sealed.seconds])
    again(lambda: Ring(4096))
    with Path("/dev/null").open("rb") as file:
        again(lambda: Reader(file.fileno(), Ring(1)))
        again(lambda: File(file.fileno()))
    return [*found, parser.lines, parser.rejected, again(lambda: parser.ledger(live=True))]


def main(second: bool) -> None:
    shim = ctypes.CDLL(None)
    shim.allocations_fail.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_long]
    shim.allocations_seen.restype = ctypes.c_long
    arm = (min(ADDRESSES), max(ADDRESSES))
    shim.allocations_fail(*arm, -1)
    expected = work(second)
    count = shim.allocations_seen()
    for number in range(count):
        shim.allocations_fail(*arm, number)
        assert work(second) == expected, f"allocation {number} of {count}"
    print(count, refused)


if __name__ == "__main__":
    main(sys.argv[1] == "2")
