"""Folding: what batches appended goes into the larger tables, exactly once, as it is read from both.

A batch's sums stay in `activity` until there are many. Then they are added to the processes and to the tier of
seconds, and grouped by minute into `fresh_1m`; what is many there goes to the tier of minutes, and grouped by hour into
`fresh_1h`; and so to the tier of hours. Each step is one transaction and costs some tens of milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb

from memtap.stores.duckdb import parts, views
from memtap.stores.held import newest

if TYPE_CHECKING:
    from memtap.stores.duckdb.database import Database, Spans

# Rows of each at which they are folded. A read adds up what is not folded yet, in a few milliseconds.
MOST_ACTIVITY = 10_000
MOST_CALLS = 1_000_000  # of an extent
UNREAD = 10  # times as much may wait while nobody reads: each fold costs something by itself
ROWS_AT_ONCE = 25_000  # of `activity`: more need more memory, and are written aside to the disk
MOST_FRESH_1M = 30_000
MOST_FRESH_1H = 60_000

PENDING = "SELECT (SELECT count(*) FROM activity), coalesce(sum(stored), 0) FROM fresh_batches"

# Sums are folded some processes at a time.
_AT_ONCE = "SELECT quantile_disc(process_id, $parts::DOUBLE[]) FROM activity WHERE second IS NOT NULL"
_SOME = views.ACTIVITY.removesuffix(")") + " AND process_id >= $first AND process_id <= $last)"
_HELD = "coalesce(vm, resident)"  # NULL throughout where all is of format 1


def _add_to_processes(*, held: bool) -> str:
    """The latest name is that of the latest call. A call of format 1 after its process was marked as ended says that
    the pid has come back; format 2 gives it to another process."""
    return f"""
    UPDATE folded_processes p
    SET requested = p.requested + b.requested,
        released = p.released + b.released,
        requests = p.requests + b.requests,
        releases = p.releases + b.releases,
        failed = p.failed + b.failed,
        name_id = CASE WHEN b.last_us >= p.last_us THEN b.name_id ELSE p.name_id END,
        first_us = least(p.first_us, b.first_us),
        last_us = greatest(p.last_us, b.last_us),
        ended_us = CASE WHEN p.ended_us < b.heard_us THEN NULL ELSE p.ended_us END,
        vm = {newest("p", "vm")},
        resident = {newest("p", "resident")},
        held_us = greatest(p.held_us, b.held_us)
    FROM {views.of_processes(_SOME, held=held)} b WHERE p.id = b.process_id
    """  # noqa: S608


# The earliest word: an exit is known to the microsecond, an absence from /proc later.
_END_PROCESSES = f"""
UPDATE folded_processes p SET ended_us = least(p.ended_us, e.ended_us) FROM {views.ENDS} e WHERE p.id = e.process_id
"""  # noqa: S608


def _seconds(*, held: bool) -> str:
    sums = views.sums(_SOME, held=held)
    return f"SELECT process_id, second, {sums} GROUP BY process_id, second ORDER BY process_id, second"


def _add_minutes(*, held: bool) -> str:
    some = f"(SELECT *, second // 60 * 60 AS begun FROM {_SOME})"  # noqa: S608
    return f"""
    INSERT INTO fresh_1m BY NAME
    SELECT process_id, begun AS second, {views.sums(some, held=held)}
    GROUP BY process_id, begun ORDER BY process_id, begun
    """


# Each a run of ordinals without a gap. Of which times a batch is that another memtap stored, its stream's sums tell.
_ADD_EXTENTS = """
INSERT INTO extents
SELECT b.stream_no, min(b.first_ordinal), sum(b.stored), min(coalesce(s.first_us, a.first_us)),
       max(coalesce(s.last_us, a.last_us)), $now, b.part
FROM (SELECT stream_no, part, first_ordinal, stored, first_ordinal + stored - before AS gap,
             (before - 1) // $most AS piece
      FROM (SELECT stream_no, part, first_ordinal, stored,
                   sum(stored) OVER (PARTITION BY stream_no, part ORDER BY first_ordinal) AS before
            FROM fresh_batches WHERE stored > 0)) b
LEFT JOIN (SELECT unnest($streams::UINTEGER[]) AS stream_no, unnest($ordinals::UBIGINT[]) AS first_ordinal,
                  unnest($firsts::UBIGINT[]) AS first_us, unnest($lasts::UBIGINT[]) AS last_us) s
    ON s.stream_no = b.stream_no AND s.first_ordinal = b.first_ordinal
JOIN (SELECT stream_no, min(first_us) AS first_us, max(last_us) AS last_us
      FROM activity WHERE second IS NOT NULL GROUP BY stream_no) a ON a.stream_no = b.stream_no
GROUP BY b.stream_no, b.part, gap, piece ORDER BY 1, 2
"""
_ADD_TO_STREAMS = """
UPDATE folded_streams f
SET batches = s.batches, lines_read = s.lines_read, stored = s.stored, rejected = s.rejected, notices = s.notices,
    first_us = s.first_us, last_us = s.last_us, changes = s.changes, used_us = greatest(f.used_us, ?)
