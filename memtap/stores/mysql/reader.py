"""The MySQL store's reading side."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from memtap.errors import StoreAway, StoreError
from memtap.stores.address import MySQLAddress
from memtap.stores.mysql.session import Session
from memtap.stores.reading import GREATEST, Conditions, Row, SqlReader, Where
from memtap.stores.tiers import TIERS

KEPT_SESSIONS = 4
SECONDS_AT_ONCE = 256  # ranges in one statement


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

    def _page(self, conditions: Conditions, limit: int) -> list[Row]:
        # The primary key leads from the newest call backwards. It would pass every call of a day to find the
        # hundred of one process, or that failed, so the rollups say first in which seconds those are.
        if not conditions.rare:
            return super()._page(conditions, limit)
        found: list[Row] = []
        bound = None
        while len(found) < limit:
            seconds = self._active_seconds(conditions.seconds, bound, min(limit, SECONDS_AT_ONCE))
            if not seconds:
                break
            found += super()._page(conditions.within(_ranges(seconds)), limit - len(found))
            bound = seconds[-1]
        return found

    def _active_seconds(self, where: Where, bound: int | None, limit: int) -> list[int]:
        """The newest seconds before `bound` of which the rollups say that such a call was made, newest first."""
        sql = f"SELECT DISTINCT second FROM rollup_1s WHERE {where.sql}"  # noqa: S608
        values = list(where.values)
        if bound is not None:
            sql += " AND second < ?"
            values.append(bound)
        return [row[0] for row in self._rows(sql + " ORDER BY second DESC LIMIT ?", [*values, limit])]

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


def _ranges(seconds: Sequence[int]) -> list[tuple[int, int]]:
    """Descending seconds as ranges of microseconds, both ends included, neighbours in one."""
    out: list[tuple[int, int]] = []
    for second in seconds:
        first, last = second * 1_000_000, min(second * 1_000_000 + 999_999, GREATEST)
        out.append((first, out.pop()[1]) if out and out[-1][0] == last + 1 else (first, last))
    return out
