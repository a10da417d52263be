"""Names, streams and hosts that nothing refers to any more: dropped, a bounded number at a time.

Whoever writes them knows some of them by heart. So each step looks for candidates, locks what their writers lock when
they use them, looks once more, and drops them in one short transaction: either a writer has used them before, or it
finds that they are gone (`MySQLWriter`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from memtap.stores.conditions import marks
from memtap.stores.mysql.session import Session

AT_ONCE = 1000
STREAMS_AT_ONCE = 20  # each with its last batches
LEAST_S = 86_400  # a stream is kept after it was written to, whatever is kept of it

UNUSED_NAMES = """
SELECT u.id FROM name_uses u LEFT JOIN (SELECT DISTINCT name_id FROM processes) p ON p.name_id = u.id
WHERE u.used_s < LEAST(UNIX_TIMESTAMP(), ?) AND p.name_id IS NULL LIMIT ?
"""
OLD_STREAMS = """
SELECT s.stream_no FROM streams s JOIN stream_uses u ON u.stream_no = s.stream_no
WHERE u.used_s < UNIX_TIMESTAMP() - ? AND COALESCE(s.last_us, 0) < ? LIMIT ?
"""
EMPTY_HOSTS = """
SELECT h.id FROM hosts h LEFT JOIN (SELECT DISTINCT host_id FROM streams) s ON s.host_id = h.id
LEFT JOIN (SELECT DISTINCT host_id FROM processes) p ON p.host_id = h.id
WHERE s.host_id IS NULL AND p.host_id IS NULL AND h.last_us < ? LIMIT ?
"""


def names(session: Session, oldest_s: int | None) -> bool:
    """Those that are no process's latest, and that no kept call has: the oldest one was made at `oldest_s`; None:
    there is none. Whether there may be more."""
    oldest = 2**63 if oldest_s is None else oldest_s
    found = _ids(session, UNUSED_NAMES, [oldest, AT_ONCE])
    if found:
        with _transaction(session):
            locked = f"SELECT id FROM name_uses WHERE id IN ({marks(found)}) AND used_s < LEAST(UNIX_TIMESTAMP(), ?)"  # noqa: S608
            _drop(session, "id", _ids(session, f"{locked} FOR UPDATE", [*found, oldest]), "names", "name_uses")
    return len(found) == AT_ONCE


def streams(session: Session, end_s: int, kept_s: int) -> bool:
    """Those without a call since `end_s`, and not written to for as long either: whoever repeats a batch of theirs,
    or ingests their file again, begins a new one. Whether there may be more."""
    kept_s = max(kept_s, LEAST_S)
    found = _ids(session, OLD_STREAMS, [kept_s, max(end_s, 0) * 1_000_000, STREAMS_AT_ONCE])
    for number in found:
        with _transaction(session):
            locked = "SELECT stream_no FROM stream_uses WHERE stream_no = ? AND used_s < UNIX_TIMESTAMP() - ?"
            if _ids(session, f"{locked} FOR UPDATE", [number, kept_s]):
                tables = ("batches", "losses", "loss_totals", "streams", "stream_uses")
                _drop(session, "stream_no", [number], *tables)
    return len(found) == STREAMS_AT_ONCE


def hosts(session: Session, end_s: int) -> None:
    """Those without streams and processes."""
    bounds = [max(end_s, 0) * 1_000_000, AT_ONCE]
    found = _ids(session, EMPTY_HOSTS, bounds)
    if found:
        with _transaction(session):
            _ids(session, f"SELECT id FROM hosts WHERE id IN ({marks(found)}) FOR UPDATE", found)  # noqa: S608
            still = set(_ids(session, EMPTY_HOSTS, bounds))
            _drop(session, "id", [number for number in found if number in still], "hosts")


@contextmanager
def _transaction(session: Session) -> Iterator[None]:
    session.run("START TRANSACTION")
    try:
        yield
        session.commit()
    except BaseException:
        session.roll_back()
        raise


def _ids(session: Session, sql: str, values: Sequence[object]) -> list[int]:
    return [int(row[0]) for row in session.rows(sql, values)]


def _drop(session: Session, column: str, numbers: Sequence[int], *tables: str) -> None:
    if numbers:
        for table in tables:
            session.run(f"DELETE FROM {table} WHERE {column} IN ({marks(numbers)})", numbers)  # noqa: S608
