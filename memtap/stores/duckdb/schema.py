"""The DuckDB store's tables, one tuple of statements per schema version.

Nothing here has an index that grows with the calls: an index is held in memory, and the row groups' least and
greatest values already let a read skip what it does not ask for, as calls arrive nearly in the order of time.
"""

from __future__ import annotations

from memtap.stores.duckdb import views

_VERSION_1 = (
    # BLOB, as nobody promised that a comm is text; `text` is what `MemoryCalls` shows (memtap.stores.duckdb.text).
    "CREATE TABLE names (id UINTEGER PRIMARY KEY, comm BLOB NOT NULL UNIQUE, text VARCHAR NOT NULL)",
    """
    CREATE TABLE hosts (
        id UINTEGER PRIMARY KEY,
        name VARCHAR NOT NULL,
        boot_id VARCHAR NOT NULL,
        memory_bytes UBIGINT NOT NULL,
        page_size UINTEGER NOT NULL,
        last_us UBIGINT NOT NULL DEFAULT 0, -- of its calls: which boot is the newest
        UNIQUE (name, boot_id)
    )
    """,
    """
    CREATE TABLE streams (
        stream_no UINTEGER PRIMARY KEY,
        name VARCHAR NOT NULL UNIQUE,
        tap VARCHAR NOT NULL,
        host_id UINTEGER NOT NULL,
        batches UBIGINT NOT NULL DEFAULT 0, -- this and what follows: the sums of its batches
        lines_read UBIGINT NOT NULL DEFAULT 0,
        stored UBIGINT NOT NULL DEFAULT 0,
        rejected UBIGINT NOT NULL DEFAULT 0,
        notices UBIGINT NOT NULL DEFAULT 0,
        first_us UBIGINT,
        last_us UBIGINT,
        changes UBIGINT NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE batches (
        stream_no UINTEGER NOT NULL,
        batch_no UBIGINT NOT NULL,
        first_ordinal UBIGINT NOT NULL,
        stored UINTEGER NOT NULL,
        source_offset UBIGINT NOT NULL, -- bytes of the source accounted for with this batch
        source_check BLOB NOT NULL,
        lines_read UBIGINT NOT NULL,
        rejected UBIGINT NOT NULL,
        notices UBIGINT NOT NULL,
        PRIMARY KEY (stream_no, batch_no)
    )
    """,
    """
    CREATE TABLE processes (
        id UINTEGER PRIMARY KEY,
        host_id UINTEGER NOT NULL,
        pid UINTEGER NOT NULL,
        start_us UBIGINT NOT NULL, -- 0 where no tap has said
        name_id UINTEGER NOT NULL, -- the latest
        requested DECIMAL(38, 0) NOT NULL DEFAULT 0,
        released DECIMAL(38, 0) NOT NULL DEFAULT 0,
        requests UBIGINT NOT NULL DEFAULT 0,
        releases UBIGINT NOT NULL DEFAULT 0,
        first_us UBIGINT NOT NULL DEFAULT 18446744073709551615,
        last_us UBIGINT NOT NULL DEFAULT 0,
        ended_us UBIGINT,
        UNIQUE (host_id, pid, start_us)
    )
    """,
    """
    CREATE TABLE events (
        id UBIGINT NOT NULL,
        time_us UBIGINT NOT NULL,
        process_id UINTEGER NOT NULL,
        name_id UINTEGER NOT NULL,
        call UTINYINT NOT NULL, -- an index into memtap.native.CALLS
        length UBIGINT NOT NULL
    )
    """,
    # One row per (process, second), kept so by MERGE.
    """
    CREATE TABLE rollup_1s (
        process_id UINTEGER NOT NULL,
        second UBIGINT NOT NULL,
        requested DECIMAL(38, 0) NOT NULL,
        released DECIMAL(38, 0) NOT NULL,
        requests UBIGINT NOT NULL,
        releases UBIGINT NOT NULL
    )
    """,
    """
    CREATE TABLE losses (
        stream_no UINTEGER NOT NULL,
        batch_no UBIGINT NOT NULL,
        position UINTEGER NOT NULL,
        time_us UBIGINT NOT NULL,
        cause VARCHAR NOT NULL,
        events UBIGINT NOT NULL,
        detail VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE loss_totals (
        stream_no UINTEGER NOT NULL,
        cause VARCHAR NOT NULL,
        events UBIGINT NOT NULL,
        PRIMARY KEY (stream_no, cause)
    )
    """,
    # The original's table. `timestamp` is NULL past the year 9999, which local time does not know.
    """
    CREATE VIEW MemoryCalls AS
    SELECT e.id,
           p.pid,
           n.text AS process_name,
           CASE e.call WHEN 0 THEN 'mmap2' WHEN 1 THEN 'munmap' END AS call_type,
           e.length / 1048576.0::DOUBLE AS segment_size,
           CASE WHEN e.time_us < 253402214400000000
                THEN strftime(make_timestamptz(e.time_us::BIGINT), '%Y-%m-%d %H:%M:%S.%f') END AS timestamp
    FROM events e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id
    """,
)

