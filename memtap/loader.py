"""The loader: sealed batches into the store, in order, in a thread of its own."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING, NamedTuple

from memtap.errors import StoreAway, StoreError
from memtap.native import Batch, Parser
from memtap.spool.delivery import Delivery
from memtap.spool.record import End, Ended, Entry, span_us
from memtap.stores.streams import Cursor, Host, Loss, SealedBatch, Stream

if TYPE_CHECKING:
    from memtap.spool.segment import Damage
    from memtap.spool.spool import Spool
    from memtap.stores.contract import Writer

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 0.5  # a store that is back has everything within two seconds, however long it was away
STALLED_S = 2.0  # a batch that takes longer is told of
SPOOL_AFTER_S = 0.5  # a batch waits so long in memory; then it is put on disk
SPOOLED_AHEAD = 3  # batches of a spool that the store may know at a time
UNNAMED = Stream("", "", Host("", "", 0, 0))  # of a loader without a spool


class Draft(NamedTuple):
    """A batch that has no number yet. Counts are of it alone."""

    events: Batch
    lines: int
    rejected: int
    notices: int
    offset: int = 0
    check: bytes = b""
    losses: tuple[Loss, ...] = ()


LOSSES_MAX = 100  # owed one by one; then one a cause: a store may be away for long
ENDED_MAX = 50_000  # processes whose end is owed
SECONDS_MAX = 10_000  # with rejected lines, of which the time is owed


def _fewer(losses: tuple[Loss, ...]) -> tuple[Loss, ...]:
    if len(losses) <= LOSSES_MAX:
        return losses
    joined: dict[str, Loss] = {}
    for loss in losses:
        if before := joined.get(loss.cause):
            since_us = min(before.since_us or before.time_us, loss.since_us or loss.time_us)
            time_us = max(before.time_us, loss.time_us)
            loss = loss._replace(events=before.events + loss.events, time_us=time_us, since_us=since_us)
        joined[loss.cause] = loss
    return tuple(joined.values())


def _together(draft: Draft, owed: Draft) -> Draft:
    """`draft`, with the counts, losses and ended processes of the dropped `owed` before it."""
    draft.events.take_ended(owed.events)
    if len(owed.events.seconds) < SECONDS_MAX:  # else they are counted as those of no second
        draft.events.take_rejected(owed.events)
    return draft._replace(
        lines=owed.lines + draft.lines,
        rejected=owed.rejected + draft.rejected,
        notices=owed.notices + draft.notices,
        losses=_fewer(owed.losses + draft.losses),
    )


class Unstored(NamedTuple):
    """What a loader had not stored when it ended."""

    lost: int = 0  # calls
    spooled: int = 0  # batches that wait in the spool


class Loader(Thread):
    """Stores batches one after another and repeats each until it is stored.

    `most_rows`: calls that may wait in memory. With `drop`, a batch beyond that is dropped and counted as lost, so
    that whoever submits never waits for the store; else `submit` waits. `patience_s`: how long a store may be away
    before the loader gives up (None: for ever). With a `spool`, opened, what waits is put on disk, and what waits there
    goes first; `stream` is that of the batches.
    """

    def __init__(
        self,
        writer: Writer,
        cursor: Cursor,
        *,
        most_rows: int,
        drop: bool,
        patience_s: float | None,
        stream: Stream = UNNAMED,
        spool: Spool | None = None,
    ) -> None:
        super().__init__(name="memtap-loader", daemon=True)
        self._stream = stream
        self._delivery = Delivery(writer, stream, cursor)
        self._spool = spool
        self._spooler = Thread(target=self._put_on_disk, name="memtap-spooler", daemon=True)
        self._number = cursor.next_batch
        self._ordinal = cursor.next_ordinal
        self._most_rows = most_rows
        self._drop = drop
        self._patience_s = patience_s
        self._changed = Condition()
        self._queue: deque[tuple[SealedBatch | Ended, float]] = deque()  # with the monotonic time since when
        self._rows = 0  # in the queue
        self._owed: Draft | None = None  # counts and losses of dropped batches, stored with the next one
        self._ended = 0  # processes in the queue that have ended
        self.ends_forgotten = 0  # for which there was no room
        self._ends_told = 0
        self._unended: Loss | None = None  # of those that no batch has told of
        self._finishing = False
        self._abandoned = False
        self._hurried = False
        self._wrote = False  # something of this stream to the spool
        self.dropped = 0  # calls for which there was no room
        self.store_s = 0.0  # how long the latest batch took
        self.rows_per_s = 0.0  # in the latest batch of more than a few calls; 0: there was none
        self._busy_since = 0.0  # monotonic; 0: the store owes no answer
        self._lost: Counter[str] = Counter()
        self.store_error = ""
        self.failure: StoreError | None = None

    @property
    def lost(self) -> Counter[str]:
        """Events, by cause."""
        return self._lost + self._delivery.lost

    @property
    def stored(self) -> int:
        """Calls, of this stream."""
        return self._delivery.stored

    @property
    def batches(self) -> int:
        """Stored, of this stream."""
        return self._delivery.batches

    @property
    def owes(self) -> bool:
        """Whether batches were dropped and no later one has told of it yet."""
        return self._owed is not None

    @property
    def stalled(self) -> bool:
        """Whether the store takes nothing now: it is away, or has not answered for long."""
        since = self._busy_since
        return bool(self.store_error) or bool(since and time.monotonic() - since > STALLED_S)

    @property
    def queued(self) -> int:
        """Batches that wait, the one being stored among them."""
        return len(self._queue) + (self._spool.batches if self._spool else 0)

    def start(self) -> None:
        super().start()
        if self._spool:
            self._spooler.start()

    def submit(self, draft: Draft) -> None:
        """Takes a batch. Raises StoreError once the loader has given up."""
        rows = len(draft.events)
        with self._changed:
            while not self._drop and self._rows and self._rows + rows > self._most_rows and not self.failure:
                self._changed.wait()
            if self.failure:
                raise self.failure
            for loss in draft.losses:
                self._lost[loss.cause] += loss.events
            if self._drop and self._rows and rows and self._rows + rows > self._most_rows:
                self._drop_batch(draft)
                return
            if self._owed:
                draft, self._owed = _together(draft, self._owed), None
            if unended := self._unended:
                detail = f"no room to wait: {self.ends_forgotten - self._ends_told:,} processes' ends are forgotten"
                draft = draft._replace(losses=(*draft.losses, unended._replace(detail=detail)))
                self._unended, self._ends_told = None, self.ends_forgotten
            batch = SealedBatch(
                number=self._number,
                first_ordinal=self._ordinal,
                offset=draft.offset,
                check=draft.check,
                events=draft.events,
                lines=draft.lines,
                rejected=draft.rejected,
                notices=draft.notices,
                losses=draft.losses,
            )
            self._queue.append((batch, time.monotonic()))
            self._number += 1
            self._ordinal += rows
            self._rows += rows
            self._send_ahead()
            self._changed.notify_all()

    def _drop_batch(self, draft: Draft) -> None:
        """Its calls are lost; what else it knew goes with the next one that is stored."""
        if events := len(draft.events):
            since_us, time_us = span_us(draft.events)
            cause, detail = "store", f"the store is away and {self._most_rows:,} calls wait already"
            if spool := self._spool:
                cause = "spool"
                full = f"the spool has its {spool.limit:,} bytes" if spool.full else "more comes than the disk takes"
                detail = f"the store is away, and {spool.error or full}"
            loss = Loss(time_us, cause, events, f"{detail}: dropped {since_us} to {time_us} us", since_us=since_us)
            draft = draft._replace(losses=(*draft.losses, loss))
            self._lost[cause] += events
            self.dropped += events
        self._owed = _together(draft, self._owed) if self._owed else draft
        ended = self._owed.events.ended
        if (beyond := len(ended) - ENDED_MAX) > 0:
            times = [time_us for _, time_us in ended[:beyond]]
            self._forget_ends(beyond, min(times), max(times))
            del ended[:beyond]

    def end_processes(self, pids: tuple[int, ...], time_us: int) -> None:
        """These processes have ended; said after every call submitted before."""
        with self._changed:
            if self._ended and self._ended + len(pids) > ENDED_MAX:
                self._forget_ends(len(pids), time_us, time_us)
                return
            self._queue.append((Ended(pids, time_us), time.monotonic()))
            self._ended += len(pids)
            self._changed.notify_all()

    def _forget_ends(self, count: int, first_us: int, last_us: int) -> None:
        """The next batch tells of it. The calls by which processes ended are in other losses."""
        before = self._unended or Loss(last_us, "store", 0, "", since_us=first_us)
        since_us, time_us = min(before.since_us, first_us), max(before.time_us, last_us)
        self.ends_forgotten += count
        self._unended = before._replace(time_us=time_us, since_us=since_us)

    def hurry(self) -> None:
        """Gives up on a store that is away now, whatever the patience. May be called in a signal handler."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def finish(self, timeout_s: float | None = None) -> Unstored:
        """Stores what waits and ends the threads; what a spool holds, and what is not stored in time, stays there."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()
        self.join(timeout_s)
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
        if not self._spool:
            return Unstored(lost=self._rows)
        self._spooler.join(timeout_s)
        return Unstored(lost=self._rows, spooled=self._spool.batches)

    def run(self) -> None:
        while work := self._next():
            try:
                done = self._until_done(work)
            except StoreError as error:
                with self._changed:
                    self.failure = error
                    self.store_error = str(error)
                    self._changed.notify_all()
                return
            if not done:
                return

    def _next(self) -> Callable[[], None] | None:
        """What is to be done next, oldest first; None: nothing any more."""
        spool = self._spool
        while True:
            with self._changed:
                while not (self._queue or self._finishing or (spool and spool.in_use)):
                    self._changed.wait()
                if self._abandoned or (self._finishing and not (self._queue or (spool and spool.in_use))):
                    return None
                item = self._queue[0][0] if self._queue else None
                self._send_ahead()
            if spool and spool.in_use:
                if found := spool.peek():
                    for after in range(SPOOLED_AHEAD):
                        if not self._delivery.spooled_ahead(spool.peek(after)):
                            break
                    return partial(self._store_spooled, spool, found)
                if not self._delivery.at_own:
                    return self._delivery.finish_spooled
                if not spool.release() and not item:
                    with self._changed:  # somebody appends
                        self._changed.wait(0.05)
            if item:
                return partial(self._store, item)

    def _send_ahead(self) -> None:
        """While batches wait, the store may get to know them: where it wants to, as thousands may wait."""
        if self._drop and len(self._queue) < 2:  # of a live tap the next one is far away: nobody gains
            return
        for item, _ in self._queue:
            if not self._delivery.ahead(item):
                break

    def _store(self, item: SealedBatch | Ended) -> None:
        begun = time.monotonic()
        self._delivery.own(item)
        self.store_s = time.monotonic() - begun
        if isinstance(item, SealedBatch) and len(item.events) > 1000:
            self.rows_per_s = len(item.events) / self.store_s
        with self._changed:
            self._taken(item)

    def _store_spooled(self, spool: Spool, found: Entry | Damage) -> None:
        begun = time.monotonic()
        self._delivery.spooled(found)
        self.store_s = time.monotonic() - begun
        spool.pop()

    def _taken(self, item: SealedBatch | Ended) -> None:
        """It need not wait in memory any more, if it does."""
        if self._queue and self._queue[0][0] is item:
            self._queue.popleft()
            if isinstance(item, SealedBatch):
                self._rows -= len(item.events)
            else:
                self._ended -= len(item.pids)
        self._changed.notify_all()

    def _until_done(self, work: Callable[[], None]) -> bool:
        """Until it is stored; False once abandoned. A repeat of a stored batch is recognised by the store."""
        pause = FIRST_PAUSE_S
        give_up = None if self._patience_s is None else time.monotonic() + self._patience_s
        while not self._abandoned:
            try:
                self._busy_since = time.monotonic()
                work()
            except StoreAway as error:
                self._refused(str(error))
                if give_up is not None and (self._hurried or time.monotonic() >= give_up):
                    raise
            except Exception as error:  # of a StoreError somebody may mend the cause: a live tap goes on
                known = isinstance(error, StoreError)
                self._refused(str(error) if known else f"batch not stored: {error!r}; please report this")
                if self._patience_s is not None:
                    raise error if known else StoreError(self.store_error) from error
            else:
                self.store_error = ""
                return True
            finally:
                self._busy_since = 0.0
            with self._changed:
                self._changed.wait_for(lambda: self._abandoned or (self._hurried and give_up is not None), pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return False

    def _refused(self, why: str) -> None:
        with self._changed:
            self.store_error = why
            self._changed.notify_all()  # what waits goes to the spool now

    # -- the spooler's thread

    def _put_on_disk(self) -> None:
        """What waits too long, until the end; then all that waits."""
        spool = self._spool
        assert spool  # noqa: S101
        while item := self._next_to_spool(spool):
            empty = isinstance(item, Ended) or not len(item.events)
            if spool.append(self._stream, item, small=empty):
                self._wrote = True
                with self._changed:
                    self._taken(item)
            elif self._abandoned:
                self._write_off(spool)
                break
            else:
                with self._changed:
                    self._changed.wait_for(lambda: self._abandoned, 0.2)
        if self._wrote and spool.unread:
            spool.append(self._stream, End(self._number, self._ordinal), small=True)
        spool.sync()

    def _write_off(self, spool: Spool) -> None:
        """What waits at the end and finds no room: its counts and losses do, with its calls as one more loss."""
        with self._changed:
            items = [item for item, _ in self._queue]
        batches = [item for item in items if isinstance(item, SealedBatch)]
        calls = [span_us(batch.events) for batch in batches if len(batch.events)]
        if not calls:
            return
        loss = Loss(
            time_us=max(last for _, last in calls),
            cause="spool",
            events=sum(len(batch.events) for batch in batches),
            detail="memtap ended while the store was away, and there was no room left on disk",
            since_us=min(first for first, _ in calls),
        )
        for item in items:
            if isinstance(item, Ended):
                spool.append(self._stream, item, small=True)
        first = batches[0]
        events = Parser(rows=8).seal()
        for batch in batches:
            events.take_ended(batch.events)
            events.take_rejected(batch.events)
        told = SealedBatch(
            number=first.number,
            first_ordinal=first.first_ordinal,
            offset=batches[-1].offset,
            check=batches[-1].check,
            events=events,
            lines=sum(batch.lines for batch in batches),
            rejected=sum(batch.rejected for batch in batches),
            notices=sum(batch.notices for batch in batches),
            losses=_fewer((*(loss for batch in batches for loss in batch.losses), loss)),
        )
        if spool.append(self._stream, told, small=True):
            self._wrote = True
            self._number, self._ordinal = told.number + 1, told.first_ordinal

    def _next_to_spool(self, spool: Spool) -> SealedBatch | Ended | None:
        """Waits for what is to be put on disk; None: nothing any more. Keeps to the interval of fsync meanwhile."""
        while True:
            if spool.sync_due_s == 0:
                spool.sync()
            with self._changed:
                if self._abandoned or (self._finishing and not self._queue):
                    return self._queue[0][0] if self._queue else None
                waits_s = [s for s in (spool.sync_due_s, self._overdue_s()) if s is not None]
                if self._overdue_s() == 0:
                    return self._queue[0][0]
                if not waits_s or min(waits_s):
                    self._changed.wait(min(waits_s) if waits_s else None)

    def _overdue_s(self) -> float | None:
        """In how many seconds the oldest batch has waited long enough in memory; None: none waits."""
        if not self._queue:
            return None
        if self.store_error:
            return 0.0
        return max(0.0, self._queue[0][1] + SPOOL_AFTER_S - time.monotonic())
