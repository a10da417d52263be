"""One record of a spool's file, to the byte: a batch, or what else goes to the store in its place among batches.

    head     SIZE bytes, fixed: what a batch's loss would be, whatever happens to the rest; its own CRC at the end
    meta     JSON: the stream with its host, the counts and losses
    payload  the batch, packed

Each record names its stream in full, so that none needs another one to be read. It begins with its file's salt: eight
random bytes that stand in the file's name. A reader that has lost its place looks for them; process names, which
anybody chooses, cannot forge them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

from memtap.digest import blake2b
from memtap.native import Batch, Parser
from memtap.stores.repeats import storable
from memtap.stores.streams import Host, Loss, SealedBatch, Stream

VERSION = 1
SALT_BYTES = 8
# salt, version, kind, meta's and payload's bytes and CRCs, stream's tag, number, first ordinal, events, first and last
# time; then the CRC of all that
_HEAD = struct.Struct("<8sHHIQII8sQQQQQ")
_CRC = struct.Struct("<I")
SIZE = _HEAD.size + _CRC.size

Kind = Literal["batch", "ended", "end"]
_KINDS: tuple[Kind, ...] = ("batch", "ended", "end")

# zlib's: it comes with Python, lets go of the GIL, takes 1 GB/s, and finds every burst of 32 bits and less. A faster
# hash would save a fraction of what packing costs. Records are not signed: the folder is its user's alone.
_crc = zlib.crc32


class Ended(NamedTuple):
    """Processes that no longer exist."""

    pids: tuple[int, ...]
    time_us: int


class End(NamedTuple):
    """Nothing of the stream comes after this: its batches and events before it are so many."""

    number: int
    ordinal: int


Item = SealedBatch | Ended | End


class Head(NamedTuple):
    """What the fixed part of a record says."""

    kind: Kind
    tag: bytes  # of its stream's name
    number: int  # of the batch; of End the next one
    first_ordinal: int
    events: int
    first_us: int  # microseconds since the epoch, of its calls
    last_us: int
    meta_bytes: int
    payload_bytes: int
    meta_crc: int
    payload_crc: int

    @property
    def bytes(self) -> int:
        return SIZE + self.meta_bytes + self.payload_bytes

    @property
    def next_ordinal(self) -> int:
        return self.first_ordinal + self.events


class Entry(NamedTuple):
    """A record that could be read. `item` without its calls: of a batch that cannot be unpacked they are lost."""

    head: Head
    stream: Stream
    item: Item
    whole: bool  # False: the calls are lost, and `item` is the batch without them


def tag_of(stream_name: str) -> bytes:
    return blake2b(storable(stream_name).encode(), digest_size=8).digest()


def span_us(events: Batch) -> tuple[int, int]:
    """Of the batch's first and last call, wherever the clock stood; (0, 0) where there is none."""
    first_us, last_us, _ = events.times(0) or (0, 0, 0)
    return first_us, last_us


class Encoded(NamedTuple):
    """A record that has no file yet."""

    head: Head
    meta: bytes
    payload: bytes

    def pieces(self, salt: bytes) -> list[bytes]:
        head = self.head
        fixed = _HEAD.pack(
            salt,
            VERSION,
            _KINDS.index(head.kind),
            head.meta_bytes,
            head.payload_bytes,
            head.meta_crc,
            head.payload_crc,
            head.tag,
            head.number,
            head.first_ordinal,
            head.events,
            head.first_us,
            head.last_us,
        )
        return [fixed, _CRC.pack(_crc(fixed)), self.meta, self.payload]


def encode(stream: Stream, item: Item) -> Encoded:
    number = first_ordinal = events = first_us = last_us = 0
    payload = b""
    said: dict[str, object] = {"stream": _stream_fields(stream)}
    kind: Kind
    if isinstance(item, SealedBatch):
        kind = "batch"
        number, first_ordinal, events = item.number, item.first_ordinal, len(item.events)
        first_us, last_us = span_us(item.events)
        payload = item.events.pack()
        said |= {"counts": [item.lines, item.rejected, item.notices], "offset": item.offset, "check": item.check.hex()}
        said["losses"] = [
            [loss.time_us, storable(loss.cause), loss.events, storable(loss.detail), loss.since_us]
            for loss in item.losses
        ]
    elif isinstance(item, Ended):
        kind = "ended"
        said |= {"pids": item.pids, "time_us": item.time_us}
    else:
        kind = "end"
        number, first_ordinal = item.number, item.ordinal
    import orjson  # takes its time to load, and an ingest has no spool

    meta = orjson.dumps(said)
    tag = tag_of(stream.name)
    sizes = len(meta), len(payload), _crc(meta), _crc(payload)
    return Encoded(Head(kind, tag, number, first_ordinal, events, first_us, last_us, *sizes), meta, payload)


def head_of(data: bytes, salt: bytes) -> Head | None:
    """The head that these SIZE bytes are, if they are one."""
    if (
        len(data) < SIZE
        or data[:SALT_BYTES] != salt
        or _CRC.unpack_from(data, _HEAD.size)[0] != _crc(data[: _HEAD.size])
    ):
        return None
    _, version, kind, meta_bytes, payload_bytes, meta_crc, payload_crc, tag, number, ordinal, events, first, last = (
        _HEAD.unpack_from(data)
    )
    if version != VERSION or kind >= len(_KINDS):
        return None
    return Head(
        _KINDS[kind], tag, number, ordinal, events, first, last, meta_bytes, payload_bytes, meta_crc, payload_crc
    )


def entry_of(head: Head, meta: bytes, payload: bytes, unpack: Callable[[bytes], Batch] = Batch.unpack) -> Entry | None:
    """The record with this head. None: not even its stream can be told."""
    if len(meta) != head.meta_bytes or _crc(meta) != head.meta_crc:
        return None
    import orjson

    said = orjson.loads(meta)
    stream = _stream(said["stream"])
    if head.kind == "ended":
        return Entry(head, stream, Ended(tuple(said["pids"]), said["time_us"]), True)
    if head.kind == "end":
        return Entry(head, stream, End(head.number, head.first_ordinal), True)
    events = no_events()
    whole = len(payload) == head.payload_bytes and _crc(payload) == head.payload_crc
    if whole:
        try:
            events = unpack(payload)
        except ValueError:  # of another version
            whole = False
    lines, rejected, notices = said["counts"]
    batch = SealedBatch(
        number=head.number,
        first_ordinal=head.first_ordinal,
        offset=said["offset"],
        check=bytes.fromhex(said["check"]),
        events=events,
        lines=lines,
        rejected=rejected,
        notices=notices,
        losses=tuple(Loss(*fields) for fields in said["losses"]),
    )
    return Entry(head, stream, batch, whole)


@cache
def no_events() -> Batch:
    """A batch without calls."""
    return Parser(rows=8).seal()


def _stream_fields(stream: Stream) -> list[object]:
    host = stream.host
    return [
        storable(stream.name),
        storable(stream.tap),
        [storable(host.name), storable(host.boot_id), host.memory_bytes, host.page_size],
    ]


def _stream(fields: list[list[object]]) -> Stream:
    name, tap, host = fields
    return Stream(str(name), str(tap), Host(*host))  # type: ignore[arg-type]
