"""A MySQL store of an older version whose server drops the connection at random moments while it is migrated: nothing
is lost, nothing is there twice, and trying again ends with the store that today's memtap would have written."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from math import inf

import MySQLdb
import pytest
from contents import everything
from counted import FIRST_US, STREAM, WideCall, batches, some_calls, some_wide_calls
from mariadb import Server

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.address import MySQLAddress, parse
from memtap.stores.contract import Loss
from memtap.stores.mysql import schema
from memtap.stores.mysql.session import Session
from memtap.stores.mysql.store import _change

TIMES = 6  # of each version
KILLS = 3  # each time
CALLS = some_calls(600)
PAGES = (1, 2**24 - 1, 2**24, 2**32 - 1, 2**32)
WIDE_CALLS = [
    *some_wide_calls(600),
    *(WideCall(7, time_us=FIRST_US + 60_000_000 + at, vm=4096 * pages) for at, pages in enumerate(PAGES)),
]
WIDE = STREAM._replace(name="tap:wide", tap="bpftrace")
# Of a table of version 3 or 4: 24 bits of pages, and of a name's id.
BEFORE = {
    "vm_pages": "IF(vm_pages < 16777216, vm_pages, NULL)",
    "name_id": "COALESCE(name_id, name_wide)",
    "name_wide": "NULL",
    "vm_wide": "IF(vm_pages < 16777216, vm_wide, COALESCE(vm_pages * 4096, vm_wide))",
}
FILLED = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name <> 'schema_versions'
"""
ALSO = ("SELECT id FROM name_uses ORDER BY id", "SHOW CREATE TABLE processes")


class Old:
    """A database of an older version, with the data of the twin's."""

    def __init__(self, mariadb: Server, url: str, database: str, twin: str) -> None:
        self._server = mariadb
        self._address = parse(url)
        self._database, self._twin = database, twin

    def make(self, version: int) -> None:
        self._server.execute(f"DROP DATABASE IF EXISTS {self._database}")
        self._server.execute(f"CREATE DATABASE {self._database}")
        assert isinstance(self._address, MySQLAddress)
        with closing(Session(self._address)) as session:
            session.run(schema.VERSIONS_TABLE)
            for number in range(1, version + 1):
                for statement in schema.MIGRATIONS[number - 1]:
                    _change(session, statement)
                session.run("INSERT INTO schema_versions VALUES (?, 1)", [number])
            if version > 2:
                session.run("ALTER TABLE events MODIFY vm_pages MEDIUMINT UNSIGNED, MODIFY name_id MEDIUMINT UNSIGNED")
            session.run("DELETE FROM counters")
            for (table,) in session.rows(FILLED):
                columns = [row[0] for row in session.rows(f"SHOW COLUMNS FROM {table}")]
                source = "calls" if table == "events" and version < 3 else table
                changed = BEFORE if source == "events" else {}
                chosen = ", ".join(changed.get(each, f"`{each}`") for each in columns)
                into = ", ".join(f"`{each}`" for each in columns)
                session.run(f"INSERT INTO {table} ({into}) SELECT {chosen} FROM {self._twin}.{source}")
            session.commit()

    def cut_off(self) -> int:
        """Kills each connection to it; how many there were."""
        rows = self._server.execute("SELECT id FROM information_schema.processlist WHERE db = %s", self._database)
        for (number,) in rows:
            with suppress(MySQLdb.Error):  # it has ended by itself
                self._server.execute(f"KILL CONNECTION {number}")
        return len(rows)


@pytest.fixture(scope="module")
def twins(mariadb: Server) -> Iterator[dict[int, str]]:
    """Databases of today's with the same calls, by the oldest version that can hold them."""
    names = {1: "cut_off_1", 2: "cut_off_2"}
    for version, name in names.items():
        with closing(open_store(mariadb.url(name))) as store:
            store.migrate()
            mariadb.execute(f"UPDATE {name}.counters SET next_id = {2**16 - 2} WHERE what = 'name'")
            with closing(store.writer()) as writer:
                for stream, calls in ((STREAM, CALLS), (WIDE, WIDE_CALLS))[:version]:
                    number = writer.open_stream(stream).stream_no
                    for batch in batches(calls):
                        writer.write(number, batch._replace(losses=(Loss(FIRST_US, "ring", 3),)))
    yield names
    for name in names.values():
        mariadb.execute(f"DROP DATABASE {name}")


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_nothing_is_lost_and_nothing_is_there_twice(
    mysql_url: str, database: str, mariadb: Server, twins: dict[int, str], version: int
) -> None:
    twin = twins[min(version, 2)]
    old = Old(mariadb, mysql_url, database, twin)
    with closing(open_store(mariadb.url(twin))) as store:
        wanted = everything(store, *ALSO)
    assert all(wanted.values())
    rnd, took_s, killed = random.Random(), inf, 0
    for at in range(TIMES + 1):
        old.make(version)
        kills = KILLS if at else 0  # the first time goes undisturbed: how long that takes
        while True:
            ended = _migrating(mysql_url)
            begun = time.monotonic()
            disturbed = kills and not ended(rnd.uniform(0, took_s))
            if disturbed:
                killed += old.cut_off()
                kills -= 1
            if isinstance(outcome := ended(60), tuple):
                break
            assert isinstance(outcome, StoreError), outcome
        if not disturbed:  # of a machine that was busy then, an earlier one says too much
            took_s = min(took_s, time.monotonic() - begun)
        with closing(open_store(mysql_url)) as store:
            for sql, found in everything(store, *ALSO).items():
                assert found == wanted[sql], sql
        assert mariadb.execute(f"SHOW TABLES FROM {database} LIKE 'events\\_%'") == []
    assert killed, "no connection was there to be killed"


def _migrating(url: str) -> Callable[[float], object]:
    """Migrates in a thread. What is returned waits so long and gives the versions, the error, or None: not yet."""
    outcome: list[object] = []

    def migrate() -> None:
        with closing(open_store(url)) as store:
            try:
                outcome.append(store.migrate())
            except Exception as error:
                outcome.append(error)

    thread = threading.Thread(target=migrate)
    thread.start()

    def ended(wait_s: float) -> object:
        thread.join(wait_s)
        return outcome[0] if outcome else None

    return ended
