"""What a writer is given: streams and their batches. Tuples, as most commands need them at once: a dataclass takes six
times as long to make, and its module longer than all of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtap.digest import blake2b

if TYPE_CHECKING:
    from memtap.native import Batch


class Host(NamedTuple):
    """The machine whose calls a stream holds."""

    name: str
    boot_id: str  # UUID text of /proc/sys/kernel/random/boot_id, or see `unknown_boot`; at most 64 characters
    memory_bytes: int  # MemTotal: what `percentage` is a percentage of
    page_size: int  # bytes


_UNKNOWN_BOOT = "unknown:"


def unknown_boot(stream: str) -> str:
    """The boot id of a stream that does not say which boot its pids are of, as format 1 does not: then a pid means
    one process within that stream, and nothing beyond."""
    return _UNKNOWN_BOOT + blake2b(stream.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def is_known_boot(boot_id: str) -> bool:
    return not boot_id.startswith(_UNKNOWN_BOOT)


class Stream(NamedTuple):
    """A sequence of batches from one tap or one file. Its name is its identity in the store."""

    name: str
    tap: str  # stap, bpftrace, replay, file, stdin
    host: Host


class Cursor(NamedTuple):
    """Where a stream stands in the store: everything before it is committed."""

    stream_no: int
    next_batch: int = 0  # number of the next batch
    next_ordinal: int = 0  # ordinal of the next event within the stream
    offset: int = 0  # bytes of the source that are accounted for
    check: bytes = b""  # the up to 4,096 bytes of the source before `offset`, hashed (see memtap.source)


class Loss(NamedTuple):
    """Events known not to have arrived."""

    time_us: int  # microseconds since the epoch, when it was noticed: they were lost no later
    cause: str  # tap, pipe, ring, parse, spool, store
    events: int  # how many; 0 for a gap whose size nobody knows
    detail: str = ""
    since_us: int = 0  # they were lost no earlier; 0: only time_us is known


class SealedBatch(NamedTuple):
    """The events that are stored in one transaction. Never changes once made."""

    number: int
    first_ordinal: int
    offset: int  # bytes of the source accounted for when this batch is stored
    check: bytes
    events: Batch
    lines: int  # counts are of this batch alone
    rejected: int
    notices: int
    losses: tuple[Loss, ...] = ()
