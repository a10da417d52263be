"""Calls as a test knows them, the batches they make, and their sums counted without memtap."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from memtap.native import Batch, Parser
from memtap.stores.contract import Cursor, Host, SealedBatch, Stream

FIRST_US = 1_795_411_501_000_000
GREATEST = 2**64 - 1
BOOT = "0d4b8c5e-7f7b-4a55-9b0e-6a6a2f3c1d10"
HOST = Host(name="here", boot_id=BOOT, memory_bytes=16 << 30, page_size=4096)
HEADER = (
    b'memtap: format=2, tap=bpftrace, version=0.1.0, host="here", boot=%s, clock=realtime, page=4096,'
    b" memory=17179869184\n" % BOOT.encode()
)
STREAM = Stream(name="file:trace.log", tap="file", host=HOST)


@dataclass(frozen=True)
class Call:
    """A line of format 1."""

    pid: int
    name: bytes = b"python3"
    time_us: int = FIRST_US
    length: int = 4096
    call: str = "mmap2"

    @property
    def line(self) -> bytes:
        return b"%s: PID=%d, process=%s, time=%d, length=%d\n" % (
            self.call.encode(),
            self.pid,
            self.name,
            self.time_us,
            self.length,
        )

    @property
    def effect(self) -> tuple[str, int]:
        """As which of its process's calls it counts, and with how many bytes."""
        return ("requests" if self.call == "mmap2" else "releases"), self.length


@dataclass(frozen=True)
class WideCall(Call):
    """A line of format 2."""

    call: str = "mmap"
    start_us: int = 51_230_000  # since boot, in whole ticks of 10 ms: what a store knows
    uid: int = 1000
    cgroup: int = 4711
    freed: int = 0
    errno: int = 0
    kind: str = "none"
    vm: int = 5_914_624
    resident: int = 3_145_728
    parent: int = 1  # of a fork
    quoted: bool = False  # its name

    @property
    def line(self) -> bytes:
        start_ns = self.start_us * 1000 + (0 if self.call == "proc" else 4_567_890)
        who = f"pid={self.pid}, start={start_ns}, uid={self.uid}, cgroup={self.cgroup}, time={self.time_us}"
        what = f", length={self.length}, freed={self.freed}, errno={self.errno}, kind={self.kind}"
        life = {"fork": f", parent={self.parent}", "exec": "", "exit": ", status=256", "proc": ""}
        start = f"{self.call}: {who}{life.get(self.call, what)}, vm={self.vm}, rss={self.resident}, process="
        return start.encode() + (_quoted if self.quoted else _hex)(self.name) + b"\n"

    @property
    def effect(self) -> tuple[str, int]:
        if self.errno:
            return "failed", 0
        if self.call in ("fork", "exec", "exit", "proc"):
            return "", 0
        if self.call in ("munmap", "shmdt"):
            return "releases", self.freed
        grown = self.length - self.freed
        return ("releases" if grown < 0 else "requests"), abs(grown)


def _hex(name: bytes) -> bytes:
    return name.ljust(16, b"\0").hex().encode()


def _quoted(name: bytes) -> bytes:
    return (
        b'"'
        + b"".join(b"%c" % byte if chr(byte).isalnum() and byte < 128 else b"\\%03o" % byte for byte in name)
        + b'"'
    )


@dataclass
class Sums:
    """Of one process or one second, added up one call at a time."""

    requested: int = 0
    released: int = 0
    requests: int = 0
    releases: int = 0
    failed: int = 0
    first_us: int = GREATEST
    last_us: int = 0
    name: bytes = b""
    vm: int | None = None
    resident: int | None = None
    uid: int | None = None
    cgroup: int | None = None
    ended_us: int | None = None
    parent: int | None = None
    times: list[int] = field(default_factory=list)

    @property
    def balance(self) -> int:
        return self.requested - self.released

    @property
    def ended(self) -> bool:
        return self.ended_us is not None

    def add(self, call: Call) -> None:
        what, size = call.effect
        self.requested += size if what == "requests" else 0
        self.released += size if what == "releases" else 0
        self.requests += what == "requests"
        self.releases += what == "releases"
        self.failed += what == "failed"
        if call.time_us >= self.last_us:
            self.name = call.name
            if isinstance(call, WideCall):
                self.vm, self.resident = call.vm, call.resident
                self.uid, self.cgroup = call.uid, call.cgroup
        if isinstance(call, WideCall) and call.call == "exit":
            self.ended_us = call.time_us
        if isinstance(call, WideCall) and call.call == "fork":
            self.parent = call.parent
        self.times.append(call.time_us)
        self.first_us = min(self.first_us, call.time_us)
        self.last_us = max(self.last_us, call.time_us)


def by_pid(calls: Iterable[Call]) -> dict[int, Sums]:
    out: dict[int, Sums] = defaultdict(Sums)
    for call in calls:
        out[call.pid].add(call)
    return dict(out)


def by_process(calls: Iterable[WideCall]) -> dict[tuple[int, int], Sums]:
    """By pid and start."""
    out: dict[tuple[int, int], Sums] = defaultdict(Sums)
    for call in calls:
        out[call.pid, call.start_us].add(call)
    return dict(out)


