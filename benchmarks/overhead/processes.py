"""What the kernel says of a running process: its CPU time, its peak of memory, what it waits in."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
READY_S = 60
FIRST_TICKS_S = 1.0


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads so far; its children's not."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def peak_bytes(pid: int) -> int:
    """The most that was resident at a time."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid}: /proc says no VmHWM")


def child(pid: int, comm: str) -> int:
    """Its child of that name, once there is one. Raises TimeoutError."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            for each in _text(listed).split():
                if _text(Path(f"/proc/{each}/comm")).strip() == comm:
                    return int(each)
        time.sleep(0.02)
    raise TimeoutError(f"process {pid} started no {comm} within {READY_S} s")


def await_polling(pid: int, comm: str) -> None:
    """Until the tracer waits for events: all its probes are attached then, and a moment later memtap.bt prints (its
    header comes two ticks before the first call). Raises TimeoutError, ChildProcessError where it has ended."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        waits_in = _text(Path(f"/proc/{pid}/wchan"))
        if _text(Path(f"/proc/{pid}/comm")).strip() == comm and ("poll" in waits_in or "poll" in _stack(pid)):
            time.sleep(FIRST_TICKS_S)
            return
        if "\nState:\tZ" in _text(Path(f"/proc/{pid}/status")):
            raise ChildProcessError(f"{comm} ended by itself")
        time.sleep(0.02)
    raise TimeoutError(f"{comm} ({pid}) did not wait for events within {READY_S} s")


def tracers() -> list[int]:
    """Tracers that run now: each slows every call of every process."""
    comms = Path("/proc").glob("[0-9]*/comm")
    return [int(comm.parent.name) for comm in comms if _text(comm).strip() in ("bpftrace", "perf", "stapio")]


def await_no_tracers(patience_s: float) -> int:
    """Waits for the tracers of others to end. Returns how many are left."""
    deadline = time.monotonic() + patience_s
    while (left := len(tracers())) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def _stack(pid: int) -> str:
    return _text(Path(f"/proc/{pid}/stack"))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")  # a comm may be any bytes
    except OSError:  # it has ended, or the kernel does not tell
        return ""
