"""The MySQL store's tables, one tuple of statements per schema version.

A schema change commits by itself here, so every statement may run again after a migration that was cut off.
Names are VARBINARY: a comm is bytes, and every text collation ignores something of it (case, or spaces at its end).
"""

from __future__ import annotations

# Tables whose old rows go a partition at a time, and those whose old rows are deleted.
PARTITIONED = ("events", "rollup_1s")
AGED = (
    "rollup_1m", "rollup_1h", "account_1s", "batches", "losses", "loss_totals", "processes", "names", "name_uses",
    "streams", "stream_uses", "hosts",
)  # fmt: skip

_VERSION_1 = (
    # Ids are handed out by row lock, not AUTO_INCREMENT: that leaves a gap for each transaction that fails.
    """
    CREATE TABLE IF NOT EXISTS counters (
        what VARCHAR(16) CHARACTER SET ascii NOT NULL PRIMARY KEY,
        next_id INT UNSIGNED NOT NULL
    ) ENGINE=InnoDB
    """,
    "INSERT IGNORE INTO counters VALUES ('host', 1), ('stream', 1), ('name', 1), ('process', 1)",
    """
    CREATE TABLE IF NOT EXISTS names (
        id INT UNSIGNED NOT NULL PRIMARY KEY,
        comm VARBINARY(255) NOT NULL,
        UNIQUE KEY by_comm (comm)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS hosts (
        id INT UNSIGNED NOT NULL PRIMARY KEY,
        name VARBINARY(255) NOT NULL,
        boot_id VARBINARY(64) NOT NULL,
        memory_bytes BIGINT UNSIGNED NOT NULL,
        page_size INT UNSIGNED NOT NULL,
        last_us BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'of its calls: which boot is the newest',
        UNIQUE KEY by_boot (name, boot_id)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS streams (
        stream_no INT UNSIGNED NOT NULL PRIMARY KEY,
        name VARBINARY(3072) NOT NULL, -- all that a key can hold: a file's stream is named by its path
        tap VARBINARY(32) NOT NULL,
        host_id INT UNSIGNED NOT NULL,
        batches BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'this and what follows: the sums of its batches',
        lines_read BIGINT UNSIGNED NOT NULL DEFAULT 0,
        stored BIGINT UNSIGNED NOT NULL DEFAULT 0,
        rejected BIGINT UNSIGNED NOT NULL DEFAULT 0,
        notices BIGINT UNSIGNED NOT NULL DEFAULT 0,
        first_us BIGINT UNSIGNED,
        last_us BIGINT UNSIGNED,
        changes BIGINT UNSIGNED NOT NULL DEFAULT 0,
        UNIQUE KEY by_name (name)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS batches (
        stream_no INT UNSIGNED NOT NULL,
        batch_no BIGINT UNSIGNED NOT NULL,
        first_ordinal BIGINT UNSIGNED NOT NULL,
        stored INT UNSIGNED NOT NULL,
        source_offset BIGINT UNSIGNED NOT NULL COMMENT 'bytes of the source accounted for with this batch',
        source_check VARBINARY(255) NOT NULL,
        lines_read BIGINT UNSIGNED NOT NULL,
        rejected BIGINT UNSIGNED NOT NULL,
        notices BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (stream_no, batch_no)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS processes (
        id INT UNSIGNED NOT NULL PRIMARY KEY,
        host_id INT UNSIGNED NOT NULL,
        pid INT UNSIGNED NOT NULL,
        start_us BIGINT UNSIGNED NOT NULL COMMENT '0 where no tap has said',
        name_id INT UNSIGNED NOT NULL COMMENT 'the latest',
        requested DECIMAL(38, 0) NOT NULL DEFAULT 0,
        released DECIMAL(38, 0) NOT NULL DEFAULT 0,
        requests BIGINT UNSIGNED NOT NULL DEFAULT 0,
        releases BIGINT UNSIGNED NOT NULL DEFAULT 0,
        first_us BIGINT UNSIGNED NOT NULL DEFAULT 18446744073709551615,
        last_us BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ended_us BIGINT UNSIGNED,
        UNIQUE KEY by_identity (host_id, pid, start_us)
    ) ENGINE=InnoDB
    """,
    # In the order of time, which is that of arrival, of reading, and of ageing out. LOAD DATA LOCAL drops a row
    # that fits no partition without a word, so the last one takes whatever comes.
    """
    CREATE TABLE IF NOT EXISTS events (
        id BIGINT UNSIGNED NOT NULL,
        time_us BIGINT UNSIGNED NOT NULL,
        process_id INT UNSIGNED NOT NULL,
        name_id INT UNSIGNED NOT NULL,
        `call` TINYINT UNSIGNED NOT NULL COMMENT 'an index into memtap.native.CALLS',
        length BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (time_us, id)
    ) ENGINE=InnoDB
    PARTITION BY RANGE (time_us) (PARTITION latest VALUES LESS THAN MAXVALUE)
    """,
    # The second first: rows arrive at the end, and a window of all processes is one range.
    """
    CREATE TABLE IF NOT EXISTS rollup_1s (
        process_id INT UNSIGNED NOT NULL,
        second BIGINT UNSIGNED NOT NULL,
        requested DECIMAL(38, 0) NOT NULL,
        released DECIMAL(38, 0) NOT NULL,
        requests BIGINT UNSIGNED NOT NULL,
        releases BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (second, process_id),
        KEY by_process (process_id, second)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS losses (
        stream_no INT UNSIGNED NOT NULL,
        batch_no BIGINT UNSIGNED NOT NULL,
        position INT UNSIGNED NOT NULL,
        time_us BIGINT UNSIGNED NOT NULL,
        cause VARBINARY(32) NOT NULL,
        events BIGINT UNSIGNED NOT NULL,
        detail VARBINARY(2048) NOT NULL,
        PRIMARY KEY (stream_no, batch_no, position),
        KEY by_time (time_us)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS loss_totals (
        stream_no INT UNSIGNED NOT NULL,
        cause VARBINARY(32) NOT NULL,
        events BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (stream_no, cause)
    ) ENGINE=InnoDB
    """,
    # The original's table. `timestamp` is in the session's time zone, and NULL past what FROM_UNIXTIME knows.
    """
    CREATE OR REPLACE SQL SECURITY INVOKER VIEW MemoryCalls AS
    SELECT e.id AS id,
           p.pid AS pid,
           n.comm AS process_name,
           CASE e.call WHEN 0 THEN 'mmap2' WHEN 1 THEN 'munmap' END AS call_type,
           e.length / 1048576e0 AS segment_size,
           CONCAT(DATE_FORMAT(FROM_UNIXTIME(e.time_us DIV 1000000), '%Y-%m-%d %H:%i:%s'), '.',
                  LPAD(e.time_us MOD 1000000, 6, '0')) AS `timestamp`
    FROM events e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id
    """,
)

