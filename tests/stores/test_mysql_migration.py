"""A MySQL store of version 2: its calls become narrow, its sums get their tiers and its seconds their account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from contents import READ, everything
from counted import FIRST_US, STREAM, WideCall, batches, some_calls, some_wide_calls
from mariadb import Server

from memtap.stores import open_store
from memtap.stores.contract import CallFilter, Loss, Store
from memtap.stores.mysql import schema
from memtap.stores.mysql.partitions import first_partitions

CALLS = some_calls(2000)
WIDE_CALLS = [
    *some_wide_calls(3000),
    *(
        WideCall(7, b"edge", FIRST_US + 60_000_000 + at, length=length, freed=freed, vm=vm, call=call, kind="file")
        for at, (call, length, freed, vm) in enumerate(
            (call, length, freed, vm)
            for call in ("munmap", "mremap")
            for length in (0, 1, 4096, 2**24 - 1, 2**24, 2**64 - 4096, 2**64 - 4095, 2**64 - 1)
            for freed in (0, 4096, 2**24, 2**64 - 4096)
            for vm in (4096, 4097, 2**36 - 4096, 2**36, 2**44 - 4096, 2**44)
        )
    ),
]
LIFE = ("fork", "exec", "exit", "proc")  # calls without a length
WIDE = STREAM._replace(name="tap:wide", tap="bpftrace")
# Tables that are the same in both versions, but for what version 3 adds.
SAME = (
    "names", "hosts", "streams", "batches", "rollup_1s", "loss_totals", "counters",
    "processes", "losses (stream_no, batch_no, position, time_us, cause, events, detail)",
)  # fmt: skip
EVENTS = "id, time_us, process_id, name_id, `call`, length, freed, errno, kind, vm"


@pytest.fixture
def twin(mysql_url: str, open_url: Callable[[str], Store], database: str, mariadb: Server) -> Store:
    """A store of today's with calls of both formats."""
    store = open_url(mysql_url.replace(database, f"{database}_twin"))
    with closing(store.writer()) as writer:
        for stream, calls in ((STREAM, CALLS), (WIDE, WIDE_CALLS)):
            number = writer.open_stream(stream).stream_no
            for batch in batches(calls):
                writer.write(number, batch._replace(losses=(Loss(FIRST_US, "ring", 3),)))
    return store


@pytest.fixture
def old(database: str, twin: Store, mariadb: Server) -> Any:
    """A connection to a database of version 2 with the twin's data."""
    mariadb.execute(f"CREATE DATABASE {database}")
    connection = mariadb.connect(database)
    cursor = connection.cursor()
    for statement in (schema.VERSIONS_TABLE, *schema.MIGRATIONS[0], *schema.MIGRATIONS[1]):
        cursor.execute(statement)
    cursor.execute("INSERT INTO schema_versions VALUES (1, 1), (2, 2)")
    cursor.execute("DELETE FROM counters")
    for table in SAME:
        name, _, columns = table.partition(" ")
        chosen = columns.strip("()") or "*"
        cursor.execute(f"INSERT INTO {table} SELECT {chosen} FROM {database}_twin.{name}")
    cursor.execute(f"INSERT INTO events ({EVENTS}) SELECT {EVENTS} FROM {database}_twin.calls")
    yield connection
    connection.close()
    mariadb.execute(f"DROP DATABASE IF EXISTS {database}_twin")


def test_all_that_was_stored_is_as_if_version_3_had_stored_it(mysql_url: str, twin: Store, old: Any) -> None:
    with closing(open_store(mysql_url)) as store:
        assert store.migrate() == (2, schema.VERSION)
        mine, theirs = everything(store), everything(twin)
        for sql in theirs:
            assert mine[sql] == theirs[sql], sql
        assert store.migrate() == (schema.VERSION, schema.VERSION)


def test_the_calls_are_those_that_were_written(twin: Store) -> None:
    """So that the comparison above is of something."""
    with closing(twin.reader()) as reader:
        found = reader.calls(CallFilter(), limit=99_999)
    assert {type(value) for c in found for value in (c.length, c.freed, c.errno, c.vm)} == {int, type(None)}
    assert Counter((c.time_us, c.pid, c.call, c.length, c.freed, c.errno, c.vm) for c in found) == Counter(
        (c.time_us, c.pid, c.call, 0 if c.call in LIFE else c.length, c.freed, c.errno, c.vm) for c in WIDE_CALLS
    ) + Counter((c.time_us, c.pid, c.call, c.length, None, None, None) for c in CALLS)


def test_a_stream_goes_on(mysql_url: str, old: Any) -> None:
    more = [*WIDE_CALLS, *some_wide_calls(500, seed=3)]
    with closing(open_store(mysql_url)) as store:
        store.migrate()
        with closing(store.writer()) as writer, closing(store.reader()) as reader:
            cursor = writer.open_stream(WIDE)
            assert cursor.next_ordinal == len(WIDE_CALLS)
            for batch in batches(more, start=cursor):
                assert writer.write(cursor.stream_no, batch)
            assert reader.account().stored == len(CALLS) + len(more)


@pytest.mark.parametrize("done", range(1, len(schema.MIGRATIONS[2]) + 1))
def test_a_migration_that_was_cut_off_after_any_step_is_finished(
    mysql_url: str, twin: Store, old: Any, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memtap.stores.mysql import store as module

    left = [done]

    def change(session: Any, statement: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        plain(session, statement)

    plain = module._change
    monkeypatch.setattr(module, "_change", change)
    with closing(open_store(mysql_url)) as store:
        if done < len(schema.MIGRATIONS[2]):
            with pytest.raises(KeyboardInterrupt):
                store.migrate()
        monkeypatch.undo()
        store.migrate()
        mine, theirs = everything(store), everything(twin)
        for sql in theirs:
            assert mine[sql] == theirs[sql], sql


@pytest.mark.parametrize("step", ["nothing", "copied", "renamed"])
def test_calls_are_made_narrow_once_wherever_it_was_cut_off(mysql_url: str, twin: Store, old: Any, step: str) -> None:
    cursor = old.cursor()
    if step != "nothing":
        cursor.execute(schema.EVENTS.format(name="events_narrow", partitions=first_partitions(1, 1_000_000)))
        cursor.execute(schema.NARROW_EVENTS.format(name="events_narrow"))
    if step == "renamed":
        cursor.execute("RENAME TABLE events TO events_wide, events_narrow TO events")
    with closing(open_store(mysql_url)) as store:
        store.migrate()
        assert everything(store)[READ[0]] == everything(twin)[READ[0]]
    cursor.execute("SHOW TABLES LIKE 'events%'")
    assert cursor.fetchall() == (("events",),)
