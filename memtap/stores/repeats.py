"""What both writers say of a stream: where it stands, and whether a batch has been stored before."""

from __future__ import annotations

from typing import Any

from memtap.errors import StoreError
from memtap.stores.streams import SealedBatch

CURSOR_START = (
    "SELECT batch_no, first_ordinal, stored, source_offset, source_check FROM batches"
    " WHERE stream_no = ? ORDER BY batch_no DESC LIMIT 1"
)


def check_repeat(stream_no: int, batch: SealedBatch, stored: tuple[Any, ...]) -> None:
    """Raise StoreError where the stored batch of this number is not this batch: (first_ordinal, stored,
    source_offset, lines_read). To call it a repeat would lose this one's events without a word."""
    mine = (batch.first_ordinal, len(batch.events), batch.offset, batch.lines)
    if tuple(map(int, stored)) != mine:
        raise StoreError(
            f"stream {stream_no}: batch {batch.number} is in the store with other events"
            f" (first, events, offset, lines: {tuple(map(int, stored))}, not {mine}):"
            " two memtaps write one stream, stop one of them"
        )


def storable(text: str) -> str:
    """The text without what UTF-8 columns refuse: lone surrogates (a path's undecodable bytes) become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
