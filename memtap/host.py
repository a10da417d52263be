"""This machine, as a stream's host."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from memtap.stores.contract import Host

# The first pid namespace's inode, PROC_PID_INIT_INO in include/linux/proc_ns.h: only there are the pids of /proc
# the pids that a tap prints.
_FIRST_PID_NAMESPACE = 0xEFFFFFFC


def this_host() -> Host:
    return Host(
        name=socket.gethostname(),
        boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        memory_bytes=memory_bytes(),
        page_size=os.sysconf("SC_PAGESIZE"),
    )


def memory_bytes() -> int:
    """MemTotal: the machine's memory as the kernel counts it."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/meminfo: no line MemTotal: is /proc mounted?")


def sees_all_pids() -> bool:
    """Whether /proc here shows every process by the pid that a tap prints."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _FIRST_PID_NAMESPACE
    except OSError:
        return False


def live_pids() -> set[int]:
    return {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}
