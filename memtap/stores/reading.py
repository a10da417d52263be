"""What a reader asks, in the SQL that DuckDB, MySQL and MariaDB share. A store adds how a question is put."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from memtap.native import CALLS, KINDS
from memtap.stores.conditions import GREATEST, Conditions, marks
from memtap.stores.contract import (
    Account,
    CallFilter,
    CallPage,
    CallRow,
    Host,
    Loss,
    ProcessRow,
    SecondAccount,
    StreamRow,
    Totals,
    is_known_boot,
)
from memtap.stores.tiers import TIERS, Piece, pieces, tiers_of_step

Row = tuple[Any, ...]
LONG_S = 3600  # of a window: a shorter one is summed as quickly as it is found out whether it holds everything
STEPS_AT_FIRST = 60  # of a rollup, looked through for what was held at a moment; then four times as many


def _process_columns(sums: str) -> str:
    """What a ProcessRow is made of; `sums` is the table that has the sums."""
    return (
        f"p.id, h.name, p.pid, p.start_us, n.comm,"
        f" {sums}.requested, {sums}.released, {sums}.requests, {sums}.releases, {sums}.failed,"
        " p.first_us, p.last_us, p.ended_us, p.vm, p.resident, p.uid, p.cgroup, p.parent"
    )


_PROCESS = (
    f"SELECT {_process_columns('p')}"  # noqa: S608
    " FROM processes p JOIN hosts h ON h.id = p.host_id JOIN names n ON n.id = p.name_id"
)
# A process is known from the batch that names it first; it has been seen once one of its calls is stored.
_SEEN = "p.last_us >= p.first_us"

# A window with everything in it: that is summed already.
_ALL_TIME = (
    f"{_PROCESS} WHERE {_SEEN} AND (SELECT MIN(p.first_us) FROM processes p WHERE {_SEEN}) >= ?"  # noqa: S608
    f" AND (SELECT MAX(p.last_us) FROM processes p WHERE {_SEEN}) < ? ORDER BY p.requested DESC, p.id"
)

_SUMS = (
    "SUM(requested) AS requested, SUM(released) AS released, SUM(requests) AS requests, SUM(releases) AS releases,"
    " SUM(failed) AS failed"
)

_TOTALS = (
    "SELECT SUM(p.requested), SUM(p.released), SUM(p.requests), SUM(p.releases), SUM(p.failed), COUNT(*),"
    " MIN(p.first_us), MAX(p.last_us) FROM processes p WHERE p.last_us >= p.first_us"
)

# What each process there was at a moment has held last.
_HELD = (
    "SELECT p.id, p.vm, p.held_us, p.first_us FROM processes p"
    " WHERE p.first_us < ? AND (p.ended_us IS NULL OR p.ended_us >= ?)"
)

_STREAMS = (
    "SELECT s.stream_no, s.name, s.tap, h.name, s.batches, s.stored, s.first_us, s.last_us"
    " FROM streams s JOIN hosts h ON h.id = s.host_id ORDER BY s.stream_no"
)


_SECONDS = "SELECT second, SUM(stored), SUM(rejected) FROM account_1s WHERE second >= ? AND second < ? GROUP BY second"
_LOST_SECONDS = (
    "SELECT time_us - MOD(time_us, 1000000) AS begun, cause, SUM(events) FROM losses"
    " WHERE time_us >= ? AND time_us < ? GROUP BY begun, cause"
)


class SqlReader(ABC):
    """A `Reader` over the tables; `_rows` is the only way to the database."""

    _tiers: tuple[int, ...] = (1,)  # that the schema has, ascending
    _calls = "events"  # what has a column for all that is known of a call
    _pids = "processes"  # what has each process's pid

    @abstractmethod
    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement, `?` standing for the values, and return all its rows. Safe from any thread."""

    def version(self) -> str:
        made = self._rows("SELECT made_us FROM schema_versions WHERE version = 1")[0][0]
        streams, changes = self._rows("SELECT COUNT(*), SUM(changes) FROM streams")[0]
        return f"{int(made):x}-{int(streams)}-{int(changes or 0)}"

    def known_version(self) -> str | None:
        return None

    def hosts(self) -> list[Host]:
        newest: dict[Any, list[Any]] = {}
        for _, name, *rest in reversed(self._boots()):
            newest.setdefault(name, rest)
        return [Host(_text(name), _text(boot), memory, page) for name, (boot, memory, page) in newest.items()]

    def processes(self, *, ended: bool | None = False) -> list[ProcessRow]:
        boots = self._boots()
        newest = {name: host_id for host_id, name, boot, *_ in boots if is_known_boot(_text(boot))}
        unknown = {host_id for host_id, _, boot, *_ in boots if not is_known_boot(_text(boot))}
        shown = [*newest.values(), *unknown]
        if not shown:
            return []
        state = {None: "", False: " AND p.ended_us IS NULL", True: " AND p.ended_us IS NOT NULL"}[ended]
        rows = self._rows(f"{_PROCESS} WHERE {_SEEN} AND p.host_id IN ({marks(shown)}){state}", shown)
        return sorted(map(_process, rows), key=lambda row: (-row.balance, row.id))

    def process(self, process_id: int) -> ProcessRow | None:
        rows = self._rows(f"{_PROCESS} WHERE {_SEEN} AND p.id = ?", (process_id,))
        return _process(rows[0]) if rows else None

    def window(self, from_us: int, to_us: int) -> list[ProcessRow]:
        first_s, last_s = _seconds(from_us, to_us)
        if last_s - first_s > LONG_S:
            bounds = [min(second * 1_000_000, GREATEST) for second in (first_s, last_s)]
            if rows := self._rows(_ALL_TIME, bounds):
                return [_process(row) for row in rows]
        found = self._pieces(from_us, to_us)
        if not found:
            return []
        table, values = self._rollup(found, None)
        rows = self._rows(
            f"SELECT {_process_columns('w')} FROM (SELECT process_id, {_SUMS} FROM {table} GROUP BY process_id) w"  # noqa: S608
            " JOIN processes p ON p.id = w.process_id JOIN hosts h ON h.id = p.host_id JOIN names n ON n.id = p.name_id"
            " ORDER BY w.requested DESC, p.id",
            values,
        )
        return [_process(row) for row in rows]

    def history(
        self, process_id: int | None, from_us: int, to_us: int, *, step: int = 1
    ) -> list[tuple[int, int, int, int, int, int]]:
        found = self._pieces(from_us, to_us, step)
        if not found:
            return []
        table, values = self._rollup(found, process_id)
        rows = self._rows(
            f"SELECT second - MOD(second, {step}) AS begun, {_SUMS} FROM {table} GROUP BY begun ORDER BY begun",  # noqa: S608
            values,
        )
        return [tuple(map(int, row)) for row in rows]  # type: ignore[misc]

    def held(
        self, process_id: int, from_us: int, to_us: int, *, step: int = 1
    ) -> list[tuple[int, int | None, int | None]]:
        found = self._pieces(from_us, to_us, step)
        if not found:
            return []
        table, values = self._rollup(found, process_id)
        rows = self._rows(
            f"SELECT second - MOD(second, {step}) AS begun, vm, resident FROM {table}"  # noqa: S608
            " ORDER BY COALESCE(held_us, 0), source, position",
            values,
        )
        latest: dict[int, tuple[int, int | None, int | None]] = {}
        for begun, vm, resident in rows:
            _, vm_before, resident_before = latest.get(begun, (begun, None, None))
            latest[begun] = (begun, vm_before if vm is None else vm, resident_before if resident is None else resident)
        return [latest[begun] for begun in sorted(latest)]

    def held_at(self, at_us: int) -> dict[int, int | None]:
        at_us = min(max(at_us, 0), GREATEST) // 1_000_000 * 1_000_000
        held: dict[int, int | None] = {}
        since: dict[int, int] = {}  # first_us of those that have held something else since then
        for number, vm, held_us, first_us in self._rows(_HELD, (at_us, at_us)):
            held[number] = vm if held_us is None or held_us < at_us else None
            if held_us is not None and held_us >= at_us:
                since[number] = first_us
        if since:
            for piece in _backwards(self._pieces(min(since.values()), at_us)):
                found = [row for row in self._last_held(piece) if since.pop(row[0], None) is not None]
                # The others lie in a step of which nobody knows more any longer.
                held.update((number, vm) for number, vm, held_us in found if held_us < at_us)
                if not since:
                    break
        return held

    def _last_held(self, piece: Piece) -> list[Row]:
        """(process_id, vm, held_us) of the last row that says a vm, of each process that has one there."""
        table, values = self._rollup([piece], None)
        return self._rows(
            "SELECT process_id, vm, held_us FROM (SELECT process_id, vm, held_us, ROW_NUMBER() OVER"  # noqa: S608
            " (PARTITION BY process_id ORDER BY held_us DESC, source DESC, position DESC) AS place"
            f" FROM {table} WHERE vm IS NOT NULL) h WHERE place = 1",
            values,
        )

    def _pieces(self, from_us: int, to_us: int, step: int = 3600) -> list[Piece]:
        """Where to read a window, as one sum unless in steps."""
        if step < 1:
            raise ValueError(f"a step of {step} seconds: a step is 1 second or more")
        first, last = _seconds(from_us, to_us)
        horizons = self._horizons()
        return pieces(first, last, tiers_of_step(step, self._tiers, first, horizons), horizons)

    def _horizons(self) -> dict[int, int]:
        """Of each tier from which second on it is kept, 0 where absent; a multiple of the next coarser tier's step."""
        return {}

    def _rollup(self, found: Sequence[Piece], process_id: int | None) -> tuple[str, list[object]]:
        """The pieces' rows as a table expression, of one process or all: process_id, second, the sums, vm, resident,
        held_us, and `source` and `position`, which tell the later one of two rows with the same `held_us`. There may
        be several rows of one process and step."""
        parts, values = [], list[object]()
        for piece in found:
            part = f"SELECT *, 0 AS source, 0 AS position FROM {TIERS[piece.tier]} WHERE second >= ? AND second < ?"  # noqa: S608
            values += [piece.first, piece.last]
            if process_id is not None:
                part += " AND process_id = ?"
                values.append(process_id)
            parts.append(part)
        return f"({' UNION ALL '.join(parts)}) r", values

    def seconds(self, from_us: int, to_us: int) -> list[SecondAccount]:
        bounds = _seconds(from_us, to_us)
        found = {
            int(second): SecondAccount(int(second), int(stored), int(rejected))
            for second, stored, rejected in self._rows(_SECONDS, bounds)
        }
        for at_us, cause, events in self._rows(_LOST_SECONDS, [second * 1_000_000 for second in bounds]):
            second = int(at_us) // 1_000_000
            account = found.setdefault(second, SecondAccount(second, 0, 0))
            account.lost[_text(cause)] = int(events)
        return [found[second] for second in sorted(found)]

    def totals(self) -> Totals:
        requested, released, requests, releases, failed, processes, first, last = self._rows(_TOTALS)[0]
        return Totals(
            requested=int(requested or 0),
            released=int(released or 0),
            requests=int(requests or 0),
            releases=int(releases or 0),
            processes=int(processes),
            failed=int(failed or 0),
            first_us=first,
            last_us=last,
        )

    def account(self) -> Account:
        sums = self._rows("SELECT SUM(lines_read), SUM(stored), SUM(rejected), SUM(notices) FROM streams")[0]
        lines, stored, rejected, notices = (int(value or 0) for value in sums)
        lost = self._rows("SELECT cause, SUM(events) FROM loss_totals GROUP BY cause ORDER BY cause")
        return Account(lines, stored, rejected, notices, {_text(cause): int(n) for cause, n in lost if n})

    def losses(self, *, limit: int = 1000) -> list[Loss]:
        rows = self._rows(
            "SELECT time_us, cause, events, detail, since_us FROM losses"
            " ORDER BY time_us DESC, stream_no DESC, batch_no DESC, position DESC LIMIT ?",
            (limit,),
        )
        return [
            Loss(time_us, _text(cause), int(events), _text(detail), int(since_us or 0))
            for time_us, cause, events, detail, since_us in rows
        ]

    def streams(self) -> list[StreamRow]:
        return [
            StreamRow(number, _text(name), _text(tap), _text(host), batches, stored, first, last)
            for number, name, tap, host, batches, stored, first, last in self._rows(_STREAMS)
        ]

    def calls(
        self,
        where: CallFilter,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[CallRow]:
        found: list[CallRow] = []
        while len(found) < limit:
            page = self.search(where, before=before, after=after, limit=limit - len(found))
            found += page.rows
            if page.more is None:
                break
            before = page.more
        return found

    def search(
        self,
        where: CallFilter,
        *,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> CallPage:
        conditions = self._conditions(where)
        if conditions is None or limit <= 0:
            return CallPage([], None)
        if before is not None:
            time_us, number = _clipped(before)
            conditions.add("(e.time_us < ? OR (e.time_us = ? AND e.id < ?))", time_us, time_us, number)
            conditions.narrow(last_us=time_us if number else time_us - 1)
        if after is not None:
            time_us, number = _clipped(after)
            conditions.add("(e.time_us > ? OR (e.time_us = ? AND e.id > ?))", time_us, time_us, number)
            conditions.narrow(first_us=time_us)
        if conditions.first_us > conditions.last_us:
            return CallPage([], None)
        rows, begun_us = self._look(conditions, limit)
        ended = len(rows) < limit and begun_us is not None and begun_us > conditions.first_us
        return CallPage(list(map(_call, rows)), (begun_us, 0) if ended and begun_us else None)

    @abstractmethod
    def _look(self, conditions: Conditions, limit: int) -> tuple[list[Row], int | None]:
        """As `_page`, and since when all has been looked at; None: since ever."""

    def _page(self, conditions: Conditions, limit: int, calls: str = "") -> list[Row]:
        """The newest `limit` calls that fulfil the conditions, newest first; `calls`: of these."""
        # The page is cut before its processes and names are looked up.
        return self._rows(
            "SELECT e.id, e.time_us, e.process_id, p.pid, n.comm, e.call, e.length, e.freed, e.errno, e.kind, e.vm"  # noqa: S608
            " FROM (SELECT e.id, e.time_us, e.process_id, e.name_id, e.call, e.length, e.freed, e.errno, e.kind, e.vm"
            f" FROM {calls or self._calls} e WHERE {conditions.sql} ORDER BY e.time_us DESC, e.id DESC LIMIT ?) e"
            f" JOIN {self._pids} p ON p.id = e.process_id JOIN names n ON n.id = e.name_id"
            " ORDER BY e.time_us DESC, e.id DESC",
            (*conditions.values, limit),
        )

    def _conditions(self, where: CallFilter) -> Conditions | None:
        """The filter as SQL; None where no call can pass it."""
        out = Conditions()
        out.every = replace(where, from_us=None, to_us=None) == CallFilter()
        if where.process_id is not None or where.pid is not None:
            lives = self._lives(where)
            if not lives:
                return None
            processes = [number for number, _, _ in lives]
            out.narrow(first_us=min(first for _, first, _ in lives), last_us=max(last for _, _, last in lives))
            numbers = ", ".join(map(str, processes))  # not as values: those are BIGINT, to which DuckDB casts a column
            out.add(f"e.process_id IN ({numbers})")
            out.rollup.add(f"process_id IN ({numbers})")
            out.rare = True
        if where.name is not None:
            names = self._rows("SELECT id FROM names WHERE comm = ?", (where.name,))
            if not names:
                return None
            out.add("e.name_id = ?", names[0][0])
        if where.call is not None:
            if where.call not in CALLS:
                return None
            out.add("e.call = ?", CALLS.index(where.call))
        if where.failed:
            out.add("e.errno > 0")
            out.rollup.add("failed > 0")
            out.rare = True
        elif where.failed is not None:
            out.add("COALESCE(e.errno, 0) = 0")
        if where.errno is not None:
            out.add("e.errno = ?", where.errno)
            if where.errno:
                out.rollup.add("failed > 0")
                out.rare = True
        if where.kind is not None:
            if where.kind not in KINDS:
                return None
            out.add("e.kind = ?", KINDS.index(where.kind))
        if where.from_us is not None:
            out.add_first(where.from_us)
        if where.to_us is not None:
            out.add_last(where.to_us - 1)
        if where.min_length is not None:
            out.add_least("e.length", where.min_length)
        if where.max_length is not None:
            out.add_most("e.length", where.max_length)
        return out

    def _lives(self, where: CallFilter) -> list[Row]:
        """(id, first_us, last_us) of the processes that are meant."""
        sql, values = "SELECT id, first_us, last_us FROM processes WHERE 1 = 1", []
        if where.pid is not None:
            # Naming the hosts lets an index that begins with them be used.
            sql += " AND pid = ? AND host_id IN (SELECT id FROM hosts)"
            values.append(where.pid)
        if where.process_id is not None:
            sql += " AND id = ?"
            values.append(where.process_id)
        return self._rows(sql, values)

    def _boots(self) -> list[Row]:
        """(id, name, boot_id, memory_bytes, page_size) of every host and boot, the newest calls' last."""
        return self._rows("SELECT id, name, boot_id, memory_bytes, page_size FROM hosts ORDER BY last_us, id")


def _process(row: Row) -> ProcessRow:
    number, host, pid, start, comm, requested, released, requests, releases, failed, first, last, ended, *said = row
    vm, resident, uid, cgroup, parent = said
    return ProcessRow(
        number,
        _text(host),
        pid,
        start,
        bytes(comm),
        int(requested),  # a Decimal on both stores: sums pass 2^64
        int(released),
        int(requests),
        int(releases),
        first,
        last,
        ended,
        int(failed),
        vm,
        resident,
        uid,
        cgroup,
        parent,
    )


def _call(row: Row) -> CallRow:
    number, time_us, process_id, pid, comm, call, length, freed, errno, kind, vm = row
    return CallRow(
        number,
        time_us,
        process_id,
        pid,
        bytes(comm),
        CALLS[call],
        length,
        freed,
        errno,
        None if kind is None else KINDS[kind],
        vm,
    )


def _backwards(found: Sequence[Piece]) -> Iterator[Piece]:
    """The same pieces, newest first, long ones cut: most processes have called not long before any moment."""
    for piece in reversed(found):
        last, steps = piece.last, STEPS_AT_FIRST
        while last > piece.first:
            first = max(piece.first, last - steps * piece.tier)
            yield Piece(piece.tier, first, last)
            last, steps = first, steps * 4


def _seconds(from_us: int, to_us: int) -> tuple[int, int]:
    """The whole seconds that [from_us, to_us) touches."""
    return max(from_us, 0) // 1_000_000, max(-(-to_us // 1_000_000), 0)


def _clipped(cursor: tuple[int, int]) -> tuple[int, int]:
    """A (time_us, id) that 64 bits hold, with the same calls before and after it: no event has their last id."""
    time_us, number = cursor
    if time_us > GREATEST:
        return GREATEST, GREATEST
    return (0, 0) if time_us < 0 else (time_us, min(max(number, 0), GREATEST))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
