"""Names, streams and hosts that nothing refers to any more: dropped, a bounded number at a time.

Writers know some of them by heart, and so may a batch that is loaded ahead of its turn. So what is found unused is
dropped in the writers' turn, after they have let go of what they know; of the names that batches brought while those of
the kept calls were looked through, none is. The newest stream and host stay: their numbers are not given again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memtap.stores.duckdb.database import Database

EVERY_S = 3600.0  # to find unused names, all calls are looked through: half a second of work for 100 million
AT_ONCE = 1000  # in one turn
STREAMS_AT_ONCE = 20  # each with its last batches
LEAST_US = 86_400 * 1_000_000  # a stream is kept after it was written to, whatever is kept of it

_UNUSED_NAMES = """
SELECT id FROM names
WHERE id NOT IN (SELECT name_id FROM folded_processes)
  AND id NOT IN (SELECT name_id FROM activity WHERE name_id IS NOT NULL)
  AND id NOT IN (SELECT DISTINCT name_id FROM events)
LIMIT ?
"""
_DROP_NAMES = """
DELETE FROM names WHERE id IN (SELECT unnest(?::UINTEGER[])) AND id NOT IN (SELECT name_id FROM folded_processes)
"""
_OLD_STREAMS = """
SELECT stream_no FROM folded_streams
WHERE used_us < ? AND coalesce(last_us, 0) < ? AND stream_no < (SELECT max(stream_no) FROM folded_streams)
  AND stream_no NOT IN (SELECT stream_no FROM extents) AND stream_no NOT IN (SELECT stream_no FROM fresh_batches)
  AND stream_no NOT IN (SELECT unnest(?::UINTEGER[]))
LIMIT ?
"""
_EMPTY_HOSTS = """
DELETE FROM folded_hosts
WHERE last_us < ? AND id < (SELECT max(id) FROM folded_hosts)
  AND id NOT IN (SELECT host_id FROM folded_streams) AND id NOT IN (SELECT host_id FROM folded_processes)
"""


def names(database: Database) -> None:
    """Those that are no process's latest, and that no kept call has; at most once in EVERY_S."""
    written = database.written
    if not written.forget_names or time.monotonic() < written.names_again_s:
        return
    with written.turn:
        written.forget_names = False
        written.names_used = set()
    try:
        with database.connection() as connection:
            found = [number for (number,) in connection.execute(_UNUSED_NAMES, [10 * AT_ONCE]).fetchall()]
        for first in range(0, len(found), AT_ONCE):
            with database.letting_go() as connection:
                some = [number for number in found[first : first + AT_ONCE] if number not in written.names_used]
                connection.execute(_DROP_NAMES, [some])
        if len(found) == 10 * AT_ONCE:
            written.forget_names = True
        else:
            written.names_again_s = time.monotonic() + EVERY_S
    finally:
        with written.turn:
            written.names_used = None


def streams(database: Database, end_us: int, now_us: int) -> None:
    """Those without a call since `end_us`, and not written to for as long either, with the hosts that are left without
    streams and processes: whoever ingests their file again begins a new one."""
    end_us = max(end_us, 0)
    with database.changing() as connection:
        used_us = max(min(end_us, now_us - LEAST_US), 0)
        values = [used_us, end_us, list(database.written.open_streams()), STREAMS_AT_ONCE]
        found = [number for (number,) in connection.execute(_OLD_STREAMS, values).fetchall()]
        for number in found:
            for table in ("folded_batches", "losses", "loss_totals", "folded_streams"):
                connection.execute(f"DELETE FROM {table} WHERE stream_no = ?", [number])  # noqa: S608
        if found:
            connection.execute(_EMPTY_HOSTS, [end_us])
    for number in found:
        database.written.next_batch.pop(number, None)
