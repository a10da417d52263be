"""What the two stores' schemas have in common: a version, and what is said of a wrong one."""

from __future__ import annotations

from memtap.errors import OlderSchema, StoreError

EVENT_ORDINAL_BITS = 40
"""An event's id is `stream_no << 40 | ordinal`: 16 million streams of a million million events. Nothing in it
depends on when or how often an ingest was tried."""
MAX_STREAM_NO = (1 << (64 - EVENT_ORDINAL_BITS)) - 1
FIRST_UNSEEN_US = 2**64 - 1
"""`first_us` of a process that has no call yet; its `last_us` is 0."""
END_OF_TIME_US = 253_402_300_800_000_000
"""The year 10000. A later call is kept and counted, but does not decide which boot of a host is the newest."""


def event_id(stream_no: int, ordinal: int) -> int:
    """The id of a stream's event. Raises StoreError where the stream has had its 2^40."""
    if not 0 <= ordinal < 1 << EVENT_ORDINAL_BITS:
        raise StoreError(f"stream {stream_no} has reached its last event, number {ordinal}: begin a new stream")
    return (stream_no << EVENT_ORDINAL_BITS) | ordinal


def refuse_newer(found: int, known: int, url: str) -> None:
    """Raise StoreError for a schema made by a newer memtap than this one, which knows versions up to `known`."""
    if found > known:
        raise StoreError(
            f"store {url} has schema version {found} and this memtap knows up to {known}: use the newer memtap"
        )


def require(found: int, known: int, url: str) -> None:
    """Raise StoreError for a newer schema than this memtap's, which is version `known`, OlderSchema for an older."""
    refuse_newer(found, known, url)
    if found < known:
        state = f"schema version {found}, older than {known}" if found else "no schema of memtap's"
        raise OlderSchema(f"store {url} has {state}: run `memtap init` on it")
