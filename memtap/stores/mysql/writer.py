"""The MySQL store's writing side."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock

from memtap.errors import StoreAway, StoreError
from memtap.stores import schema
from memtap.stores.address import MySQLAddress
from memtap.stores.conditions import marks
from memtap.stores.contract import Cursor, Host, SealedBatch, Stream, is_known_boot
from memtap.stores.gate import Gate
from memtap.stores.lanes import Ahead, Lanes
from memtap.stores.local_ids import LocalIds, NewProcess, OpenStream
from memtap.stores.mysql import statements as sql
from memtap.stores.mysql.errors import DEADLOCK, DUPLICATE_KEY, code_of
from memtap.stores.mysql.ids import name_ids, process_ids, slices, take_ids, take_spare
from memtap.stores.mysql.session import Load, LoadMethod, Session
from memtap.stores.mysql.sums import IdsGone, Sums
from memtap.stores.pace import Pace
from memtap.stores.repeats import CURSOR_START, check_repeat, storable

DETAIL_BYTES = 2048
OPENINGS = 5

USED_S = 3600


@dataclass(frozen=True, slots=True)
class Use:
    """What a writer has said of the names in its calls."""

    generation: int  # of the local ids
    names: int  # how many of them
    until_s: int  # since the epoch: for calls until then
    again_s: float  # monotonic: when to say it again


class MySQLWriter:
    """Writes batches by LOAD DATA, or by INSERT where the server refuses that. One thread's, but for `ahead`.
    `connections`: over how many the calls of batches that wait are loaded at most, see memtap.stores.lanes."""

    def __init__(self, address: MySQLAddress, gate: Gate, load: Load = "auto", connections: int = 1) -> None:
        self._address = address
        self._load: Load = load
        self._gate = gate
        self._session: Session | None = None
        self._streams: dict[int, OpenStream] = {}
        self._uses: dict[int, Use] = {}
        self._knowing = Lock()  # of what is known of a stream: a lane learns it, and whoever writes forgets it
        self._next: tuple[int, int] | None = None  # stream and number of the batch that may go ahead first
        self._lanes = (
            Lanes(Pace(connections), gate, connect=self._connect, identify=self._identify, load=self._load_ahead)
            if connections > 1
            else None
        )

    @property
    def load_method(self) -> LoadMethod:
        """How the latest rows went in; before the first, how they are to."""
        return self._session.load_method if self._session else "insert" if self._load == "insert" else "load data"

    def open_stream(self, stream: Stream) -> Cursor:
        for left in reversed(range(OPENINGS)):
            try:
                return self._open_stream(stream)
            except StoreAway as error:  # two memtaps that open one at once may wait for each other
                if not left or not isinstance(error.__cause__, Exception) or code_of(error.__cause__) != DEADLOCK:
                    raise
        raise AssertionError("the last try returns or raises")

    def _open_stream(self, stream: Stream) -> Cursor:
        name = storable(stream.name).encode()
        with self._transaction() as session:
            host_id = _host_id(session, stream.host)
            found = session.rows(sql.STREAM, [name])
            if found:  # from then on, retention has dropped it, or does not
                session.run(sql.USE_STREAM, [found[0][0]])
                found = session.rows(sql.STREAM, [name])
            new = not found
            if found:
                stream_no, host_id = found[0]
                cursor = _cursor(session, stream_no)
            else:
                cursor = Cursor(stream_no=take_ids(session, "stream", 1))
                if cursor.stream_no > schema.MAX_STREAM_NO:
                    raise StoreError(f"the store has its {schema.MAX_STREAM_NO} streams: begin a new store")
                session.run(
                    "INSERT INTO streams (stream_no, name, tap, host_id) VALUES (?, ?, ?, ?)",
                    [cursor.stream_no, name, storable(stream.tap).encode(), host_id],
                )
                session.run(sql.USE_STREAM, [cursor.stream_no])
            known = session.load_method == "insert" or session.rows("SELECT @@local_infile")[0][0]
        self._next = (cursor.stream_no, cursor.next_batch) if known else None
        # Processes of a boot that nobody knows are this stream's own.
        alone = new and not is_known_boot(stream.host.boot_id)
        self._streams[cursor.stream_no] = OpenStream(host_id, "none" if alone else "maybe")
        return cursor

    def last_stream(self, prefix: str) -> tuple[str, Cursor] | None:
        start = storable(prefix).encode()
        with self._transaction() as session:
            found = session.rows(sql.LAST_STREAM, [len(start), start])
            return (found[0][1].decode(), _cursor(session, found[0][0])) if found else None

    def ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        # Where it is not known what the server allows, the first batch goes alone: it is known then, and said once.
        if self._lanes and (self._lanes.open or self._next == (stream_no, batch.number)):
            self._lanes.send(stream_no, batch)
        return self._lanes is not None

    def write(self, stream_no: int, batch: SealedBatch) -> bool:
        stream = self._stream(stream_no)
        _check_ids(stream_no, batch)
        self._next = None
        if not self._write_ahead(stream, stream_no, batch):
            try:
                stored = self._write(stream, stream_no, batch)
            except IdsGone:
                self._forget_ids(stream, stream_no)
                try:
                    stored = self._write(stream, stream_no, batch)
                except IdsGone:
                    raise StoreError(f"stream {stream_no} is no longer kept: start memtap again") from None
        else:
            stored = True
        self._next = stream_no, batch.number + 1
        return stored

    def _write(self, stream: OpenStream, stream_no: int, batch: SealedBatch) -> bool:
        with self._transaction() as session:
            if not _claim(session, stream_no, batch):
                return False
            ids = _ids_of(session, stream, batch)
            use = self._use(session, stream_no, ids, batch)
            _load_calls(session, ids, stream_no, batch)
            sums = Sums(stream, ids, batch.events)
            sums.make(session)
            _add_sums(session, sums, stream_no, batch)
        stream.ids = ids  # only now: ids made in a transaction that failed do not exist
        _made(stream, ids)
        self._uses[stream_no] = use
        return True

    def _write_ahead(self, stream: OpenStream, stream_no: int, batch: SealedBatch) -> bool:
        """False where the batch was not loaded ahead, or was and names a process that is gone."""
        if not self._lanes or not self._lanes.open:
            return False
        stored = False
        try:
            if ahead := self._lanes.take(stream_no, batch):
                assert ahead.session and isinstance(ahead.left, Sums)  # noqa: S101
                if not ahead.left.made:
                    ahead.left.make(ahead.session)
                _add_sums(ahead.session, ahead.left, stream_no, batch)
                ahead.session.commit()
                stored = True
                _made(stream, ahead.ids)
                self._lanes.give_back(ahead)
        except IdsGone:
            pass
        finally:
            if not stored:  # nor are the processes that these batches were to make
                self._lanes.drop()
                self._forget_ids(stream, stream_no)
        return stored

    def _identify(self, session: Session, ahead: Ahead[Session]) -> LocalIds:
        """New processes have their ids from here on, and are made with their first sums, in the batch's turn."""
        stream = self._streams[ahead.stream_no]
        if stream.ids.generation == ahead.batch.events.generation:
            take_spare(session, stream, ahead.batch.events.process_count - len(stream.ids.processes))
        ids = _ids_of(session, stream, ahead.batch)
        use = self._use(session, ahead.stream_no, ids, ahead.batch)
        session.commit()
        ids = replace(ids, reserved_before=any(each.identity in stream.reserved for each in ids.new))
        stream.reserved.update((each.identity, each.number) for each in ids.new)
        with self._knowing:
            if not ahead.over:
                stream.ids = ids
                self._uses[ahead.stream_no] = use
        return ids

    def _load_ahead(self, session: Session, ahead: Ahead[Session]) -> bool:
        if not _claim(session, ahead.stream_no, ahead.batch):
            return False
        _load_calls(session, ahead.ids, ahead.stream_no, ahead.batch)
        stream = self._streams[ahead.stream_no]
        ahead.left = sums = Sums(stream, ahead.ids, ahead.batch.events)
        # Where nobody else makes them: neither another writer nor a batch before this one, which might wait for it.
        if sums.many and stream.others == "none" and not ahead.ids.reserved_before:
            sums.make(session)
        return True

    def _forget_ids(self, stream: OpenStream, stream_no: int) -> None:
        """They are looked up again."""
        with self._knowing:
            stream.ids = LocalIds()
            if stream.others == "none":
                stream.others = "maybe"
            self._uses.pop(stream_no, None)

    def _use(self, session: Session, stream_no: int, ids: LocalIds, batch: SealedBatch) -> Use:
        """Says which names may be in this batch, so that they are kept as long as its calls: those that are new, and
        all of them now and then. Raises IdsGone where one has been dropped."""
        times = batch.events.times(schema.END_OF_TIME_US)
        last_s = times[1] // 1_000_000 if times else 0
        use = self._uses.get(stream_no)
        now_s = time.monotonic()
        if use and use.generation == ids.generation and now_s < use.again_s and last_s <= use.until_s:
            names = ids.names[use.names :]
        else:
            names = ids.names
            use = Use(ids.generation, 0, last_s + USED_S, now_s + USED_S / 2)
            session.run(sql.USE_STREAM, [stream_no])
        for some in slices(sorted(set(names))):
            rows = "".join(f"({number},GREATEST(UNIX_TIMESTAMP() + {2 * USED_S}, {use.until_s})),\n" for number in some)
            session.run_values(*sql.USE_NAMES, rows.encode())
            found = session.rows(f"SELECT COUNT(*) FROM names WHERE id IN ({marks(some)})", some)  # noqa: S608
            if found[0][0] < len(some):
                raise IdsGone
        return replace(use, names=len(ids.names))

    def end_processes(self, stream_no: int, pids: Sequence[int], ended_us: int) -> None:
        if not pids:
            return
        host_id = self._stream(stream_no).host_id
        with self._transaction() as session:
            ended = 0
            for some in slices(pids):
                ended += session.run(f"{sql.END_PROCESSES}({marks(some)})", [ended_us, host_id, ended_us, *some])
            if ended:
                session.run("UPDATE streams SET changes = changes + 1 WHERE stream_no = ?", [stream_no])

    def close(self) -> None:
        if self._lanes:
            self._lanes.close()
        if self._session:
            self._session.close()
            self._session = None
        self._streams.clear()
        self._uses.clear()

    def _stream(self, stream_no: int) -> OpenStream:
        if stream_no not in self._streams:
            with self._transaction() as session:
                found = session.rows("SELECT host_id FROM streams WHERE stream_no = ?", [stream_no])
            if not found:
                raise StoreError(f"the store has no stream {stream_no}: open it first")
            self._streams[stream_no] = OpenStream(found[0][0])
        return self._streams[stream_no]

    def _connect(self) -> Session:
        # Once refused, LOAD DATA is not asked for again: said once is enough.
        refused = self._load == "auto" and self.load_method == "insert"
        session = Session(self._address, load="insert" if refused else self._load)
        # What another writer has just committed must be seen: both take names from one table.
        session.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return session

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """A transaction on a live connection, committed at the end of the block or not at all."""
        if self._session is None or self._session.lost:
            self._session = self._connect()
        session = self._session
        with self._gate.writing(again=self._lanes is not None and self._lanes.open):
            try:
                yield session
                session.commit()
            except BaseException:
                # The next try is on a new connection: what the server allows may be fixed when one is made, and this
                # one may be beyond use.
                session.roll_back()
                session.close()
                raise


