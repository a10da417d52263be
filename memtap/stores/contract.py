"""What a store promises. Two implementations: `duckdb` and `mysql`; `null` counts and forgets.

A store is written by one `Writer` (the loader thread) and read through any number of `Reader`s
(the API's threads). They share a database and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from memtap.stores.retention import Maintenance, Retention
from memtap.stores.streams import Cursor, Host, Loss, SealedBatch, Stream, is_known_boot, unknown_boot

__all__ = [
    "Account",
    "CallFilter",
    "CallPage",
    "CallRow",
    "Cursor",
    "Host",
    "Loss",
    "Maintenance",
    "ProcessRow",
    "Reader",
    "Retention",
    "SealedBatch",
    "SecondAccount",
    "Store",
    "Stream",
    "StreamRow",
    "Totals",
    "Writer",
    "is_known_boot",
    "unknown_boot",
]


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls a page of calls holds. None means any."""

    process_id: int | None = None
    pid: int | None = None
    name: bytes | None = None  # the exact comm
    call: str | None = None  # one of memtap.native.CALLS
    failed: bool | None = None  # True: only calls that failed, False: only those that did not
    from_us: int | None = None  # inclusive
    to_us: int | None = None  # exclusive
    min_length: int | None = None  # bytes, inclusive
    max_length: int | None = None  # bytes, inclusive
    kind: str | None = None  # of mapping: one of memtap.native.KINDS
    errno: int | None = None  # only calls that failed so; 0: only those known to have been granted


class CallRow(NamedTuple):
    """One stored call. A tuple, as ProcessRow."""

    id: int
    time_us: int
    process_id: int
    pid: int
    name: bytes
    call: str
    length: int  # bytes
    # what only format 2 says; None for a call of format 1
    freed: int | None = None  # bytes given back
    errno: int | None = None  # 0: granted
    kind: str | None = None  # one of memtap.native.KINDS
    vm: int | None = None  # the process's mapped bytes after the call


@dataclass(frozen=True, slots=True)
class CallPage:
    """What a bounded search found."""

    rows: list[CallRow]  # newest first
    more: tuple[int, int] | None  # where it had looked at enough: go on with before=more; None: full, or all looked at


class ProcessRow(NamedTuple):
    """One process with its totals since memtap first saw it, or within a window. There are ten thousands at a time, and
    a tuple is made four times as fast as a frozen dataclass."""

    id: int
    host: str
    pid: int
    start_us: int  # with the pid, its identity: microseconds since boot; format 1: see Batch.process_starts
    name: bytes  # the latest comm
    requested: int  # bytes; Python integers, as sums may pass 2^64
    released: int
    requests: int  # mmap-like calls
    releases: int  # munmap-like calls
    first_us: int
    last_us: int
    ended_us: int | None  # None: not known to have ended
    failed: int = 0  # calls that failed; format 1 does not say
    vm: int | None = None  # bytes, the kernel's own number at its latest call; None where no tap has said
    resident: int | None = None
    uid: int | None = None
    cgroup: int | None = None  # id
    parent: int | None = None  # pid

    @property
    def balance(self) -> int:
        """Bytes, requested minus released: "mmap - munmap"."""
        return self.requested - self.released


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all processes, since the beginning or within a window."""

    requested: int
    released: int
    requests: int
    releases: int
    processes: int  # how many processes made a call
    failed: int = field(default=0, kw_only=True)  # calls that failed; format 1 does not say
    first_us: int | None  # None: no call
    last_us: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """The loss identity, summed over the store's streams: emitted = stored + rejected + lost."""

    lines: int
    stored: int
    rejected: int
    notices: int
    lost: dict[str, int] = field(default_factory=dict)  # by cause

    @property
    def emitted(self) -> int:
        return self.stored + self.rejected + sum(self.lost.values())


@dataclass(frozen=True, slots=True)
class SecondAccount:
    """The loss identity of one second, over all streams."""

    second: int  # since the epoch
    stored: int  # events of this second
    rejected: int  # lines that came after an event of this second and were none
    lost: dict[str, int] = field(default_factory=dict)  # by cause, of the losses noticed in this second

    @property
    def emitted(self) -> int:
        return self.stored + self.rejected + sum(self.lost.values())


@dataclass(frozen=True, slots=True)
class StreamRow:
    """What the store holds of a stream."""

    stream_no: int
    name: str
    tap: str
    host: str
    batches: int
    stored: int
    first_us: int | None
    last_us: int | None


