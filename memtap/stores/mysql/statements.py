"""The SQL of the MySQL store's writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memtap.stores.local_ids import NO_FACTS, Facts, Identity, NewProcess

BATCH = "SELECT first_ordinal, stored, source_offset, lines_read FROM batches WHERE stream_no = ? AND batch_no = ?"
ADD_BATCH = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
STREAM = "SELECT stream_no, host_id FROM streams WHERE name = ?"
LAST_STREAM = "SELECT stream_no, name FROM streams WHERE LEFT(name, ?) = ? ORDER BY stream_no DESC LIMIT 1"

NEXT_ID = "SELECT next_id FROM counters WHERE what = ? FOR UPDATE"
TAKE_IDS = "UPDATE counters SET next_id = next_id + ? WHERE what = ?"

RENEW_HOST = """
UPDATE hosts SET memory_bytes = IF(? > 0, ?, memory_bytes), page_size = IF(? > 0, ?, page_size) WHERE id = ?
"""


_SUMS = ("requested", "released", "requests", "releases")
_WIDE = ("failed", "vm", "resident", "held_us")  # what a batch of format 2 has besides


def _newest(column: str) -> str:
    """As memtap.stores.held has it."""
    new = f"VALUES({column})"
    later = "VALUES(held_us) >= COALESCE(held_us, 0)"
    return f"CASE WHEN {later} THEN COALESCE({new}, {column}) ELSE COALESCE({column}, {new}) END"


def _added(wide: bool) -> str:
    """How the sums of a batch are added to a row's. What is compared with is set last: held_us."""
    sums = [f"{column} = {column} + VALUES({column})" for column in (*_SUMS, *(["failed"] if wide else []))]
    held = "COALESCE(GREATEST(held_us, VALUES(held_us)), held_us, VALUES(held_us))"
    kept = [f"vm = {_newest('vm')}", f"resident = {_newest('resident')}", f"held_us = {held}"] if wide else []
    return ", ".join(sums + kept)


def add_to_rollup(table: str, wide: bool) -> tuple[str, str]:
    """What comes before and after the rows of `Batch.sums_text`."""
    return f"INSERT INTO {table} ({columns_of_sums(wide)}) VALUES\n", f"\nON DUPLICATE KEY UPDATE {_added(wide)}"


def columns_of_sums(wide: bool) -> str:
    return ", ".join(("second", "process_id", *_SUMS, *(_WIDE if wide else ())))


def _of_processes(wide: bool) -> str:
    return ", ".join(("id", "name_id", "first_us", "last_us", *_SUMS, *(_WIDE if wide else ())))


def add_to_processes(wide: bool) -> tuple[str, str]:
    """The same for `Batch.process_sums_text`. Each process is there: one that is not would be of host 0, which is none,
    and ADD_TO_STREAM finds that out.

    The latest name is that of the latest call. A call of format 1 after its process was marked as ended says that
    the pid has come back; format 2 gives it to another process.
    """
    back = "" if wide else "ended_us = IF(ended_us < VALUES(last_us), NULL, ended_us), "
    # `last_us` is compared with, too.
    return (
        f"INSERT INTO processes ({_of_processes(wide)}) VALUES\n",
        f"\nON DUPLICATE KEY UPDATE name_id = IF(VALUES(last_us) >= last_us, VALUES(name_id), name_id), {back}"
        f"{_added(wide)}, first_us = LEAST(first_us, VALUES(first_us)), last_us = GREATEST(last_us, VALUES(last_us))",
    )


def make_processes(wide: bool) -> str:
    """What comes before the rows of `new_processes`."""
    return f"INSERT INTO processes ({columns_of_new(wide)}) VALUES\n"


def columns_of_new(wide: bool) -> str:
    return f"host_id, pid, start_us, uid, cgroup, parent, {_of_processes(wide)}"


def new_processes(host_id: int, new: Sequence[NewProcess], sums: Mapping[int, bytes], *, wide: bool) -> bytes:
    """Their rows; `sums`: those of `Batch.process_sums_text`, by number."""
    return b"".join(_new_process(host_id, *each, sums.get(each.number), wide=wide) for each in new)


def _new_process(
    host_id: int, number: int, identity: Identity, facts: Facts, sums: bytes | None, *, wide: bool
) -> bytes:
    if sums is None:  # there is no call of it yet
        sums = b"(%d,0,18446744073709551615,0,0,0,0,0%b),\n" % (number, b",0,NULL,NULL,NULL" if wide else b"")
    if facts is NO_FACTS:
        return b"(%d,%d,%d,NULL,NULL,NULL,%b" % (host_id, *identity, sums[1:])
    told = b",".join(b"NULL" if fact is None else b"%d" % fact for fact in facts)
    return b"(%d,%d,%d,%b,%b" % (host_id, *identity, told, sums[1:])


ADD_TO_ACCOUNT = (
    "INSERT INTO account_1s (second, stream_no, stored, rejected) VALUES ",
    " ON DUPLICATE KEY UPDATE stored = stored + VALUES(stored), rejected = rejected + VALUES(rejected)",
)

# With the host's latest call, which tells the newest boot. Changes nothing where there is a process of no host: the
# sums were of one that retention has dropped.
ADD_TO_STREAM = """
UPDATE streams s JOIN hosts h ON h.id = s.host_id
SET s.batches = s.batches + 1, s.changes = s.changes + 1, s.lines_read = s.lines_read + ?, s.stored = s.stored + ?,
    s.rejected = s.rejected + ?, s.notices = s.notices + ?,
    s.first_us = LEAST(COALESCE(s.first_us, ?), COALESCE(?, s.first_us)),
    s.last_us = GREATEST(COALESCE(s.last_us, ?), COALESCE(?, s.last_us)),
    h.last_us = GREATEST(h.last_us, ?)
WHERE s.stream_no = ? AND NOT EXISTS (SELECT 1 FROM processes WHERE host_id = 0)
"""
ADD_LOSS = (
    "INSERT INTO losses (stream_no, batch_no, position, time_us, cause, events, detail, since_us)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_TO_LOSS_TOTALS = """
INSERT INTO loss_totals VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE events = events + ?
"""

# A name is good for the calls of a batch until this second, and for two hours. Then its writer says so again.
USE_NAMES = (
    "INSERT INTO name_uses VALUES ",
    " ON DUPLICATE KEY UPDATE used_s = GREATEST(used_s, VALUES(used_s))",
)
USE_STREAM = """
INSERT INTO stream_uses VALUES (?, UNIX_TIMESTAMP()) ON DUPLICATE KEY UPDATE used_s = VALUES(used_s)
"""

# The earliest word: an exit is known to the microsecond, an absence from /proc later.
END_EXITED = """
UPDATE processes SET ended_us = LEAST(COALESCE(ended_us, 18446744073709551615), CASE id {cases} END) WHERE id IN ({ids})
"""
END_PROCESSES = "UPDATE processes SET ended_us = ? WHERE host_id = ? AND ended_us IS NULL AND last_us <= ? AND pid IN "
