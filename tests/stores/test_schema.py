"""The schema is made once; many threads may read."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import Any

import pytest
from counted import (
    STREAM,
    Call,
    batches,
    some_calls,
)
from written import write_all

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.contract import (
    CallFilter,
    Reader,
    Store,
    Writer,
)


class TestSchema:
    def test_migrating_again_changes_nothing(self, url: str, version: int, writer: Writer, reader: Reader) -> None:
        write_all(writer, some_calls(100))
        before = reader.version(), reader.totals()
        writer.close()
        with closing(open_store(url)) as again:
            assert again.migrate() == (version, version)
            assert again.migrate() == (version, version)
        assert (reader.version(), reader.totals()) == before

    def test_two_may_migrate_at_once(self, url: str, version: int) -> None:
        answers: list[tuple[int, int] | Exception] = []
        together = threading.Barrier(4)

        def migrate() -> None:
            with closing(open_store(url)) as store:
                together.wait(30)
                try:
                    answers.append(store.migrate())
                except Exception as error:
                    answers.append(error)
                together.wait(30)

        threads = [threading.Thread(target=migrate) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, answers)) == [str((before, version)) for before in (0, version, version, version)]

    def test_a_store_without_a_schema_says_to_make_one(self, url: str) -> None:
        with closing(open_store(url)) as store:
            for side in (store.writer, store.reader):
                with pytest.raises(StoreError, match="memtap init"):
                    side()

    def test_a_newer_schema_is_refused(self, store: Store, version: int, writer: Writer, mariadb: Any) -> None:
        number = write_all(writer, [Call(1)])
        make_newer(store, mariadb)
        for refused in (store.migrate, store.writer, store.reader):
            with pytest.raises(StoreError, match=f"schema version 99 and this memtap knows up to {version}"):
                refused()
        assert number == 1


def make_newer(store: Store, mariadb: Any) -> None:
    statement = "INSERT INTO schema_versions VALUES (99, 1)"
    if store.url.startswith("mysql"):
        database = store.url.partition("localhost/")[2].partition("?")[0]
        mariadb.execute(statement.replace("schema_versions", f"{database}.schema_versions"))
    else:
        with store._database.transaction() as connection:  # type: ignore[attr-defined]
            connection.execute(statement)


class TestThreads:
    def test_readers_of_many_threads_see_whole_batches_while_one_writes(self, writer: Writer, reader: Reader) -> None:
        calls = some_calls(3000)
        number = writer.open_stream(STREAM).stream_no
        done = threading.Event()
        wrong: list[object] = []

        def read() -> None:
            while not done.is_set():
                try:
                    account, totals = reader.account(), reader.totals()
                    if account.stored % 200 or (totals.requests + totals.releases) % 200:
                        wrong.append((account, totals))
                    reader.processes()
                    reader.calls(CallFilter(pid=3), limit=10)
                except Exception as error:
                    wrong.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for batch in batches(calls, rows=200):
            writer.write(number, batch)
        done.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert reader.account().stored == 3000