def _check_ids(stream_no: int, batch: SealedBatch) -> int:
    """The id of the batch's first call. Raises StoreError where the stream has had all that there are."""
    schema.event_id(stream_no, batch.first_ordinal + len(batch.events))
    return schema.event_id(stream_no, batch.first_ordinal)


def _ids_of(session: Session, stream: OpenStream, batch: SealedBatch) -> LocalIds:
    new: list[NewProcess] = []
    ids = stream.ids.covering(
        batch.events,
        lambda comms: name_ids(session, comms),
        lambda processes: process_ids(session, stream, processes, new),
        alone=True,  # each is made by the batch that has its first sums
    )
    return replace(ids, new=new)


def _load_calls(session: Session, ids: LocalIds, stream_no: int, batch: SealedBatch) -> None:
    events = batch.events
    if len(events):
        text = events.events_text(ids.processes, ids.names, _check_ids(stream_no, batch))
        session.load("events", ", ".join(f"`{name}`" for name in events.events_columns(ids.names)), text, len(events))


def _add_sums(session: Session, sums: Sums, stream_no: int, batch: SealedBatch) -> None:
    """All of a batch but its row, its calls, and the processes that are new."""
    events = batch.events
    sums.add(session)
    _end_exited(session, [(sums.ids.processes[local], time_us) for local, time_us in events.ended])
    _add_losses(session, stream_no, batch)
    _add_to_account(session, stream_no, batch)
    first_us, last_us, sane_us = events.times(schema.END_OF_TIME_US) or (None, None, 0)
    counts = [batch.lines, len(events), batch.rejected, batch.notices]
    if not session.run(sql.ADD_TO_STREAM, [*counts, first_us, first_us, last_us, last_us, sane_us, stream_no]):
        raise IdsGone


