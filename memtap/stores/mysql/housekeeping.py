"""The MySQL store's housekeeping: partitions made ahead, what is no longer kept dropped, a bounded step at a time."""

from __future__ import annotations

from collections.abc import Iterator

from memtap.stores.address import MySQLAddress
from memtap.stores.conditions import marks
from memtap.stores.contract import Maintenance, Retention
from memtap.stores.gate import Gate
from memtap.stores.mysql import forgetting
from memtap.stores.mysql.partitions import Partition, Partitions
from memtap.stores.mysql.session import Session
from memtap.stores.tiers import TIERS

DAY_S = 86_400
MINUTES_KEPT_S = 30 * DAY_S
SECONDS_KEPT_S = 3600  # at least
SHORTEST_SPAN_S = 60
SPANS = 24  # partitions of what is kept by age
FASTEST_BYTES_S = 30_000_000  # that a server takes: a partition is at most a quarter of what may be kept
DROPPED_AT_ONCE = 4  # partitions
DELETED_AT_ONCE = 2000  # rows
BATCHES_KEPT = 10_000  # of a stream: whoever repeats one is not that far behind
SIZE = (
    "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema = DATABASE()"
)
OLDEST = "SELECT time_us FROM events ORDER BY time_us LIMIT 1"
STORED = "SELECT COALESCE(SUM(stored), 0) FROM account_1s WHERE second >= ? AND second < ?"
RAISE_HORIZON = """
INSERT INTO horizons (tier, second) VALUES (?, ?) ON DUPLICATE KEY UPDATE second = GREATEST(second, VALUES(second))
"""
OLD_BATCHES = """
SELECT b.stream_no, b.batch_no FROM batches b
JOIN (SELECT stream_no, MAX(batch_no) AS newest FROM batches GROUP BY stream_no) n ON n.stream_no = b.stream_no
WHERE b.batch_no + ? < n.newest LIMIT ?
"""
# Those that have ended, or that are of a boot before their host's newest; and those of an old boot of which no call was
# ever stored.
OLD_PROCESSES = """
SELECT p.id FROM processes p JOIN hosts h ON h.id = p.host_id
WHERE p.last_us < ? AND (p.last_us > 0 OR h.last_us BETWEEN 1 AND ?)
  AND (p.ended_us IS NOT NULL OR EXISTS (SELECT 1 FROM hosts n WHERE n.name = h.name AND n.last_us > h.last_us))
LIMIT ?
"""