def by_second(calls: Iterable[Call]) -> dict[int, Sums]:
    out: dict[int, Sums] = defaultdict(Sums)
    for call in calls:
        out[call.time_us // 1_000_000].add(call)
    return dict(out)


def some_calls(count: int, seed: int = 1, pids: int = 40) -> list[Call]:
    """Calls of a plausible machine over some ten seconds; a process changes its name now and then."""
    rnd = random.Random(seed)
    names = [b"bash", b"python3", b"a, time=1", b"\xff\xfe", "ñandú".encode(), b"back\\slash", b"; DROP TABLE x"]
    time_us, out = FIRST_US, []
    for _ in range(count):
        time_us += rnd.randint(0, 20_000_000 // count)
        out.append(
            Call(
                pid=rnd.randint(1, pids),
                name=rnd.choice(names),
                time_us=time_us,
                length=rnd.choice([4096, 8192, 1 << 30, rnd.randint(0, 1 << 47)]),
                call=rnd.choice(["mmap2", "munmap"]),
            )
        )
    return out


def some_wide_calls(count: int, seed: int = 1, pids: int = 25) -> list[WideCall]:
    """Lines of a plausible machine over some ten seconds: pids come back, and lines of two processors change places."""
    rnd = random.Random(seed)
    names = [b"bash", b"python3", b'"a", time=1', b"\xff\xfe", "ñandú".encode(), b"new\nline", b"15 bytes long.."]
    time_us, out = FIRST_US, []
    alive: dict[int, WideCall] = {}  # each as of its latest line
    start_us = 0
    while len(out) < count:
        time_us += rnd.randint(1, 20_000_000 // count)
        pid = rnd.randint(1, pids)
        if pid in alive:
            now = _next_line(rnd, replace(alive[pid], time_us=time_us, quoted=rnd.random() < 0.5), names)
        else:  # begun a moment ago, or before there was a tap
            start_us += 10_000
            now = WideCall(
                pid,
                rnd.choice(names),
                time_us,
                start_us=start_us,
                uid=rnd.choice([0, 1000, 2**32 - 1]),
                cgroup=rnd.choice([4711, 2**63]),
                parent=rnd.randint(1, pids),
                call=rnd.choice(["fork", "fork", "mmap", "proc"]),
            )
        alive[pid] = now
        if now.call == "exit":
            del alive[pid]
        out.append(now)
    for at in range(1, count, 7):
        one, other = out[at - 1], out[at]
        if "fork" not in (one.call, other.call) and (one.pid != other.pid or one.name == other.name):
            out[at - 1 : at + 1] = other, one
    return out


def _next_line(rnd: random.Random, now: WideCall, names: list[bytes]) -> WideCall:
    call = rnd.choice(["mmap"] * 6 + ["munmap"] * 5 + ["mremap", "brk", "shmat", "shmdt", "exec", "exit", "proc"])
    if call in ("exec", "exit", "proc"):
        return replace(now, call=call, length=0, freed=0, errno=0, kind="none", name=rnd.choice([now.name, *names]))
    length = (
        0
        if call in ("munmap", "shmdt") and rnd.random() < 0.5
        else rnd.choice([4096, 1 << 30, rnd.randint(0, 1 << 47)])
    )
    freed = rnd.randint(0, 1 << 31) if call in ("munmap", "shmdt", "mremap", "brk") else 0
    return replace(
        now,
        call=call,
        length=length,
        freed=freed,
        errno=rnd.choice([0, 0, 0, 12]),
        kind=rnd.choice(["anonymous", "file", "reserved"]) if call == "mmap" else "none",
        vm=rnd.randint(1, 1 << 47),
        resident=rnd.randint(1, 1 << 35),
    )


def batches(calls: Sequence[Call], *, rows: int = 1000, start: Cursor | None = None) -> Iterator[SealedBatch]:
    """The calls as the batches that follow `start`, all of one parser; `calls` holds what comes before as well."""
    start = start or Cursor(stream_no=0)
    parser = Parser(rows=rows)
    number, at = start.next_batch, start.next_ordinal
    header = HEADER if calls and isinstance(calls[0], WideCall) else b""
    parser.feed(header)
    offset = len(header) + sum(len(call.line) for call in calls[:at])
    while at < len(calls):
        some = calls[at : at + rows]
        data = b"".join(call.line for call in some)
        parser.feed(data)
        offset += len(data)
        notices = 1 if header and number == 0 else 0
        check = b"check %d" % offset
        yield SealedBatch(number, at, offset, check, parser.seal(), len(some) + notices, 0, notices)
        number += 1
        at += len(some)


def one_batch(*calls: Call, **changed: Any) -> SealedBatch:
    """These calls as a stream's first batch."""
    batch = next(batches(calls, rows=max(len(calls), 1))) if calls else _empty()
    return batch._replace(**changed)


def _empty() -> SealedBatch:
    return SealedBatch(0, 0, 0, b"", Parser(rows=1).seal(), 0, 0, 0)


@dataclass
class Renamed:
    """A batch whose names are others: bytes that no line of format 1 can carry."""

    batch: Batch
    names: list[bytes]

    def __len__(self) -> int:
        return len(self.batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.batch, name)
