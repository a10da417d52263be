"""The DuckDB store's writing side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb

from memtap.errors import StoreError
from memtap.stores import schema
from memtap.stores.contract import Cursor, Host, SealedBatch, Stream
from memtap.stores.duckdb import folding, parts
from memtap.stores.duckdb import statements as sql
from memtap.stores.duckdb.database import Session
from memtap.stores.duckdb.text import text_of
from memtap.stores.lanes import Ahead, Lanes
from memtap.stores.local_ids import NO_FACTS, Facts, Identity, LocalIds, OpenStream, Pids
from memtap.stores.repeats import CURSOR_START, check_repeat, storable

if TYPE_CHECKING:
    from memtap.native import ArrowTable
    from memtap.stores.duckdb.database import Database

Connection = duckdb.DuckDBPyConnection

LANES = 2
MOST_HOSTS = 8  # of which the pids are remembered
PIDS_AT_ONCE = 10_000
MOST_GROWN = 12_000_000  # calls: then the file is opened again
AGAIN_GROWN = 500_000  # or after as many more, where somebody reads just then
PATIENCE = 4  # times as much may wait to be folded before a batch waits for that


class DuckDBWriter:
    """Appends batches as Arrow columns, the next ones ahead over lanes; what waits to be folded is folded between two
    batches. One thread's."""

    load_method = "arrow"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written = database.written
        self._streams: dict[int, OpenStream] = {}
        self._next: tuple[int, int] | None = None  # stream and number of the batch that follows what was written last
        self._lanes = self._new_lanes()
        self._resting = False  # nothing is sent ahead, as the file is to be opened again
        self._written.writers.add(self)

    def _new_lanes(self) -> Lanes[Session]:
        return Lanes[Session](
            LANES,
            self._written.gate,
            connect=lambda: Session(self._database),
            identify=lambda _, ahead: self._identify(ahead),
            load=self._load,
        )

    def streams(self) -> Collection[int]:
        return list(self._streams)

    def let_go(self) -> None:
        self._lanes.drop()
        for stream in list(self._streams.values()):
            stream.ids = LocalIds()

    def open_stream(self, stream: Stream) -> Cursor:
        name = storable(stream.name)
        with self._database.changing() as connection:
            host_id = _host_id(connection, stream.host)
            found = _one(connection, "SELECT stream_no, host_id FROM folded_streams WHERE name = ?", name)
            if found:
                stream_no, host_id = found
                cursor = _cursor(connection, stream_no)
            else:
                cursor = Cursor(stream_no=_next_id(connection, "stream_no", "folded_streams"))
                if cursor.stream_no > schema.MAX_STREAM_NO:
                    raise StoreError(f"the store has its {schema.MAX_STREAM_NO} streams: begin a new store")
                connection.execute(
                    "INSERT INTO folded_streams (stream_no, name, tap, host_id) VALUES (?, ?, ?, ?)",
                    [cursor.stream_no, name, storable(stream.tap), host_id],
                )
            connection.execute(sql.USE_STREAM, [folding.now_us(), cursor.stream_no])
        self._streams[cursor.stream_no] = OpenStream(host_id)
        return cursor

    def last_stream(self, prefix: str) -> tuple[str, Cursor] | None:
        with self._database.transaction() as connection:
            found = _one(connection, sql.LAST_STREAM, storable(prefix))
            return (found[1], _cursor(connection, found[0])) if found else None

    def ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        if self._resting:
            return True
        # The losses' totals are changed in place, which two transactions cannot do at a time.
        if (self._lanes.open or self._next == (stream_no, batch.number)) and not batch.losses:
            self._lanes.send(stream_no, batch)
        return True

    def write(self, stream_no: int, batch: SealedBatch) -> bool:
        stream = self._stream(stream_no)
        schema.event_id(stream_no, batch.first_ordinal + len(batch.events))
        self._next = None
        stored = self._write_ahead(stream_no, batch) or self._write(stream, stream_no, batch)
        self._next = stream_no, batch.number + 1
        if stored:
            self._fold_if_many()
            self._reopen_if_grown()
        return stored

    def end_processes(self, stream_no: int, pids: Sequence[int], ended_us: int) -> None:
        if not pids:
            return
        host_id = self._stream(stream_no).host_id
        with self._written.folding:
            folding.fold(self._database, folding.now_us())  # who has called since then is in `activity`
            with self._database.changing() as connection:
                values = [ended_us, host_id, list(pids), ended_us]
                if connection.execute(sql.END_PROCESSES, values).fetchall()[0][0]:
                    connection.execute(
                        "UPDATE folded_streams SET changes = changes + 1 WHERE stream_no = ?", [stream_no]
                    )

    def close(self) -> None:
        self._lanes.close()
        self._streams.clear()
        written = self._written
        if written.pending_known and written.pending > folding.MOST_ACTIVITY:
            with suppress(StoreError):  # as it may wait
                folding.fold(self._database, folding.now_us())

    def _write(self, stream: OpenStream, stream_no: int, batch: SealedBatch) -> bool:
        written = self._written
        with written.gate.writing(again=self._lanes.open), written.turn:
            with self._database.writing() as connection:
                if self._is_stored(connection, stream_no, batch):
                    return False
                ids = self._ids(connection, stream, batch)
                rows = _add(connection, stream_no, batch, ids, self._part(connection))
                _add_losses(connection, stream_no, batch)
            stream.ids = ids  # only now: ids made in a transaction that failed do not exist
            self._stored(stream_no, batch, ids, rows)
        return True

    def _write_ahead(self, stream_no: int, batch: SealedBatch) -> bool:
        """False where the batch was not loaded ahead."""
        ahead = self._lanes.take(stream_no, batch)
        if ahead is None or ahead.session is None:
            return False
        with self._written.turn:
            over = ahead.over or ahead.session.part <= self._written.hidden_part
            if over or batch.number < self._written.next_batch.get(stream_no, 0):
                self._lanes.drop()  # by then another writer had stored it, or something that it names is gone
                return False
            try:
                ahead.session.commit()
            except BaseException:
                self._lanes.drop()
                self._written.forget()
                raise
            self._stored(stream_no, batch, ahead.ids, ahead.session.rows)
        self._lanes.give_back(ahead)
        return True

    def _stored(self, stream_no: int, batch: SealedBatch, ids: LocalIds, rows: int) -> None:
        written = self._written
        if written.names_used is not None:
            written.names_used.update(ids.names)
        written.next_batch[stream_no] = max(written.next_batch.get(stream_no, 0), batch.number + 1)
        written.pending += rows
        written.pending_calls += len(batch.events)
        written.grown += len(batch.events)
        if times := batch.events.times(0):
            written.spans[stream_no, batch.first_ordinal] = times[0], times[1]

    # -- on a lane

    def _identify(self, ahead: Ahead[Session]) -> LocalIds:
        """What has an id and no call yet is not seen by anybody."""
        stream = self._streams[ahead.stream_no]
        with self._written.turn:
            following = self._written.next_batch.get(ahead.stream_no)
            if following is not None and ahead.batch.number >= following and stream.ids.cover(ahead.batch.events):
                return stream.ids
            with self._database.writing() as connection:
                if self._is_stored(connection, ahead.stream_no, ahead.batch):
                    raise StoreError("stored before")  # of which whoever writes it convinces itself
                ids = self._ids(connection, stream, ahead.batch)
                self._part(connection)
            if not ahead.over:
                stream.ids = ids
        return ids

    def _load(self, session: Session, ahead: Ahead[Session]) -> bool:
        with session.using() as connection:
            connection.begin()
            session.part = self._part(connection)
            session.rows = _add(connection, ahead.stream_no, ahead.batch, ahead.ids, session.part)
        return True

    # -- in a transaction

    def _is_stored(self, connection: Connection, stream_no: int, batch: SealedBatch) -> bool:
        following = self._written.next_batch
        if stream_no not in following:
            newest = _one(connection, "SELECT max(batch_no) FROM batches WHERE stream_no = ?", stream_no)
            following[stream_no] = 0 if newest is None or newest[0] is None else newest[0] + 1
        if batch.number >= following[stream_no]:
            return False
        stored = _one(connection, sql.BATCH, stream_no, batch.number)
        if stored:
            check_repeat(stream_no, batch, stored)
            return True
        trimmed = _one(connection, "SELECT trimmed_batch FROM folded_streams WHERE stream_no = ?", stream_no)
        return trimmed is not None and batch.number < trimmed[0]

    def _fold_if_many(self) -> None:
        """Or settle: one of them between two batches, as the next one waits for it."""
        written = self._written
        if written.folded:
            self._settle()
            return
        if not written.pending_known:
            folding.count(self._database)
        most_rows, most_calls = folding.limits(self._database)
        if written.pending <= most_rows and written.pending_calls < most_calls:
            return
        far_behind = written.pending > PATIENCE * most_rows
        if not written.folding.acquire(blocking=far_behind):
            return  # the housekeeping is at it
        try:
            folding.fold(self._database, folding.now_us())
            written.folded = True
        finally:
            written.folding.release()

    def _reopen_if_grown(self) -> None:
        """Once what has been sent ahead is stored."""
        written = self._written
        if written.grown < MOST_GROWN:
            return
        self._resting = True
        if self._lanes.open:
            return
        self._lanes.close()
        self._lanes = self._new_lanes()
        if not self._database.reopen():
            written.grown -= AGAIN_GROWN
        self._resting = False

    def _settle(self) -> None:
        written = self._written
        if not written.housekeeping.acquire(blocking=False):
            return  # that settles, too
        try:
            with self._database.transaction() as connection:
                folding.settle(connection)
            written.folded = False
        finally:
            written.housekeeping.release()

    def _part(self, connection: Connection) -> int:
        """Into which calls go. The first to ask does so in the writers' turn."""
        if self._written.part is None:
            self._written.part = parts.newest(connection)
        return self._written.part

    def _ids(self, connection: Connection, stream: OpenStream, batch: SealedBatch) -> LocalIds:
        return stream.ids.covering(
            batch.events,
            lambda comms: _name_ids(connection, comms),
            lambda new: self._process_ids(connection, stream.host_id, new),
        )

    def _process_ids(
        self, connection: Connection, host_id: int, processes: Mapping[Identity, Facts]
    ) -> dict[Identity, int]:
        seen = self._pids(connection, host_id)
        found: dict[Identity, int] = {}
        if known := [pid for pid, _ in processes if pid in seen]:
            rows = connection.execute(sql.PROCESS_IDS, [host_id, known]).fetchall()
            found.update(((pid, start), number) for pid, start, number in rows)
        new = [identity for identity in processes if identity not in found]
        if new:
            next_id = self._written.next_id
            first = next_id.get("processes") or _next_id(connection, "id", "folded_processes")
            end = first + len(new)
            if any(start or processes[pid, start] != NO_FACTS for pid, start in new):
                columns = zip(*((*identity, *processes[identity]) for identity in new), strict=True)
                connection.execute(sql.ADD_PROCESSES, [host_id, first, end, *map(list, columns)])
            else:
                connection.execute(sql.ADD_PLAIN_PROCESSES, [host_id, first, end, [pid for pid, _ in new]])
            found.update((identity, number) for number, identity in enumerate(new, first))
            next_id["processes"] = end  # forgotten if the transaction fails
            seen.add(pid for pid, _ in new)
        return found

    def _pids(self, connection: Connection, host_id: int) -> Pids:
        """Those of the host's processes; some others, too."""
        of_hosts = self._written.pids
        if host_id not in of_hosts:
            if len(of_hosts) == MOST_HOSTS:
                of_hosts.clear()
            of_hosts[host_id] = pids = Pids()
            answer = connection.execute("SELECT DISTINCT pid FROM folded_processes WHERE host_id = ?", [host_id])
            while some := answer.fetchmany(PIDS_AT_ONCE):
                pids.add(pid for (pid,) in some)
        return of_hosts[host_id]

    def _stream(self, stream_no: int) -> OpenStream:
        if stream_no not in self._streams:
            with self._database.connection() as connection:
                found = _one(connection, "SELECT host_id FROM folded_streams WHERE stream_no = ?", stream_no)
            if not found:
                raise StoreError(f"the store has no stream {stream_no}: open it first")
            self._streams[stream_no] = OpenStream(found[0])
        return self._streams[stream_no]


