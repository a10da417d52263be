"""The loader: sealed batches into the store, in order, in a thread of its own."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, replace
from threading import Condition, Thread

from memtap.errors import StoreAway, StoreError
from memtap.native import Batch
from memtap.stores.contract import Cursor, Loss, SealedBatch, Writer

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch that has no number yet. Counts are of it alone."""

    events: Batch
    lines: int
    rejected: int
    notices: int
    offset: int = 0
    check: bytes = b""
    losses: tuple[Loss, ...] = ()


LOSSES_MAX = 100  # owed one by one; then one a cause: a store may be away for long
_SINCE = "; with those since "


def _fewer(losses: tuple[Loss, ...]) -> tuple[Loss, ...]:
    if len(losses) <= LOSSES_MAX:
        return losses
    latest: dict[str, Loss] = {}
    for loss in losses:
        if before := latest.get(loss.cause):
            since = before.detail.rpartition(_SINCE)[2] if _SINCE in before.detail else f"{before.time_us} us"
            detail = f"{loss.detail.partition(_SINCE)[0]}{_SINCE}{since}"
            loss = replace(loss, events=before.events + loss.events, detail=detail)
        latest[loss.cause] = loss
    return tuple(latest.values())


def _together(draft: Draft, owed: Draft) -> Draft:
    """`draft`, with the counts, losses and ended processes of the dropped `owed` before it."""
    draft.events.take_ended(owed.events)
    return replace(
        draft,
        lines=owed.lines + draft.lines,
        rejected=owed.rejected + draft.rejected,
        notices=owed.notices + draft.notices,
        losses=_fewer(owed.losses + draft.losses),
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """Processes that no longer exist."""

    pids: tuple[int, ...]
    time_us: int


class Loader(Thread):
    """Stores batches one after another and repeats each until it is stored.

    `most_rows`: calls that may wait at a time. With `drop`, a batch beyond that is dropped and counted as lost, so
    that whoever submits never waits for the store; else `submit` waits. `patience_s`: how long a store may be away
    before the loader gives up (None: for ever).
    """

    def __init__(self, writer: Writer, cursor: Cursor, *, most_rows: int, drop: bool, patience_s: float | None) -> None:
        super().__init__(name="memtap-loader", daemon=True)
        self._writer = writer
        self._stream_no = cursor.stream_no
        self._number = cursor.next_batch
        self._ordinal = cursor.next_ordinal
        self._most_rows = most_rows
        self._drop = drop
        self._patience_s = patience_s
        self._changed = Condition()
        self._queue: deque[SealedBatch | Ended] = deque()
        self._rows = 0  # in the queue
        self._owed: Draft | None = None  # counts and losses of dropped batches, stored with the next one
        self._finishing = False
        self._abandoned = False
        self._hurried = False
        self.stored = 0
        self.batches = 0
        self.lost: Counter[str] = Counter()
        self.store_error = ""
        self.failure: StoreError | None = None

    @property
    def owes(self) -> bool:
        """Whether batches were dropped and no later one has told of it yet."""
        return self._owed is not None

    @property
    def queued(self) -> int:
        """Batches that wait, the one being stored among them."""
        return len(self._queue)

    def submit(self, draft: Draft) -> None:
        """Takes a batch. Raises StoreError once the loader has given up."""
        rows = len(draft.events)
        with self._changed:
            while not self._drop and self._rows and self._rows + rows > self._most_rows and not self.failure:
                self._changed.wait()
            if self.failure:
                raise self.failure
            for loss in draft.losses:
                self.lost[loss.cause] += loss.events
            if self._drop and self._rows and self._rows + rows > self._most_rows:
                self._drop_batch(draft)
                return
            if self._owed:
                draft, self._owed = _together(draft, self._owed), None
            self._queue.append(
                SealedBatch(
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
            )
            self._number += 1
            self._ordinal += rows
            self._rows += rows
            self._changed.notify_all()

    def _drop_batch(self, draft: Draft) -> None:
        """Its calls are lost; what else it knew goes with the next one that is stored."""
        if events := len(draft.events):
            first, last = draft.events.time_us[0], draft.events.time_us[-1]
            detail = f"the store is away and {self._most_rows} calls wait already: dropped {first} to {last} us"
            draft = replace(draft, losses=(*draft.losses, Loss(last, "store", events, detail)))
            self.lost["store"] += events
        self._owed = _together(draft, self._owed) if self._owed else draft

    def end_processes(self, pids: tuple[int, ...], time_us: int) -> None:
        """These processes have ended; said after every call submitted before."""
        with self._changed:
            self._queue.append(Ended(pids, time_us))
            self._changed.notify_all()

    def hurry(self) -> None:
        """Gives up on a store that is away now, whatever the patience. May be called in a signal handler."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def finish(self, timeout_s: float | None = None) -> int:
        """Stores what waits and ends the thread. Returns the calls that were not stored in time."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()
        self.join(timeout_s)
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
            return self._rows

    def run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._finishing:
                    self._changed.wait()
                if not self._queue or self._abandoned:
                    return
                item = self._queue[0]
            try:
                done = self._store(item)
            except StoreError as error:
                with self._changed:
                    self.failure = error
                    self.store_error = str(error)
                    self._changed.notify_all()
                return
            if not done:
                return
            with self._changed:
                self._queue.popleft()
                if isinstance(item, SealedBatch):
                    self._rows -= len(item.events)
                    self.stored += len(item.events)
                    self.batches += 1
                self._changed.notify_all()

    def _store(self, item: SealedBatch | Ended) -> bool:
        """Until it is stored; False once abandoned. A repeat of a stored batch is recognised by the store."""
        pause = FIRST_PAUSE_S
        give_up = None if self._patience_s is None else time.monotonic() + self._patience_s
        while not self._abandoned:
            try:
                if isinstance(item, Ended):
                    self._writer.end_processes(self._stream_no, item.pids, item.time_us)
                else:
                    self._writer.write(self._stream_no, item)
            except StoreAway as error:
                self.store_error = str(error)
                if give_up is not None and (self._hurried or time.monotonic() >= give_up):
                    raise
            except Exception as error:  # of a StoreError somebody may mend the cause: a live tap goes on
                known = isinstance(error, StoreError)
                self.store_error = str(error) if known else f"batch not stored: {error!r}; please report this"
                if self._patience_s is not None:
                    raise error if known else StoreError(self.store_error) from error
            else:
                self.store_error = ""
                return True
            with self._changed:
                self._changed.wait_for(lambda: self._abandoned or (self._hurried and give_up is not None), pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return False
