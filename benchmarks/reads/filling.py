"""A DuckDB store with many calls, made by SQL in a fraction of the time that `memtap ingest` takes for it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from memtap.stores import open_store
from memtap.stores.duckdb import parts

PROCESSES = 10_000
CALLS_PER_S = 10_000
FIRST_US = 1_795_411_501_000_000
AT_ONCE = 1_000_000  # calls of an insert: what is folded at once; a part has a multiple of it


def fill(path: Path, calls: int) -> None:
    """A new store at `path` with this many calls of 10,000 processes, each call by any of them, 10,000 a second."""
    store = open_store(f"duckdb://{path}")
    store.migrate()
    store.close()
    with duckdb.connect(str(path), config={"threads": 2, "memory_limit": "1GB"}) as connection:
        connection.execute("INSERT INTO folded_hosts VALUES (1, 'bench', 'boot', 16 * 1024**3, 4096, 0)")
        connection.execute("INSERT INTO names SELECT i, encode('worker/' || i), 'worker/' || i FROM range(1, 41) t(i)")
        connection.execute(
            "INSERT INTO folded_streams (stream_no, name, tap, host_id, batches) VALUES (1, 'bench', 'file', 1, 1)"
        )
        part = 0
        for first in range(0, calls, AT_ONCE):
            part = _insert(connection, part, first, min(first + AT_ONCE, calls))
        _sums(connection, calls)
        connection.checkpoint()


def _insert(connection: duckdb.DuckDBPyConnection, part: int, first: int, end: int) -> int:
    """Into this part; returns the one that is to be filled next."""
    connection.execute(
        f"INSERT INTO events_{part} SELECT (1::UBIGINT << 40) + i, ? + i * 1000000 // ?, 1 + hash(i) % ?,"
        " 1 + hash(i) % ? % 40, hash(i, 1) % 2, 4096 * (1 + hash(i, 2) % 100), NULL, NULL, NULL, NULL"
        " FROM range(?, ?) t(i)",
        [FIRST_US, CALLS_PER_S, PROCESSES, PROCESSES, first, end],
    )
    connection.execute(
        f"INSERT INTO folded_1s_{part} SELECT * FROM (SELECT process_id, time_us // 1000000 AS second,"
        " sum(CASE call WHEN 0 THEN length ELSE 0 END), sum(CASE call WHEN 1 THEN length ELSE 0 END),"
        " count(*) FILTER (call = 0), count(*) FILTER (call = 1), 0, arg_max(length, time_us), NULL, max(time_us)"
        f" FROM events_{part} WHERE id >= (1::UBIGINT << 40) + ? AND id < (1::UBIGINT << 40) + ?"
        " GROUP BY ALL) ORDER BY second // 3, process_id, second",  # as the writer folds
        [first, end],
    )
    connection.execute(
        f"INSERT INTO account_1s SELECT 1, time_us // 1000000, count(*), 0 FROM events_{part}"
        " WHERE id >= (1::UBIGINT << 40) + ? AND id < (1::UBIGINT << 40) + ? GROUP BY ALL ORDER BY 2",
        [first, end],
    )
    connection.execute(
        "INSERT INTO extents"
        " SELECT 1, min(id) - (1::UBIGINT << 40), count(*), min(time_us), max(time_us), max(time_us),"
        f" {part} FROM events_{part} WHERE id >= (1::UBIGINT << 40) + ? AND id < (1::UBIGINT << 40) + ?"
        " GROUP BY time_us // 3000000",
        [first, end],
    )
    connection.execute(
        "UPDATE parts SET calls = p.calls, first_us = p.first_us, last_us = p.last_us"
        " FROM (SELECT sum(calls) AS calls, min(first_us) AS first_us, max(last_us) AS last_us FROM extents"
        " WHERE part = $1) p WHERE part = $1",
        [part],
    )
    return parts.open_next(connection) if end % parts.CALLS == 0 else part


def _sums(connection: duckdb.DuckDBPyConnection, calls: int) -> None:
    last_us = FIRST_US + (calls - 1) * 1_000_000 // CALLS_PER_S
    sums = "sum(requested), sum(released), sum(requests), sum(releases)"
    held = "arg_max(vm, held_us), NULL, max(held_us)"
    for tier, finer, step in (("folded_1m", "folded_1s", 60), ("folded_1h", "folded_1m", 3600)):
        connection.execute(
            f"INSERT INTO {tier} SELECT process_id, second // {step} * {step} AS begun, {sums}, 0, {held}"
            f" FROM {finer} GROUP BY ALL ORDER BY begun, process_id"
        )
    connection.execute(
        "INSERT INTO folded_processes"
        " (id, host_id, pid, start_us, name_id, requested, released, requests, releases, first_us, last_us,"
        " vm, resident, held_us)"
        f" SELECT process_id, 1, process_id, 0, 1 + process_id % 40, {sums}, ?, ?, {held} FROM folded_1h"
        " GROUP BY process_id ORDER BY process_id",
        [FIRST_US, last_us],
    )
    connection.execute(
        "UPDATE folded_streams SET stored = ?, changes = 1, first_us = ?, last_us = ?", [calls, FIRST_US, last_us]
    )