def _add(connection: Connection, stream_no: int, batch: SealedBatch, ids: LocalIds, part: int) -> int:
    """Append the batch, its calls and their sums; returns the rows added to `activity`."""
    connection.execute(sql.ADD_BATCH, [stream_no, *_batch_row(batch), part])
    events, rows = batch.events, 0
    if len(events):
        first_id = schema.event_id(stream_no, batch.first_ordinal)
        _append(connection, sql.ADD_EVENTS.format(part=part), events.events(ids.processes, ids.names, first_id))
        activity = events.activity(ids.processes, ids.names)
        _append(connection, sql.ADD_ACTIVITY.format(stream_no=stream_no), activity)
        rows += len(activity)
    if seconds := events.seconds:
        connection.execute(sql.ADD_ACCOUNT, [stream_no, *map(list, zip(*seconds, strict=True))])
    if events.ended:
        numbers = [ids.processes[local] for local, _ in events.ended]
        connection.execute(sql.ADD_ENDS, [stream_no, numbers, [time_us for _, time_us in events.ended]])
        rows += len(numbers)
    return rows


def _append(connection: Connection, statement: str, columns: ArrowTable) -> None:
    connection.execute(statement)  # which finds `columns` by its name
    del columns


def _one(connection: Connection, statement: str, *values: object) -> tuple[Any, ...] | None:
    rows = connection.execute(statement, list(values)).fetchall()
    return rows[0] if rows else None