FROM streams s WHERE s.stream_no = f.stream_no AND s.changes <> f.changes
"""
_ADD_TO_HOSTS = """
UPDATE folded_hosts f SET last_us = h.last_us FROM hosts h WHERE h.id = f.id AND h.last_us <> f.last_us
"""


def now_us() -> int:
    """When what is folded arrived, as the writer has it."""
    return time.time_ns() // 1000


def count(database: Database) -> None:
    """Find out how much waits."""
    written = database.written
    with written.folding, written.turn, database.connection() as connection:
        written.pending, written.pending_calls = map(int, connection.execute(PENDING).fetchall()[0])
        written.pending_known = True


def fold(database: Database, arrived_us: int) -> None:
    """Fold all that was appended before."""
    written = database.written
    with written.folding:
        with written.turn:
            spans = dict(written.spans)
        try:
            with database.changing() as connection:
                rows, calls = map(int, connection.execute(PENDING).fetchall()[0])
                part = _fold(connection, rows, spans, arrived_us) if rows or calls else None
        except BaseException:
            written.pending_known = False
            raise
        with written.turn:  # what has been appended since then waits
            written.pending -= rows
            written.pending_calls -= calls
            written.part = written.part if part is None else part
            for batch in spans:
                del written.spans[batch]


def limits(database: Database) -> tuple[int, int]:
    """Of the rows of `activity`, and of the calls, that wait to be folded."""
    if database.written.read:
        return MOST_ACTIVITY, MOST_CALLS
    return UNREAD * MOST_ACTIVITY, UNREAD * MOST_CALLS


def _some_processes(connection: duckdb.DuckDBPyConnection, rows: int) -> Iterator[tuple[int, int]]:
    """The first and last id of so many that they have ROWS_AT_ONCE rows of `activity`."""
    count = rows // ROWS_AT_ONCE + 1
    values = {"parts": [part / count for part in range(1, count + 1)]}
    ends = connection.execute(_AT_ONCE, values).fetchall()[0][0] or []
    first = 0
    for last in sorted(set(ends)):
        yield first, last
        first = last + 1


def _fold(connection: duckdb.DuckDBPyConnection, rows: int, spans: Spans, arrived_us: int) -> int:
    """Returns the part into which batches go from now on."""
    part = parts.newest(connection)
    held = bool(_count(connection, "activity", _HELD))
    add_seconds = f"INSERT INTO folded_1s_{part} BY NAME {_seconds(held=held)}"
    statements = (_add_to_processes(held=held), add_seconds, _add_minutes(held=held))
    for first, last in _some_processes(connection, rows):
        for statement in statements:
            connection.execute(statement, {"first": first, "last": last})
    connection.execute(_END_PROCESSES)
    known = {
        "streams": [stream_no for stream_no, _ in spans],
        "ordinals": [first_ordinal for _, first_ordinal in spans],
        "firsts": [first_us for first_us, _ in spans.values()],
        "lasts": [last_us for _, last_us in spans.values()],
    }
    connection.execute(_ADD_EXTENTS, {"now": arrived_us, "most": MOST_CALLS, **known})
    connection.execute(_ADD_TO_STREAMS, [arrived_us])
    for statement in (
        _ADD_TO_HOSTS,
        "INSERT INTO folded_batches SELECT * EXCLUDE (part) FROM fresh_batches",
    ):
        connection.execute(statement)
    part = parts.folded(connection, part)
    for table in ("fresh_batches", "activity"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    return part


def settle(connection: duckdb.DuckDBPyConnection) -> bool:
    """Empty one of the fresh tables if it has many rows; part of the caller's transaction. False: neither has."""
    if _count(connection, "fresh_1m") > MOST_FRESH_1M:
        held = bool(_count(connection, "fresh_1m", _HELD))
        connection.execute(_grouped("fresh_1m", 60, "folded_1m", held=held))
        connection.execute(_grouped("fresh_1m", 3600, "fresh_1h", held=held))
        connection.execute("DELETE FROM fresh_1m")
        return True
    if _count(connection, "fresh_1h") > MOST_FRESH_1H:
        held = bool(_count(connection, "fresh_1h", _HELD))
        connection.execute(_grouped("fresh_1h", 3600, "folded_1h", held=held))
        connection.execute("DELETE FROM fresh_1h")
        return True
    return False


def _count(connection: duckdb.DuckDBPyConnection, table: str, what: str = "*") -> int:
    """Of rows; or of those in which something is not NULL."""
    return int(connection.execute(f"SELECT count({what}) FROM {table}").fetchall()[0][0])  # noqa: S608


def _grouped(table: str, step: int, into: str, *, held: bool) -> str:
    order = "{'us': coalesce(held_us, 0), 'position': rowid}"
    latest = f"arg_max(vm, {order}), arg_max(resident, {order}), max(held_us)" if held else views.NOT_HELD
    return f"""
    INSERT INTO {into}
    SELECT process_id, second // {step} * {step} AS begun, sum(requested), sum(released), sum(requests),
           sum(releases), sum(failed), {latest}
    FROM {table} GROUP BY process_id, begun ORDER BY process_id, begun
    """  # noqa: S608