def _claim(session: Session, stream_no: int, batch: SealedBatch) -> bool:
    """Write the batches row, first of all: False where it is there already, as then are all its rows."""
    row = (
        stream_no,
        batch.number,
        batch.first_ordinal,
        len(batch.events),
        batch.offset,
        batch.check,
        batch.lines,
        batch.rejected,
        batch.notices,
    )
    try:
        session.run(sql.ADD_BATCH, row)
    except StoreError as error:
        if not isinstance(error.__cause__, Exception) or code_of(error.__cause__) != DUPLICATE_KEY:
            raise
        check_repeat(stream_no, batch, session.rows(sql.BATCH, [stream_no, batch.number])[0])
        return False
    return True


def _made(stream: OpenStream, ids: LocalIds) -> None:
    for each in ids.new:
        stream.reserved.pop(each.identity, None)


def _add_to_account(session: Session, stream_no: int, batch: SealedBatch) -> None:
    rows = [f"({second}, {stream_no}, {stored}, {rejected}),\n" for second, stored, rejected in batch.events.seconds]
    session.run_values(*sql.ADD_TO_ACCOUNT, "".join(rows).encode())


def _end_exited(session: Session, ended: Sequence[tuple[int, int]]) -> None:
    """Mark processes as ended, given with the time of their exit."""
    for some in slices(ended):
        statement = sql.END_EXITED.format(cases="WHEN ? THEN ? " * len(some), ids=marks(some))
        session.run(statement, [*(value for pair in some for value in pair), *(number for number, _ in some)])


