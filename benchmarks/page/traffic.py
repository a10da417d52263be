"""Thousands of processes that call without end, as a tap's lines in format 2."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

HEADER = (
    b'memtap: format=2, tap=file, version=0.1.0, host="bench", boot=d2c0ffee-0000-4000-8000-000000000001,'
    b" clock=realtime, page=4096, memory=17179869184\n"
)
NAMES = [
    name.ljust(16, b"\0") for name in (b"postgres", b"python3", b"nginx", b"redis-server", b"java", b"node", b"cc1")
]
TICK_S = 0.1


def line(pid: int, length: int, vm: int, name: bytes) -> bytes:
    return (
        b"mmap: pid=%d, start=%d, uid=%d, cgroup=%d, time=%d, length=%d, freed=0, errno=%d, kind=anonymous, "
        b"vm=%d, rss=%d, process=%s\n"
    ) % (
        pid,
        10**9 + pid * 10**5,
        1000 + pid % 5,
        4000 + pid % 40,
        time.time_ns() // 1000,
        length,
        12 if length % 331 == 0 else 0,
        vm,
        vm // 3,
        name.hex().encode(),
    )


class Traffic:
    """Writes to `out` from a thread of its own: every process once, then `rate` calls a second by any of them."""

    def __init__(self, out: BinaryIO, processes: int, rate: int) -> None:
        self._out = out
        self._rate = rate
        self._chance = random.Random(5)
        self._held = dict.fromkeys(range(1000, 1000 + processes), 1 << 22)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        self._out.write(HEADER + b"".join(self._lines(list(self._held))))
        pids = list(self._held)
        while not self._stop.wait(TICK_S):
            self._out.write(b"".join(self._lines(self._chance.choices(pids, k=int(self._rate * TICK_S)))))

    def _lines(self, pids: list[int]) -> Iterator[bytes]:
        for pid in pids:
            length = self._chance.randrange(1, 256) << 12
            self._held[pid] += length
            yield line(pid, length, self._held[pid], NAMES[pid % len(NAMES)])


def fifo(path: Path) -> BinaryIO:
    """The writing end of a new pipe; opening it waits for nobody."""
    os.mkfifo(path)
    return os.fdopen(os.open(path, os.O_RDWR), "wb", buffering=0)
