"""What /proc says now of this machine, and of one of its processes, beside what the tap has said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from memtap import procfs
from memtap.api import owners
from memtap.host import sees_all_pids

if TYPE_CHECKING:
    from memtap.api.moment import Moment
    from memtap.stores.contract import ProcessRow

_TICK_US = 10_000  # what is known of a start: whole ticks of 10 ms


def memory() -> dict[str, int] | None:
    """Bytes; None where the kernel does not say."""
    try:
        said = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, available = (int(said[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return None
    return {"total_bytes": total, "available_bytes": available}


def process_proc(moment: Moment, row: ProcessRow) -> dict[str, object]:
    """Nulls where the process is not one that lives on this machine now."""
    seen = _seen(moment, row)
    vm = None if seen is None else seen.vm
    return {
        "time_us": time.time_ns() // 1000 if seen is None else seen.time_us,
        "vm": vm,
        "resident": None if seen is None else seen.resident,
        "vm_said": row.vm,
        "difference": None if vm is None or row.vm is None else vm - row.vm,
    }


def _seen(moment: Moment, row: ProcessRow) -> procfs.Seen | None:
    boot_id = next((host.boot_id for host in moment.hosts if host.name == row.host), "")
    if row.ended_us is not None or not owners.is_this_boot(row.host, boot_id) or not sees_all_pids():
        return None
    seen = next(procfs.look([row.pid]), None)
    same = seen is not None and seen.start_us // _TICK_US == row.start_us // _TICK_US
    return seen if same else None
