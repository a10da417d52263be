"""A server that is full or refuses, and tables that somebody changes, while memtap watches: it says so, keeps what
it has, and goes on when that is mended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import MySQLdb
import pytest
from mariadb import Server, private_server

from .case import Case, case, fill
from .numbered import Trace


@contextmanager
def setting(server: Server, name: str, value: object) -> Iterator[Any]:
    """Of all new sessions; those of memtap are ended. Yields a connection of before."""
    with closing(server.connect()) as before:
        ((old,),) = ask(before, f"SELECT @@GLOBAL.{name}")
        ask(before, f"SET GLOBAL {name} = {value}")
        try:
            end_sessions(before)
            yield before
        finally:
            ask(before, f"SET GLOBAL {name} = {old}")


def ask(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute(statement)
    return list(cursor.fetchall())


def end_sessions(connection: Any) -> None:
    for (number,) in ask(connection, "SELECT id FROM information_schema.processlist WHERE db LIKE 'faults%'"):
        with suppress(MySQLdb.OperationalError):  # it has ended by itself
            ask(connection, f"KILL {number}")


def tables(server: Server, database: str) -> list[str]:
    statement = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type <> 'VIEW'"
    return sorted(name for (name,) in server.execute(statement, database))


def test_a_server_that_takes_tiny_packets_only(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    with case("max_allowed_packet tiny", hurt, database, trace, tmp_path) as each:
        for chance in each.runs:
            with setting(hurt, "max_allowed_packet", chance.choice([1024, 2048, 4096, 16384])):
                each.memtap.until_printed(chance.randrange(1000))
            each.mended()


def test_a_server_that_gives_statements_no_time(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    with case("max_statement_time tiny", hurt, database, trace, tmp_path) as each:
        for chance in each.runs:
            with setting(hurt, "max_statement_time", chance.choice([0.0001, 0.001, 0.005])):
                each.memtap.until_printed(chance.randrange(1000))
            each.mended()


def test_locks_that_others_hold(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    with case("lock_wait_timeout tiny", hurt, database, trace, tmp_path) as each:
        names = tables(hurt, database)
        for chance in each.runs:
            seconds = chance.choice([1, 2])
            with (
                setting(hurt, "lock_wait_timeout", seconds),
                setting(hurt, "innodb_lock_wait_timeout", seconds),
            ):
                other = hurt.connect(database)
                other.query("START TRANSACTION")
                table = chance.choice(names)
                if chance.random() < 0.5:
                    other.query(f"LOCK TABLES {table} WRITE")
                else:
                    other.query(f"SELECT * FROM {table} FOR UPDATE")
                    other.store_result()
                time.sleep(chance.choice([0.1, 0.1, 0.3, 1.1, 2.5]))
                other.close()
            each.mended()


def test_a_server_whose_connections_are_all_taken(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    # An account of its own: one more connection than there are is kept for root.
    hurt.execute(f"CREATE DATABASE {database}")
    hurt.execute("CREATE USER 'taps'@'localhost'")
    hurt.execute(f"GRANT ALL ON {database}.* TO 'taps'@'localhost'")
    try:
        with case("connection limit reached", hurt, database, trace, tmp_path, url=hurt.url(database, "taps")) as each:
            for chance in each.runs:
                with setting(hurt, "max_connections", 10) as before:
                    others = list(_connections(hurt))
                    end_sessions(before)
                    end = time.monotonic() + chance.uniform(0, 0.6)
                    while time.monotonic() < end:
                        others += _connections(hurt)  # what another has let go of
                        time.sleep(0.02)
                    for other in others:
                        other.close()
                each.mended()
    finally:
        hurt.execute("DROP USER 'taps'@'localhost'")


def _connections(server: Server) -> Iterator[Any]:
    """All that there are left."""
    with suppress(MySQLdb.OperationalError):
        while True:
            yield MySQLdb.connect(unix_socket=str(server.socket), user="taps")


CHANGES = {
    "gone": ("RENAME TABLE {table} TO {table}_away", "RENAME TABLE {table}_away TO {table}"),
    "with a column more": ("ALTER TABLE {table} ADD COLUMN more INT NOT NULL", "ALTER TABLE {table} DROP COLUMN more"),
    "that takes no row": (
        "ALTER TABLE {table} ADD CONSTRAINT refusing CHECK ({key} < 0)",
        "ALTER TABLE {table} DROP CONSTRAINT refusing",
    ),
}


def test_tables_that_are_changed_or_gone(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    often = {"memtap.commands.run.LOOK_S": 0.05}
    with case("table altered or dropped", hurt, database, trace, tmp_path, shorter=often) as each:
        written = [name for name in tables(hurt, database) if name.startswith(("rollup", "events"))]
        written += ["batches", "processes", "streams"]
        for chance in each.runs:
            what, table = chance.choice([*CHANGES]), chance.choice(written)
            print(f"  {table} {what}")
            do, undo = CHANGES[what]
            words = {"table": f"{database}.{table}", "key": first_key(hurt, database, table)}
            each.memtap.until(lambda: not store_error(each), "memtap no longer says what was wrong before")
            printed = each.memtap.printed.whole
            each.alter(do.format(**words))
            has_said_or_stored(each, printed, gone=table == "streams" and what == "gone")
            time.sleep(chance.uniform(0, 0.2))
            each.alter(undo.format(**words))
            each.mended()


def first_key(server: Server, database: str, table: str) -> str:
    statement = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        " ORDER BY column_key = 'PRI' DESC, ordinal_position LIMIT 1"
    )
    return str(server.execute(statement, database, table)[0][0])


def store_error(each: Case) -> str:
    """What memtap has said last of its store; empty while it answers."""
    lines = [line for line in each.memtap.said().splitlines() if line.startswith(("memtap: store ", "memtap: store:"))]
    return "" if not lines or lines[-1] == "memtap: store: answers again" else lines[-1]


def has_said_or_stored(each: Case, printed: int, *, gone: bool) -> None:
    """It says what is wrong, unless what was changed keeps it from nothing."""

    def so() -> bool:
        return bool(store_error(each)) or (not gone and each.counted() > printed)

    each.memtap.until(so, "memtap says what is wrong")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    """A server whose disk has little room."""
    with private_server("--innodb-log-file-size=16M", disk_mb=256) as server:
        yield server


def test_a_server_whose_disk_is_full(small: Server, trace: Trace, tmp_path: Path) -> None:
    ballast = small.folder / "data" / "ballast"
    with case("server's disk full", small, "full", trace, tmp_path, rate=8000) as each:
        for chance in each.runs:
            fill(ballast, chance.choice([0, 0, 4096, chance.randrange(1 << 20)]))
            each.memtap.until_printed(chance.randrange(2000, 8000))
            ballast.unlink()
            if small.has_ended():  # InnoDB aborts where a file of its own cannot grow
                small.start()
            each.mended()
