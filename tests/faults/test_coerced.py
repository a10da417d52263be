"""Rows that a server would rather change than refuse: they are stored as they are, or not at all and with a word."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from counted import HOST, WideCall, batches
from mariadb import Server

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.contract import Stream

from .rows import asking, calls
from .runs import Runs

CALLS = 300
BITS = (0, 7, 8, 15, 16, 23, 24, 31, 32, 39, 40, 47, 48, 52, 53, 62, 63, 64)
EDGES = sorted({max(0, (1 << bits) + more) for bits in BITS for more in (-1, 0, 1)})
KINDS = ("none", "anonymous", "file", "reserved")


def edge(chance: Random, most: int = 2**64 - 1) -> int:
    return min(chance.choice([*EDGES, chance.randrange(most)]), most)


def extreme(chance: Random) -> WideCall:
    call = chance.choice(["mmap", "munmap", "mremap", "brk", "shmat", "shmdt"])
    return WideCall(
        pid=chance.choice([1, 2, 300, 65536, 2**22]),
        name=bytes(chance.choice(b"a\xff\xc3\x80\\'\" \t\n\x1b") for _ in range(chance.randrange(16))),
        time_us=edge(chance),
        start_us=10_000 * chance.choice([1, 2, 2**40]),
        length=edge(chance),
        call=call,
        uid=edge(chance, 2**32 - 1),
        cgroup=edge(chance),
        freed=edge(chance),
        errno=chance.choice([0, 0, 12, 1, 255, 133]),
        kind=chance.choice(KINDS) if call == "mmap" else "none",
        vm=edge(chance),
        resident=edge(chance),
    )


@pytest.mark.parametrize("store", ["duckdb", "mysql"])
def test_no_value_is_changed(store: str, hurt: Server, database: str, tmp_path: Path) -> None:
    runs = Runs(f"values at their limits, {store}")
    url = f"duckdb://{tmp_path}/store.duckdb" if store == "duckdb" else hurt.url(database)
    made: list[WideCall] = []
    with closing(open_store(url)) as opened:
        opened.migrate()
        with closing(opened.writer()) as writer:
            for chance in runs:
                some = [extreme(chance) for _ in range(CALLS)]
                number = writer.open_stream(Stream(f"file:{runs.done}", "file", HOST)).stream_no
                for batch in batches(some, rows=CALLS):
                    assert writer.write(number, batch)
                made += some
    with asking(url) as query:
        stored = query(
            "SELECT p.pid, p.start_us, n.comm, c.time_us, c.`call`, c.length, c.freed, c.errno, c.kind, c.vm"
            f" FROM {calls(query)} c JOIN processes p ON p.id = c.process_id JOIN names n ON n.id = c.name_id"
            " ORDER BY c.id".replace("`", '"' if store == "duckdb" else "`")
        )
    assert len(stored) == len(made)
    for row, call in zip(stored, made, strict=True):
        assert row == expected(call)
    runs.kept()


def expected(call: WideCall) -> tuple[Any, ...]:
    code = {"munmap": 1, "mmap": 2, "mremap": 3, "brk": 4, "shmat": 5, "shmdt": 6}[call.call]
    name = call.name.partition(b"\0")[0]
    numbers = (call.time_us, code, call.length, call.freed, call.errno, KINDS.index(call.kind), call.vm)
    return (call.pid, call.start_us, name, *numbers)


def test_a_row_that_no_longer_fits_its_column_is_refused(hurt: Server, database: str) -> None:
    """Somebody made the columns narrower: LOAD DATA LOCAL would cut the values, and go on."""
    runs = Runs("rows the server would coerce")
    url = hurt.url(database)
    with closing(open_store(url)) as opened:
        opened.migrate()
        tables = [table for (table,) in hurt.execute(f"SHOW TABLES FROM {database}")]
        columns = hurt.execute(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name LIKE 'events%%' AND data_type LIKE '%%int' AND column_name NOT IN"
            " ('id', 'time_us')",
            database,
        )
        assert tables
        assert len(columns) > 3
        with closing(opened.writer()) as writer:
            number = writer.open_stream(Stream("file:1", "file", HOST)).stream_no
            first = 0
            for chance in runs:
                table, column, nullable = chance.choice(columns)
                print(f"  {table}.{column}")
                some = [replace(extreme(chance), time_us=1_795_411_501_000_000 + first + at) for at in range(20)]
                (batch,) = batches(some, rows=len(some))
                batch = batch._replace(number=runs.done, first_ordinal=first)
                null = "NULL" if nullable == "YES" else "NOT NULL"
                hurt.execute(f"ALTER TABLE {database}.{table} RENAME COLUMN `{column}` TO kept_aside")
                hurt.execute(f"ALTER TABLE {database}.{table} ADD COLUMN `{column}` DECIMAL(1, 1) UNSIGNED {null}")
                before = hurt.execute(f"SELECT COUNT(*) FROM {database}.{table}")
                refused = False
                try:
                    writer.write(number, batch)
                except StoreError:
                    refused = True
                after = hurt.execute(f"SELECT COUNT(*) FROM {database}.{table}")
                # Too large a value would be cut to 0.9.
                fits = hurt.execute(f"SELECT COUNT(*) FROM {database}.{table} WHERE `{column}` <> 0") == [(0,)]
                hurt.execute(f"ALTER TABLE {database}.{table} DROP COLUMN `{column}`")
                hurt.execute(f"ALTER TABLE {database}.{table} RENAME COLUMN kept_aside TO `{column}`")
                assert refused or fits, f"{table}.{column}: no call of these needed a larger value"
                assert after == before or not refused
                assert writer.write(number, batch) == refused
                first += len(some)
    assert hurt.execute(f"SELECT SUM(stored) FROM {database}.batches") == [(first,)]
    runs.kept()