def _next_id(connection: Connection, column: str, table: str) -> int:
    # Not a sequence: a transaction that fails would leave a gap, and the same lines another id.
    row = _one(connection, f"SELECT coalesce(max({column}), 0) + 1 FROM {table}")  # noqa: S608
    assert row is not None  # noqa: S101
    return int(row[0])


def _host_id(connection: Connection, host: Host) -> int:
    name, boot = storable(host.name), storable(host.boot_id)
    found = _one(connection, "SELECT id FROM folded_hosts WHERE name = ? AND boot_id = ?", name, boot)
    if found:
        memory, page = host.memory_bytes, host.page_size
        connection.execute(sql.RENEW_HOST, [memory, memory, page, page, found[0]])
        return int(found[0])
    number = _next_id(connection, "id", "folded_hosts")
    connection.execute(
        "INSERT INTO folded_hosts (id, name, boot_id, memory_bytes, page_size) VALUES (?, ?, ?, ?, ?)",
        [number, name, boot, host.memory_bytes, host.page_size],
    )
    return number


def _cursor(connection: Connection, stream_no: int) -> Cursor:
    row = _one(connection, CURSOR_START, stream_no)
    if row is None:
        return Cursor(stream_no)
    number, first_ordinal, stored, offset, check = row
    return Cursor(stream_no, number + 1, first_ordinal + stored, offset, bytes(check))


