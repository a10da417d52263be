"""The MySQL store's reading side."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from memtap.errors import StoreAway, StoreError
from memtap.stores.address import MySQLAddress
from memtap.stores.conditions import GREATEST, Conditions, Where
from memtap.stores.mysql.session import Session
from memtap.stores.reading import Row, SqlReader
from memtap.stores.tiers import TIERS

KEPT_SESSIONS = 4
SECOND_US = 1_000_000
MINUTE_S = 60
HOUR_S = 3600
MOST_CALLS = 400_000  # looked through for a page: some tenths of a second
HOUR_COST = 20_000  # calls that could be looked through while an hour's sums are
RANGES = 256  # in one statement
SECONDS_AT_FIRST = 128  # whose calls are counted; then twice as many
SECONDS_COUNTED = 4096
CHUNKS = 32

_COUNTED = """
SELECT COALESCE(MIN(second), 0), COALESCE(SUM(stored), 0), COUNT(*)
FROM (SELECT second, stored FROM account_1s WHERE second < ? ORDER BY second DESC, stream_no DESC LIMIT ?) a
"""
_STORED = """
SELECT second, SUM(stored) FROM account_1s WHERE second >= ? AND second < ? GROUP BY second ORDER BY second DESC
"""


class Active(NamedTuple):
    """Seconds [first_s, end_s) in which there are `calls` of those wanted; `cost`: calls to look through for them."""

    first_s: int
    end_s: int
    calls: int
    cost: int


class MySQLReader(SqlReader):
    """Reads through sessions that can do nothing else, one a thread at a time, a few kept for the next."""

    _calls = "calls"  # a view: `events` itself is narrow
    _tiers = tuple(TIERS)

    def __init__(self, address: MySQLAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._kept = KEPT_SESSIONS  # 0 once closed

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a statement, `?` standing for the values."""
        return self._rows(sql, values)

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self._session() as session:
            try:
                return session.rows(sql, values)
            except StoreAway:
                if not session.lost:
                    raise
        # A session that idled too long is cut off by the server, which shows only when it is used.
        self._drop_idle()
        with self._session() as session:
            return session.rows(sql, values)

    def _horizons(self) -> dict[int, int]:
        return {int(tier): int(second) for tier, second in self._rows("SELECT tier, second FROM horizons")}

    def _look(self, conditions: Conditions, limit: int) -> tuple[list[Row], int | None]:
        # The primary key leads from the newest call backwards, and a page ends when it is full. Of one process among
        # many, or where nothing passes the filter, it would pass every call there is.
        if conditions.every:
            return self._page(conditions, limit), None
        return self._look_up(conditions, limit) if conditions.rare else self._look_through(conditions, limit)

    def _look_through(self, conditions: Conditions, limit: int) -> tuple[list[Row], int | None]:
        """Among the newest calls, as many as may be."""
        since_us = self._since(conditions.last_s) * SECOND_US
        return self._page(conditions.within([(since_us, conditions.last_us)]), limit), since_us or None

    def _since(self, last_s: int) -> int:
        """Since which second until `last_s` there are MOST_CALLS, or up to twice as many more; 0: since ever fewer."""
        left, end_s, rows = MOST_CALLS, last_s + 1, SECONDS_AT_FIRST
        for _ in range(CHUNKS):
            since_s, calls, found = self._rows(_COUNTED, [end_s, rows])[0]
            if (found < rows or calls >= left) and calls <= 2 * MOST_CALLS:
                return 0 if found < rows else int(since_s)
            if calls >= left:
                for second, stored in self._rows(_STORED, [since_s, end_s]):
                    left -= int(stored)
                    if left <= 0:
                        return int(second)
            left, end_s, rows = left - int(calls), int(since_s), min(2 * rows, SECONDS_COUNTED)
        return end_s

    def _look_up(self, conditions: Conditions, limit: int) -> tuple[list[Row], int | None]:
        """Among the calls of those times in which, by the rollups, such calls were made: all others then are looked
        through, too."""
        found: list[Row] = []
        left, expected = MOST_CALLS, 0
        ranges: list[tuple[int, int]] = []
        for time in self._active(conditions):
            if time.calls:
                ranges.append((time.first_s * SECOND_US, min(time.end_s * SECOND_US - 1, GREATEST)))
            left, expected = left - time.cost, expected + time.calls
            if left > 0 and len(ranges) < RANGES and len(found) + expected < limit:
                continue
            if ranges:
                found += self._page(conditions.within(_joined(ranges)), limit - len(found))
                ranges, expected = [], 0
            if len(found) >= limit:
                return found, None
            if left <= 0:
                return found, time.first_s * SECOND_US
        if ranges:
            found += self._page(conditions.within(_joined(ranges)), limit - len(found))
        return found, None

    def _active(self, conditions: Conditions) -> Iterator[Active]:
        """When there are such calls, newest first."""
        oldest = self._rows("SELECT time_us FROM events ORDER BY time_us LIMIT 1")
        first_s = max(conditions.first_s, int(oldest[0][0]) // SECOND_US) if oldest else GREATEST
        end_s = conditions.last_s + 1
        kept_s = self._horizons().get(HOUR_S, 0)
        of_process = "process_id" in conditions.rollup.sql
        if not of_process and not self._rows(f"SELECT 1 FROM processes WHERE {conditions.rollup.sql} LIMIT 1"):  # noqa: S608
            return  # no process has ever made any: its hours need not be looked at
        within = self._seconds_within if of_process else self._minutes_within
        while end_s > first_s:
            begin_s = kept_s
            if end_s > kept_s:
                # Processes have an index of their hours. The others' hours are looked at one by one.
                where = conditions.rollup if of_process else Where()
                hours = self._rows(
                    f"SELECT second FROM rollup_1h WHERE {where.sql} AND second < ? AND second > ?"  # noqa: S608
                    " ORDER BY second DESC LIMIT 1",
                    [*where.values, end_s, max(first_s, kept_s) - HOUR_S],
                )
                if not hours:
                    if first_s >= kept_s:
                        return
                    end_s = kept_s  # and what was before, only the finer tiers know
                    continue
                begin_s = int(hours[0][0])
            else:
                begin_s = max(first_s, end_s - HOUR_S)
            begin_s, hour_s = max(begin_s, first_s), begin_s
            if of_process or end_s <= kept_s or self._has(conditions.rollup, hour_s):
                yield from within(conditions.rollup, begin_s, min(end_s, hour_s + HOUR_S))
            yield Active(begin_s, begin_s, 0, 0 if of_process else HOUR_COST)
            end_s = begin_s

    def _has(self, where: Where, hour_s: int) -> bool:
        sql = f"SELECT 1 FROM rollup_1h WHERE {where.sql} AND second = ? LIMIT 1"  # noqa: S608
        return bool(self._rows(sql, [*where.values, hour_s]))

    def _seconds_within(self, where: Where, first_s: int, end_s: int) -> Iterator[Active]:
        while True:
            rows = self._rows(
                "SELECT second, SUM(requests + releases + failed),"  # noqa: S608
                " (SELECT SUM(stored) FROM account_1s a WHERE a.second = r.second)"
                f" FROM rollup_1s r WHERE {where.sql} AND second >= ? AND second < ?"
                " GROUP BY second ORDER BY second DESC LIMIT ?",
                [*where.values, first_s, end_s, SECONDS_AT_FIRST],
            )
            for second, calls, stored in rows:
                end_s = int(second)
                yield Active(end_s, end_s + 1, max(int(calls), 1), int(stored or 0))
            if len(rows) < SECONDS_AT_FIRST:
                return

    def _minutes_within(self, where: Where, first_s: int, end_s: int) -> Iterator[Active]:
        """Seconds have as many rows as there are calls, or nearly."""
        while rows := self._rows(
            f"SELECT second, failed FROM rollup_1m WHERE {where.sql} AND second < ? AND second > ?"  # noqa: S608
            " ORDER BY second DESC LIMIT 1",
            [*where.values, end_s, first_s - MINUTE_S],
        ):
            begin_s = int(rows[0][0])
            bounds = max(begin_s, first_s), min(begin_s + MINUTE_S, end_s)
            stored = self._rows("SELECT SUM(stored) FROM account_1s WHERE second >= ? AND second < ?", bounds)[0][0]
            yield Active(*bounds, int(rows[0][1]), int(stored or 0))
            end_s = begin_s

    def close(self) -> None:
        with self._lock:
            self._kept = 0
        self._drop_idle()

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._lock:
            if self._kept == 0:
                raise StoreError(f"store {self._address.url} is closed")
            session = self._idle.pop() if self._idle else None
        if session is None:
            session = Session(self._address, autocommit=True)
            session.run("SET SESSION TRANSACTION READ ONLY")
        try:
            yield session
        finally:
            with self._lock:
                keep = not session.lost and len(self._idle) < self._kept
                if keep:
                    self._idle.append(session)
            if not keep:
                session.close()

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Descending ranges, both ends included, neighbours in one."""
    out: list[tuple[int, int]] = []
    for first, last in ranges:
        out.append((first, out.pop()[1]) if out and out[-1][0] == last + 1 else (first, last))
    return out
