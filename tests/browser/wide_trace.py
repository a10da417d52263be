"""A trace in format 2 made of a real one in format 1, and what its lines say, counted the plain way."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from counted import HEADER, Sums, WideCall, by_pid

from ..native.plain import read
from ..native.plain2 import Event
from ..native.plain2 import read as read_wide

ERRNOS = {1: "EPERM", 12: "ENOMEM", 17: "EEXIST", 22: "EINVAL"}
FORK = re.compile(rb"^fork: pid=(\d+), .* parent=(\d+), ", re.M)
BROKEN = b"mmap: pid=1, start=1, uid=0, cgroup=1, time=1, length=-4096\n"


@dataclass
class WideCount:
    events: list[Event]
    processes: dict[int, Sums]  # no pid comes twice

    def newest_first(self) -> list[Event]:
        order = sorted(range(len(self.events)), key=lambda at: (self.events[at].time_us, at), reverse=True)
        return [self.events[at] for at in order]


def wide_count(data: bytes) -> WideCount:
    events, _, _, _ = read_wide(data, HEADER.rstrip(b"\n"))
    parents = {int(pid): int(parent) for pid, parent in FORK.findall(data)}
    calls = [
        WideCall(
            event.pid,
            event.comm,
            event.time_us,
            event.length,
            event.call,
            uid=event.uid,
            cgroup=event.cgroup,
            freed=event.freed,
            errno=event.errno,
            vm=event.vm,
            resident=event.rss,
            parent=parents.get(event.pid, 0),
        )
        for event in events
    ]
    return WideCount(events, by_pid(calls))


def wide_trace(recording: bytes) -> bytes:
    """The recording's calls as a tap of format 2 might have told them, with an end for every fifth process."""
    return HEADER + b"".join(call.line for call in _calls(recording)) + BROKEN


def _calls(recording: bytes) -> Iterator[WideCall]:
    chance = random.Random(3)
    latest: dict[int, WideCall] = {}
    events = read(recording).events
    for name, pid, comm, time_us, length in events:
        if pid not in latest:
            latest[pid] = _first(chance, pid, comm[:15], time_us)
            yield latest[pid]
        latest[pid] = _call(chance, replace(latest[pid], name=comm[:15], time_us=time_us), name, length)
        yield latest[pid]
    for pid in sorted(latest)[::5]:
        yield replace(latest[pid], call="exit", time_us=events[-1][3] + pid, kind="none", errno=0)


def _first(chance: random.Random, pid: int, comm: bytes, time_us: int) -> WideCall:
    return WideCall(
        pid,
        comm,
        time_us,
        call=chance.choice(["fork", "proc"]),
        start_us=10**9 + pid * 10**5,
        uid=chance.choice([0, 33, 1000]),
        cgroup=4000 + pid % 7,
        parent=max(1, pid - 1),
        vm=chance.randrange(1, 900) << 16,
        resident=chance.randrange(1, 200) << 14,
    )


def _call(chance: random.Random, now: WideCall, name: str, length: int) -> WideCall:
    call = "munmap" if name == "munmap" else chance.choice(["mmap"] * 8 + ["brk", "mremap"])
    now = replace(now, call=call, length=length, freed=0, errno=0, kind="none")
    if call != "munmap":
        now = replace(now, kind=chance.choice(["anonymous", "anonymous", "file", "reserved"]))
    if chance.random() < 0.02:
        return replace(now, errno=chance.choice(list(ERRNOS)))
    if call == "munmap":
        return replace(now, freed=length, vm=max(1 << 16, now.vm - length))
    freed = length // 2 if call == "mremap" else 0
    touched = min(length, 1 << 20)
    return replace(now, freed=freed, vm=now.vm + length - freed, resident=now.resident + touched)
