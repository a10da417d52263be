"""What holds for the MySQL store alone, on a real MariaDB server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import MySQLdb
import pytest
from counted import (
    FIRST_US,
    HOST,
    STREAM,
    Call,
    WideCall,
    batches,
    by_pid,
    by_process,
    one_batch,
    some_calls,
    some_wide_calls,
)
from cut import proxy
from mariadb import Server, private_server
from rogue import rogue

from memtap.errors import StoreAway, StoreError
from memtap.stores import open_store
from memtap.stores.contract import CallFilter, Reader, Store, Stream
from memtap.stores.mysql import session
from memtap.stores.mysql.errors import meaning
from memtap.stores.mysql.schema import VERSION
from memtap.stores.mysql.writer import MySQLWriter

EVERYTHING = CallFilter()


@pytest.fixture
def url(mysql_url: str) -> str:
    return mysql_url


def sums(rows: list) -> dict[int, tuple[int, ...]]:  # type: ignore[type-arg]
    return {row.pid: (row.requested, row.released, row.requests, row.releases) for row in rows}


def counted(calls: list[Call]) -> dict[int, tuple[int, ...]]:
    return {pid: (s.requested, s.released, s.requests, s.releases) for pid, s in by_pid(calls).items()}


class TestExactlyOnce:
    @pytest.mark.parametrize(
        "word", [b"COMMIT", b"INSERT INTO batches", b"LOAD DATA", b"INSERT INTO rollup_1s", b"UPDATE streams"]
    )
    def test_a_connection_cut_at_any_statement_costs_and_doubles_nothing(
        self, mariadb: Server, database: str, tmp_path: Path, word: bytes, open_url: Callable[[str], Store]
    ) -> None:
        calls = some_calls(3000)
        with proxy(tmp_path / "s", mariadb.socket) as between:
            store = open_url(f"mysql://root@localhost/{database}?unix_socket={between.path}")
            with closing(store.writer()) as writer, closing(store.reader()) as reader:
                number = writer.open_stream(STREAM).stream_no
                for batch in batches(calls):
                    between.word = word
                    with pytest.raises(StoreAway):
                        writer.write(number, batch)
                    stored = writer.write(number, batch)
                    assert stored == (word != b"COMMIT"), "after COMMIT it had been stored, else it had not"
                assert between.cut == 3
                assert sums(reader.processes()) == counted(calls)
                assert len(reader.calls(EVERYTHING, limit=10_000)) == reader.account().stored == 3000

    def test_a_server_that_dies_and_comes_back_is_written_to_again(self, open_url: Callable[[str], Store]) -> None:
        calls = some_calls(3000)
        first, second, third = batches(calls)
        with private_server() as server:
            store = open_url(server.url("proyecto1"))
            with closing(store.writer()) as writer, closing(store.reader()) as reader:
                number = writer.open_stream(STREAM).stream_no
                assert writer.write(number, first)
                assert reader.account().stored == 1000
                server.kill()
                for _ in range(2):
                    with pytest.raises(StoreAway):
                        writer.write(number, second)
                    with pytest.raises(StoreAway):
                        reader.account()
                server.start()
                assert writer.write(number, second)
                assert not writer.write(number, first)
                assert writer.write(number, third)
                assert sums(reader.processes()) == counted(calls)

    def test_a_row_that_the_server_would_skip_fails_the_batch(
        self, mariadb: Server, database: str, writer: MySQLWriter, reader: Reader
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        taken = (number << 40) + 1
        row = f"({taken}, {FIRST_US}, 1, 0)"
        mariadb.execute(f"INSERT INTO {database}.events (id, time_us, process_id, what) VALUES {row}")
        with pytest.raises(StoreError, match="of 3 rows for events the server took 2"):
            writer.write(number, one_batch(Call(1), Call(2), Call(3)))
        assert reader.account().stored == 0
        assert mariadb.execute(f"SELECT COUNT(*) FROM {database}.processes") == [(0,)]

    @pytest.mark.parametrize("column", ["freed BIGINT", "errno SMALLINT", "vm_wide BIGINT", "length MEDIUMINT"])
    def test_a_value_that_the_server_would_bend_fails_a_batch_of_format_2(
        self, mariadb: Server, database: str, writer: MySQLWriter, reader: Reader, column: str
    ) -> None:
        bent = WideCall(1, call="munmap", freed=300, errno=300, kind="file", vm=300)
        number = writer.open_stream(STREAM).stream_no
        name = column.split()[0]
        mariadb.execute(f"ALTER TABLE {database}.events MODIFY {name} DECIMAL(2, 2)")
        with pytest.raises(StoreError, match=f"of 2 rows for events the server took 2 with 2 warnings.*{name}"):
            writer.write(number, one_batch(bent, bent))
        assert reader.account().stored == 0
        assert mariadb.execute(f"SELECT COUNT(*) FROM {database}.processes") == [(0,)]
        mariadb.execute(f"ALTER TABLE {database}.events MODIFY {column} UNSIGNED")
        assert writer.write(number, one_batch(bent, bent))

    def test_a_row_of_format_2_that_the_server_would_skip_fails_the_batch(
        self, mariadb: Server, database: str, writer: MySQLWriter, reader: Reader
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        row = f"({(number << 40) + 1}, {FIRST_US}, 1, 0)"
        mariadb.execute(f"INSERT INTO {database}.events (id, time_us, process_id, what) VALUES {row}")
        with pytest.raises(StoreError, match="of 3 rows for events the server took 2"):
            writer.write(number, one_batch(WideCall(1), WideCall(2), WideCall(3)))
        assert reader.account().stored == 0

    def test_a_lock_that_another_holds_is_waited_for_and_then_tried_again(
        self, mariadb: Server, database: str, writer: MySQLWriter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        writer.write(number, one_batch(Call(1)))
        writer._session.run("SET SESSION innodb_lock_wait_timeout = 1")  # type: ignore[union-attr]
        other = mariadb.connect(database)
        other.query("START TRANSACTION")
        other.query("UPDATE processes SET pid = pid")
        other.query("SELECT * FROM streams FOR UPDATE")
        other.store_result()
        batch = one_batch(Call(1))._replace(number=1, first_ordinal=1)
        with pytest.raises(StoreAway, match="Lock wait timeout"):
            writer.write(number, batch)
        other.close()
        assert writer.write(number, batch)

    def test_writers_of_two_hosts_share_names_and_nothing_else(self, store: Store, reader: Reader) -> None:
        calls = [replace(call, name=b"n%d" % (at % 700)) for at, call in enumerate(some_calls(8000))]
        wrong: list[Exception] = []

        def write(host: str) -> None:
            try:
                with closing(store.writer()) as writer:
                    stream = Stream(f"tap:{host}", "bpftrace", HOST._replace(name=host))
                    number = writer.open_stream(stream).stream_no
                    for batch in batches(calls, rows=100):
                        while True:
                            try:
                                assert writer.write(number, batch)
                                break
                            except StoreAway:  # a deadlock: the other one was first
                                continue
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=write, args=(host,)) for host in ("one", "two", "three")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        for host in ("one", "two", "three"):
            assert sums([row for row in reader.processes() if row.host == host]) == counted(calls)
        names = reader._rows("SELECT comm FROM names")  # type: ignore[attr-defined]
        assert sorted(name for (name,) in names) == sorted(b"n%d" % at for at in range(700))


class TestLoading:
    @pytest.fixture
    def refusing(self, mariadb: Server) -> Iterator[None]:
        mariadb.execute("SET GLOBAL local_infile = 0")
        yield
        mariadb.execute("SET GLOBAL local_infile = 1")

    def test_rows_go_by_load_data(self, writer: MySQLWriter) -> None:
        writer.write(writer.open_stream(STREAM).stream_no, one_batch(Call(1)))
        assert writer.load_method == "load data"

    def test_where_that_is_refused_the_same_rows_go_by_insert(
        self, refusing: None, writer: MySQLWriter, reader: Reader, caplog: pytest.LogCaptureFixture
    ) -> None:
        calls = some_calls(5000)
        number = writer.open_stream(STREAM).stream_no
        for batch in batches(calls, rows=2500):
            assert writer.write(number, batch)
            assert not writer.write(number, batch)
        assert writer.load_method == "insert"
        assert [record.message for record in caplog.records if "refuses LOAD DATA LOCAL" in record.message] == [
            record.message for record in caplog.records
        ]
        assert len(caplog.records) == 1, "said once"
        assert sums(reader.processes()) == counted(calls)
        assert [(c.pid, c.name, c.time_us, c.length, c.call) for c in reader.calls(EVERYTHING, limit=9999)][::-1] == [
            (c.pid, c.name, c.time_us, c.length, c.call) for c in calls
        ]

    def test_who_insists_on_it_is_told_that_it_is_refused(self, refusing: None, mysql_url: str, store: Store) -> None:
        with closing(open_store(mysql_url, load="local").writer()) as writer:
            number = writer.open_stream(STREAM).stream_no
            for _ in range(2):
                with pytest.raises(StoreError, match=r"refuses LOAD DATA LOCAL: set local_infile=1"):
                    writer.write(number, one_batch(Call(1)))

    def test_insert_can_be_chosen(self, mysql_url: str, store: Store, reader: Reader) -> None:
        calls = some_wide_calls(3000)
        with closing(open_store(mysql_url, load="insert").writer()) as writer:
            number = writer.open_stream(STREAM).stream_no
            for batch in batches(calls):
                assert writer.write(number, batch)
            assert writer.load_method == "insert"  # type: ignore[attr-defined]
        assert reader.account().stored == len(reader.calls(EVERYTHING, limit=9999)) == 3000

    def test_a_refusal_is_said_once_however_often_the_connection_is_new(
        self, refusing: None, writer: MySQLWriter, caplog: pytest.LogCaptureFixture
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        for batch in batches(some_calls(3000)):
            writer.write(number, batch)
            assert writer._session is not None
            writer._session.close()
        assert len(caplog.records) == 1

    def test_so_do_rows_of_format_2(
        self, refusing: None, writer: MySQLWriter, reader: Reader, caplog: pytest.LogCaptureFixture
    ) -> None:
        calls = some_wide_calls(3000)
        number = writer.open_stream(STREAM).stream_no
        for batch in batches(calls, rows=700):
            assert writer.write(number, batch)
        assert writer.load_method == "insert"
        assert {
            (row.pid, row.start_us): (row.requested, row.released, row.failed, row.vm, row.resident, row.ended_us)
            for row in reader.processes(ended=None)
        } == {
            identity: (s.requested, s.released, s.failed, s.vm, s.resident, s.ended_us)
            for identity, s in by_process(calls).items()
        }
        assert [(c.pid, c.freed, c.errno, c.kind, c.vm) for c in reader.calls(EVERYTHING, limit=9999)] == [
            (c.pid, c.freed, c.errno, c.kind, c.vm) for c in sorted(calls, key=lambda call: -call.time_us)
        ]

    def test_inserts_stay_below_the_largest_packet(
        self, refusing: None, mariadb: Server, store: Store, reader: Reader
    ) -> None:
        mariadb.execute("SET GLOBAL max_allowed_packet = 32768")
        try:
            with closing(store.writer()) as writer:
                assert writer.write(writer.open_stream(STREAM).stream_no, one_batch(*some_calls(5000)))
            assert reader.account().stored == 5000
        finally:
            mariadb.execute("SET GLOBAL max_allowed_packet = 16777216")

    def test_a_server_that_is_lax_by_default_is_strict_with_us(
        self, mariadb: Server, store: Store, reader: Reader
    ) -> None:
        before = mariadb.execute("SELECT @@GLOBAL.sql_mode")[0][0]
        mariadb.execute("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
        try:
            with closing(store.writer()) as writer:
                number = writer.open_stream(STREAM).stream_no
                writer.write(number, one_batch(Call(1, name=b"a\\' b")))
                with pytest.raises(StoreError, match="Data too long"):
                    writer.open_stream(STREAM._replace(name="x" * 5000))
        finally:
            mariadb.execute("SET GLOBAL sql_mode = %s", before)
        assert reader.calls(CallFilter(name=b"a\\' b"))[0].pid == 1


class TestReading:
    def test_a_reader_can_change_nothing(self, reader: Reader) -> None:
        with pytest.raises(StoreError, match=r"\(1792\)"):
            reader._rows("DELETE FROM hosts")  # type: ignore[attr-defined]

    def test_a_reader_whose_connections_were_cut_does_not_notice(
        self, mariadb: Server, database: str, reader: Reader
    ) -> None:
        version = reader.version()
        for (number,) in mariadb.execute("SELECT id FROM information_schema.processlist WHERE db = %s", database):
            mariadb.execute(f"KILL {number}")
        assert reader.version() == version

    def test_a_page_of_calls_is_read_from_the_key_and_never_sorted(
        self, writer: MySQLWriter, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = some_calls(20_000)
        number = writer.open_stream(STREAM).stream_no
        for batch in batches(calls, rows=5000):
            writer.write(number, batch)
        asked: list[tuple[str, tuple[object, ...]]] = []
        ask = reader._rows  # type: ignore[attr-defined]
        monkeypatch.setattr(
            reader, "_rows", lambda sql, values=(): asked.append((sql, tuple(values))) or ask(sql, values)
        )
        middle = (calls[10_000].time_us, 1 << 50)
        for arguments in ({}, {"before": middle}, {"after": middle}):
            reader.calls(EVERYTHING, **arguments)  # type: ignore[arg-type]
            plan = {row[2]: row for row in ask("EXPLAIN " + asked[-1][0], asked[-1][1])}["events"]
            assert (plan[3], plan[5]) in {("index", "PRIMARY"), ("range", "PRIMARY")}
            assert "filesort" not in plan[9]

    def test_events_always_have_a_partition(self, mariadb: Server, database: str, store: Store) -> None:
        assert mariadb.execute(
            "SELECT partition_method, partition_description FROM information_schema.partitions"
            " WHERE table_schema = %s AND table_name = 'events'"
            " ORDER BY partition_ordinal_position DESC LIMIT 1",
            database,
        ) == [("RANGE", "MAXVALUE")]


class TestAccounts:
    @pytest.fixture
    def user(self, mariadb: Server, database: str) -> Iterator[str]:
        mariadb.execute(f"CREATE DATABASE {database}")
        mariadb.execute("CREATE USER 'taps'@'localhost' IDENTIFIED BY 's3cr3t'")
        mariadb.execute(f"GRANT ALL ON {database}.* TO 'taps'@'localhost'")
        yield "taps"
        mariadb.execute("DROP USER 'taps'@'localhost'")

    def test_a_password_from_the_environment(
        self, mariadb: Server, database: str, user: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = mariadb.url(database, user)
        with pytest.raises(StoreError, match="check the user, and the password"):
            open_store(url).migrate()
        for name in ("MEMTAP_MYSQL_PASSWORD", "MYSQL_PWD"):
            with monkeypatch.context() as patch:
                patch.setenv(name, "s3cr3t")
                assert open_store(url).migrate()[1] == VERSION

    def test_a_password_from_an_option_file(self, mariadb: Server, database: str, user: str, tmp_path: Path) -> None:
        options = tmp_path / "my.cnf"
        options.write_text(f"[client]\nuser = {user}\npassword = s3cr3t\nsocket = {mariadb.socket}\nhost = localhost\n")
        store = open_store(f"mysql:///{database}?option_file={options}&tls_mode=PREFERRED")
        assert store.migrate() == (0, VERSION)
        with pytest.raises(StoreError, match=r"option file .*missing cannot be read"):
            open_store(f"mysql:///{database}?option_file={tmp_path}/missing").migrate()

    def test_a_password_from_a_url_in_a_file(self, mariadb: Server, database: str, user: str, tmp_path: Path) -> None:
        (tmp_path / "url").write_text(mariadb.url(database, f"{user}:s3cr3t"))
        store = open_store(f"@{tmp_path / 'url'}")
        assert store.migrate() == (0, VERSION)
        assert "s3cr3t" not in store.url
        with closing(store.writer()) as writer:
            assert writer.write(writer.open_stream(STREAM).stream_no, one_batch(Call(1)))

    def test_a_wrong_password_is_not_repeated(self, mariadb: Server, database: str, user: str, tmp_path: Path) -> None:
        (tmp_path / "url").write_text(mariadb.url(database, f"{user}:wr0ng"))
        with pytest.raises(StoreError, match="Access denied") as caught:
            open_store(f"@{tmp_path / 'url'}").migrate()
        assert not isinstance(caught.value, StoreAway), "trying again would not help"
        assert "wr0ng" not in str(caught.value)

    def test_an_account_that_may_not_make_the_database_is_told(
        self, mariadb: Server, user: str, tmp_path: Path
    ) -> None:
        (tmp_path / "url").write_text(mariadb.url("not_mine", f"{user}:s3cr3t"))
        with pytest.raises(StoreError, match=r"not_mine.*grant this account"):
            open_store(f"@{tmp_path / 'url'}").migrate()

    def test_a_server_that_is_not_there_is_away(self, tmp_path: Path) -> None:
        with pytest.raises(StoreAway, match="start the server") as caught:
            open_store(f"mysql://me@localhost/x?unix_socket={tmp_path}/none").migrate()
        assert "\n" not in str(caught.value)

    def test_a_database_that_is_not_there_asks_for_init(self, mysql_url: str) -> None:
        with pytest.raises(StoreError, match="memtap init"):
            open_store(mysql_url).writer()


def test_errors_that_pass_are_told_from_those_that_stay() -> None:
    for code in (1040, 1205, 1213, 2002, 2006, 2013, 1114, 1021, 1053, 1836):
        assert isinstance(meaning(Exception(code, "x"), "u"), StoreAway), code
    for code in (1044, 1045, 1049, 1054, 1062, 1064, 1146, 1264, 2026):
        assert not isinstance(meaning(Exception(code, "x"), "u"), StoreAway), code
    assert isinstance(meaning(Exception(1290, "running with the --read-only option"), "u"), StoreAway)
    assert not isinstance(meaning(Exception(1290, "running with the --skip-grant-tables option"), "u"), StoreAway)


def test_without_mysqlclient_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['MySQLdb'] = None\nfrom memtap.stores import open_store; open_store('mysql://x@y/z')"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, env={**os.environ}, check=False
    )
    assert "StoreError" in done.stderr
    assert "pip install 'memtap[mysql]'" in done.stderr.strip().split("\n")[-1]


class TestRogueServer:
    """LOAD DATA LOCAL lets a server name the file that its client sends."""

    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        file = tmp_path / "secret"
        file.write_text("the secret of the client's machine")
        return file

    def test_a_server_that_asks_for_a_file_unbidden_does_not_get_it(
        self, tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "ANSWER_TIMEOUT_S", 3)  # it never says more
        with rogue(tmp_path / "s", secret) as server:
            store = open_store(f"mysql://me@localhost/x?unix_socket={server.path}&tls_mode=DISABLED")
            with pytest.raises(StoreError):
                store.migrate()
        assert server.received, "it was asked something, and asked back"
        assert b"the secret" not in server.received

    def test_it_would_get_it_from_a_client_with_local_infile_1(self, tmp_path: Path, secret: Path) -> None:
        with rogue(tmp_path / "s", secret) as server, pytest.raises(MySQLdb.Error):
            MySQLdb.connect(
                unix_socket=str(server.path), user="me", local_infile=1, ssl_mode="DISABLED", read_timeout=2
            ).query("SELECT 1")
        assert b"the secret" in server.received
