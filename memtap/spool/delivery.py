"""Batches into a store: in order, each once, and of those that are missing what is known of them, as a loss."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from memtap.host import this_host
from memtap.spool.record import End, Ended, Entry, Head, Item, no_events, span_us, tag_of
from memtap.stores.streams import Cursor, Loss, SealedBatch, Stream

if TYPE_CHECKING:
    from memtap.spool.segment import Damage
    from memtap.stores.contract import Writer


class _Place:
    """How far a stream has come in the store."""

    def __init__(self, stream: Stream, cursor: Cursor) -> None:
        self.stream = stream
        self.stream_no = cursor.stream_no
        self.number = cursor.next_batch  # of the next batch
        self.ordinal = cursor.next_ordinal  # of the next event
        self.last_us = 0  # the latest call so far, as far as it is known here
        self.ended = False  # nothing of it is to come
        self.heads: list[Head] = []  # of damaged records since the last good one


class Delivery:
    """One loader thread's. Everything may be repeated as long as it raises StoreAway or StoreError.

    A batch's number and its first event's ordinal say what is missing before it, to the event. What is missing is
    stored as an empty batch with a loss, under the last missing number: a repeat finds it there.
    """

    def __init__(self, writer: Writer, stream: Stream, cursor: Cursor) -> None:
        """`stream`: the one that this memtap writes; those of earlier ones come from a spool."""
        self._writer = writer
        self._own = _Place(stream, cursor)
        self._at = self._own
        self._strays: list[Head] = []  # damaged records of a stream that is not known yet
        self.stored = 0  # calls of its own stream
        self.batches = 0
        self.lost: Counter[str] = Counter()  # told of here, by cause

    @property
    def at_own(self) -> bool:
        return self._at is self._own

    def ahead(self, item: Item) -> bool:
        """An item of this memtap's stream that waits for its turn. False: those behind it need not be named."""
        return isinstance(item, SealedBatch) and self._writer.ahead(self._own.stream_no, item)

    def spooled_ahead(self, found: Entry | Damage | None) -> bool:
        """The same for what a spool's `peek` gave."""
        return (
            isinstance(found, Entry)
            and found.whole
            and isinstance(found.item, SealedBatch)
            and found.stream.name == self._at.stream.name
            and self._writer.ahead(self._at.stream_no, found.item)
        )

    def own(self, item: Item) -> None:
        """An item of this memtap's stream."""
        self._finish_leftover()
        self._store(item)

    def spooled(self, found: Entry | Damage) -> None:
        """What a spool's `peek` gave."""
        if not isinstance(found, Entry):
            self._damaged(found)
            return
        if found.stream.name != self._at.stream.name:
            self._finish_leftover()
            if found.stream.name != self._own.stream.name:
                self._at = _Place(found.stream, self._writer.open_stream(found.stream))
        self._at.heads += [head for head in self._strays if head.tag == found.head.tag]
        self._strays.clear()
        if found.whole or not isinstance(found.item, SealedBatch):
            self._store(found.item)
        else:
            self._without_calls(found.item, found.head)

    def finish_spooled(self) -> None:
        """The spool has nothing more."""
        self._finish_leftover()

    def _store(self, item: Item) -> None:
        place = self._at
        if isinstance(item, Ended):
            self._writer.end_processes(place.stream_no, item.pids, item.time_us)
            return
        if isinstance(item, End):
            self._fill(item.number, item.ordinal, time.time_ns() // 1000)
            place.ended = True
            return
        first_us, last_us = span_us(item.events)
        if item.number < place.number:  # it is in the store, or was told of as lost
            place.last_us = last_us or place.last_us
        else:
            self._fill(item.number, item.first_ordinal, first_us)
            self._writer.write(place.stream_no, item)
            if self.at_own:
                self.stored += len(item.events)
                self.batches += 1
            self._advance(item.number + 1, item.first_ordinal + len(item.events), last_us)

    def _advance(self, number: int, ordinal: int, last_us: int) -> None:
        place = self._at
        place.number, place.ordinal = number, ordinal
        place.last_us = last_us or place.last_us
        place.heads.clear()

    def _fill(self, number: int, ordinal: int, until_us: int) -> None:
        """Tells of the batches that are missing before this one."""
        place = self._at
        if number <= place.number:
            return
        missing = f"batches {place.number} to {number - 1}" if number - place.number > 1 else f"batch {place.number}"
        self._tell(number - 1, ordinal, until_us or place.last_us, f"the spool lost {missing}")
        self._advance(number, ordinal, until_us)

    def _tell(self, number: int, ordinal: int, until_us: int, detail: str) -> None:
        """An empty batch that says what was lost from the stream's place up to the end of this batch."""
        place = self._at
        times = [us for head in place.heads if head.events for us in (head.first_us, head.last_us)]
        since_us, until_us = min([place.last_us or 1, *times]), max([until_us, *times])
        since_us, until_us = min(since_us, until_us), max(since_us, until_us)
        loss = Loss(until_us, "spool", ordinal - place.ordinal, f"{detail} of {place.stream.name}", since_us=since_us)
        self._write_empty(place.stream_no, number, ordinal, (loss,))

    def _write_empty(self, stream_no: int, number: int, ordinal: int, losses: tuple[Loss, ...]) -> None:
        lost = sum(loss.events for loss in losses)
        batch = SealedBatch(number, ordinal, 0, b"", no_events(), lines=lost, rejected=0, notices=0, losses=losses)
        self._writer.write(stream_no, batch)
        self._count(losses)

    def _without_calls(self, item: SealedBatch, head: Head) -> None:
        """A batch whose calls cannot be read: its counts and losses are stored, its calls told of as lost."""
        place = self._at
        if item.number < place.number:
            return
        self._fill(item.number, item.first_ordinal, head.first_us)
        detail = f"the spool's batch {item.number} of {place.stream.name} is damaged"
        loss = Loss(head.last_us or time.time_ns() // 1000, "spool", head.events, detail, since_us=head.first_us)
        told = item._replace(first_ordinal=head.next_ordinal, losses=(*item.losses, loss))
        self._writer.write(place.stream_no, told)
        self._count((loss,))
        self._advance(item.number + 1, head.next_ordinal, head.last_us)

    def _damaged(self, damage: Damage) -> None:
        """Bytes of a spool that are no record. What they were, the next record's number tells."""
        if damage.head:
            known = self._at.heads if damage.head.tag == tag_of(self._at.stream.name) else self._strays
            if damage.head not in known:
                known.append(damage.head)
        elif damage.all_of_it and (self.at_own or self._at.ended):
            # Perhaps no record that is left misses what was in this file.
            host = this_host()
            name = f"spool:{host.name}:{damage.file}"
            cursor = self._writer.open_stream(Stream(name, "spool", host))
            if not cursor.next_batch:
                detail = f"nothing in the {damage.bytes:,} bytes of the spool's {damage.file} could be read"
                loss = Loss(time.time_ns() // 1000, "spool", 0, detail, since_us=1)
                self._write_empty(cursor.stream_no, 0, 0, (loss,))

    def _finish_leftover(self) -> None:
        """Nothing more comes of an earlier memtap's stream. Without its end mark it was cut short."""
        place = self._at
        if self.at_own:
            return
        if not place.ended:
            batches = [head for head in place.heads if head.kind == "batch" and head.number >= place.number]
            number = max((head.number for head in batches), default=place.number)
            ordinal = max((head.next_ordinal for head in batches), default=place.ordinal)
            until_us = max((head.last_us for head in batches), default=0)
            detail = "memtap was killed, or its spool cut: at least so much is missing at the end"
            self._tell(number, ordinal, until_us or place.last_us or time.time_ns() // 1000, detail)
        self._at = self._own

    def _count(self, losses: tuple[Loss, ...]) -> None:
        for loss in losses:
            self.lost[loss.cause] += loss.events
