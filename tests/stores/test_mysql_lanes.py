"""Batches that are loaded ahead of their turn, over connections of their own, on a real MariaDB server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from counted import FIRST_US, HOST, STREAM, Call, batches, some_calls, some_wide_calls
from cut import proxy
from mariadb import Server
from waiting import wait_until

from memtap.errors import StoreAway
from memtap.loader import Loader
from memtap.spool.spool import Spool
from memtap.stores import open_store
from memtap.stores.contract import Retention, SealedBatch, Writer, unknown_boot
from memtap.stores.local_ids import LocalIds
from memtap.stores.mysql.session import Session
from memtap.stores.pace import Pace
from memtap.stores.tiers import TIERS

CALLS = some_wide_calls(9000)
TABLES = ("events", "processes", "names", "rollup_1s", "rollup_1m", "rollup_1h", "batches", "account_1s", "counters")


@pytest.fixture
def url(mysql_url: str) -> str:
    return mysql_url


def write_all(writer: Writer, all_batches: list[SealedBatch], number: int, *, known: int = 3) -> list[bool]:
    """As a loader does: `known` batches wait at a time, and each is written until it is stored."""
    stored = []
    for at, batch in enumerate(all_batches):
        for next_one in all_batches[at : at + known]:
            writer.ahead(number, next_one)
        while True:
            with suppress(StoreAway):
                stored.append(writer.write(number, batch))
                break
    return stored


def contents(server: Server, database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Rows by table, each process in them by its host, pid and start: where a commit's answer was lost, so may be ids
    that were taken, and others are taken instead."""
    rows = {table: server.execute(f"SELECT * FROM {database}.{table} ORDER BY 1, 2") for table in TABLES}
    identity = {row[0]: row[1:4] for row in rows["processes"]}
    rows["processes"] = sorted((row[1:] for row in rows["processes"]), key=lambda row: row[:3])
    rows["counters"] = [(what, number) for what, number in rows["counters"] if what != "process"]
    for table, at in (("events", 2), ("rollup_1s", 0), ("rollup_1m", 0), ("rollup_1h", 0)):
        named = [(*row[:at], identity[row[at]], *row[at + 1 :]) for row in rows[table]]
        rows[table] = sorted(named, key=lambda row: row[:2])
    return rows


@pytest.fixture(scope="module")
def plain(mariadb: Server) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """What is in a store that was written one batch after another."""
    with closing(open_store(mariadb.url("plainly"))) as store:
        store.migrate()
        with closing(store.writer()) as writer:
            number = writer.open_stream(STREAM).stream_no
            assert all(writer.write(number, batch) for batch in batches(CALLS))
    yield contents(mariadb, "plainly")
    mariadb.execute("DROP DATABASE plainly")


