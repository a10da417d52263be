"""The tables that calls, and the sums of their seconds, are divided into: parts, by arrival.

DuckDB looks at the bounds of every row group of a table that it reads. So a read asks `parts` which of them have calls
of its time, mostly one or two, and what it costs does not grow with what is stored. A part that retention has emptied
goes as a whole. The views `events` and `folded_1s` have the rows of all parts.

Batches go into the newest part. Once it has enough calls, a fold opens the next one: what was in flight by then still
goes into the one before, as its batch says. A part without calls is first no longer shown, and a step of housekeeping
later its table goes: a reader that has seen it has ended by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from memtap.stores.duckdb.database import Database

# Calls of a part, and what one fold brings; in a large store a share of all, as a query of a view takes longer with
# every part: 36 ms with a hundred of them.
CALLS = 4_000_000
PARTS = 32

_EVENTS = """
CREATE TABLE events_{part} (
    id UBIGINT NOT NULL,
    time_us UBIGINT NOT NULL,
    process_id UINTEGER NOT NULL,
    name_id UINTEGER NOT NULL,
    call UTINYINT NOT NULL, -- an index into memtap.native.CALLS
    length UBIGINT NOT NULL,
    freed UBIGINT, -- NULL like the next three: a call of format 1
    errno USMALLINT,
    kind UTINYINT, -- an index into memtap.native.KINDS
    vm UBIGINT
)
"""
_SECONDS = """
CREATE TABLE folded_1s_{part} (
    process_id UINTEGER NOT NULL,
    second UBIGINT NOT NULL,
    requested DECIMAL(38, 0) NOT NULL,
    released DECIMAL(38, 0) NOT NULL,
    requests UBIGINT NOT NULL,
    releases UBIGINT NOT NULL,
    failed UBIGINT NOT NULL,
    vm UBIGINT, -- as of the second's last call
    resident UBIGINT,
    held_us UBIGINT
)
"""
# What is folded widens the bounds of the parts that it is of, and of the newest, which has its seconds.
_ADD_FOLDED = """
UPDATE parts
SET calls = parts.calls + coalesce((SELECT sum(b.stored) FROM fresh_batches b WHERE b.part = parts.part), 0),
    first_us = least(parts.first_us, a.first_us),
    last_us = greatest(parts.last_us, a.last_us)
FROM (SELECT min(first_us) AS first_us, max(last_us) AS last_us FROM activity WHERE second IS NOT NULL) a
WHERE parts.part = ? OR parts.part IN (SELECT part FROM fresh_batches)
"""
_EMPTY = """
SELECT part FROM parts
WHERE has_calls AND part < ? AND part <> ?
  AND part NOT IN (SELECT part FROM extents) AND part NOT IN (SELECT part FROM fresh_batches)
"""
_HIDDEN = """
SELECT part FROM parts WHERE NOT has_calls AND 'events_' || part IN (SELECT table_name FROM duckdb_tables())
"""
OF_TIME = """
SELECT part FROM parts WHERE has_calls AND first_us <= $2 AND last_us >= $1
UNION
SELECT part FROM fresh_batches
WHERE (SELECT min(first_us) <= $2 AND max(last_us) >= $1 FROM activity WHERE second IS NOT NULL)
ORDER BY part
"""
OF_SECONDS = """
SELECT part, first_us // 1000000, last_us // 1000000 FROM parts WHERE first_us IS NOT NULL ORDER BY part
"""


def newest(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT max(part) FROM parts").fetchall()[0][0])


def open_next(connection: duckdb.DuckDBPyConnection) -> int:
    part = newest(connection) + 1
    connection.execute(_EVENTS.format(part=part))
    connection.execute(_SECONDS.format(part=part))
    connection.execute("INSERT INTO parts VALUES (?, 0, NULL, NULL, true)", [part])
    show(connection)
    return part


def show(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views of all parts anew."""
    found = connection.execute("SELECT part, has_calls FROM parts ORDER BY part").fetchall()
    calls = (f"SELECT * FROM events_{part}" for part, has_calls in found if has_calls)  # noqa: S608
    seconds = (f"SELECT *, ({part}::BIGINT << 40) + rowid AS position FROM folded_1s_{part}" for part, _ in found)  # noqa: S608
    connection.execute(f"CREATE OR REPLACE VIEW events AS {' UNION ALL '.join(calls)}")
    connection.execute(f"CREATE OR REPLACE VIEW folded_1s AS {' UNION ALL '.join(seconds)}")


def folded(connection: duckdb.DuckDBPyConnection, part: int) -> int:
    """After sums went into this part, the newest; while their batches are still there. Returns which is the newest."""
    connection.execute(_ADD_FOLDED, [part])
    calls, every = connection.execute(
        "SELECT max(calls) FILTER (part = ?), sum(calls) FROM parts WHERE has_calls", [part]
    ).fetchall()[0]
    return open_next(connection) if calls >= max(CALLS, every // PARTS) else part


def seconds_before(database: Database, horizon: int) -> list[str]:
    """The tables that may have sums of seconds before the horizon."""
    with database.connection() as connection:
        found = connection.execute(OF_SECONDS).fetchall()
    return [f"folded_1s_{part}" for part, first, _ in found if first < horizon]


def drop_empty(database: Database) -> bool:
    """Drop what was hidden before, and hide what has no calls any more: whether there was any."""
    with database.connection() as connection:
        hidden = [part for (part,) in connection.execute(_HIDDEN).fetchall()]
        empty = _empty(database, connection)
    if hidden:
        with database.changing() as connection:
            for part in hidden:
                connection.execute(f"DROP TABLE events_{part}")
    if empty:
        written = database.written
        with written.folding, written.turn:  # what is loaded ahead into such a part is not committed any more
            with database.writing() as connection:
                empty = _empty(database, connection)
                connection.execute("UPDATE parts SET has_calls = false WHERE part IN (SELECT unnest(?))", [empty])
                show(connection)
            written.hidden_part = max([written.hidden_part, *empty])
    return bool(hidden or empty)


def _empty(database: Database, connection: duckdb.DuckDBPyConnection) -> list[int]:
    last = newest(connection)
    return [part for (part,) in connection.execute(_EMPTY, [last, database.written.part or last]).fetchall()]


def drop_seconds(database: Database, horizon: int) -> int:
    """Drop the sums of parts that have neither calls nor seconds from the horizon on; returns how many there were."""
    rows = 0
    with database.changing() as connection:
        gone = connection.execute(
            "SELECT part FROM parts WHERE NOT has_calls AND last_us // 1000000 < ?"
            " AND 'events_' || part NOT IN (SELECT table_name FROM duckdb_tables())",
            [horizon],
        ).fetchall()
        for (part,) in gone:
            rows += connection.execute(f"SELECT count(*) FROM folded_1s_{part}").fetchall()[0][0]  # noqa: S608
            connection.execute("DELETE FROM parts WHERE part = ?", [part])
        if gone:
            show(connection)
        for (part,) in gone:
            connection.execute(f"DROP TABLE folded_1s_{part}")
    return rows
