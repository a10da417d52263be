"""The accounts that `memtap init` makes or prints can do what they are for, and no more."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import MySQLdb
import pytest
from counted import FIRST_US, STREAM, batches, by_pid, some_calls
from mariadb import Server
from waiting import wait_until

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.contract import Retention, Store
from memtap.stores.mysql.accounts import ACCOUNTS

CALLS = some_calls(3000)
MEMTAP = [sys.executable, "-P", "-m", "memtap"]


def memtap(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MEMTAP, *map(str, arguments)], input=stdin, capture_output=True, check=False)


@pytest.fixture
def no_accounts(mariadb: Server) -> Iterator[None]:
    yield
    for account in ACCOUNTS:
        mariadb.execute(f"DROP USER IF EXISTS {account.user}@localhost")


@pytest.fixture
def urls(mysql_url: str, tmp_path: Path, no_accounts: None) -> dict[str, str]:
    """The URL of each account's own option file, as `memtap init` prints it."""
    made = memtap("init", "--store", mysql_url, "--create-accounts", tmp_path / "accounts")
    assert made.returncode == 0, made.stderr
    shown = re.findall(r"^  (mysql://\S+)$", made.stdout.decode(), re.MULTILINE)
    return {url.rpartition("/")[2].partition(".cnf")[0]: url for url in shown}


def try_all(url: str, statements: list[str]) -> list[int]:
    """The error that the server gives this account for each statement; 0 where it runs it."""
    found = []
    file = url.partition("option_file=")[2].partition("&")[0]
    with closing(MySQLdb.connect(read_default_file=file, database=re.findall("/(test_\\w+)", url)[0])) as connection:
        for statement in statements:
            try:
                connection.query(statement)
                connection.store_result()
                found.append(0)
            except MySQLdb.Error as error:
                found.append(error.args[0])
    return found


def test_the_passwords_are_in_files_that_only_their_owner_can_read(urls: dict[str, str], tmp_path: Path) -> None:
    assert sorted(urls) == ["loader", "owner", "reader"]
    for file in (tmp_path / "accounts").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "accounts").stat().st_mode) == 0o700
    passwords = {re.findall(r"password = (\S{32})", file.read_text())[0] for file in (tmp_path / "accounts").iterdir()}
    assert len(passwords) == 3


def test_accounts_that_exist_are_left_alone(mysql_url: str, urls: dict[str, str], tmp_path: Path) -> None:
    again = memtap("init", "--store", mysql_url, "--create-accounts", tmp_path / "accounts")
    assert (again.returncode, again.stderr.count(b"\n")) == (2, 1)
    elsewhere = memtap("init", "--store", mysql_url, "--create-accounts", tmp_path / "elsewhere")
    assert (elsewhere.returncode, elsewhere.stderr.count(b"\n")) == (1, 1)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with closing(open_store(urls["loader"])) as store, closing(store.writer()) as writer:
        assert writer.open_stream(STREAM).stream_no == 1, "their passwords are still good"


def test_where_one_cannot_be_made_none_is(mysql_url: str, mariadb: Server, tmp_path: Path, no_accounts: None) -> None:
    mariadb.execute("CREATE USER memtap_reader@localhost")
    made = memtap("init", "--store", mysql_url, "--create-accounts", tmp_path / "accounts")
    assert made.returncode == 1
    users = mariadb.execute("SELECT user FROM mysql.user WHERE user LIKE 'memtap%'")
    assert users == [("memtap_reader",)]
    assert list((tmp_path / "accounts").iterdir()) == []


def test_without_the_flag_the_sql_is_printed_and_works(
    mysql_url: str, mariadb: Server, database: str, no_accounts: None
) -> None:
    printed = memtap("init", "--store", mysql_url).stdout.decode()
    statements = re.findall(r"^  ((?:CREATE USER|GRANT) .*);$", printed, re.MULTILINE)
    assert len([statement for statement in statements if statement.startswith("CREATE USER")]) == 3
    for statement in statements:
        mariadb.execute(statement)
    grants = mariadb.execute("SHOW GRANTS FOR memtap_reader@localhost")
    assert [grant for (grant,) in grants if "ON *.*" not in grant] == [
        f"GRANT SELECT ON `{database.replace('_', chr(92) + '_')}`.* TO `memtap_reader`@`localhost`"
    ]