# What format 2 says besides. A table's columns come in one statement, all or none: where it says that they are there
# already, a migration was cut off after it.
_VERSION_2 = (
    """
    ALTER TABLE events
        ADD COLUMN freed BIGINT UNSIGNED COMMENT 'NULL like the next three: a call of format 1',
        ADD COLUMN errno SMALLINT UNSIGNED,
        ADD COLUMN kind TINYINT UNSIGNED COMMENT 'an index into memtap.native.KINDS',
        ADD COLUMN vm BIGINT UNSIGNED
    """,
    """
    ALTER TABLE processes
        ADD COLUMN failed BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD COLUMN vm BIGINT UNSIGNED COMMENT 'bytes as of the latest call, NULL where no tap has said',
        ADD COLUMN resident BIGINT UNSIGNED,
        ADD COLUMN held_us BIGINT UNSIGNED COMMENT 'when vm was so',
        ADD COLUMN uid INT UNSIGNED,
        ADD COLUMN cgroup BIGINT UNSIGNED,
        ADD COLUMN parent INT UNSIGNED COMMENT 'pid'
    """,
    """
    ALTER TABLE rollup_1s
        ADD COLUMN failed BIGINT UNSIGNED NOT NULL DEFAULT 0,
        ADD COLUMN vm BIGINT UNSIGNED COMMENT 'as of the second''s last call',
        ADD COLUMN resident BIGINT UNSIGNED,
        ADD COLUMN held_us BIGINT UNSIGNED
    """,
    # What was granted. `segment_size` of munmap and shmdt is what they freed (all that was asked, where no tap says
    # more), of the others by how much the process grew: less than 0 for a brk or mremap that shrank it.
    """
    CREATE OR REPLACE SQL SECURITY INVOKER VIEW MemoryCalls AS
    SELECT e.id AS id,
           p.pid AS pid,
           n.comm AS process_name,
           CASE e.call WHEN 0 THEN 'mmap2' WHEN 1 THEN 'munmap' WHEN 2 THEN 'mmap2' WHEN 3 THEN 'mremap'
                       WHEN 4 THEN 'brk' WHEN 5 THEN 'shmat' WHEN 6 THEN 'shmdt' END AS call_type,
           CASE WHEN e.call IN (1, 6) THEN COALESCE(e.freed, e.length) / 1048576e0
                ELSE e.length / 1048576e0 - COALESCE(e.freed, 0) / 1048576e0 END AS segment_size,
           CONCAT(DATE_FORMAT(FROM_UNIXTIME(e.time_us DIV 1000000), '%Y-%m-%d %H:%i:%s'), '.',
                  LPAD(e.time_us MOD 1000000, 6, '0')) AS `timestamp`
    FROM events e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id
    WHERE e.call <= 6 AND COALESCE(e.errno, 0) = 0
    """,
)