# What format 2 says besides. DuckDB adds no column with a constraint to a table.
_VERSION_2 = (
    "ALTER TABLE events ADD COLUMN freed UBIGINT",  # NULL like the next three: a call of format 1
    "ALTER TABLE events ADD COLUMN errno USMALLINT",
    "ALTER TABLE events ADD COLUMN kind UTINYINT",  # an index into memtap.native.KINDS
    "ALTER TABLE events ADD COLUMN vm UBIGINT",
    "ALTER TABLE processes ADD COLUMN failed UBIGINT DEFAULT 0",
    "ALTER TABLE processes ADD COLUMN vm UBIGINT",  # bytes as of the latest call, NULL where no tap has said
    "ALTER TABLE processes ADD COLUMN resident UBIGINT",
    "ALTER TABLE processes ADD COLUMN held_us UBIGINT",  # when vm was so
    "ALTER TABLE processes ADD COLUMN uid UINTEGER",
    "ALTER TABLE processes ADD COLUMN cgroup UBIGINT",
    "ALTER TABLE processes ADD COLUMN parent UINTEGER",  # pid
    "ALTER TABLE rollup_1s ADD COLUMN failed UBIGINT DEFAULT 0",
    "ALTER TABLE rollup_1s ADD COLUMN vm UBIGINT",  # as of the second's last call
    "ALTER TABLE rollup_1s ADD COLUMN resident UBIGINT",
    "ALTER TABLE rollup_1s ADD COLUMN held_us UBIGINT",
    # What was granted. `segment_size` of munmap and shmdt is what they freed (all that was asked, where no tap says
    # more), of the others by how much the process grew: less than 0 for a brk or mremap that shrank it.
    """
    CREATE OR REPLACE VIEW MemoryCalls AS
    SELECT e.id,
           p.pid,
           n.text AS process_name,
           CASE e.call WHEN 0 THEN 'mmap2' WHEN 1 THEN 'munmap' WHEN 2 THEN 'mmap2' WHEN 3 THEN 'mremap'
                       WHEN 4 THEN 'brk' WHEN 5 THEN 'shmat' WHEN 6 THEN 'shmdt' END AS call_type,
           CASE WHEN e.call IN (1, 6) THEN coalesce(e.freed, e.length) / 1048576.0::DOUBLE
                ELSE e.length / 1048576.0::DOUBLE - coalesce(e.freed, 0) / 1048576.0::DOUBLE END AS segment_size,
           CASE WHEN e.time_us < 253402214400000000
                THEN strftime(make_timestamptz(e.time_us::BIGINT), '%Y-%m-%d %H:%M:%S.%f') END AS timestamp
    FROM events e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id
    WHERE e.call <= 6 AND coalesce(e.errno, 0) = 0
    """,
)

