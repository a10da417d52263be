"""Streams and their batches: stored once, whole or not at all, in order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from counted import (
    FIRST_US,
    STREAM,
    Call,
    batches,
    by_pid,
    one_batch,
    some_calls,
)
from written import EVERYTHING, Query, sums, write_all

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.contract import (
    CallFilter,
    Cursor,
    Loss,
    Reader,
    Store,
    Writer,
)


class TestStreams:
    def test_a_new_stream_begins_at_its_beginning(self, writer: Writer) -> None:
        assert writer.open_stream(STREAM) == Cursor(stream_no=1)

    def test_a_stream_goes_on_after_its_last_committed_batch(self, store: Store, writer: Writer) -> None:
        number = write_all(writer, some_calls(2500))
        with closing(store.writer()) as another:
            cursor = another.open_stream(STREAM)
        assert (cursor.stream_no, cursor.next_batch, cursor.next_ordinal) == (number, 3, 2500)
        assert cursor.check == b"check %d" % cursor.offset
        assert cursor.offset == sum(len(call.line) for call in some_calls(2500))

    def test_the_newest_stream_is_found_by_how_its_name_begins(self, writer: Writer) -> None:
        for name in ("file:a%_1", "file:a%_2", "file:b", "file:axx3"):
            write_all(writer, [Call(1)], STREAM._replace(name=name))
        found = writer.last_stream("file:a%_")
        assert found is not None
        assert found[0] == "file:a%_2"
        assert found[1].next_ordinal == 1
        assert writer.last_stream("tap:") is None

    def test_names_that_differ_by_case_or_a_space_are_two_streams(self, writer: Writer) -> None:
        names = ["trace", "Trace", "trace ", "tráce", "undecodable \udcff"]
        assert len({writer.open_stream(STREAM._replace(name=name)).stream_no for name in names}) == len(names)
        again = [writer.open_stream(STREAM._replace(name=name)).stream_no for name in names]
        assert len(set(again)) == len(names)

    def test_writing_to_a_stream_that_does_not_exist_is_refused(self, writer: Writer) -> None:
        with pytest.raises(StoreError, match="no stream 7"):
            writer.write(7, one_batch(Call(1)))

    def test_streams_are_listed_with_what_they_hold(self, writer: Writer, reader: Reader) -> None:
        calls = some_calls(1500)
        write_all(writer, calls)
        writer.open_stream(STREAM._replace(name="stdin:2", tap="stdin"))
        first, second = reader.streams()
        assert (first.name, first.tap, first.host, first.batches, first.stored) == (
            STREAM.name,
            "file",
            "here",
            2,
            1500,
        )
        assert (first.first_us, first.last_us) == (calls[0].time_us, calls[-1].time_us)
        assert (second.name, second.stored, second.first_us) == ("stdin:2", 0, None)


class TestBatches:
    def test_a_batch_is_stored_once_however_often_it_is_written(self, writer: Writer, reader: Reader) -> None:
        cursor = writer.open_stream(STREAM)
        batch = one_batch(Call(1), Call(2, call="munmap"), losses=(Loss(FIRST_US, "ring", 5),))
        assert writer.write(cursor.stream_no, batch)
        before = reader.totals(), reader.account(), reader.calls(EVERYTHING), reader.version()
        assert not writer.write(cursor.stream_no, batch)
        assert not writer.write(cursor.stream_no, batch)
        assert (reader.totals(), reader.account(), reader.calls(EVERYTHING), reader.version()) == before

    def test_another_batch_of_the_same_number_is_refused_and_not_taken_for_a_repeat(
        self, writer: Writer, reader: Reader
    ) -> None:
        cursor = writer.open_stream(STREAM)
        writer.write(cursor.stream_no, one_batch(Call(1)))
        with pytest.raises(StoreError, match="two memtaps write one stream"):
            writer.write(cursor.stream_no, one_batch(Call(1), Call(2)))
        assert reader.account().stored == 1

    def test_a_writer_that_finds_its_batches_stored_goes_on_with_the_right_processes(
        self, store: Store, writer: Writer, reader: Reader
    ) -> None:
        calls = some_calls(3000)
        first, second, third = batches(calls)
        number = writer.open_stream(STREAM).stream_no
        assert writer.write(number, first)
        with closing(store.writer()) as other:  # it stores the second, and its answer is lost
            other.open_stream(STREAM)
            assert other.write(number, second)
        assert not writer.write(number, second)
        assert writer.write(number, third)
        assert sums(reader.processes()) == {
            pid: (s.requested, s.released, s.requests, s.releases) for pid, s in by_pid(calls).items()
        }

    def test_a_batch_that_fails_leaves_nothing_and_can_be_written_after_all(
        self, writer: Writer, reader: Reader, query: Query
    ) -> None:
        number = writer.open_stream(STREAM).stream_no
        calls = some_calls(2000)
        first, second = batches(calls)
        impossible = first._replace(losses=(Loss(0, "ring", -1),))  # found out at the end of the transaction
        with pytest.raises(StoreError):
            writer.write(number, impossible)
        for table in ("batches", "events", "processes", "names", "rollup_1s", "losses", "loss_totals"):
            assert query(f"SELECT count(*) FROM {table}") == [(0,)], table
        # Ids of the failed transaction must be forgotten: they belong to nobody.
        assert writer.write(number, first)
        assert writer.write(number, second)
        assert {row.pid: row.name for row in reader.processes()} == {
            pid: sums.name for pid, sums in by_pid(calls).items()
        }
        assert sorted(call.name for call in reader.calls(EVERYTHING, limit=5000)) == sorted(call.name for call in calls)
        assert query("SELECT min(id), max(id) FROM processes") == [(1, 40)]

    def test_a_batch_that_is_named_ahead_and_never_written_leaves_nothing(self, url: str) -> None:
        first, second, third, other = batches(some_calls(4000))
        with closing(open_store(url, connections=2)) as store:
            store.migrate()
            with closing(store.writer()) as writer:
                number = writer.open_stream(STREAM).stream_no
                writer.write(number, first)
                writer.ahead(number, second)
                writer.ahead(number, third)
                with pytest.raises(StoreError):
                    writer.write(99, other)  # the store knows no such stream
            with closing(store.reader()) as reader:
                assert reader.account().stored == len(reader.calls(CallFilter(), limit=5000)) == 1000
                assert [row.batches for row in reader.streams()] == [1]
            with closing(store.writer()) as writer:
                assert writer.open_stream(STREAM).next_batch == 1

    def test_batches_of_a_new_parser_on_the_same_stream_keep_their_processes_apart(
        self, writer: Writer, reader: Reader
    ) -> None:
        calls = [Call(pid, name=b"p%d" % pid) for pid in (5, 6, 7, 7, 6, 8)]
        number = writer.open_stream(STREAM).stream_no
        (first,) = batches(calls[:3])
        assert writer.write(number, first)
        # A tap that was started again has a parser of its own, whose local ids begin at 0 with other processes.
        (second,) = batches(calls, start=Cursor(number, next_batch=1, next_ordinal=3))
        assert writer.write(number, second)
        assert {row.pid: (row.name, row.requests) for row in reader.processes()} == {
            5: (b"p5", 1),
            6: (b"p6", 2),
            7: (b"p7", 2),
            8: (b"p8", 1),
        }

    def test_an_empty_batch_still_moves_the_cursor_and_counts_its_lines(self, writer: Writer, reader: Reader) -> None:
        cursor = writer.open_stream(STREAM)
        assert writer.write(cursor.stream_no, one_batch(offset=9, check=b"x", lines=4, rejected=3, notices=1))
        assert writer.open_stream(STREAM) == Cursor(cursor.stream_no, 1, 0, 9, b"x")
        assert (reader.account().lines, reader.account().rejected, reader.account().notices) == (4, 3, 1)
        assert reader.totals().first_us is None

    def test_an_events_id_is_its_stream_and_its_ordinal(self, writer: Writer, reader: Reader) -> None:
        write_all(writer, [Call(1)])
        number = write_all(writer, some_calls(300), STREAM._replace(name="second"), rows=100)
        ids = {call.id for call in reader.calls(CallFilter(), limit=1000)}
        assert ids == {1 << 40} | {(number << 40) + ordinal for ordinal in range(300)}

    def test_the_same_lines_give_the_same_rows(
        self, url: str, store: Store, open_url: Callable[[str], Store], query: Query
    ) -> None:
        calls = some_calls(3000)
        with closing(store.writer()) as writer:
            write_all(writer, calls[:1000])
            with pytest.raises(StoreError):  # a failed transaction must leave no trace in later ids either
                writer.write(1, next(batches(calls, start=Cursor(1, 1, 1000)))._replace(losses=(Loss(0, "", -1),)))
            write_all(writer, calls)
        twin = open_url(url.replace("store.duckdb", "twin.duckdb").replace("?", "_twin?"))
        with closing(twin.writer()) as writer, closing(twin.reader()) as reader:
            write_all(writer, calls)
            for table in ("names", "hosts", "streams", "batches", "processes", "events", "rollup_1s"):
                columns = {"streams": "stream_no, name, stored", "rollup_1s": "second, process_id, requested"}
                select = f"SELECT {columns.get(table, '*')} FROM {table} ORDER BY 1, 2"
                assert query(select) == reader._rows(select), table  # type: ignore[attr-defined]