class Writer(Protocol):
    """The one loader's side. Used by one thread at a time. Every method raises StoreAway where the
    store cannot be reached now (try again), StoreError where it never will."""

    def open_stream(self, stream: Stream) -> Cursor:
        """Find the stream by name, or begin it. Registers its host."""
        ...

    def last_stream(self, prefix: str) -> tuple[str, Cursor] | None:
        """The newest stream whose name begins with `prefix`: to find where a file was left."""
        ...

    def ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        """This very batch is to be written soon, after those that were named before it: a store may begin with what
        nobody sees. False: no store of this sort ever does, and nobody need go on naming what waits. Never waits, never
        raises; from any thread, if not for a batch that is being written already."""
        ...

    def write(self, stream_no: int, batch: SealedBatch) -> bool:
        """Store a batch in one transaction: the batches row first, then events, processes, rollups,
        processes that ended, losses. True when it was stored now, False when it had been stored before (a repeat)."""
        ...

    def end_processes(self, stream_no: int, pids: Sequence[int], ended_us: int) -> None:
        """Mark these pids of the stream's host and boot as ended."""
        ...

    def close(self) -> None: ...


class Reader(Protocol):
    """The API's side; safe to call from several threads. Reads cost O(processes), never O(events)."""

    def version(self) -> str:
        """Changes whenever anything that can be read changes (an ETag's stuff). Cheap."""
        ...

    def known_version(self) -> str | None:
        """As `version`, where that is known without asking the database: never waits. None: ask `version`."""
        ...

    def hosts(self) -> list[Host]: ...

    def processes(self, *, ended: bool | None = False) -> list[ProcessRow]:
        """Every process of each host's newest boot, most balance first. `ended`: False only those not
        known to have ended, True only ended ones, None both. A process whose boot is unknown
        belongs to every boot."""
        ...

    def process(self, process_id: int) -> ProcessRow | None: ...

    def window(self, from_us: int, to_us: int) -> list[ProcessRow]:
        """Each process's sums in [from_us, to_us), whole seconds, from the rollups; most requested first. Of seconds
        whose 1 s rollups have aged out, whole minutes or hours."""
        ...

    def history(
        self, process_id: int | None, from_us: int, to_us: int, *, step: int = 1
    ) -> list[tuple[int, int, int, int, int, int]]:
        """(begin of the step in seconds since the epoch, requested, released, requests, releases, failed), ascending,
        of each step in which a call was made; None: all processes. `step` is 1 s, or a multiple of a second, minute
        or hour: the coarsest tier of which it is a multiple is read, and steps begin at multiples of it. ValueError
        for a step below 1."""
        ...

    def held(
        self, process_id: int, from_us: int, to_us: int, *, step: int = 1
    ) -> list[tuple[int, int | None, int | None]]:
        """(begin of the step in seconds since the epoch, vm, resident) as of the process's last call in that step,
        ascending, for each step in which it made one; None where no tap has said. `step` as in `history`."""
        ...

    def held_at(self, at_us: int) -> dict[int, int | None]:
        """Vm in bytes by process id, at the beginning of the second of `at_us`: of each process that had called before
        and is not known to have ended before. None where no tap has said, or retention has dropped what would tell."""
        ...

    def seconds(self, from_us: int, to_us: int) -> list[SecondAccount]:
        """The loss identity of each second in [from_us, to_us) of which there is anything to say, ascending."""
        ...

    def totals(self) -> Totals: ...

    def calls(
        self,
        where: CallFilter,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[CallRow]:
        """A page, newest first, in the order (time_us, id). `before`/`after`: only calls older / newer
        than this (time_us, id). With `after`, still newest first, and the newest `limit` of them. Costs as much as
        there is to look through until the page is full: see `search`."""
        ...

    def search(
        self,
        where: CallFilter,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> CallPage:
        """As `calls`, at a cost that does not grow with the stored calls: what passes the filter rarely or never is
        looked for among the newest calls there are before `before`, and `more` says where that search ended."""
        ...

    def account(self) -> Account: ...

    def losses(self, *, limit: int = 1000) -> list[Loss]:
        """Newest first."""
        ...

    def streams(self) -> list[StreamRow]: ...

    def close(self) -> None: ...


class Store(Protocol):
    """A store opened by its URL."""

    url: str  # as given, without any password: safe to show

    def migrate(self) -> tuple[int, int]:
        """Bring the schema to this memtap's version; safe to repeat. Returns (version before, version now);
        0 before means it was made. Raises StoreError for a schema newer than this memtap knows."""
        ...

    def writer(self) -> Writer: ...

    def reader(self) -> Reader: ...

    def maintain(self, retention: Retention, now_us: int) -> Maintenance:
        """One bounded step of housekeeping: fold what the writer left to be folded, make room ahead, drop what
        `retention` no longer keeps at `now_us`. Called every some seconds from a thread of its own; never holds the
        writer up for more than 100 ms, and changes nothing that is read of what is kept."""
        ...

    def server_pids(self) -> tuple[int, ...]:
        """Processes of this machine that serve the store, where it can tell: a tap leaves them out, or each call
        stored would make more."""
        ...

    def close(self) -> None: ...