# A batch only appends: its calls to `events`, a row to `fresh_batches`, its sums to `activity`. What was
# appended is folded into larger tables now and then (memtap.stores.duckdb.folding); the views named as the tables of
# version 2 add both up, so that every read is exact. No index but names': memory must not grow with time.
_VERSION_3 = (
    "DROP VIEW MemoryCalls",  # made again below; nothing may depend on a table that is renamed
    "ALTER TABLE losses ADD COLUMN since_us UBIGINT DEFAULT 0",
    # The sums of a process in a second of a batch; or, without a second, that it ended.
    """
    CREATE TABLE activity (
        stream_no UINTEGER NOT NULL,
        process_id UINTEGER NOT NULL,
        name_id UINTEGER,
        second UBIGINT,
        requested DECIMAL(38, 0),
        released DECIMAL(38, 0),
        requests UINTEGER,
        releases UINTEGER,
        first_us UBIGINT,
        last_us UBIGINT,
        failed UINTEGER,
        vm UBIGINT, -- NULL: a batch of format 1
        resident UBIGINT,
        ended_us UBIGINT
    )
    """,
    *(
        f"""
        CREATE TABLE {table} (
            process_id UINTEGER NOT NULL,
            second UBIGINT NOT NULL, -- the first of the minute or hour
            requested DECIMAL(38, 0) NOT NULL,
            released DECIMAL(38, 0) NOT NULL,
            requests UBIGINT NOT NULL,
            releases UBIGINT NOT NULL,
            failed UBIGINT NOT NULL,
            vm UBIGINT,
            resident UBIGINT,
            held_us UBIGINT
        )
        """
        for table in ("folded_1s", "fresh_1m", "folded_1m", "fresh_1h", "folded_1h")
    ),
    "CREATE TABLE horizons (tier UINTEGER NOT NULL, second UBIGINT NOT NULL)",  # of each tier, the oldest kept
    "INSERT INTO horizons VALUES (1, 0), (60, 0), (3600, 0)",
    "CREATE TABLE account_1s (stream_no UINTEGER NOT NULL, second UBIGINT NOT NULL, stored UINTEGER NOT NULL,"
    " rejected UINTEGER NOT NULL)",
    # Runs of a stream's calls, in the order of their arrival: what retention drops as one.
    """
    CREATE TABLE extents (
        stream_no UINTEGER NOT NULL,
        first_ordinal UBIGINT NOT NULL,
        calls UBIGINT NOT NULL,
        first_us UBIGINT NOT NULL,
        last_us UBIGINT NOT NULL,
        arrived_us UBIGINT NOT NULL
    )
    """,
    *(
        f"""
        CREATE TABLE {table} (
            stream_no UINTEGER NOT NULL,
            batch_no UBIGINT NOT NULL,
            first_ordinal UBIGINT NOT NULL,
            stored UINTEGER NOT NULL,
            source_offset UBIGINT NOT NULL, -- bytes of the source accounted for with this batch
            source_check BLOB NOT NULL,
            lines_read UBIGINT NOT NULL,
            rejected UBIGINT NOT NULL,
            notices UBIGINT NOT NULL
        )
        """
        for table in ("fresh_batches", "folded_batches")
    ),
    "INSERT INTO folded_batches SELECT * FROM batches ORDER BY stream_no, batch_no",
    "DROP TABLE batches",
    """
    CREATE TABLE folded_processes (
        id UINTEGER NOT NULL,
        host_id UINTEGER NOT NULL,
        pid UINTEGER NOT NULL,
        start_us UBIGINT NOT NULL, -- 0 where no tap has said
        name_id UINTEGER NOT NULL, -- the latest
        requested DECIMAL(38, 0) NOT NULL DEFAULT 0,
        released DECIMAL(38, 0) NOT NULL DEFAULT 0,
        requests UBIGINT NOT NULL DEFAULT 0,
        releases UBIGINT NOT NULL DEFAULT 0,
        first_us UBIGINT NOT NULL DEFAULT 18446744073709551615,
        last_us UBIGINT NOT NULL DEFAULT 0,
        ended_us UBIGINT,
        failed UBIGINT NOT NULL DEFAULT 0,
        vm UBIGINT, -- bytes as of the latest call, NULL where no tap has said
        resident UBIGINT,
        held_us UBIGINT, -- when vm was so
        uid UINTEGER,
        cgroup UBIGINT,
        parent UINTEGER -- pid
    )
    """,
    "INSERT INTO folded_processes BY NAME SELECT * FROM processes ORDER BY id",
    "DROP TABLE processes",
    "ALTER TABLE streams RENAME TO folded_streams",
    # Batches below this have no row any more.
    "ALTER TABLE folded_streams ADD COLUMN trimmed_batch UBIGINT DEFAULT 0",
    "ALTER TABLE hosts RENAME TO folded_hosts",
    "INSERT INTO folded_1s BY NAME SELECT * FROM rollup_1s ORDER BY second, process_id",
    "DROP TABLE rollup_1s",
    *(
        f"INSERT INTO folded_{tier} SELECT process_id, second // {step} * {step} AS begun, sum(requested),"  # noqa: S608
        " sum(released), sum(requests), sum(releases), sum(failed), arg_max(vm, held_us), arg_max(resident, held_us),"
        " max(held_us) FROM folded_1s GROUP BY ALL ORDER BY begun, process_id"
        for tier, step in (("1m", 60), ("1h", 3600))
    ),
    # Of which second a rejected line was, older versions did not keep: its batch's last.
    """
    INSERT INTO account_1s
    SELECT stream_no, second, sum(stored), sum(rejected)
    FROM (SELECT id >> 40 AS stream_no, time_us // 1000000 AS second, count(*) AS stored, 0 AS rejected
          FROM events GROUP BY ALL
          UNION ALL
          SELECT b.stream_no, coalesce(max(e.time_us), 0) // 1000000, 0, any_value(b.rejected)
          FROM folded_batches b ASOF LEFT JOIN (SELECT id, time_us FROM events ORDER BY id) e
              ON (b.stream_no::UBIGINT << 40) + b.first_ordinal + b.stored > e.id
          WHERE b.rejected > 0 GROUP BY b.stream_no, b.batch_no)
    GROUP BY ALL ORDER BY second
    """,
    """
    INSERT INTO extents
    SELECT stream_no, min(ordinal), count(*), min(time_us), max(time_us), max(time_us)
    FROM (SELECT id >> 40 AS stream_no, id & 1099511627775 AS ordinal, time_us FROM events)
    GROUP BY stream_no, ordinal // 1000000 ORDER BY 1, 2
    """,
    *views.STATEMENTS,
    _VERSION_2[-1],
)

