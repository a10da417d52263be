"""The store that counts and forgets: everything before a store, measured alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from memtap.stores.retention import Maintenance, Retention
from memtap.stores.streams import Cursor, SealedBatch, Stream

if TYPE_CHECKING:
    from memtap.stores.null_reader import NullReader


class NullStore:
    """`null://`. What it counted is read back through `reader().account()`; nothing else is kept."""

    url = "null://"

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    def migrate(self) -> tuple[int, int]:
        return 1, 1  # there is nothing that could be of another version

    def writer(self) -> NullWriter:
        return NullWriter(self._counts, self._lost)

    def reader(self) -> NullReader:
        from memtap.stores.null_reader import NullReader  # who only writes need not load it

        return NullReader(self._counts, self._lost)

    def maintain(self, retention: Retention, now_us: int) -> Maintenance:
        del retention, now_us
        return Maintenance()

    def server_pids(self) -> tuple[int, ...]:
        return ()

    def close(self) -> None:
        pass


class NullWriter:
    """Takes every batch as new."""

    def __init__(self, counts: Counter[str], lost: Counter[str]) -> None:
        self._counts = counts
        self._lost = lost

    def open_stream(self, stream: Stream) -> Cursor:
        del stream
        self._counts["streams"] += 1
        return Cursor(stream_no=self._counts["streams"])

    def last_stream(self, prefix: str) -> tuple[str, Cursor] | None:
        del prefix
        return None

    def ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        del stream_no, batch
        return False

    def write(self, stream_no: int, batch: SealedBatch) -> bool:
        del stream_no
        self._counts.update(
            changes=1, stored=len(batch.events), lines=batch.lines, rejected=batch.rejected, notices=batch.notices
        )
        for loss in batch.losses:
            self._lost[loss.cause] += loss.events
        return True

    def end_processes(self, stream_no: int, pids: Sequence[int], ended_us: int) -> None:
        pass

    def close(self) -> None:
        pass
