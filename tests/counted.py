"""Calls as a test knows them, the batches they make, and their sums counted without memtap."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memtap.native import Batch, Parser
from memtap.stores.contract import Cursor, Host, SealedBatch, Stream

FIRST_US = 1_795_411_501_000_000
GREATEST = 2**64 - 1
BOOT = "0d4b8c5e-7f7b-4a55-9b0e-6a6a2f3c1d10"
HOST = Host(name="here", boot_id=BOOT, memory_bytes=16 << 30, page_size=4096)
STREAM = Stream(name="file:trace.log", tap="file", host=HOST)


@dataclass(frozen=True)
class Call:
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


@dataclass
class Sums:
    """Of one process or one second, added up one call at a time."""

    requested: int = 0
    released: int = 0
    requests: int = 0
    releases: int = 0
    first_us: int = GREATEST
    last_us: int = 0
    name: bytes = b""

    def add(self, call: Call) -> None:
        if call.call == "mmap2":
            self.requested += call.length
            self.requests += 1
        else:
            self.released += call.length
            self.releases += 1
        if call.time_us >= self.last_us:
            self.name = call.name
        self.first_us = min(self.first_us, call.time_us)
        self.last_us = max(self.last_us, call.time_us)


def by_pid(calls: Iterable[Call]) -> dict[int, Sums]:
    out: dict[int, Sums] = defaultdict(Sums)
    for call in calls:
        out[call.pid].add(call)
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


def batches(calls: Sequence[Call], *, rows: int = 1000, start: Cursor | None = None) -> Iterator[SealedBatch]:
    """The calls as the batches that follow `start`, all of one parser; `calls` holds what comes before as well."""
    start = start or Cursor(stream_no=0)
    parser = Parser(rows=rows)
    number, at = start.next_batch, start.next_ordinal
    offset = sum(len(call.line) for call in calls[:at])
    while at < len(calls):
        some = calls[at : at + rows]
        data = b"".join(call.line for call in some)
        parser.feed(data)
        offset += len(data)
        yield SealedBatch(number, at, offset, b"check %d" % offset, parser.seal(), len(some), 0, 0)
        number += 1
        at += len(some)


def one_batch(*calls: Call, **changed: Any) -> SealedBatch:
    """These calls as a stream's first batch."""
    batch = next(batches(calls, rows=max(len(calls), 1))) if calls else _empty()
    return replace(batch, **changed)


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