_VERSION_4 = (
    "ALTER TABLE folded_streams ADD COLUMN used_us UBIGINT DEFAULT 0",  # when it was last written to
    "UPDATE folded_streams SET used_us = epoch_us(now())",
)

# Calls and the sums of seconds in parts (memtap.stores.duckdb.parts), of which what there was is the first.
_VERSION_5 = (
    "DROP VIEW MemoryCalls",
    "DROP VIEW IF EXISTS rollup_1s",
    "ALTER TABLE events RENAME TO events_0",
    "ALTER TABLE folded_1s RENAME TO folded_1s_0",
    """
    CREATE TABLE parts (
        part UINTEGER NOT NULL,
        calls UBIGINT NOT NULL, -- that it ever had; this and what follows: of what is folded
        first_us UBIGINT,
        last_us UBIGINT,
        has_calls BOOLEAN NOT NULL -- false: `events_` of it may be gone
    )
    """,
    # Seconds are kept for an hour longer than calls.
    """
    INSERT INTO parts
    SELECT 0, e.calls, least(e.first_us, s.first * 1000000),
           greatest(e.last_us, s.last * 1000000 + least(18446744073709551615 - s.last * 1000000, 999999)), true
    FROM (SELECT coalesce(sum(calls), 0) AS calls, min(first_us) AS first_us, max(last_us) AS last_us FROM extents) e,
         (SELECT min(second) AS first, max(second) AS last FROM folded_1s_0) s
    """,
    "ALTER TABLE extents ADD COLUMN part UINTEGER DEFAULT 0",
    "ALTER TABLE fresh_batches ADD COLUMN part UINTEGER DEFAULT 0",
    "CREATE VIEW events AS SELECT * FROM events_0",
    "CREATE VIEW folded_1s AS SELECT *, rowid AS position FROM folded_1s_0",
    views.BATCHES,
    views.SECONDS,
    _VERSION_2[-1],
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
VERSION = len(MIGRATIONS)
VERSIONS_TABLE = "CREATE TABLE IF NOT EXISTS schema_versions (version UINTEGER PRIMARY KEY, made_us UBIGINT NOT NULL)"
VERSION_FOUND = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_versions' AND NOT internal"
