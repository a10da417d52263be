"""What /proc says of the processes that live now, as lines of format 2. Reads stat and cgroup, never smaps: that one
makes the process wait."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from memtap.host import live_pids
from memtap.native import LedgerRow

_TICK_US = 10_000  # 1 / USER_HZ
_RESIDENT_BYTES = 1 << 20  # less is not worth a line
_PAGE = os.sysconf("SC_PAGESIZE")
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Seen:
    """One process, as of one moment."""

    pid: int
    parent: int  # pid
    ticks: int  # since boot, of 10 ms: when it began
    comm: bytes
    vm: int  # bytes
    resident: int
    time_us: int  # microseconds since the epoch, before it was read

    @property
    def start_us(self) -> int:
        """Microseconds since boot, in whole ticks, as Batch.process_starts has it."""
        return self.ticks * _TICK_US


def look(pids: Iterable[int] | None = None) -> Iterator[Seen]:
    """These processes, or all that live. Those that are gone meanwhile, and kernel threads, are left out."""
    for pid in sorted(live_pids()) if pids is None else pids:
        now_us = time.time_ns() // 1000
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            continue
        comm = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
        fields = stat[stat.rindex(b")") + 2 :].split()  # from the third on: see proc(5)
        if vm := int(fields[20]):
            yield Seen(pid, int(fields[1]), int(fields[19]), comm, vm, int(fields[21]) * _PAGE, now_us)


def line(seen: Seen) -> bytes:
    """A `proc` line of format 2; nothing of a process that is gone meanwhile, as then nobody knows whose it was."""
    try:
        uid = _uid(seen.pid)
    except OSError:
        return b""
    return (
        f"proc: pid={seen.pid}, start={seen.start_us * 1000}, uid={uid}, cgroup={_cgroup(seen.pid)}, "
        f"time={seen.time_us}, vm={seen.vm}, rss={seen.resident}, process={seen.comm.ljust(16, bytes(1)).hex()}\n"
    ).encode()


def without(pids: Collection[int], seen: Iterable[Seen]) -> list[Seen]:
    """Those that are neither of `pids` nor descend from one: memtap's own taps are not what it watches."""
    left = list(seen)
    ours = set(pids)
    while born := {process.pid for process in left if process.parent in ours} - ours:
        ours |= born
    return [process for process in left if process.pid not in ours]


def _uid(pid: int) -> int:
    """The real one, as taps print it; the owner of /proc/PID is root for a process that may not be dumped."""
    status = Path(f"/proc/{pid}/status").read_bytes()
    return int(status.partition(b"\nUid:")[2].split(None, 1)[0])


def _cgroup(pid: int) -> int:
    """The id of its cgroup in version 2's tree: the inode of the group's folder. 0 where there is none."""
    try:
        for entry in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            if entry.startswith("0::"):
                return (_CGROUPS / entry[3:].lstrip("/")).stat().st_ino
    except OSError:
        pass
    return 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A process of which the stream and /proc do not say the same. Where `vm` is the same, it is the resident bytes."""

    seen: Seen
    vm: int | None  # bytes, what the stream said; None: nothing yet


def differences(ledger: Collection[LedgerRow], seen: Iterable[Seen], settling_us: int) -> Iterator[Difference]:
    """Where `vm` differs, the resident bytes are long out of date, or the stream knows nothing.

    `vm` is not compared of processes whose lines may still have been on the way, as they made a call less than
    `settling_us` before they were seen. (A call long after that is of before the clock was set back.) Resident bytes
    change without a call: they count from an eighth on.
    """
    known = {(row.pid, row.start_us // _TICK_US): row for row in ledger}
    for now in seen:
        row = known.get((now.pid, now.ticks))
        if row is None:
            yield Difference(now, None)
        elif row.vm != now.vm and abs(row.last_us - now.time_us) > settling_us:
            yield Difference(now, row.vm)
        elif abs(now.resident - (row.resident or 0)) > max(_RESIDENT_BYTES, (row.resident or 0) // 8):
            yield Difference(now, now.vm)
