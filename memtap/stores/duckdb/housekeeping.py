"""Housekeeping: folding what waits for it, and dropping what is no longer kept, one bounded step at a time.

Calls are dropped by extents, which are runs of calls in the order of their arrival, so that whole row groups go and
their blocks are used again; a part (memtap.stores.duckdb.parts) that has no calls any more goes as a table. An
extent's age is that of its newest call or of its arrival, whichever is more: a clock that once stood ten years ahead
keeps nothing for ten years. A tier is first no longer read before its new horizon, and a step later its rows go: a
reader that has seen the old horizon has ended by then.

What is deleted is nobody's but housekeeping's, so the writer goes on meanwhile; it waits for its turn only while what
it changes itself is folded or trimmed, some tens of milliseconds at most. `written.housekeeping` is held all the while:
a writer that finds it held leaves it to this one to settle.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memtap.errors import StoreAway
from memtap.stores.contract import Maintenance, Retention
from memtap.stores.duckdb import folding, forgetting, parts

if TYPE_CHECKING:
    from memtap.stores.duckdb.database import Database

SECOND_US = 1_000_000
HOUR_S, DAY_S = 3600, 86_400
MINUTES_KEPT_S = 30 * DAY_S
MOST_CALLS = 250_000  # dropped in one step, but for the last extent's: batches wait for the checkpoint after it
MOST_ROWS = 100_000  # of rollups, likewise
MOST_PROCESSES = 20_000
ROW_GROUP = 122_880  # rows of it
BATCHES_KEPT = 10_000  # of each stream, to know a repeat by its content; of older ones the number suffices
LOG_BYTES = 2 << 20  # an eighth of what makes DuckDB write a checkpoint at the next commit
FILL = 0.9  # of keep_bytes: beyond it calls go, so that the file, which does not shrink, stays below
_COARSER = {1: 60, 60: HOUR_S, HOUR_S: HOUR_S}
_FOLDED = {1: "folded_1s", 60: "folded_1m", HOUR_S: "folded_1h"}

_OLDEST = """
SELECT least((SELECT min(first_us) FROM extents), (SELECT min(first_us) FROM activity)) -- leaves NULLs out
"""
_ENDED = "last_us < ? AND ended_us < ? AND id NOT IN (SELECT process_id FROM activity)"
_NEVER_SEEN = "last_us = 0 AND id NOT IN (SELECT process_id FROM activity)"  # made for a batch that never came


@dataclass(slots=True)
class _Step:
    calls: int = 0
    rollups: int = 0
    processes: int = 0
    more: bool = False


def maintain(database: Database, retention: Retention, now_us: int) -> Maintenance:
    """See `memtap.stores.contract.Store.maintain`."""
    step = _Step()
    with database.written.housekeeping:
        _fold(database, now_us, step)
        _drop_calls(database, retention, now_us, step)
        for tier in _FOLDED:
            _drop_rollups(database, retention, tier, now_us, step)
        if retention.keep_rollups_s is not None:
            end_us = now_us - retention.keep_rollups_s * SECOND_US
            _drop_processes(database, end_us, step)
            forgetting.streams(database, end_us, now_us)
        _trim_batches(database)
        database.written.forget_names |= bool(step.calls or step.processes)
        forgetting.names(database)
        if step.calls or step.rollups or step.processes:
            with database.changing() as connection:  # another version for readers
                connection.execute(
                    "UPDATE folded_streams SET changes = changes + 1"
                    " WHERE stream_no = (SELECT min(stream_no) FROM folded_streams)"
                )
        # In a gap between batches, where that of a log which has become too long would hold one up.
        if step.calls or step.rollups or step.processes or database.log_bytes() > LOG_BYTES:
            with suppress(StoreAway):  # somebody writes: the next step's, or the log's own
                database.checkpoint(joining=bool(step.processes) and _has_holes(database))
    stored, _ = database.size()
    oldest_us = _one(database, _OLDEST)[0]
    return Maintenance(step.calls, step.rollups, step.processes, stored, oldest_us, step.more)


def _fold(database: Database, now_us: int, step: _Step) -> None:
    folding.fold(database, now_us)
    with database.transaction() as connection:
        step.more |= folding.settle(connection)


def _drop_calls(database: Database, retention: Retention, now_us: int, step: _Step) -> None:
    with database.transaction() as connection:  # the clock has gone back since: they age from now on
        connection.execute(
            "UPDATE extents SET arrived_us = ? WHERE arrived_us > ?", [now_us, now_us + HOUR_S * SECOND_US]
        )
    extents: list[tuple[int, int, int, int]] = []
    if retention.keep_events_s is not None:
        extents = _rows(
            database,
            "SELECT stream_no, first_ordinal, calls, part FROM extents WHERE least(last_us, arrived_us) < ?"
            " ORDER BY arrived_us, stream_no, first_ordinal LIMIT 100",
            max(now_us - retention.keep_events_s * SECOND_US, 0),
        )
    wanted = MOST_CALLS
    if not extents and retention.keep_bytes is not None:
        _, used = database.size()
        calls = int(_one(database, "SELECT coalesce(sum(calls), 0) FROM extents")[0])
        excess = used - int(FILL * retention.keep_bytes)
        if excess > 0 and calls:
            wanted = min(MOST_CALLS, excess * calls // used + 1)
            extents = _rows(
                database,
                "SELECT stream_no, first_ordinal, calls, part FROM extents"
                " ORDER BY arrived_us, stream_no, first_ordinal LIMIT 100",
            )
    chosen = 0
    for stream_no, first_ordinal, calls, part in extents:
        if chosen >= wanted:
            step.more = True
            break
        chosen += calls
        with database.transaction() as connection:
            first_id = (stream_no << 40) + first_ordinal
            connection.execute(f"DELETE FROM events_{part} WHERE id >= ? AND id < ?", [first_id, first_id + calls])  # noqa: S608
            connection.execute(
                "DELETE FROM extents WHERE stream_no = ? AND first_ordinal = ?", [stream_no, first_ordinal]
            )
        step.calls += calls
    step.more |= parts.drop_empty(database)


def _kept_since(retention: Retention, tier: int, now_us: int, oldest_us: int | None) -> int:
    """The second from which on the tier is to be kept."""
    now_s = now_us // SECOND_US
    if tier == 1:
        if retention.keep_events_s is None and retention.keep_bytes is None:
            return 0
        oldest_s = now_s if oldest_us is None else oldest_us // SECOND_US
        return min(oldest_s, now_s - HOUR_S)
    if retention.keep_rollups_s is None:
        return 0
    return now_s - (min(retention.keep_rollups_s, MINUTES_KEPT_S) if tier == 60 else retention.keep_rollups_s)


def _drop_rollups(database: Database, retention: Retention, tier: int, now_us: int, step: _Step) -> None:
    tables = [_FOLDED[tier]]
    horizon = int(_one(database, "SELECT second FROM horizons WHERE tier = ?", tier)[0])
    if tier == 1:
        step.rollups += parts.drop_seconds(database, horizon)
        tables = parts.seconds_before(database, horizon)
    if horizon:
        for table in tables:
            step.rollups += _delete_before(database, table, horizon, step)
        if tier == 60:
            _delete_before(database, "account_1s", horizon, step)
    target = max(_kept_since(retention, tier, now_us, _one(database, _OLDEST)[0]), 0)
    target -= target % _COARSER[tier]
    if target > horizon:
        with database.transaction() as connection:
            connection.execute("UPDATE horizons SET second = ? WHERE tier = ?", [target, tier])
        step.more |= bool(_one(database, f"SELECT count(*) FROM {_FOLDED[tier]} WHERE second < ?", target)[0])  # noqa: S608


def _delete_before(database: Database, table: str, horizon: int, step: _Step) -> int:
    """Delete rows of seconds before the horizon, the oldest first; returns how many."""
    last = horizon
    while True:
        first, count = _one(database, f"SELECT min(second), count(*) FROM {table} WHERE second < ?", last)  # noqa: S608
        if count <= MOST_ROWS or last - first <= 1:
            break
        step.more = True
        last = first + max((last - first) * MOST_ROWS // count, 1)
    if count:
        with database.transaction() as connection:
            connection.execute(f"DELETE FROM {table} WHERE second < ?", [last])  # noqa: S608
    return int(count)


def _drop_processes(database: Database, before_us: int, step: _Step) -> None:
    """Those that have ended, or were made for a batch that never came, and of which neither a call nor a rollup is
    left."""
    oldest_us = _one(database, _OLDEST)[0]
    before_us = max(before_us, 0) if oldest_us is None else min(max(before_us, 0), oldest_us)
    before_us -= before_us % (HOUR_S * SECOND_US)
    if not _rows(database, f"SELECT id FROM folded_processes WHERE {_ENDED} LIMIT 1", before_us, before_us):  # noqa: S608
        return
    with database.letting_go() as connection:
        delete = f"""
        DELETE FROM folded_processes
        WHERE id IN (SELECT id FROM folded_processes WHERE {_ENDED} OR {_NEVER_SEEN} LIMIT {MOST_PROCESSES})
        """  # noqa: S608
        (count,) = connection.execute(delete, [before_us, before_us]).fetchall()[0]
    step.processes += count
    step.more |= count == MOST_PROCESSES


def _has_holes(database: Database) -> bool:
    """Whether most processes are gone between those that stay: their rows are read with every list of processes."""
    count, last = _one(database, "SELECT count(*), coalesce(max(rowid), 0) FROM folded_processes")
    return bool(last > 2 * count + ROW_GROUP)


def _trim_batches(database: Database) -> None:
    old = _rows(
        database,
        "SELECT stream_no, max(batch_no) - ? FROM folded_batches GROUP BY stream_no"
        " HAVING max(batch_no) - min(batch_no) > ?",
        BATCHES_KEPT,
        2 * BATCHES_KEPT,
    )
    for stream_no, before in old:
        with database.changing() as connection:
            connection.execute("DELETE FROM folded_batches WHERE stream_no = ? AND batch_no < ?", [stream_no, before])
            connection.execute("UPDATE folded_streams SET trimmed_batch = ? WHERE stream_no = ?", [before, stream_no])


def _rows(database: Database, sql: str, *values: object) -> list[Any]:
    with database.connection() as connection:
        return connection.execute(sql, list(values)).fetchall()


def _one(database: Database, sql: str, *values: object) -> tuple[Any, ...]:
    row: tuple[Any, ...] = _rows(database, sql, *values)[0]
    return row