class TestLoader:
    def test_it_can_do_all_that_ingest_does(self, urls: dict[str, str], tmp_path: Path) -> None:
        trace = tmp_path / "trace.log"
        trace.write_bytes(b"".join(call.line for call in CALLS))
        for _ in range(2):
            done = memtap("ingest", trace, "--store", urls["loader"])
            assert (done.returncode, done.stderr) == (0, b"")
        with closing(open_store(urls["reader"]).reader()) as reader:
            assert {row.pid: (row.requested, row.released) for row in reader.processes(ended=None)} == {
                pid: (sums.requested, sums.released) for pid, sums in by_pid(CALLS).items()
            }

    def test_it_can_do_all_that_a_tap_needs(self, urls: dict[str, str]) -> None:
        with closing(open_store(urls["loader"])) as store, closing(store.writer()) as writer:
            number = writer.open_stream(STREAM).stream_no
            assert all(writer.write(number, batch) for batch in batches(CALLS))
            writer.end_processes(number, [1], CALLS[-1].time_us + 1)
            assert writer.last_stream("") is not None
            store.server_pids()
            dropped = [
                store.maintain(Retention(keep_events_s=3600, keep_rollups_s=7200), FIRST_US + days * 86_400_000_000)
                for days in (0, 1, 400, 4000)
                for _ in range(3)
            ]
            assert sum(step.events_dropped for step in dropped) == len(CALLS)
            assert sum(step.processes_dropped for step in dropped) == 1

    def test_it_can_change_no_schema_and_no_account(self, urls: dict[str, str]) -> None:
        assert try_all(
            urls["loader"],
            [
                "CREATE TABLE x (y INT)",
                "DROP TABLE processes",
                "ALTER TABLE batches ADD COLUMN x INT",
                "DELETE FROM schema_versions",
                "DELETE FROM events",
                "CREATE USER x",
                "SELECT * FROM mysql.user",
            ],
        ) == [1142, 1142, 1142, 1142, 1142, 1227, 1142]


class TestReader:
    def test_it_can_read_all_and_change_nothing(
        self, mysql_url: str, urls: dict[str, str], open_url: Callable[[str], Store]
    ) -> None:
        with closing(open_url(mysql_url).writer()) as writer:
            number = writer.open_stream(STREAM).stream_no
            assert all(writer.write(number, batch) for batch in batches(CALLS))
        assert try_all(
            urls["reader"],
            [
                "SELECT * FROM MemoryCalls LIMIT 1",
                "INSERT INTO names VALUES (7, 'x')",
                "UPDATE processes SET pid = 1",
                "DELETE FROM losses",
                "CREATE TEMPORARY TABLE x (y INT)",
                "ALTER TABLE events ENGINE=InnoDB",
                "TRUNCATE TABLE events",
            ],
        ) == [0, 1142, 1142, 1142, 1044, 1142, 1142]
        with (
            closing(open_store(urls["reader"])) as store,
            closing(store.writer()) as writer,
            pytest.raises(StoreError, match="what `memtap init` prints"),
        ):
            writer.open_stream(STREAM)

    def test_the_page_reads_through_it(
        self, mysql_url: str, database: str, urls: dict[str, str], mariadb: Server
    ) -> None:
        environment = {**os.environ, "MEMTAP_TOKEN": "t" * 43, "MEMTAP_READER_STORE": urls["reader"]}
        with subprocess.Popen(
            [*MEMTAP, "serve", "--port", "0", "--store", mysql_url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        ) as process:  # fmt: skip
            try:
                assert process.stdout is not None
                address = process.stdout.readline().partition("/?")[0]
                token = {"Authorization": "Bearer " + "t" * 43}
                answer = httpx.get(f"{address}/api/v1/processes", headers=token, timeout=30)
                users = "SELECT DISTINCT user FROM information_schema.processlist WHERE db = %s"
                # a connection that has been closed may stay in the list for a moment
                wait_until(lambda: mariadb.execute(users, database) == [("memtap_reader",)])
            finally:
                process.terminate()
                process.communicate()
        assert answer.status_code == 200

    @pytest.mark.parametrize("url", ["duckdb:///x", "null://"])
    def test_a_store_without_accounts_has_no_other_reader(self, url: str) -> None:
        done = memtap("serve", "--port", "0", "--reader-store", url)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
        assert b"only a mysql:// store" in done.stderr