# Narrow: a call takes about 50 bytes of format 1 and 54 of format 2, where it took 71; InnoDB has 19 of them.
# A column of which there is rarely anything to say is NULL, which takes none; not more than eight may be, or each row
# has a byte more.
EVENTS = """
CREATE TABLE {name} (
    id BIGINT UNSIGNED NOT NULL,
    time_us BIGINT UNSIGNED NOT NULL,
    process_id INT UNSIGNED NOT NULL,
    what TINYINT UNSIGNED NOT NULL COMMENT 'this and the columns that follow: see memtap.native Batch.events_text',
    name_id SMALLINT UNSIGNED,
    length MEDIUMINT UNSIGNED,
    vm_pages INT UNSIGNED COMMENT '16 TiB: what a browser reserves',
    errno SMALLINT UNSIGNED,
    freed BIGINT UNSIGNED,
    length_wide BIGINT UNSIGNED,
    vm_wide BIGINT UNSIGNED,
    name_wide INT UNSIGNED,
    PRIMARY KEY (time_us, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC
PARTITION BY RANGE (time_us) ({partitions})
"""
# From the table of version 2, each call as it is.
NARROW_EVENTS = """
INSERT INTO {name}
SELECT id, time_us, process_id,
       `call` | IF(kind IS NULL, 0, (kind + 1) << 4) | IF(freed > 0 AND freed = whole, 128, 0),
       IF(name_id < 65536, name_id, NULL), IF(length < 16777216, length, NULL),
       IF(vm MOD 4096 = 0 AND vm DIV 4096 < 4294967296, vm DIV 4096, NULL),
       IF(errno > 0, errno, NULL),
       IF(freed > 0 AND NOT freed = whole, freed, NULL),
       IF(length < 16777216, NULL, length),
       IF(vm MOD 4096 = 0 AND vm DIV 4096 < 4294967296, NULL, vm),
       IF(name_id < 65536, NULL, name_id)
FROM (SELECT *, IF(length > 18446744073709547520, 0, (length + 4095) DIV 4096 * 4096) AS whole FROM events) e
ORDER BY time_us, id
"""


def _tier(table: str) -> str:
    return f"""
    CREATE TABLE IF NOT EXISTS {table} (
        process_id INT UNSIGNED NOT NULL,
        second BIGINT UNSIGNED NOT NULL COMMENT 'in which the step begins',
        requested DECIMAL(38, 0) NOT NULL,
        released DECIMAL(38, 0) NOT NULL,
        requests BIGINT UNSIGNED NOT NULL,
        releases BIGINT UNSIGNED NOT NULL,
        failed BIGINT UNSIGNED NOT NULL DEFAULT 0,
        vm BIGINT UNSIGNED COMMENT 'as of the step''s last call',
        resident BIGINT UNSIGNED,
        held_us BIGINT UNSIGNED,
        PRIMARY KEY (second, process_id),
        KEY by_process (process_id, second)
    ) ENGINE=InnoDB
    """


def _latest(column: str) -> str:
    dated = f"CONCAT(LPAD(COALESCE(held_us, 0), 20, '0'), LPAD(second, 20, '0'), {column})"
    return f"CAST(SUBSTR(MAX({dated}), 41) AS UNSIGNED)"


def _fill_tier(table: str, step: int) -> str:
    return f"""
    REPLACE INTO {table} (process_id, second, requested, released, requests, releases, failed, vm, resident, held_us)
    SELECT process_id, second - second MOD {step}, SUM(requested), SUM(released), SUM(requests), SUM(releases),
           SUM(failed), {_latest("vm")}, {_latest("resident")}, MAX(held_us)
    FROM rollup_1s GROUP BY process_id, second - second MOD {step}
    """  # noqa: S608


NARROW = "events of version 2 become narrow"
"""Stands for statements of which a migration that was cut off may repeat only some: see `MySQLStore`."""

