"""The SQL of the MySQL store's writer. `batch_activity` is a temporary table of its connection."""

from __future__ import annotations

from memtap.stores.held import newest

# Its position tells the later of two rows of one microsecond.
ACTIVITY_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS batch_activity (
    position INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    process_id INT UNSIGNED NOT NULL,
    name_id INT UNSIGNED NOT NULL,
    second BIGINT UNSIGNED NOT NULL,
    requested DECIMAL(38, 0) NOT NULL,
    released DECIMAL(38, 0) NOT NULL,
    requests INT UNSIGNED NOT NULL,
    releases INT UNSIGNED NOT NULL,
    first_us BIGINT UNSIGNED NOT NULL,
    last_us BIGINT UNSIGNED NOT NULL,
    failed INT UNSIGNED NOT NULL DEFAULT 0,
    vm BIGINT UNSIGNED,
    resident BIGINT UNSIGNED
) ENGINE=InnoDB
"""
ACTIVITY_COLUMNS = "process_id, name_id, second, requested, released, requests, releases, first_us, last_us"
EVENT_COLUMNS = "id, time_us, process_id, name_id, `call`, length"
# What a batch of format 2 has besides.
WIDE_ACTIVITY_COLUMNS = f"{ACTIVITY_COLUMNS}, failed, vm, resident"
WIDE_EVENT_COLUMNS = f"{EVENT_COLUMNS}, freed, errno, kind, vm"

BATCH = "SELECT first_ordinal, stored, source_offset, lines_read FROM batches WHERE stream_no = ? AND batch_no = ?"
ADD_BATCH = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
LAST_STREAM = "SELECT stream_no, name FROM streams WHERE LEFT(name, ?) = ? ORDER BY stream_no DESC LIMIT 1"

NEXT_ID = "SELECT next_id FROM counters WHERE what = ? FOR UPDATE"
TAKE_IDS = "UPDATE counters SET next_id = next_id + ? WHERE what = ?"

RENEW_HOST = """
UPDATE hosts SET memory_bytes = IF(? > 0, ?, memory_bytes), page_size = IF(? > 0, ?, page_size) WHERE id = ?
"""
RAISE_HOST = "UPDATE hosts SET last_us = GREATEST(last_us, ?) WHERE id = ?"


def _latest(column: str, condition: str) -> str:
    """The column's value in the latest row that fulfils the condition."""
    dated = f"CONCAT(LPAD(last_us, 20, '0'), LPAD(position, 10, '0'), {column})"
    return f"CAST(SUBSTR(MAX(IF({condition}, {dated}, NULL)), 31) AS UNSIGNED)"


_SUMS = f"""
SUM(requested) AS requested, SUM(released) AS released, SUM(requests) AS requests, SUM(releases) AS releases,
SUM(failed) AS failed, MAX(IF(vm > 0, last_us, NULL)) AS held_us,
{_latest("vm", "vm > 0")} AS vm, {_latest("resident", "resident > 0")} AS resident
"""

# In both that follow, what is compared with is set last: held_us, last_us.
ADD_TO_ROLLUP = f"""
INSERT INTO rollup_1s (process_id, second, requested, released, requests, releases, failed, vm, resident, held_us)
SELECT b.process_id, b.second, b.requested, b.released, b.requests, b.releases, b.failed, b.vm, b.resident, b.held_us
FROM (SELECT process_id, second, {_SUMS} FROM batch_activity GROUP BY process_id, second) b
ON DUPLICATE KEY UPDATE requested = rollup_1s.requested + b.requested, released = rollup_1s.released + b.released,
                        requests = rollup_1s.requests + b.requests, releases = rollup_1s.releases + b.releases,
                        failed = rollup_1s.failed + b.failed, vm = {newest("rollup_1s", "vm")},
                        resident = {newest("rollup_1s", "resident")},
                        held_us = COALESCE(GREATEST(rollup_1s.held_us, b.held_us), rollup_1s.held_us, b.held_us)
"""  # noqa: S608

# The latest name is that of the latest call. A call of format 1 after its process was marked as ended says that
# the pid has come back; format 2 gives it to another process.
ADD_TO_PROCESSES = f"""
UPDATE processes p
JOIN (SELECT process_id, {_SUMS}, COUNT(vm) > 0 AS wide, MIN(first_us) AS first_us, MAX(last_us) AS last_us,
             {_latest("name_id", "TRUE")} AS name_id
      FROM batch_activity GROUP BY process_id) b ON p.id = b.process_id
SET p.name_id = IF(b.last_us >= p.last_us, b.name_id, p.name_id),
    p.ended_us = IF(p.ended_us < b.last_us AND NOT b.wide, NULL, p.ended_us),
    p.requested = p.requested + b.requested,
    p.released = p.released + b.released,
    p.requests = p.requests + b.requests,
    p.releases = p.releases + b.releases,
    p.failed = p.failed + b.failed,
    p.vm = {newest("p", "vm")},
    p.resident = {newest("p", "resident")},
    p.held_us = COALESCE(GREATEST(p.held_us, b.held_us), p.held_us, b.held_us),
    p.first_us = LEAST(p.first_us, b.first_us),
    p.last_us = GREATEST(p.last_us, b.last_us)
"""  # noqa: S608

TIMES = "SELECT MIN(first_us), MAX(last_us), MAX(IF(last_us < ?, last_us, 0)) FROM batch_activity"

ADD_TO_STREAM = """
UPDATE streams
SET batches = batches + 1, changes = changes + 1, lines_read = lines_read + ?, stored = stored + ?,
    rejected = rejected + ?, notices = notices + ?,
    first_us = LEAST(COALESCE(first_us, ?), COALESCE(?, first_us)),
    last_us = GREATEST(COALESCE(last_us, ?), COALESCE(?, last_us))
WHERE stream_no = ?
"""
ADD_TO_LOSS_TOTALS = """
INSERT INTO loss_totals VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE events = events + ?
"""

ADD_PROCESSES = "INSERT INTO processes (id, host_id, pid, start_us, name_id, uid, cgroup, parent) VALUES "
# The earliest word: an exit is known to the microsecond, an absence from /proc later.
END_EXITED = """
UPDATE processes SET ended_us = LEAST(COALESCE(ended_us, 18446744073709551615), CASE id {cases} END) WHERE id IN ({ids})
"""
END_PROCESSES = "UPDATE processes SET ended_us = ? WHERE host_id = ? AND ended_us IS NULL AND last_us <= ? AND pid IN "
