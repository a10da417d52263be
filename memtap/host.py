"""This machine, as a stream's host."""

from __future__ import annotations

import os

from memtap.stores.streams import Host

# The first pid namespace's inode, PROC_PID_INIT_INO in include/linux/proc_ns.h: only there are the pids of /proc
# the pids that a tap prints.
_FIRST_PID_NAMESPACE = 0xEFFFFFFC


def this_host() -> Host:
    return Host(
        name=os.uname().nodename,
        boot_id=_text("/proc/sys/kernel/random/boot_id").strip(),
        memory_bytes=memory_bytes(),
        page_size=os.sysconf("SC_PAGESIZE"),
    )


def memory_bytes() -> int:
    """MemTotal: the machine's memory as the kernel counts it."""
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/meminfo: no line MemTotal: is /proc mounted?")


def sees_all_pids() -> bool:
    """Whether /proc here shows every process by the pid that a tap prints."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino == _FIRST_PID_NAMESPACE  # noqa: PTH116 - see _text
    except OSError:
        return False


def live_pids() -> set[int]:
    return {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}


def _text(path: str) -> str:
    with open(path) as file:  # noqa: PTH123 - pathlib takes its time to load
        return file.read()