_VERSION_3 = (
    NARROW,
    """
    CREATE OR REPLACE SQL SECURITY INVOKER VIEW calls AS
    SELECT id, time_us, process_id,
           CAST(COALESCE(name_id, name_wide) AS UNSIGNED) AS name_id,
           what & 15 AS `call`,
           CAST(COALESCE(length, length_wide) AS UNSIGNED) AS length,
           CAST(IF(what & 112,
                   COALESCE(freed, IF(what & 128, (COALESCE(length, length_wide) + 4095) DIV 4096 * 4096, 0)),
                   NULL) AS UNSIGNED) AS freed,
           CAST(IF(what & 112, COALESCE(errno, 0), NULL) AS UNSIGNED) AS errno,
           CAST(IF(what & 112, (what >> 4 & 7) - 1, NULL) AS UNSIGNED) AS kind,
           CAST(COALESCE(vm_pages * 4096, vm_wide) AS UNSIGNED) AS vm
    FROM events
    """,
    _VERSION_2[-1].replace("FROM events e", "FROM calls e"),
    "ALTER TABLE rollup_1s PARTITION BY RANGE (second) ({partitions_1s})",
    _tier("rollup_1m"),
    _fill_tier("rollup_1m", 60),
    _tier("rollup_1h"),
    _fill_tier("rollup_1h", 3600),
    """
    CREATE TABLE IF NOT EXISTS account_1s (
        second BIGINT UNSIGNED NOT NULL,
        stream_no INT UNSIGNED NOT NULL,
        stored BIGINT UNSIGNED NOT NULL,
        rejected BIGINT UNSIGNED NOT NULL,
        PRIMARY KEY (second, stream_no)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS horizons (
        tier INT UNSIGNED NOT NULL PRIMARY KEY COMMENT 'its step in seconds',
        second BIGINT UNSIGNED NOT NULL COMMENT 'from which on it is kept'
    ) ENGINE=InnoDB
    """,
    # What was rejected counts to the last call before it: of older batches nobody knows better than theirs.
    """
    REPLACE INTO account_1s
    SELECT second, stream_no, SUM(stored), SUM(rejected) FROM (
        SELECT time_us DIV 1000000 AS second, id >> 40 AS stream_no, COUNT(*) AS stored, 0 AS rejected
        FROM events GROUP BY id >> 40, time_us DIV 1000000
        UNION ALL
        SELECT COALESCE(e.time_us DIV 1000000, 0), b.stream_no, 0, b.rejected
        FROM batches b LEFT JOIN events e ON e.id = (b.stream_no << 40) + b.first_ordinal + b.stored - 1
        WHERE b.rejected > 0
    ) both_counts GROUP BY second, stream_no
    """,
    # What the writer adds to is there, and needs no more than its id.
    "ALTER TABLE processes ALTER host_id SET DEFAULT 0, ALTER pid SET DEFAULT 0, ALTER start_us SET DEFAULT 0,"
    " ALTER name_id SET DEFAULT 0",
    "ALTER TABLE losses ADD COLUMN since_us BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '0: only time_us is known'",
)

# What tells that a name or a stream is no longer needed.
_VERSION_4 = (
    """
    CREATE TABLE IF NOT EXISTS name_uses (
        id INT UNSIGNED NOT NULL PRIMARY KEY,
        used_s BIGINT UNSIGNED NOT NULL COMMENT 'no call with this name is later, nor was stored later',
        KEY by_use (used_s)
    ) ENGINE=InnoDB
    """,
    """
    CREATE TABLE IF NOT EXISTS stream_uses (
        stream_no INT UNSIGNED NOT NULL PRIMARY KEY,
        used_s BIGINT UNSIGNED NOT NULL COMMENT 'it was written to then, or half an hour later'
    ) ENGINE=InnoDB
    """,
    """
    INSERT IGNORE INTO name_uses
    SELECT id, GREATEST(UNIX_TIMESTAMP(), (SELECT COALESCE(MAX(time_us), 0) DIV 1000000 FROM events)) + 7200 FROM names
    """,
    "INSERT IGNORE INTO stream_uses SELECT stream_no, UNIX_TIMESTAMP() FROM streams",
)

# A process of a browser has reserved a terabyte and more: each of its calls had 8 bytes for vm beside 3 that said NULL.
# Those that are there keep them: the oldest ones go first. Few stores ever have 65,536 names.
_VERSION_5 = (
    "UPDATE events SET name_wide = name_id, name_id = NULL WHERE name_id >= 65536",
    "ALTER TABLE events MODIFY name_id SMALLINT UNSIGNED,"
    " MODIFY vm_pages INT UNSIGNED COMMENT '16 TiB: what a browser reserves'",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
VERSION = len(MIGRATIONS)
VERSIONS_TABLE = """
CREATE TABLE IF NOT EXISTS schema_versions (
    version INT UNSIGNED NOT NULL PRIMARY KEY,
    made_us BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB
"""
