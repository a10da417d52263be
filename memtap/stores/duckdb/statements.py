"""The SQL of the DuckDB store's writer. `columns` are a batch's, as Arrow."""

from __future__ import annotations

BATCH = "SELECT first_ordinal, stored, source_offset, lines_read FROM batches WHERE stream_no = ? AND batch_no = ?"
ADD_BATCH = "INSERT INTO fresh_batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
LAST_STREAM = "SELECT stream_no, name FROM folded_streams WHERE starts_with(name, ?) ORDER BY stream_no DESC LIMIT 1"

USE_STREAM = "UPDATE folded_streams SET used_us = greatest(used_us, ?) WHERE stream_no = ?"

RENEW_HOST = """
UPDATE folded_hosts SET memory_bytes = CASE WHEN ? > 0 THEN ? ELSE memory_bytes END,
                 page_size = CASE WHEN ? > 0 THEN ? ELSE page_size END
WHERE id = ?
"""

NAME_IDS = "SELECT comm, id FROM names WHERE comm IN (SELECT unnest(?::BLOB[]))"
ADD_NAMES = """
INSERT INTO names (id, comm, text)
SELECT ? + row_number() OVER () - 1, comm, text
FROM (SELECT unnest(?::BLOB[]) AS comm, unnest(?::VARCHAR[]) AS text)
"""
PROCESS_IDS = """
SELECT pid, start_us, id FROM folded_processes WHERE host_id = ? AND pid IN (SELECT unnest(?::UINTEGER[]))
"""
ADD_PROCESSES = """
INSERT INTO folded_processes (id, host_id, pid, start_us, name_id, uid, cgroup, parent)
SELECT id, ?, pid, start_us, 0, uid, cgroup, parent
FROM (SELECT unnest(range(?, ?)) AS id, unnest(?::UINTEGER[]) AS pid, unnest(?::UBIGINT[]) AS start_us,
             unnest(?::UINTEGER[]) AS uid, unnest(?::UBIGINT[]) AS cgroup, unnest(?::UINTEGER[]) AS parent)
"""
ADD_PLAIN_PROCESSES = """
INSERT INTO folded_processes (id, host_id, pid, start_us, name_id)
SELECT id, ?, pid, 0, 0 FROM (SELECT unnest(range(?, ?)) AS id, unnest(?::UINTEGER[]) AS pid)
"""

# A batch of format 1 has fewer columns; the others of its rows are NULL.
ADD_EVENTS = "INSERT INTO events_{part} BY NAME SELECT * FROM columns"

ADD_ACTIVITY = "INSERT INTO activity BY NAME SELECT {stream_no} AS stream_no, * FROM columns"
ADD_ENDS = """
INSERT INTO activity (stream_no, process_id, ended_us) SELECT ?, unnest(?::UINTEGER[]), unnest(?::UBIGINT[])
"""
ADD_ACCOUNT = """
INSERT INTO account_1s SELECT ?, unnest(?::UBIGINT[]), unnest(?::UINTEGER[]), unnest(?::UINTEGER[])
"""
ADD_TO_LOSS_TOTALS = """
INSERT INTO loss_totals AS l VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET events = l.events + excluded.events
"""

END_PROCESSES = """
UPDATE folded_processes SET ended_us = ?
WHERE host_id = ? AND pid IN (SELECT unnest(?::UINTEGER[])) AND ended_us IS NULL AND last_us <= ?
"""
