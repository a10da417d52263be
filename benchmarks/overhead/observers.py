"""Who watches: nobody, another tracer, memtap. Started before the workloads, asked for an account after them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.overhead.processes import await_polling, cpu_seconds, peak_bytes
from memtap.checks import kernel
from memtap.taps import exec_tap
from memtap.taps.choice import choose

COUNT = Path(__file__).with_name("count.bt")
STOP_S = 20
MEMORY = Path("/dev/shm")


class CannotWatch(Exception):
    """This observer does not work on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """What an observer says it saw. None: it does not tell."""

    seen: dict[int, int] | None = None  # calls of each process asked about
    lost: int | None = None
    peak_bytes: int = 0  # of memtap; of another tracer its own
    notes: dict[str, object] = field(default_factory=dict)


class Observer(Protocol):
    name: str

    def start(self) -> None:
        """Returns once every call is seen. Raises CannotWatch."""

    def cpu_seconds(self) -> tuple[float, float]:
        """So far: of the tracer, and of memtap."""

    def stop(self, pids: Collection[int]) -> Account:
        """Ends it; `pids`: whose calls are asked about."""


class Nobody:
    name = "untraced"

    def start(self) -> None:
        pass

    def cpu_seconds(self) -> tuple[float, float]:
        return 0.0, 0.0

    def stop(self, pids: Collection[int]) -> Account:
        del pids  # nobody saw anything
        return Account()


Reading = Callable[[bytes, Collection[int]], tuple[dict[int, int] | None, int | None]]


class Tracer:
    """A command, its output to a file in memory, or to /dev/null."""

    def __init__(
        self, name: str, command: Sequence[str], read: Reading | None, env: Mapping[str, str] | None = None
    ) -> None:
        """`read`: what the output says of the pids asked about; None: it goes to /dev/null, and nobody knows."""
        self.name = name
        self._command = command
        self._env = env or {}
        self._read = read
        self._output = Path(os.devnull)

    def start(self) -> None:
        if not shutil.which(self._command[0]):
            raise CannotWatch(f"{self._command[0]} is not installed")
        if self._read:
            handle, path = tempfile.mkstemp(prefix="memtap-overhead-", dir=MEMORY if MEMORY.is_dir() else None)
            os.close(handle)
            self._output = Path(path)
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                exec_tap.wrapped(
                    self._command,
                    death_signal=signal.SIGKILL,
                    mount_tracefs=not kernel.read().tracefs,
                    run_in_batches=False,  # as it runs by itself
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if self._read else subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C", **self._env},
                # as memtap's tap, and as in a terminal of its own: Linux shares CPUs between sessions first
                start_new_session=True,
            )
        try:
            await_polling(self._process.pid, Path(self._command[0]).name)
        except (TimeoutError, ChildProcessError) as error:
            self._process.kill()
            self._process.wait()
            said = self._output.read_bytes()[-500:].decode(errors="replace") if self._read else ""
            self._remove()
            raise CannotWatch(f"{error}: {' '.join(said.split())}") from error

    def cpu_seconds(self) -> tuple[float, float]:
        return cpu_seconds(self._process.pid), 0.0

    def stop(self, pids: Collection[int]) -> Account:
        peak = peak_bytes(self._process.pid)
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not self._read:
            return Account(peak_bytes=peak)
        try:
            seen, lost = self._read(self._output.read_bytes(), pids)
        finally:
            self._remove()
        return Account(seen, lost, peak)

    def _remove(self) -> None:
        if self._read:
            self._output.unlink(missing_ok=True)


def read_counts(output: bytes, pids: Collection[int]) -> tuple[dict[int, int], int]:
    """@calls[PID]: COUNT. A map has room for 4096 keys; one that finds none is not counted, and the check says so."""
    found = {int(pid): int(count) for pid, count in re.findall(rb"^@calls\[(\d+)\]: (\d+)$", output, re.MULTILINE)}
    return {pid: found.get(pid, 0) for pid in pids}, 0


def read_lines(output: bytes, pids: Collection[int]) -> tuple[dict[int, int], int]:
    seen = {pid: output.count(b"mmap: pid=%d," % pid) + output.count(b"munmap: pid=%d," % pid) for pid in pids}
    return seen, sum(map(int, re.findall(rb"^Lost (\d+) events$", output, re.MULTILINE)))


def read_perf(output: bytes, pids: Collection[int]) -> tuple[dict[int, int], int | None]:
    """A call that was interrupted by another line is printed twice, the second time as `continued`. What perf misses it
    does not always tell: the table shows what was made beside what it saw."""
    found = dict.fromkeys(pids, 0)
    for pid in re.findall(rb"\): [^/\n]*/(\d+) m(?:un)?map\(", output):
        if int(pid) in found:
            found[int(pid)] += 1
    return found, None


def settle() -> None:
    """What the tracer still had to do after the workload counts as its own."""
    time.sleep(1.0)


def counting() -> Tracer:
    return Tracer("bpftrace, counting only", ("bpftrace", "-q", str(COUNT)), read_counts)


def perf_trace() -> Tracer:
    return Tracer("perf trace", ("perf", "trace", "-a", "-e", "mmap,munmap"), read_perf)


def bpftrace_to(where: str) -> Tracer:
    """The script and the parameters that memtap runs it with. `where`: /dev/null or a file."""
    tap = choose("bpftrace", leave_out=os.getpid())
    reading = None if where == "/dev/null" else read_lines
    return Tracer(f"bpftrace memtap.bt > {where}", tap.argv, reading, tap.env)
