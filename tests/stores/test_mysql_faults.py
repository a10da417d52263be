"""What a server does to a writer: each batch is stored once and as it is, or the error says what to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import MySQLdb
import pytest
from counted import STREAM, batches, by_pid, some_calls, some_wide_calls
from mariadb import Server, private_server

from memtap.errors import StoreAway, StoreError
from memtap.stores import open_store
from memtap.stores.contract import CallFilter, Reader, Store
from memtap.stores.mysql.writer import MySQLWriter

CALLS = some_calls(3000)


@pytest.fixture
def url(mysql_url: str) -> str:
    return mysql_url


def as_counted(reader: Reader) -> bool:
    """Whether the store holds CALLS, each once, and their sums."""
    assert reader.account().stored == len(CALLS)
    assert len({call.id for call in reader.calls(CallFilter(), limit=99_999)}) == len(CALLS)
    return {row.pid: (row.requested, row.released) for row in reader.processes()} == {
        pid: (sums.requested, sums.released) for pid, sums in by_pid(CALLS).items()
    }


class TestInFlight:
    """An old session's transaction is open on the server, with all of its rows, when the repeat begins."""

    @pytest.fixture
    def old(self, store: Store, writer: MySQLWriter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        """A writer's session that is about to commit its batch, and that batch."""
        first, second, third = batches(CALLS)
        number = writer.open_stream(STREAM).stream_no
        writer.write(number, first)
        with closing(store.writer()) as other:
            assert isinstance(other, MySQLWriter)
            other.open_stream(STREAM)
            reached, go = threading.Event(), threading.Event()
            session = other._session
            assert session is not None
            commit = session.commit

            def late() -> None:
                reached.set()
                go.wait(60)
                commit()

            monkeypatch.setattr(session, "commit", late)

            def write() -> None:
                with suppress(StoreAway):  # where its connection breaks
                    other.write(number, second)

            thread = threading.Thread(target=write)
            thread.start()
            assert reached.wait(30)
            yield number, second, third, session, go
            go.set()
            thread.join()

    def test_the_repeat_waits_for_its_commit_and_is_recognised(
        self, old: Any, writer: MySQLWriter, reader: Reader
    ) -> None:
        number, second, third, _, go = old
        threading.Timer(0.5, go.set).start()
        assert not writer.write(number, second), "the old session has stored it meanwhile"
        assert writer.write(number, third)
        assert as_counted(reader)

    def test_where_its_connection_breaks_the_repeat_stores_it(
        self, old: Any, writer: MySQLWriter, reader: Reader, mariadb: Server
    ) -> None:
        number, second, third, session, _ = old
        connection = session._connection.thread_id()
        threading.Timer(0.5, lambda: mariadb.execute(f"KILL {connection}")).start()
        assert writer.write(number, second)
        assert writer.write(number, third)
        assert as_counted(reader)

    def test_while_it_takes_too_long_the_store_is_away_and_nothing_is_doubled(
        self, old: Any, writer: MySQLWriter, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("memtap.stores.mysql.session.LOCK_WAIT_S", 1)
        number, second, third, _, go = old
        writer.close()
        for _ in range(2):
            with pytest.raises(StoreAway, match="Lock wait timeout"):
                writer.write(number, second)
        go.set()
        stored = [writer.write(number, second) for _ in range(2)]
        assert stored == [False, False]
        assert writer.write(number, third)
        assert as_counted(reader)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with private_server() as server:
        yield server


class TestLimits:
    """A server whose limits are tiny before memtap comes, or become so under it."""

    @pytest.mark.parametrize("load", ["auto", "insert"])
    @pytest.mark.parametrize("packet", [1024, 4096, 16_384])
    def test_the_smallest_packets(self, server: Server, packet: int, load: Any) -> None:
        before = server.execute("SELECT @@GLOBAL.max_allowed_packet")[0][0]
        url = server.url(f"packet_{packet}_{load}")
        with closing(open_store(url)) as store:
            store.migrate()
        server.execute("SET GLOBAL max_allowed_packet = %s", packet)
        try:
            with closing(open_store(url, load=load)) as store, closing(store.writer()) as writer:
                number = writer.open_stream(STREAM).stream_no
                for batch in batches(CALLS):
                    assert writer.write(number, batch)
                with closing(store.reader()) as reader:
                    assert as_counted(reader)
        finally:
            server.execute("SET GLOBAL max_allowed_packet = %s", before)

    @pytest.mark.parametrize("limit", ["max_statement_time = 0.000001", "lock_wait_timeout = 0", "wait_timeout = 1"])
    def test_a_servers_tiny_default_is_not_ours(self, server: Server, limit: str) -> None:
        name = limit.partition(" ")[0]
        before = server.execute(f"SELECT @@GLOBAL.{name}")[0][0]
        with closing(open_store(server.url(name))) as store:
            store.migrate()
            server.execute(f"SET GLOBAL {limit}")
            try:
                with closing(store.writer()) as writer, closing(store.reader()) as reader:
                    number = writer.open_stream(STREAM).stream_no
                    for at, batch in enumerate(batches(CALLS)):
                        if at == 2 and name == "wait_timeout":
                            time.sleep(1.5)  # the server hangs up on who says nothing
                            with pytest.raises(StoreAway):
                                writer.write(number, batch)
                        assert writer.write(number, batch)
                    assert as_counted(reader)
            finally:
                server.execute(f"SET GLOBAL {name} = %s", before)

    def test_where_it_takes_no_more_connections_it_is_away(self, server: Server) -> None:
        before = server.execute("SELECT @@GLOBAL.max_connections")[0][0]
        # A connection of our own all the while: whoever leaves is counted a moment longer.
        with closing(open_store(server.url("full"))) as store, closing(server.connect()) as master:
            store.migrate()
            with closing(store.writer()) as writer:
                number = writer.open_stream(STREAM).stream_no
                first, *rest = batches(CALLS)
                writer.write(number, first)
                master.query("SET GLOBAL max_connections = 10")
                writer.close()
                others: list[Any] = []
                with pytest.raises(MySQLdb.OperationalError, match="Too many connections"):
                    while True:
                        others.append(server.connect())
                with pytest.raises(StoreAway, match="Too many connections"):
                    writer.write(number, rest[0])
                for other in others:
                    other.close()
                master.query(f"SET GLOBAL max_connections = {before}")
                for batch in rest:
                    assert writer.write(number, batch)
            with closing(store.reader()) as reader:
                assert as_counted(reader)


class TestTables:
    """Somebody else's hand in the database."""

    @pytest.mark.parametrize(
        "table",
        ["events", "processes", "names", "rollup_1s", "rollup_1m", "rollup_1h", "account_1s", "batches", "streams"],
    )
    def test_a_table_that_is_gone_stops_the_batch_and_is_named(
        self, mariadb: Server, database: str, writer: MySQLWriter, reader: Reader, table: str
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        first, *rest = batches(CALLS)
        mariadb.execute(f"RENAME TABLE {database}.{table} TO {database}.elsewhere")
        with pytest.raises(StoreError, match=f"{table}.* restore the table") as caught:
            writer.write(number, first)
        assert not isinstance(caught.value, StoreAway)
        mariadb.execute(f"RENAME TABLE {database}.elsewhere TO {database}.{table}")
        for batch in (first, *rest):
            assert writer.write(number, batch)
        assert as_counted(reader)

    @pytest.mark.parametrize(
        ("alter", "undo"),
        [
            ("events DROP COLUMN freed", "events ADD COLUMN freed BIGINT UNSIGNED AFTER errno"),
            ("events MODIFY length TINYINT", "events MODIFY length MEDIUMINT UNSIGNED"),
            ("rollup_1s MODIFY requested INT NOT NULL", "rollup_1s MODIFY requested DECIMAL(38, 0) NOT NULL"),
            ("processes MODIFY requested INT NOT NULL", "processes MODIFY requested DECIMAL(38, 0) NOT NULL DEFAULT 0"),
            ("batches ADD COLUMN x INT NOT NULL FIRST", "batches DROP COLUMN x"),
            ("account_1s ADD COLUMN x INT NOT NULL", "account_1s DROP COLUMN x"),
            ("names MODIFY comm VARBINARY(1) NOT NULL", "names MODIFY comm VARBINARY(255) NOT NULL"),
        ],
    )
    def test_a_table_that_was_altered_bends_nothing(
        self, mariadb: Server, database: str, writer: MySQLWriter, reader: Reader, alter: str, undo: str
    ) -> None:
        calls = some_wide_calls(2000)
        number = writer.open_stream(STREAM).stream_no
        mariadb.execute(f"ALTER TABLE {database}.{alter}")
        made = list(batches(calls))
        with pytest.raises(StoreError) as caught:
            writer.write(number, made[0])
        assert not isinstance(caught.value, StoreAway)
        assert reader.account().stored == 0
        mariadb.execute(f"ALTER TABLE {database}.{undo}")
        for batch in made:
            assert writer.write(number, batch)
        assert reader.account().stored == len(reader.calls(CallFilter(), limit=9999)) == len(calls)


class TestPlans:
    def test_no_read_passes_all_calls_or_all_sums(self, store: Store, writer: MySQLWriter, reader: Reader) -> None:
        calls = some_wide_calls(20_000)
        number = writer.open_stream(STREAM).stream_no
        for batch in batches(calls, rows=5000):
            writer.write(number, batch)
        asked: list[tuple[str, Any]] = []
        ask = reader._rows  # type: ignore[attr-defined]

        def spy(sql: str, values: Any = ()) -> Any:
            asked.append((sql, values))
            return ask(sql, values)

        reader._rows = spy  # type: ignore[attr-defined]
        first, last = calls[0].time_us, calls[-1].time_us
        middle = (calls[10_000].time_us, 1 << 50)
        (one, *_) = (row.id for row in reader.processes(ended=None))
        for filters in ({}, {"process_id": one}, {"pid": 3}, {"failed": True}, {"call": "mremap"}, {"min_length": 9}):
            for place in ({}, {"before": middle}, {"after": middle}):
                reader.calls(CallFilter(**filters), **place)  # type: ignore[arg-type]
        reader.window(first, last)
        reader.history(one, first, last)
        reader.history(None, first, last, step=60)
        reader.held(one, first, last)
        reader.seconds(first, last)
        tables = set()
        for sql, values in asked:
            for _, _, table, how, _, key, *_, extra in ask("EXPLAIN " + sql, values):
                tables.add(table)
                if table == "events" or str(table).startswith("rollup") or table == "account_1s":
                    assert how in ("range", "ref", "index", "const", "eq_ref"), sql
                    assert key in ("PRIMARY", "by_process"), sql
                    assert how != "index" or "LIMIT" in sql, sql
                    assert table != "events" or "filesort" not in extra, sql
        assert {"events", "rollup_1s", "account_1s"} <= tables
