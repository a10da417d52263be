"""The MySQL store's housekeeping on a real server: partitions made ahead and dropped, and what a writer notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from random import Random

import MySQLdb
import pytest
from counted import HOST, STREAM, Call, WideCall, batches, one_batch
from mariadb import Server

from memtap.errors import StoreAway, StoreError
from memtap.stores.contract import CallFilter, Reader, Retention, Store, Stream
from memtap.stores.mysql.writer import MySQLWriter

NOW_S = 1_900_000_000
NOW_US = NOW_S * 1_000_000
HOUR_S = 3600
DAY_S = 86_400
NOTHING = Retention()


@pytest.fixture
def url(mysql_url: str) -> str:
    return mysql_url


@pytest.fixture
def ends(database: str, mariadb: Server) -> Callable[[str], list[str]]:
    """The end of each partition of a table."""
    return lambda table: [
        end
        for (end,) in mariadb.execute(
            "SELECT partition_description FROM information_schema.partitions WHERE table_schema = %s"
            " AND table_name = %s ORDER BY partition_ordinal_position",
            database,
            table,
        )
    ]


def at(*seconds: int) -> list[Call]:
    """A call of 4,096 bytes at each of these seconds from now."""
    return [Call(1, time_us=NOW_US + second * 1_000_000) for second in seconds]


def write(writer: MySQLWriter, calls: list[Call], stream: Stream = STREAM) -> int:
    cursor = writer.open_stream(stream)
    for batch in batches([*([Call(1)] * cursor.next_ordinal), *calls], start=cursor, rows=500):
        assert writer.write(cursor.stream_no, batch)
    return cursor.stream_no


def all_of(store: Store, retention: Retention, now_us: int = NOW_US) -> tuple[int, int, int]:
    """Steps until there is nothing left to do: calls, rollups and processes dropped."""
    dropped = [0, 0, 0]
    for _ in range(50):
        step = store.maintain(retention, now_us)
        for what, count in enumerate((step.events_dropped, step.rollups_dropped, step.processes_dropped)):
            dropped[what] += count
        if not step.more:
            return dropped[0], dropped[1], dropped[2]
    raise AssertionError("there is always more to do")


class TestAhead:
    def test_there_is_always_a_partition_for_what_comes_next(
        self, store: Store, ends: Callable[[str], list[str]]
    ) -> None:
        keep = Retention(keep_events_s=DAY_S)
        for minute in range(0, 300, 20):
            now_s = NOW_S + 60 * minute
            store.maintain(keep, now_s * 1_000_000)
            *known, last = ends("events")
            assert last == "MAXVALUE"
            future = [int(end) // 1_000_000 - now_s for end in known if int(end) > now_s * 1_000_000]
            assert 0 < future[0] <= HOUR_S >= future[1] - future[0]
            assert future[-1] > 10 * 365 * DAY_S, "a clock that is far ahead does not fill the last one"
            assert len(future) < 20
            assert [int(end) * 1_000_000 for end in ends("rollup_1s")[:-1]] == [int(end) for end in known]
        before = ends("events")
        store.maintain(keep, now_s * 1_000_000)
        assert ends("events") == before, "what is there is left alone"

    def test_calls_of_a_clock_that_was_ahead_are_kept_and_stop_nothing(
        self, store: Store, writer: MySQLWriter, reader: Reader, ends: Callable[[str], list[str]]
    ) -> None:
        store.maintain(NOTHING, NOW_US)
        write(writer, at(-1, 0, 10 * 365 * DAY_S, -10 * 365 * DAY_S, 1))
        for day in (1, 2, 3):
            store.maintain(NOTHING, NOW_US + day * DAY_S * 1_000_000)
        assert int(ends("events")[-2]) > NOW_US + 3 * DAY_S * 1_000_000
        assert len(reader.calls(CallFilter())) == 5

    @pytest.mark.parametrize("ahead_s", [HOUR_S, 3 * DAY_S, 10 * 365 * DAY_S, 100 * 365 * DAY_S])
    def test_calls_of_a_clock_that_was_ahead_delay_nothing_for_long(
        self, store: Store, writer: MySQLWriter, ends: Callable[[str], list[str]], ahead_s: int
    ) -> None:
        keep = Retention(keep_events_s=DAY_S)
        store.maintain(keep, NOW_US)
        write(writer, at(ahead_s + 1))
        before = ends("events")
        for ahead in (min(ahead_s // 4, 10 * 365 * DAY_S), ahead_s, 4 * ahead_s):
            now_us = NOW_US + ahead * 1_000_000
            store.maintain(keep, now_us)
            present, following = [end for end in ends("events") if end == "MAXVALUE" or int(end) > now_us][:2]
            if ahead < ahead_s or ahead > ahead_s:
                assert int(following) <= now_us + 2 * HOUR_S * 1_000_000
            elif ahead_s > HOUR_S:
                assert present in before, "a partition full of calls is never cut"
                assert present == "MAXVALUE" or int(present) <= NOW_US + 3 * ahead_s * 1_000_000
            if ahead_s > 20 * 365 * DAY_S:
                break

    def test_a_housekeeper_that_is_killed_at_any_moment_loses_no_call(
        self, store: Store, writer: MySQLWriter, reader: Reader, mariadb: Server, ends: Callable[[str], list[str]]
    ) -> None:
        write(writer, [Call(1, time_us=NOW_US + at * HOUR_S * 1_000_000) for at in (*range(-50, 3), 10, 100, 1000)])
        before = reader.calls(CallFilter(), limit=999)
        chance = Random(5)
        over = threading.Event()
        killed = []

        def kill() -> None:
            connection = mariadb.connect()
            while not over.is_set():
                connection.query("SELECT id FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE%'")
                for (number,) in connection.store_result().fetch_row(0):
                    time.sleep(chance.random() * 0.02)
                    with suppress(MySQLdb.Error):  # it is gone
                        connection.query(f"KILL {number}")
                        killed.append(number)
            connection.close()

        thread = threading.Thread(target=kill)
        thread.start()
        for hour in range(30):
            with suppress(StoreError):
                store.maintain(Retention(keep_events_s=10**9), NOW_US + hour * HOUR_S * 1_000_000)
        over.set()
        thread.join()
        assert killed
        assert reader.calls(CallFilter(), limit=999) == before
        store.maintain(Retention(keep_events_s=DAY_S * 100), NOW_US + 60 * HOUR_S * 1_000_000)
        assert ends("events")[-1] == "MAXVALUE"
        assert writer.write(1, one_batch(*at(1))._replace(number=1, first_ordinal=len(before)))


class TestRetention:
    def test_calls_go_by_their_age_and_sums_outlive_them(
        self, store: Store, writer: MySQLWriter, reader: Reader
    ) -> None:
        keep = Retention(keep_events_s=DAY_S, keep_rollups_s=400 * DAY_S)
        hours = range(72)
        for hour in hours:
            now_us = NOW_US + hour * HOUR_S * 1_000_000
            all_of(store, keep, now_us)
            write(writer, at(*range(hour * HOUR_S, hour * HOUR_S + 300, 100)))
        now_us = NOW_US + 72 * HOUR_S * 1_000_000
        all_of(store, keep, now_us)
        kept = [call.time_us for call in reader.calls(CallFilter(), limit=9999)]
        written = [NOW_US + s * 1_000_000 for hour in hours for s in range(hour * HOUR_S, hour * HOUR_S + 300, 100)]
        assert set(kept) >= {time_us for time_us in written if time_us > now_us - DAY_S * 1_000_000}
        assert min(kept) >= now_us - (DAY_S + 2 * HOUR_S) * 1_000_000
        end_us = now_us + 1
        assert sum(row.requests for row in reader.window(NOW_US, end_us)) == len(written)
        by_hour = reader.history(None, NOW_US, end_us, step=HOUR_S)
        assert [row[0] for row in by_hour] == [NOW_S - NOW_S % HOUR_S + hour * HOUR_S for hour in hours]
        assert sum(row[3] for row in by_hour) == len(written)
        assert reader.account().stored == len(written)

    def test_the_oldest_go_first_where_there_is_too_much(
        self, store: Store, writer: MySQLWriter, reader: Reader, mariadb: Server, database: str
    ) -> None:
        keep = Retention(keep_bytes=3_000_000)
        for part in range(6):
            now_us = NOW_US + part * 60_000_000
            store.maintain(keep, now_us)
            write(writer, [Call(1, time_us=now_us + i) for i in range(10_000)])
        mariadb.execute(f"ANALYZE TABLE {database}.events")
        before = store.maintain(Retention(), now_us + 60_000_000)
        dropped, *_ = all_of(store, keep, now_us + 60_000_000)
        mariadb.execute(f"ANALYZE TABLE {database}.events")
        after = store.maintain(keep, now_us + 60_000_000)
        assert before.bytes_stored > 3_000_000 >= after.bytes_stored
        calls = reader.calls(CallFilter(), limit=100_000)
        assert len(calls) == 60_000 - dropped
        assert dropped % 10_000 == 0
        assert dropped > 0
        assert min(call.time_us for call in calls) == NOW_US + dropped // 10_000 * 60_000_000
        assert after.oldest_us == min(call.time_us for call in calls)

    def test_nothing_is_dropped_without_a_limit(self, store: Store, writer: MySQLWriter, reader: Reader) -> None:
        write(writer, at(*range(100)))
        assert all_of(store, NOTHING, NOW_US + 1000 * DAY_S * 1_000_000) == (0, 0, 0)
        assert len(reader.calls(CallFilter(), limit=999)) == 100

    def test_processes_go_with_their_last_sums_and_come_back_with_a_call(
        self, store: Store, writer: MySQLWriter, reader: Reader
    ) -> None:
        keep = Retention(keep_events_s=HOUR_S, keep_rollups_s=DAY_S)
        calls: list[Call] = [WideCall(pid, time_us=NOW_US + pid) for pid in (1, 2, 3)]
        ended = [replace(call, call="exit", time_us=NOW_US + 10) for call in calls[:2]]
        number = writer.open_stream(STREAM).stream_no
        many = list(batches([*calls, *ended, WideCall(1, time_us=NOW_US + 30 * DAY_S * 1_000_000)], rows=5))
        assert writer.write(number, many[0])
        *_, dropped = all_of(store, keep, NOW_US + 20 * DAY_S * 1_000_000)
        assert dropped == 2
        assert [row.pid for row in reader.processes(ended=None)] == [3], "who has not ended stays"
        assert writer.write(number, many[1]), "although the writer knew the process by an id that is gone"
        assert {row.pid: row.requests for row in reader.processes(ended=None)} == {1: 1, 3: 1}

    def test_old_batches_go_but_for_the_latest_of_each_stream(
        self, store: Store, writer: MySQLWriter, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("memtap.stores.mysql.housekeeping.BATCHES_KEPT", 3)
        write(writer, at(*range(3000)))
        other = STREAM._replace(name="another")
        write(writer, at(*range(600)), other)
        account = reader.account()
        all_of(store, Retention(keep_rollups_s=365 * DAY_S))
        rows = reader._rows("SELECT stream_no, batch_no FROM batches ORDER BY 1, 2")  # type: ignore[attr-defined]
        assert rows == [(1, 2), (1, 3), (1, 4), (1, 5), (2, 0), (2, 1)]
        assert reader.account() == account
        assert writer.open_stream(STREAM).next_batch == 6


class TestForgetting:
    @pytest.fixture
    def later(self, mariadb: Server, database: str) -> Callable[[int], None]:
        """As if everything had been written so many seconds earlier."""

        def pass_by(seconds: int) -> None:
            for table in ("name_uses", "stream_uses"):
                mariadb.execute(
                    f"UPDATE {database}.{table} SET used_s = IF(used_s > %s, used_s - %s, 0)", seconds, seconds
                )

        return pass_by

    @pytest.fixture
    def left(self, mariadb: Server, database: str) -> Callable[[str], int]:
        return lambda table: int(mariadb.execute(f"SELECT COUNT(*) FROM {database}.{table}")[0][0])

    def test_names_that_no_kept_call_and_no_process_has_go(
        self,
        store: Store,
        writer: MySQLWriter,
        reader: Reader,
        later: Callable[[int], None],
        left: Callable[[str], int],
    ) -> None:
        now_us = time.time_ns() // 1000
        later_us = now_us + 3 * DAY_S * 1_000_000
        keep = Retention(keep_events_s=DAY_S)
        write(writer, [Call(1, b"old %d" % at, time_us=now_us + at) for at in range(50)])
        other = STREAM._replace(name="another")
        write(writer, [Call(1, b"kept", time_us=later_us), Call(1, b"latest", time_us=later_us + 1)], other)
        all_of(store, keep, now_us)
        all_of(store, keep, later_us)
        assert [call.name for call in reader.calls(CallFilter())] == [b"latest", b"kept"]
        assert left("names") == 52, "they were used not long ago, and a writer may know them"
        later(3 * DAY_S)
        all_of(store, keep, later_us)
        assert left("names") == left("name_uses") == 2
        assert [call.name for call in reader.calls(CallFilter())] == [b"latest", b"kept"]
        third = STREAM._replace(name="a third")
        write(writer, [Call(1, b"old 7", time_us=later_us + 2), Call(1, b"latest", time_us=later_us + 3)], third)
        assert [call.name for call in reader.calls(CallFilter(), limit=2)] == [b"latest", b"old 7"]

    def test_a_writer_that_knows_a_dropped_name_makes_it_again(
        self,
        store: Store,
        writer: MySQLWriter,
        reader: Reader,
        mariadb: Server,
        database: str,
        later: Callable[[int], None],
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        first, second = batches([Call(1, b"a"), Call(1, b"b"), Call(1, b"a"), Call(1, b"b")], rows=2)
        assert writer.write(number, first)
        later(10**12)
        mariadb.execute(f"DELETE FROM {database}.events")
        store.maintain(NOTHING, NOW_US)
        assert mariadb.execute(f"SELECT comm FROM {database}.names") == [(b"b",)]
        writer._uses.clear()  # half an hour later
        assert writer.write(number, second)
        assert [call.name for call in reader.calls(CallFilter())] == [b"b", b"a"]

    def test_streams_and_hosts_go_when_nothing_of_them_is_kept(
        self,
        store: Store,
        writer: MySQLWriter,
        reader: Reader,
        later: Callable[[int], None],
        left: Callable[[str], int],
    ) -> None:
        keep = Retention(keep_events_s=HOUR_S, keep_rollups_s=2 * DAY_S)
        old = STREAM._replace(name="old", host=HOST._replace(boot_id="before"))
        write(writer, at(0, 1, 2), old)
        all_of(store, keep, NOW_US + DAY_S * 1_000_000)
        assert left("streams") == left("hosts") == 1
        now_us = NOW_US + 10 * DAY_S * 1_000_000
        write(writer, [Call(1, time_us=now_us)])
        all_of(store, keep, now_us)
        assert left("streams") == 2, "it was written to lately, whatever the time of its calls"
        later(3 * DAY_S)
        all_of(store, keep, now_us)
        all_of(store, keep, now_us)
        assert [stream.name for stream in reader.streams()] == [STREAM.name]
        assert left("hosts") == left("batches") == left("stream_uses") == 1
        with pytest.raises(StoreError, match="no longer kept"):
            writer.write(1, one_batch(*at(1))._replace(number=1, first_ordinal=3))
        assert write(writer, at(3), old) == 3, "begun anew, under a number of its own"


class TestManners:
    def test_it_gives_way_to_a_transaction_and_does_not_make_others_wait(
        self, store: Store, writer: MySQLWriter, mariadb: Server, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("memtap.stores.mysql.partitions.TRIES", 3)
        write(writer, at(0))
        other = mariadb.connect(database)
        other.query("START TRANSACTION")
        other.query("SELECT COUNT(*) FROM events")  # a long report, or another host's batch
        other.store_result()
        with pytest.raises(StoreAway, match="Lock wait timeout"):
            store.maintain(NOTHING, NOW_US)
        assert writer.write(1, one_batch(*at(1))._replace(number=1, first_ordinal=1))
        other.close()
        store.maintain(NOTHING, NOW_US)

    def test_a_writer_at_full_speed_lets_it_through_and_loses_nothing(
        self, store: Store, writer: MySQLWriter, reader: Reader
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        calls = [Call(1, time_us=NOW_US + i) for i in range(30_000)]
        written = threading.Event()
        wrong: list[BaseException] = []

        def write_on() -> None:
            try:
                for batch in batches(calls, rows=50):
                    assert writer.write(number, batch)
            except BaseException as error:
                wrong.append(error)
            written.set()

        thread = threading.Thread(target=write_on)
        thread.start()
        steps = 0
        while not written.is_set():
            store.maintain(Retention(keep_events_s=HOUR_S), NOW_US + steps * 150 * 1_000_000 // 10)
            steps += 1
            time.sleep(0.01)
        thread.join()
        assert wrong == []
        assert steps > 2
        assert len(reader.calls(CallFilter(), limit=99_999)) == 30_000
