"""A store made by an older memtap: its data stay as they are, and what is new is written beside them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import duckdb
import pytest
from counted import FIRST_US, STREAM, WideCall, batches, by_pid, some_calls
from mariadb import Server

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.contract import CallFilter, Loss, Reader, Store
from memtap.stores.duckdb import schema as duckdb_schema
from memtap.stores.mysql import schema as mysql_schema

CALLS = some_calls(3000)
WIDE = STREAM._replace(name="wide")
# The tables of version 1 that hold data, and their columns.
TABLES = {
    "names": "id, comm",
    "hosts": "id, name, boot_id, memory_bytes, page_size, last_us",
    "streams": (
        "stream_no, name, tap, host_id, batches, lines_read, stored, rejected, notices, first_us, last_us, changes"
    ),
    "batches": (
        "stream_no, batch_no, first_ordinal, stored, source_offset, source_check, lines_read, rejected, notices"
    ),
    "processes": (
        "id, host_id, pid, start_us, name_id, requested, released, requests, releases, first_us, last_us, ended_us"
    ),
    "events": "id, time_us, process_id, name_id, `call`, length",
    "rollup_1s": "process_id, second, requested, released, requests, releases",
    "losses": "stream_no, batch_no, position, time_us, cause, events, detail",
    "loss_totals": "stream_no, cause, events",
}


class Old:
    """A database of version 1."""

    def __init__(self, url: str, mariadb: Server) -> None:
        self.url = url
        self._mysql = url.startswith("mysql")
        schema: Any = mysql_schema if self._mysql else duckdb_schema
        if self._mysql:
            name = url.partition("localhost/")[2].partition("?")[0]
            mariadb.execute(f"CREATE DATABASE {name}")
            self._connection: Any = mariadb.connect(name)
        else:
            self._connection = duckdb.connect(url.removeprefix("duckdb://"))
        for statement in (schema.VERSIONS_TABLE, *schema.MIGRATIONS[0], "INSERT INTO schema_versions VALUES (1, 1)"):
            self.run(statement)

    def fill(self, reader: Reader) -> None:
        """With what this reader's store holds."""
        tables = dict(TABLES)
        if self._mysql:
            tables["counters"] = "what, next_id"
            self.run("DELETE FROM counters")
        else:
            tables["names"] += ", text"
            tables["events"] = tables["events"].replace("`", "")
        for table, columns in tables.items():
            source = "calls" if table == "events" and self._mysql else table
            rows = reader._rows(f"SELECT {columns} FROM {source}")  # type: ignore[attr-defined]
            assert rows, table
            marks = ", ".join(["%s" if self._mysql else "?"] * len(rows[0]))
            self._connection.cursor().executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    def run(self, statement: str) -> None:
        self._connection.cursor().execute(statement)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def twin(url: str, open_url: Callable[[str], Store]) -> Store:
    """A store of today with the calls, a loss, and a process that has ended."""
    store = open_url(url.replace("store.duckdb", "twin.duckdb").replace("?", "_twin?"))
    with closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        for batch in batches(CALLS, start=cursor):
            writer.write(cursor.stream_no, batch._replace(losses=(Loss(FIRST_US, "ring", batch.number),)))
        writer.end_processes(cursor.stream_no, [1, 2], CALLS[-1].time_us + 1)
    return store


@pytest.fixture
def old(url: str, mariadb: Server, twin: Store) -> Old:
    old = Old(url, mariadb)
    with closing(twin.reader()) as reader:
        old.fill(reader)
    return old


def everything(reader: Reader) -> dict[str, object]:
    """All that can be read, but for when the schema was made."""
    last = CALLS[-1].time_us + 1
    processes = reader.processes(ended=None)
    return {
        "version": reader.version().partition("-")[2],
        "hosts": reader.hosts(),
        "processes": processes,
        "ended": reader.processes(ended=True),
        "window": reader.window(FIRST_US, last),
        "history": [reader.history(row.id, 0, last) for row in processes],
        "held": [reader.held(row.id, 0, last) for row in processes],
        "totals": reader.totals(),
        "calls": reader.calls(CallFilter(), limit=len(CALLS)),
        "calls of one": reader.calls(CallFilter(pid=3, call="munmap")),
        "account": reader.account(),
        "losses": reader.losses(),
        "streams": reader.streams(),
        "view": reader._rows("SELECT * FROM MemoryCalls ORDER BY id"),  # type: ignore[attr-defined]
    }


def test_what_was_stored_reads_the_same(old: Old, twin: Store, version: int) -> None:
    old.close()
    with closing(open_store(old.url)) as store:
        assert store.migrate() == (1, version)
        assert store.migrate() == (version, version)
        with closing(store.reader()) as reader:
            at_once = everything(reader)
    with closing(open_store(old.url)) as store, closing(store.reader()) as reader:
        later = everything(reader)
    with closing(twin.reader()) as reader:
        assert len(reader.calls(CallFilter(), limit=9999)) == len(CALLS)
        for what, value in everything(reader).items():
            assert at_once[what] == value, what
            assert later[what] == value, what


def test_its_streams_go_on(old: Old) -> None:
    old.close()
    calls = [*CALLS, *some_calls(2000, seed=2)]
    with closing(open_store(old.url)) as store:
        store.migrate()
        with closing(store.writer()) as writer, closing(store.reader()) as reader:
            cursor = writer.open_stream(STREAM)
            assert cursor.next_ordinal == len(CALLS)
            for batch in batches(calls, start=cursor):
                assert writer.write(cursor.stream_no, batch)
            assert {row.pid: (row.requested, row.released, row.failed) for row in reader.processes(ended=None)} == {
                pid: (sums.requested, sums.released, 0) for pid, sums in by_pid(calls).items()
            }
            second = FIRST_US // 10**6
            number = writer.open_stream(WIDE).stream_no
            for batch in batches([WideCall(1, errno=12), WideCall(1, vm=7)]):
                assert writer.write(number, batch)
            (wide,) = (row for row in reader.processes() if row.failed)
            assert (wide.pid, wide.requests, wide.vm) == (1, 1, 7)
            assert reader.held(wide.id, FIRST_US, FIRST_US + 1) == [(second, 7, wide.resident)]


def test_a_store_that_is_not_migrated_says_what_to_do(old: Old, version: int) -> None:
    old.close()
    with (
        closing(open_store(old.url)) as store,
        pytest.raises(StoreError, match=f"version 1, older than {version}: .*init"),
    ):
        store.writer()


@pytest.mark.parametrize("done", range(len(mysql_schema.MIGRATIONS[1]) + 1))
def test_a_migration_that_was_cut_off_is_finished(mysql_url: str, mariadb: Server, done: int) -> None:
    """Of MariaDB alone, where each change is committed by itself."""
    old = Old(mysql_url, mariadb)
    for statement in mysql_schema.MIGRATIONS[1][:done]:
        old.run(statement)
    old.close()
    with closing(open_store(mysql_url)) as store:
        assert store.migrate() == (1, mysql_schema.VERSION)
        with closing(store.writer()) as writer, closing(store.reader()) as reader:
            number = writer.open_stream(STREAM).stream_no
            for batch in batches([WideCall(1), WideCall(1, errno=12)]):
                writer.write(number, batch)
            assert [(row.requests, row.failed) for row in reader.processes()] == [(1, 1)]
