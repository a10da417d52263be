"""What the tap tests share: a stream that is collected, and processes whose death can be seen."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from waiting import PATIENCE_S, alive, wait_until

from memtap.taps.supervisor import Pauses, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memtap.stores.contract import Loss
    from memtap.taps.tap import Tap


class Collected:
    """A supervised tap, all that it printed, and the gaps it reported."""

    def __init__(self, tap: Tap, pauses: Pauses | None = None) -> None:
        self.streams: list[bytearray] = []
        self.gaps: list[Loss] = []
        self.grown = threading.Condition()
        self.supervisor = Supervisor(tap, on_stream=self._read, on_gap=self.gaps.append, pauses=pauses)

    def _read(self, fd: int) -> None:
        stream = bytearray()
        self.streams.append(stream)
        while data := os.read(fd, 65536):
            stream += data

    @property
    def text(self) -> bytes:
        return b"".join(self.streams)


# Makes COUNT mappings of LENGTH bytes and gives them back, under a name of its own, each time it is told to.
WORKLOAD = """
import ctypes, sys
count, length = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
number = ctypes.c_int
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, number, number, number, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.prctl(15, b"memtap workload", 0, 0, 0)
for _ in sys.stdin:
    for _ in range(count):
        libc.munmap(libc.mmap(None, length, 3, 0x22, -1, 0), length)
    print("done", flush=True)
"""


class Workload:
    """A process whose calls are known."""

    def __init__(self, count: int, length: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKLOAD, str(count), str(length)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid

    def work(self) -> None:
        """Make the calls, once."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def collect() -> Iterator[Callable[..., Collected]]:
    """Start a tap and collect what it prints; all are stopped at the end."""
    started: list[Collected] = []

    def start(tap: Tap, pauses: Pauses | None = None) -> Collected:
        collected = Collected(tap, pauses)
        started.append(collected)
        collected.supervisor.start()
        return collected

    yield start
    for collected in started:
        assert collected.supervisor.stop(PATIENCE_S)


@pytest.fixture
def workload() -> Iterator[Callable[[int, int], Workload]]:
    """Start processes that make `count` calls of `length` bytes when told."""
    started: list[Workload] = []

    def start(count: int, length: int) -> Workload:
        started.append(Workload(count, length))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], object]], None]:
    return wait_until


@pytest.fixture(name="alive")
def _alive() -> Callable[[int], bool]:
    return alive
