"""The SQL of the DuckDB store's writer. `batch_events` and `batch_activity` are the batch's Arrow columns."""

from __future__ import annotations

from memtap.stores.held import newest

BATCH = "SELECT first_ordinal, stored, source_offset, lines_read FROM batches WHERE stream_no = ? AND batch_no = ?"
ADD_BATCH = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
LAST_STREAM = "SELECT stream_no, name FROM streams WHERE starts_with(name, ?) ORDER BY stream_no DESC LIMIT 1"

RENEW_HOST = """
UPDATE hosts SET memory_bytes = CASE WHEN ? > 0 THEN ? ELSE memory_bytes END,
                 page_size = CASE WHEN ? > 0 THEN ? ELSE page_size END
WHERE id = ?
"""
RAISE_HOST = "UPDATE hosts SET last_us = greatest(last_us, coalesce(?, 0)) WHERE id = ?"

NAME_IDS = "SELECT comm, id FROM names WHERE comm IN (SELECT unnest(?::BLOB[]))"
ADD_NAMES = """
INSERT INTO names (id, comm, text)
SELECT ? + row_number() OVER () - 1, comm, text
FROM (SELECT unnest(?::BLOB[]) AS comm, unnest(?::VARCHAR[]) AS text)
"""
PROCESS_IDS = """
SELECT pid, start_us, id FROM processes WHERE host_id = ? AND pid IN (SELECT unnest(?::UINTEGER[]))
"""
ADD_PROCESSES = """
INSERT INTO processes (id, host_id, pid, start_us, name_id, uid, cgroup, parent)
SELECT ? + row_number() OVER () - 1, ?, pid, start_us, 0, uid, cgroup, parent
FROM (SELECT unnest(?::UINTEGER[]) AS pid, unnest(?::UBIGINT[]) AS start_us, unnest(?::UINTEGER[]) AS uid,
             unnest(?::UBIGINT[]) AS cgroup, unnest(?::UINTEGER[]) AS parent)
"""

# A batch of format 1 has fewer columns; the others of its rows are NULL.
ADD_EVENTS = "INSERT INTO events BY NAME SELECT * FROM batch_events"

_ACTIVITY = """
(SELECT *, row_number() OVER () AS position FROM batch_activity)
UNION ALL BY NAME SELECT NULL::UINTEGER AS failed, NULL::UBIGINT AS vm, NULL::UBIGINT AS resident WHERE false
"""
# Its position tells the later of two rows of one microsecond.
_LATEST = "{'us': last_us, 'position': position}"
_SUMS = f"""
sum(requested) AS requested, sum(released) AS released, sum(requests) AS requests, sum(releases) AS releases,
coalesce(sum(failed), 0) AS failed, max(last_us) FILTER (vm > 0) AS held_us,
arg_max(vm, {_LATEST}) FILTER (vm > 0) AS vm, arg_max(resident, {_LATEST}) FILTER (resident > 0) AS resident
"""

ADD_TO_ROLLUP = f"""
MERGE INTO rollup_1s r
USING (SELECT process_id, second, {_SUMS} FROM ({_ACTIVITY}) GROUP BY process_id, second) b
ON r.process_id = b.process_id AND r.second = b.second
WHEN MATCHED THEN UPDATE SET requested = r.requested + b.requested, released = r.released + b.released,
                             requests = r.requests + b.requests, releases = r.releases + b.releases,
                             failed = r.failed + b.failed, vm = {newest("r", "vm")},
                             resident = {newest("r", "resident")}, held_us = greatest(r.held_us, b.held_us)
WHEN NOT MATCHED THEN INSERT BY NAME
"""  # noqa: S608

# The latest name is that of the latest call. A call of format 1 after its process was marked as ended says that
# the pid has come back; format 2 gives it to another process.
ADD_TO_PROCESSES = f"""
UPDATE processes p
SET requested = p.requested + b.requested,
    released = p.released + b.released,
    requests = p.requests + b.requests,
    releases = p.releases + b.releases,
    failed = p.failed + b.failed,
    name_id = CASE WHEN b.last_us >= p.last_us THEN b.name_id ELSE p.name_id END,
    first_us = least(p.first_us, b.first_us),
    last_us = greatest(p.last_us, b.last_us),
    ended_us = CASE WHEN p.ended_us < b.last_us AND NOT b.wide THEN NULL ELSE p.ended_us END,
    vm = {newest("p", "vm")},
    resident = {newest("p", "resident")},
    held_us = greatest(p.held_us, b.held_us)
FROM (SELECT process_id, {_SUMS}, count(vm) > 0 AS wide, min(first_us) AS first_us, max(last_us) AS last_us,
             arg_max(name_id, {_LATEST}) AS name_id
      FROM ({_ACTIVITY}) GROUP BY process_id) b
WHERE p.id = b.process_id
"""  # noqa: S608

TIMES = "SELECT min(first_us), max(last_us), max(last_us) FILTER (last_us < ?) FROM batch_activity"

ADD_TO_STREAM = """
UPDATE streams
SET batches = batches + 1, changes = changes + 1, lines_read = lines_read + ?, stored = stored + ?,
    rejected = rejected + ?, notices = notices + ?,
    first_us = least(first_us, ?), last_us = greatest(last_us, ?) -- these two leave NULLs out
WHERE stream_no = ?
"""
ADD_TO_LOSS_TOTALS = """
INSERT INTO loss_totals AS l VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET events = l.events + excluded.events
"""

# The earliest word: an exit is known to the microsecond, an absence from /proc later.
END_EXITED = """
UPDATE processes p SET ended_us = least(p.ended_us, e.ended_us)
FROM (SELECT unnest(?::UINTEGER[]) AS id, unnest(?::UBIGINT[]) AS ended_us) e WHERE p.id = e.id
"""
END_PROCESSES = """
UPDATE processes SET ended_us = ?
WHERE host_id = ? AND pid IN (SELECT unnest(?::UINTEGER[])) AND ended_us IS NULL AND last_us <= ?
"""