def _host_id(session: Session, host: Host) -> int:
    name, boot = storable(host.name).encode(), storable(host.boot_id).encode()
    find = "SELECT id FROM hosts WHERE name = ? AND boot_id = ? FOR UPDATE"  # retention does not drop it meanwhile
    if not session.rows(find, [name, boot]):
        session.rows(sql.NEXT_ID, ["host"])  # then no other writer is making it
    if found := session.rows(find, [name, boot]):
        memory, page = host.memory_bytes, host.page_size
        session.run(sql.RENEW_HOST, [memory, memory, page, page, found[0][0]])
        return int(found[0][0])
    number = take_ids(session, "host", 1)
    session.run(
        "INSERT INTO hosts (id, name, boot_id, memory_bytes, page_size) VALUES (?, ?, ?, ?, ?)",
        [number, name, boot, host.memory_bytes, host.page_size],
    )
    return number


def _cursor(session: Session, stream_no: int) -> Cursor:
    rows = session.rows(CURSOR_START, [stream_no])
    if not rows:
        return Cursor(stream_no)
    number, first_ordinal, stored, offset, check = rows[0]
    return Cursor(stream_no, number + 1, first_ordinal + stored, offset, bytes(check))


def _add_losses(session: Session, stream_no: int, batch: SealedBatch) -> None:
    totals: Counter[bytes] = Counter()
    for position, loss in enumerate(batch.losses):
        cause, detail = storable(loss.cause).encode(), _cut(storable(loss.detail))
        session.run(
            sql.ADD_LOSS,
            [stream_no, batch.number, position, loss.time_us, cause, loss.events, detail, loss.since_us],
        )
        totals[cause] += loss.events
    for cause, events in totals.items():
        session.run(sql.ADD_TO_LOSS_TOTALS, [stream_no, cause, events, events])


def _cut(text: str) -> bytes:
    return text.encode()[:DETAIL_BYTES].decode(errors="ignore").encode()  # no character in halves