class Housekeeper:
    """Keeps one store in order, through a session of its own."""

    def __init__(self, address: MySQLAddress, gate: Gate) -> None:
        self._address = address
        self._gate = gate
        self._session: Session | None = None
        self._events = Partitions("events", 1_000_000)
        self._seconds = Partitions("rollup_1s", 1)

    def step(self, retention: Retention, now_us: int) -> Maintenance:
        """See `Store.maintain`. Raises StoreAway, StoreError."""
        session = self._connected()
        now_s = now_us // 1_000_000
        span_s = _span_s(retention)
        for table in (self._events, self._seconds):
            table.make_ahead(session, self._gate.between, now_s, span_s)
        events, more_events = self._drop_events(session, retention, now_s)
        rollups, processes, more = 0, 0, False
        for dropped, left, kind in self._age(session, retention, now_s):
            more |= left
            if kind == "rollups":
                rollups += dropped
            elif kind == "processes":
                processes += dropped
        oldest = _oldest(session)
        more |= forgetting.names(session, int(oldest[0][0]) // 1_000_000 if oldest else None)
        if retention.keep_rollups_s is not None:
            more |= forgetting.streams(session, now_s - retention.keep_rollups_s, retention.keep_rollups_s)
            forgetting.hosts(session, now_s - retention.keep_rollups_s)
        return Maintenance(
            events_dropped=events,
            rollups_dropped=rollups,
            processes_dropped=processes,
            bytes_stored=int(session.rows(SIZE)[0][0]),
            oldest_us=int(oldest[0][0]) if oldest else None,
            more=more or more_events,
        )

    def close(self) -> None:
        if self._session:
            self._session.close()
            self._session = None

    def _connected(self) -> Session:
        if self._session is None or self._session.lost:
            self._session = Session(self._address, autocommit=True)
            self._session.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return self._session

    def _drop_events(self, session: Session, retention: Retention, now_s: int) -> tuple[int, bool]:
        """How many calls went with their partitions, and whether more could."""
        parts = [part for part in self._events.all(session) if part.end is not None]
        aged: list[Partition] = []
        if retention.keep_events_s is not None:
            aged = [part for part in parts if part.end // 1_000_000 <= now_s - retention.keep_events_s]  # type: ignore[operator]
        if retention.keep_bytes is not None:
            size = int(session.rows(SIZE)[0][0]) - sum(part.bytes for part in aged)
            # The one of the present stays, and those after it.
            past = [part for part in parts if part not in aged and part.end <= now_s * 1_000_000]  # type: ignore[operator]
            while size > retention.keep_bytes and past:
                size -= past[0].bytes
                aged.append(past.pop(0))
        going = aged[:DROPPED_AT_ONCE]
        if not going:
            return 0, False
        end = going[-1].end or 0
        oldest = _oldest(session)
        first = int(oldest[0][0]) // 1_000_000 if oldest else 0
        count = int(session.rows(STORED, [first, end // 1_000_000])[0][0]) if oldest else 0
        self._events.drop(session, self._gate.between, going)
        return count, len(aged) > len(going)

    def _age(self, session: Session, retention: Retention, now_s: int) -> Iterator[tuple[int, bool, str]]:
        """(rows dropped, whether there are more, of what)."""
        if retention.keep_events_s is not None:
            kept_s = now_s - max(retention.keep_events_s, SECONDS_KEPT_S)
            parts = [part for part in self._seconds.all(session) if part.end is not None and part.end <= kept_s]
            if going := parts[:DROPPED_AT_ONCE]:
                end = going[-1].end or 0
                session.run(RAISE_HORIZON, [1, end + -end % 60])
                count = session.rows("SELECT COUNT(*) FROM rollup_1s WHERE second < ?", [end])[0][0]
                self._seconds.drop(session, self._gate.between, going)
                yield int(count), len(parts) > len(going), "rollups"
        if retention.keep_rollups_s is None:
            return
        for tier, kept_s in ((60, min(retention.keep_rollups_s, MINUTES_KEPT_S)), (3600, retention.keep_rollups_s)):
            end = now_s - kept_s
            end -= end % 3600
            if end > 0:
                session.run(RAISE_HORIZON, [tier, end])
                yield (*_delete(session, TIERS[tier], "second", end), "rollups")
        end = max(now_s - retention.keep_rollups_s, 0)
        # A partition of calls may stay for longer than its calls need: what was stored of them is said when it goes.
        oldest = _oldest(session)
        counted = min(end, int(oldest[0][0]) // 1_000_000) if oldest else end
        yield (*_delete(session, "account_1s", "second", counted), "seconds")
        yield (*_delete(session, "losses", "time_us", end * 1_000_000), "losses")
        old = session.rows(OLD_PROCESSES, [end * 1_000_000, end * 1_000_000, DELETED_AT_ONCE])
        if old:
            ids = [row[0] for row in old]
            dropped = session.run(
                f"DELETE FROM processes WHERE id IN ({marks(ids)}) AND last_us < ?",  # noqa: S608
                [*ids, end * 1_000_000],
            )
            yield dropped, len(old) == DELETED_AT_ONCE, "processes"
        batches = session.rows(OLD_BATCHES, [BATCHES_KEPT, DELETED_AT_ONCE])
        for stream_no in {row[0] for row in batches}:
            last = max(row[1] for row in batches if row[0] == stream_no)
            session.run("DELETE FROM batches WHERE stream_no = ? AND batch_no <= ?", [stream_no, last])


def _oldest(session: Session) -> list[tuple[int]]:
    """The time of the oldest call, if there is any. Of those on their way, too: a read that is to see none of them
    looks at each, and takes a server 80 ms while the first batches of a new store are loaded."""
    session.run("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
    return session.rows(OLDEST)


def _delete(session: Session, table: str, column: str, end: int) -> tuple[int, bool]:
    """Rows before `end`, oldest first; whether there may be more."""
    dropped = session.run(
        f"DELETE FROM {table} WHERE {column} < ? ORDER BY {column} LIMIT ?",  # noqa: S608
        [end, DELETED_AT_ONCE],
    )
    return dropped, dropped == DELETED_AT_ONCE


def _span_s(retention: Retention) -> int:
    """The time of a partition: the most that may stay too long, and what is lost at once where room is short."""
    spans = [DAY_S]
    if retention.keep_events_s is not None:
        spans.append(retention.keep_events_s // SPANS)
    if retention.keep_bytes is not None:
        spans.append(retention.keep_bytes // 4 // FASTEST_BYTES_S)
    return max(min(spans), SHORTEST_SPAN_S)