def _batch_row(batch: SealedBatch) -> tuple[object, ...]:
    return (
        batch.number,
        batch.first_ordinal,
        len(batch.events),
        batch.offset,
        batch.check,
        batch.lines,
        batch.rejected,
        batch.notices,
    )


def _name_ids(connection: Connection, comms: Sequence[bytes]) -> list[int]:
    found = dict(connection.execute(sql.NAME_IDS, [list(comms)]).fetchall())
    new = [comm for comm in comms if comm not in found]
    if new:
        first = _next_id(connection, "id", "names")
        connection.execute(sql.ADD_NAMES, [first, new, [text_of(comm) for comm in new]])
        found.update((comm, number) for number, comm in enumerate(new, first))
    return [found[comm] for comm in comms]


def _add_losses(connection: Connection, stream_no: int, batch: SealedBatch) -> None:
    totals: Counter[str] = Counter()
    for position, loss in enumerate(batch.losses):
        cause, detail = storable(loss.cause), storable(loss.detail)
        connection.execute(
            "INSERT INTO losses VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [stream_no, batch.number, position, loss.time_us, cause, loss.events, detail, loss.since_us],
        )
        totals[loss.cause] += loss.events
    for cause, events in totals.items():
        connection.execute(sql.ADD_TO_LOSS_TOTALS, [stream_no, storable(cause), events])
