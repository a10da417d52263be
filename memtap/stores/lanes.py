"""Batches that go ahead of their turn: over connections of their own, as far as nothing of them shows.

A batch's calls take ten times as long to load as its sums take to add. So the next batches' calls are loaded while the
former batches are: each in a transaction of its own, which holds its batches row, its calls and what else is of this
batch alone, and nothing that another batch waits for. What is left is added, and the transaction is committed, by
whoever writes the batches in their order, one after another: a batch is never stored before those that come before it,
and resuming knows nothing of lanes.
Whatever goes wrong on a lane is rolled back, and the batch is written as if it had never been sent ahead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Condition, Lock, Thread
from typing import Generic, Literal, Protocol, TypeVar

from memtap.stores.contract import SealedBatch
from memtap.stores.gate import Gate
from memtap.stores.local_ids import LocalIds
from memtap.stores.pace import Pace

LAST_WAIT_S = 5.0  # for a lane to end; one whose server does not answer is left to itself


class LaneSession(Protocol):
    """A connection and its transaction; of no more use once `lost`."""

    @property
    def lost(self) -> bool: ...
    def roll_back(self) -> None: ...
    def close(self) -> None: ...


Session = TypeVar("Session", bound=LaneSession)


class Ahead(Generic[Session]):
    """A batch on its lane."""

    def __init__(self, stream_no: int, batch: SealedBatch) -> None:
        self.stream_no = stream_no
        self.batch = batch
        self.session: Session | None = None
        self.ids = LocalIds()
        self.left: object = None  # what `load` leaves for the batch's turn
        self.state: Literal["sent", "loaded", "failed"] = "sent"
        self.over: Literal["", "committed", "dropped"] = ""


class Lanes(Generic[Session]):
    """`count` connections and their threads, which live from the first batch on; with a Pace, as many as it says, each
    beyond them ending when its batch has. `connect` opens one; `identify` gives a batch its ids, in the order in which
    they were sent, and commits them; `load` puts its row and its calls into the open transaction, False where they are
    stored already."""

    def __init__(
        self,
        count: int | Pace,
        gate: Gate,
        *,
        connect: Callable[[], Session],
        identify: Callable[[Session, Ahead[Session]], LocalIds],
        load: Callable[[Session, Ahead[Session]], bool],
    ) -> None:
        self._gate = gate
        self._connect = connect
        self._identify = identify
        self._load = load
        self._changed = Condition()
        self._in_turn = Lock()
        self._waiting: deque[Ahead[Session]] = deque()
        self._sent: deque[Ahead[Session]] = deque()  # in order, the waiting ones among them
        self._closed = False
        self._pace = count if isinstance(count, Pace) else None
        self._count = count.count if isinstance(count, Pace) else count
        self._threads: list[Thread] = []

    @property
    def open(self) -> bool:
        """Whether any batch is on its way, so that a transaction may be open that waits for those before it."""
        return bool(self._sent)

    def send(self, stream_no: int, batch: SealedBatch) -> None:
        """Of the batches sent and not yet taken, only the one that follows the last is wanted. Never waits."""
        with self._changed:
            last = self._sent[-1] if self._sent else None
            if self._closed or (last and (last.stream_no, last.batch.number + 1) != (stream_no, batch.number)):
                return
            ahead = Ahead[Session](stream_no, batch)
            self._waiting.append(ahead)
            self._sent.append(ahead)
            self._start_threads()
            self._changed.notify_all()

    def take(self, stream_no: int, batch: SealedBatch) -> Ahead[Session] | None:
        """Waits for the batch to be loaded. To be given back. None where it was not sent, or could not be loaded: then
        nothing is on its way any more."""
        with self._changed:
            if not self._sent:
                return None
            ahead = self._sent[0]
            if ahead.batch is batch and ahead.stream_no == stream_no:
                self._changed.wait_for(lambda: ahead.state != "sent")
                if ahead.state == "loaded":
                    return ahead
        self.drop()
        return None

    def give_back(self, ahead: Ahead[Session]) -> None:
        """Its transaction has been committed."""
        with self._changed:
            ahead.over = "committed"
            self._sent.popleft()
            more = len(self._sent) >= self._count
            if self._pace and self._pace.stored(len(ahead.batch.events), time.monotonic(), more=more):
                self._count = self._pace.count
                self._start_threads()
            self._changed.notify_all()

    def drop(self) -> None:
        """Rolls back whatever is on its way."""
        with self._changed:
            for ahead in self._sent:
                ahead.over = "dropped"
            self._sent.clear()
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        self.drop()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(LAST_WAIT_S)

    def _start_threads(self) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        running = {thread.name for thread in self._threads}
        for number in range(self._count):
            if (name := f"memtap-lane-{number}") not in running:
                thread = Thread(target=self._work, args=(number,), name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    # -- a lane's thread

    def _work(self, number: int) -> None:
        session: Session | None = None
        while ahead := self._next(number, session):
            session = ahead.session
            try:
                loaded = ahead.state == "sent" and session is not None and self._load(session, ahead)
            except Exception:  # whoever writes the batch meets it again, and says so
                loaded = False
            with self._changed:
                ahead.state = "loaded" if loaded else "failed"
                self._changed.notify_all()
                while loaded and not ahead.over:
                    self._changed.wait()
            if ahead.over != "committed" and session:
                session.roll_back()
                session.close()
            self._gate.leave()
        if session:
            session.close()

    def _next(self, number: int, session: Session | None) -> Ahead[Session] | None:
        """The next batch, with its ids, inside the gate; None at the end, or where this lane is one too many. One lane
        at a time: ids are given in order, and no batch is inside that waits for one which is not."""
        with self._in_turn:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed or number >= self._count)
                if self._closed or number >= self._count:
                    return None
                ahead = self._waiting.popleft()
            try:
                if session is None or session.lost:
                    session = self._connect()
                ahead.session = session
                ahead.ids = self._identify(session, ahead)
            except Exception:  # as above
                ahead.state = "failed"
            self._gate.enter()
            return ahead