@pytest.fixture
def loaders(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The threads by which calls were loaded."""
    names = set[str]()
    load = Session.load

    def noted(self: Session, *arguments: Any) -> None:
        names.add(threading.current_thread().name)
        load(self, *arguments)

    monkeypatch.setattr(Session, "load", noted)
    return names


class Changing(Pace):
    """Another number of connections after each batch."""

    def stored(self, rows: int, now_s: float, *, more: bool) -> bool:
        self.count = self.count % self.most + 1
        return True


@pytest.mark.parametrize("connections", [2, 3])
@pytest.mark.parametrize("pace", [Pace, Changing])
def test_a_store_written_over_lanes_is_the_same_row_for_row(
    mariadb: Server,
    database: str,
    url: str,
    plain: dict[str, Any],
    connections: int,
    pace: type[Pace],
    loaders: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memtap.stores.mysql.writer.Pace", pace)
    with closing(open_store(url, connections=connections)) as store:
        store.migrate()
        with closing(store.writer()) as writer:
            assert all(write_all(writer, list(batches(CALLS)), writer.open_stream(STREAM).stream_no, known=5))
    assert contents(mariadb, database) == plain
    assert loaders >= {f"memtap-lane-{n}" for n in range(2 if pace is Pace else connections)}


@pytest.mark.parametrize(
    "word",
    [b"COMMIT", b"INSERT INTO batches", b"LOAD DATA", b"INSERT INTO rollup_1s", b"UPDATE streams", b"FOR UPDATE"],
)
def test_a_connection_cut_at_any_statement_costs_and_doubles_nothing(
    mariadb: Server, database: str, plain: dict[str, Any], tmp_path: Path, word: bytes
) -> None:
    with proxy(tmp_path / "s", mariadb.socket) as between:
        url = f"mysql://root@localhost/{database}?unix_socket={between.path}"
        with closing(open_store(url, connections=2)) as store:
            store.migrate()
            with closing(store.writer()) as writer:
                number = writer.open_stream(STREAM).stream_no
                all_batches = list(batches(CALLS))
                write_all(writer, all_batches[:2], number)
                for at in range(2, len(all_batches)):
                    if at % 2:
                        between.word = word
                    write_all(writer, all_batches[at : at + 1], number)
                    for next_one in all_batches[at + 1 : at + 3]:
                        writer.ahead(number, next_one)
                assert between.cut >= 1
    assert contents(mariadb, database) == plain


ALONE = STREAM._replace(host=HOST._replace(boot_id=unknown_boot("alone")))  # nobody else makes its processes


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """New processes are many, however few they are."""
    monkeypatch.setattr("memtap.stores.mysql.sums.MANY", 1)


def makers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Thread and table of each LOAD DATA of what is no call."""
    loads: list[tuple[str, str]] = []
    load = Session.load_values

    def noted(self: Session, table: str, columns: str, rows: bytes) -> None:
        if rows:
            loads.append((threading.current_thread().name, table))
        load(self, table, columns, rows)

    monkeypatch.setattr(Session, "load_values", noted)
    return loads


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("load", ["local", "insert"])
def test_many_new_processes_are_made_before_their_turn_and_are_the_same(
    mariadb: Server, database: str, url: str, load: str, plain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = makers(monkeypatch)
    with closing(open_store(url, connections=2, load=load)) as store:
        store.migrate()
        with closing(store.writer()) as writer:
            assert all(write_all(writer, list(batches(CALLS)), writer.open_stream(ALONE).stream_no))
    assert contents(mariadb, database) == plain
    assert {table for thread, table in loads if thread.startswith("memtap-lane")} == {"processes", *TIERS.values()}


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("table", [b"processes", b"rollup_1s", b"rollup_1h"])
def test_a_connection_cut_while_new_processes_are_made_costs_and_doubles_nothing(
    mariadb: Server, database: str, plain: dict[str, Any], tmp_path: Path, table: bytes
) -> None:
    with proxy(tmp_path / "s", mariadb.socket) as between:
        url = f"mysql://root@localhost/{database}?unix_socket={between.path}"
        with closing(open_store(url, connections=2)) as store:
            store.migrate()
            with closing(store.writer()) as writer:
                number = writer.open_stream(ALONE).stream_no
                all_batches = list(batches(CALLS))
                between.word = b"INTO TABLE " + table
                write_all(writer, all_batches, number)
                assert between.cut >= 1
    assert contents(mariadb, database) == plain


@pytest.mark.usefixtures("many")
def test_many_new_processes_of_which_one_was_made_meanwhile_are_found(mariadb: Server, database: str, url: str) -> None:
    calls = [Call(pid=1 + n // 100, time_us=FIRST_US + n) for n in range(4000)]
    with closing(open_store(url, connections=2)) as store:
        store.migrate()
        with closing(store.writer()) as writer:
            number = writer.open_stream(ALONE).stream_no
            host = mariadb.execute(f"SELECT host_id FROM {database}.streams")[0][0]
            mariadb.execute(
                f"INSERT INTO {database}.processes (id, host_id, pid, start_us) VALUES (1000000, {host}, 17, 0)"
            )
            assert all(write_all(writer, list(batches(calls)), number))
    made = mariadb.execute(f"SELECT pid, requests, id = 1000000 FROM {database}.processes ORDER BY pid")
    assert made == [(pid, 100, int(pid == 17)) for pid in range(1, 41)]
    assert mariadb.execute(f"SELECT SUM(requests) FROM {database}.rollup_1h") == [(4000,)]


def test_a_batch_that_was_stored_before_is_a_repeat_on_a_lane_too(
    mariadb: Server, database: str, url: str, plain: dict[str, Any]
) -> None:
    all_batches = list(batches(CALLS))
    for connections, repeated in ((1, 0), (2, 5)):
        with closing(open_store(url, connections=connections)) as store:
            store.migrate()
            with closing(store.writer()) as writer:
                number = writer.open_stream(STREAM).stream_no
                stored = write_all(writer, all_batches[:5] if connections == 1 else all_batches, number)
        assert stored == [False] * repeated + [True] * (len(stored) - repeated)
    assert contents(mariadb, database) == plain


def test_two_writers_that_meet_a_process_at_once_make_it_once(mariadb: Server, database: str, url: str) -> None:
    """The second one has made it when the batch in which the first one met it comes to its turn."""
    calls = [Call(pid=1 + n // 100, time_us=FIRST_US + n) for n in range(4000)]

    def next_id() -> int:
        return int(mariadb.execute(f"SELECT next_id FROM {database}.counters WHERE what = 'process'")[0][0])

    with closing(open_store(url, connections=2)) as store:
        store.migrate()
        with closing(store.writer()) as writer, closing(store.writer()) as rival:
            number = writer.open_stream(STREAM).stream_no
            of_rival = rival.open_stream(STREAM._replace(name="file:other.log")).stream_no
            for ours, theirs in zip(batches(calls), batches(calls), strict=True):
                if ours.number:  # of the first, it is not known whether it may go ahead
                    wanted = next_id() + 10
                    writer.ahead(number, ours)
                    wait_until(lambda: next_id() == wanted)  # noqa: B023
                assert rival.write(of_rival, theirs)
                assert writer.write(number, ours)
    made = mariadb.execute(f"SELECT pid, requests, requested FROM {database}.processes ORDER BY pid")
    assert made == [(pid, 200, 200 * 4096) for pid in range(1, 41)]
    for table, count in (("events", "COUNT(*)"), ("rollup_1s", "SUM(t.requests)"), ("rollup_1h", "SUM(t.requests)")):
        found = mariadb.execute(
            f"SELECT p.pid, {count} FROM {database}.{table} t JOIN {database}.processes p ON p.id = t.process_id"
            " GROUP BY p.pid ORDER BY p.pid"
        )
        assert found == [(pid, 200) for pid in range(1, 41)], table


def test_a_process_that_its_own_writer_has_forgotten_is_found_again(mariadb: Server, database: str, url: str) -> None:
    """As the parser forgets one of format 1 that is quiet for long: it has a number of its own when it comes back."""
    stream = STREAM._replace(host=HOST._replace(boot_id=unknown_boot("one")))
    calls = [Call(pid=1 + n % 10, time_us=FIRST_US + n) for n in range(3000)]
    parsers = [list(batches(calls[:1000] * 3)) for _ in range(3)]  # each names its processes anew
    with closing(open_store(url, connections=2)) as store:
        store.migrate()
        with closing(store.writer()) as writer:
            number = writer.open_stream(stream).stream_no
            for at, each in enumerate(parsers):
                batch = each[at]
                writer._streams[number].ids = LocalIds()  # type: ignore[attr-defined]
                assert writer.write(number, batch)
    assert mariadb.execute(f"SELECT pid, requests FROM {database}.processes ORDER BY pid") == [
        (pid, 300) for pid in range(1, 11)
    ]


def test_housekeeping_finds_its_gap_while_lanes_are_busy(
    url: str, some_thread: Callable[..., threading.Thread]
) -> None:
    all_batches = list(batches(some_calls(40_000)))
    with closing(open_store(url, connections=2)) as store:
        store.migrate()
        done = threading.Event()
        kept = []

        def keep() -> None:
            hour_us = 3_600_000_000
            while not done.is_set():  # each time further in the future: there are always partitions to be made
                store.maintain(Retention(keep_events_s=10**9), 1_900_000_000_000_000 + len(kept) * 90 * 24 * hour_us)
                kept.append(True)

        keeper = some_thread(keep)
        with closing(store.writer()) as writer:
            assert all(write_all(writer, all_batches, writer.open_stream(STREAM).stream_no))
        done.set()
        keeper.join()
        assert kept
        with closing(store.reader()) as reader:
            assert reader.account().stored == 40_000


@pytest.fixture
def some_thread() -> Iterator[Callable[..., threading.Thread]]:
    threads: list[threading.Thread] = []

    def started(work: Callable[[], None]) -> threading.Thread:
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return threads[-1]

    yield started
    for thread in threads:
        thread.join()


def test_a_spool_is_drained_over_lanes(
    mariadb: Server, database: str, url: str, plain: dict[str, Any], tmp_path: Path, loaders: set[str]
) -> None:
    all_batches = list(batches(CALLS))
    with closing(Spool(tmp_path / "spool", 1 << 30, segment_bytes=1 << 17)) as spool:
        spool.open()
        for batch in all_batches:
            assert spool.append(STREAM, batch)
        with closing(open_store(url, connections=2)) as store:
            store.migrate()
            with closing(store.writer()) as writer:
                cursor = writer.open_stream(STREAM)
                loader = Loader(
                    writer, cursor, most_rows=9999, drop=True, patience_s=None, stream=STREAM, spool=spool
                )  # fmt: skip
                loader.start()
                unstored = loader.finish()
        assert (unstored.spooled, unstored.lost, spool.unread) == (0, 0, False)
    assert contents(mariadb, database) == plain
    assert loaders >= {"memtap-lane-0", "memtap-lane-1"}
