"""What every store promises, asked of each."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from counted import (
    FIRST_US,
    GREATEST,
    HOST,
    STREAM,
    Call,
    Renamed,
    WideCall,
    batches,
    by_pid,
    by_second,
    one_batch,
    some_calls,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memtap.errors import StoreError
from memtap.native import CALLS
from memtap.stores import open_store
from memtap.stores.contract import (
    CallFilter,
    CallRow,
    Cursor,
    Host,
    Loss,
    Reader,
    Store,
    Stream,
    Writer,
    unknown_boot,
)
from memtap.stores.duckdb.text import comm_of, text_of

Query = Callable[..., list[tuple[Any, ...]]]
EVERYTHING = CallFilter()


def write_all(writer: Writer, calls: Sequence[Call], stream: Stream = STREAM, rows: int = 1000) -> int:
    cursor = writer.open_stream(stream)
    for batch in batches(calls, rows=rows, start=cursor):
        assert writer.write(cursor.stream_no, batch)
    return cursor.stream_no


def sums(rows: list[Any]) -> dict[int, tuple[int, ...]]:
    return {row.pid: (row.requested, row.released, row.requests, row.releases) for row in rows}


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
            write_all(writer, [Call(1)], replace(STREAM, name=name))
        found = writer.last_stream("file:a%_")
        assert found is not None
        assert found[0] == "file:a%_2"
        assert found[1].next_ordinal == 1
        assert writer.last_stream("tap:") is None

    def test_names_that_differ_by_case_or_a_space_are_two_streams(self, writer: Writer) -> None:
        names = ["trace", "Trace", "trace ", "tráce", "undecodable \udcff"]
        assert len({writer.open_stream(replace(STREAM, name=name)).stream_no for name in names}) == len(names)
        again = [writer.open_stream(replace(STREAM, name=name)).stream_no for name in names]
        assert len(set(again)) == len(names)

    def test_writing_to_a_stream_that_does_not_exist_is_refused(self, writer: Writer) -> None:
        with pytest.raises(StoreError, match="no stream 7"):
            writer.write(7, one_batch(Call(1)))

    def test_streams_are_listed_with_what_they_hold(self, writer: Writer, reader: Reader) -> None:
        calls = some_calls(1500)
        write_all(writer, calls)
        writer.open_stream(replace(STREAM, name="stdin:2", tap="stdin"))
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
        impossible = replace(first, losses=(Loss(0, "ring", -1),))  # found out at the end of the transaction
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
        number = write_all(writer, some_calls(300), replace(STREAM, name="second"), rows=100)
        ids = {call.id for call in reader.calls(CallFilter(), limit=1000)}
        assert ids == {1 << 40} | {(number << 40) + ordinal for ordinal in range(300)}

    def test_the_same_lines_give_the_same_rows(
        self, url: str, store: Store, open_url: Callable[[str], Store], query: Query
    ) -> None:
        calls = some_calls(3000)
        with closing(store.writer()) as writer:
            write_all(writer, calls[:1000])
            with pytest.raises(StoreError):  # a failed transaction must leave no trace in later ids either
                writer.write(1, replace(next(batches(calls, start=Cursor(1, 1, 1000))), losses=(Loss(0, "", -1),)))
            write_all(writer, calls)
        twin = open_url(url.replace("store.duckdb", "twin.duckdb").replace("?", "_twin?"))
        with closing(twin.writer()) as writer, closing(twin.reader()) as reader:
            write_all(writer, calls)
            for table in ("names", "hosts", "streams", "batches", "processes", "events", "rollup_1s"):
                columns = {"streams": "stream_no, name, stored", "rollup_1s": "second, process_id, requested"}
                select = f"SELECT {columns.get(table, '*')} FROM {table} ORDER BY 1, 2"
                assert query(select) == reader._rows(select), table  # type: ignore[attr-defined]


class TestSums:
    def test_every_sum_equals_an_independent_count(self, writer: Writer, reader: Reader) -> None:
        calls = some_calls(7000)
        write_all(writer, calls, rows=333)
        expected = by_pid(calls)
        rows = reader.processes()
        assert {row.pid: row for row in rows}.keys() == expected.keys()
        for row in rows:
            count = expected[row.pid]
            assert (row.requested, row.released, row.requests, row.releases, row.first_us, row.last_us, row.name) == (
                count.requested,
                count.released,
                count.requests,
                count.releases,
                count.first_us,
                count.last_us,
                count.name,
            )
            assert reader.process(row.id) == row
        totals = reader.totals()
        assert totals.requested == sum(count.requested for count in expected.values())
        assert totals.released == sum(count.released for count in expected.values())
        assert totals.requests + totals.releases == 7000
        assert totals.processes == len(expected)
        assert (totals.first_us, totals.last_us) == (calls[0].time_us, calls[-1].time_us)

    def test_processes_come_with_the_most_balance_first(self, writer: Writer, reader: Reader) -> None:
        write_all(writer, some_calls(2000))
        balances = [row.balance for row in reader.processes()]
        assert balances == sorted(balances, reverse=True)
        assert len(set(balances)) > 10

    def test_the_history_is_counted_by_whole_seconds(self, writer: Writer, reader: Reader) -> None:
        calls = some_calls(4000)
        write_all(writer, calls, rows=250)  # so that seconds are split between batches
        from_us, to_us = FIRST_US + 2_000_000, FIRST_US + 7_000_000
        for pid in (None, 3):
            chosen = [c for c in calls if from_us <= c.time_us < to_us and pid in (None, c.pid)]
            expected = [
                (second, s.requested, s.released, s.requests, s.releases, s.failed)
                for second, s in sorted(by_second(chosen).items())
            ]
            number = None if pid is None else next(row.id for row in reader.processes() if row.pid == pid)
            assert reader.history(number, from_us, to_us) == expected
            assert len(expected) == 5

    def test_a_window_holds_the_sums_of_its_seconds(self, writer: Writer, reader: Reader) -> None:
        calls = some_calls(4000)
        write_all(writer, calls, rows=250)
        from_us, to_us = FIRST_US + 2_000_000, FIRST_US + 7_000_000
        rows = reader.window(from_us, to_us)
        assert sums(rows) == {
            pid: (s.requested, s.released, s.requests, s.releases)
            for pid, s in by_pid(c for c in calls if from_us <= c.time_us < to_us).items()
        }
        assert [row.requested for row in rows] == sorted((row.requested for row in rows), reverse=True)
        assert reader.window(to_us, from_us) == []
        # Part of a second counts as the whole of it.
        assert reader.window(from_us + 1, to_us - 1) == rows

    def test_a_rollup_has_one_row_for_a_process_and_a_second(self, writer: Writer, query: Query) -> None:
        write_all(writer, some_calls(2000), rows=100)
        rows = query("SELECT process_id, second FROM rollup_1s")
        assert len(rows) == len(set(rows))
        assert len(rows) > 40

    def test_times_and_lengths_of_64_bits_and_sums_beyond(self, writer: Writer, reader: Reader, query: Query) -> None:
        calls = [
            Call(1, time_us=GREATEST, length=GREATEST),
            Call(1, time_us=GREATEST, length=GREATEST),
            Call(1, time_us=0, length=GREATEST, call="munmap"),
            Call(2, time_us=0, length=0),
            Call(2, time_us=2**63, length=2**63, call="munmap"),
        ]
        write_all(writer, calls)
        write_all(writer, calls, replace(STREAM, name="again"))
        first, second = reader.processes()
        assert (first.requested, first.released, first.balance) == (4 * GREATEST, 2 * GREATEST, 2 * GREATEST)
        assert (second.requested, second.released, second.balance) == (0, 2**64, -(2**64))
        assert reader.totals().requested == 4 * GREATEST
        assert reader.totals().last_us == GREATEST
        assert [row[0] for row in reader.history(None, 0, 2**64)] == [0, 2**63 // 10**6, GREATEST // 10**6]
        assert reader.window(0, 2**64)[0].requested == 4 * GREATEST
        assert reader.window(-5, 2**80)[0].requested == 4 * GREATEST
        assert [call.time_us for call in reader.calls(CallFilter(pid=1))] == [GREATEST] * 4 + [0] * 2
        assert len(reader.calls(CallFilter(from_us=-1, to_us=2**70, min_length=-3))) == 10
        assert len(reader.calls(EVERYTHING, before=(2**70, 1))) == 10
        assert len(reader.calls(EVERYTHING, after=(-1, -1))) == 10
        assert reader.calls(CallFilter(from_us=2**64)) == reader.calls(CallFilter(min_length=2**64)) == []
        assert reader.calls(EVERYTHING, before=(-1, 5)) == reader.calls(EVERYTHING, after=(2**64, 0)) == []
        assert len(query("SELECT * FROM MemoryCalls ORDER BY timestamp")) == 10
        assert query("SELECT SUM(segment_size) FROM MemoryCalls WHERE pid = 1")[0][0] == pytest.approx(6 * 2**44)


class TestNames:
    BYTES = tuple(bytes([value]) for value in range(256))
    HOSTILE = (
        b"",
        b"'; DROP TABLE events; --",
        b'"quoted"',
        b"back\\slash",
        b"\\",
        b"\\'",
        b"\\xff",
        b"\\\\xff",
        b"\xff\\",
        b"100%s%d%%",
        b"?",
        b"tab\there",
        b"new\nline",
        b"\r\n",
        b"nul\0byte",
        b"ends with a space ",
        b"ends with a space",
        b"CASE",
        b"case",
        "ñandú".encode(),
        "ñandú".encode("latin-1"),
        "\u202egnp.exe".encode(),
        b"\xc3",
        b"\xf0\x9f\x92",
        "💾".encode(),
        b"\xe9\x5c\x27",
        b"\\N",
        b"NULL",
        b"<script>",
        b"\x1b[31m",
    )

    def test_every_name_comes_back_byte_for_byte(self, writer: Writer, reader: Reader) -> None:
        names = list(dict.fromkeys(self.BYTES + self.HOSTILE))
        (batch,) = batches([Call(pid + 1, name=b"n%d" % pid) for pid in range(len(names))])
        number = writer.open_stream(STREAM).stream_no
        assert writer.write(number, replace(batch, events=Renamed(batch.events, names)))
        assert {row.pid: row.name for row in reader.processes()} == dict(enumerate(names, 1))
        for pid, name in enumerate(names, 1):
            assert [call.pid for call in reader.calls(CallFilter(name=name))] == [pid]
        assert {call.pid: call.name for call in reader.calls(EVERYTHING, limit=1000)} == dict(enumerate(names, 1))

    def test_the_view_shows_every_name_as_itself_or_so_that_it_can_be_told(
        self, url: str, writer: Writer, query: Query
    ) -> None:
        names = list(dict.fromkeys(self.BYTES + self.HOSTILE))
        (batch,) = batches([Call(pid + 1, name=b"n%d" % pid) for pid in range(len(names))])
        writer.write(writer.open_stream(STREAM).stream_no, replace(batch, events=Renamed(batch.events, names)))
        rows = dict(query("SELECT pid, process_name FROM MemoryCalls GROUP BY pid, process_name"))
        as_bytes = comm_of if url.startswith("duckdb") else bytes
        assert {pid: as_bytes(shown) for pid, shown in rows.items()} == dict(enumerate(names, 1))

    @given(st.binary(max_size=15), st.binary(max_size=15))
    def test_no_two_names_have_the_same_text(self, one: bytes, other: bytes) -> None:
        assert comm_of(text_of(one)) == one
        assert (text_of(one) == text_of(other)) == (one == other)

    @given(st.text(alphabet="\\xf\n\u00e9n0", max_size=12))
    def test_no_name_that_spells_an_escape_is_taken_for_it(self, text: str) -> None:
        assert comm_of(text_of(text.encode())) == text.encode()


class TestLife:
    def test_an_ended_process_is_no_longer_listed_among_the_living(self, writer: Writer, reader: Reader) -> None:
        number = write_all(writer, [Call(1), Call(2), Call(3)])
        before = reader.version()
        writer.end_processes(number, [1, 3, 999], FIRST_US + 5)
        assert reader.version() != before
        assert {row.pid for row in reader.processes()} == {2}
        assert {(row.pid, row.ended_us) for row in reader.processes(ended=True)} == {
            (1, FIRST_US + 5),
            (3, FIRST_US + 5),
        }
        assert {row.pid for row in reader.processes(ended=None)} == {1, 2, 3}

    def test_a_pid_that_calls_after_its_end_is_alive_again(self, writer: Writer, reader: Reader) -> None:
        calls = [Call(1), Call(1, time_us=FIRST_US + 3), Call(1, time_us=FIRST_US + 9)]
        first, second, third = batches(calls, rows=1)
        number = writer.open_stream(STREAM).stream_no
        writer.write(number, first)
        writer.end_processes(number, [1], FIRST_US + 5)
        writer.write(number, second)  # made before the end, stored after it
        assert [row.ended_us for row in reader.processes(ended=None)] == [FIRST_US + 5]
        writer.write(number, third)
        assert [row.ended_us for row in reader.processes(ended=None)] == [None]

    def test_ending_nobody_changes_nothing(self, writer: Writer, reader: Reader) -> None:
        number = write_all(writer, [Call(1)])
        before = reader.version()
        writer.end_processes(number, [], FIRST_US)
        writer.end_processes(number, [77], FIRST_US)
        assert reader.version() == before

    def test_only_the_newest_boot_of_a_host_is_listed(self, writer: Writer, reader: Reader) -> None:
        def stream(boot: str) -> Stream:
            return Stream(f"tap:{boot}", "bpftrace", replace(HOST, boot_id=boot))

        write_all(writer, [Call(2, time_us=FIRST_US + 60_000_000)], stream("second"))
        write_all(writer, [Call(1)], stream("first"))  # an older recording, stored later
        for pid, name in ((3, "one.log"), (5, "other.log")):  # files whose boot nobody knows
            write_all(writer, [Call(pid, time_us=5)], stream(unknown_boot(name)))
        write_all(writer, [Call(4)], Stream("other", "bpftrace", Host("there", "first", 1 << 30, 4096)))
        assert {row.pid for row in reader.processes()} == {2, 3, 4, 5}
        assert reader.totals().processes == 5

    def test_the_same_pid_on_two_hosts_is_two_processes(self, writer: Writer, reader: Reader) -> None:
        write_all(writer, [Call(1)])
        write_all(writer, [Call(1), Call(1)], Stream("other", "file", Host("there", "", 1, 4096)))
        assert {(row.host, row.pid, row.requests) for row in reader.processes()} == {("here", 1, 1), ("there", 1, 2)}

    def test_a_host_is_known_with_its_memory(self, writer: Writer, reader: Reader) -> None:
        writer.open_stream(replace(STREAM, host=replace(HOST, memory_bytes=0, page_size=0)))
        assert [host.memory_bytes for host in reader.hosts()] == [0]
        writer.open_stream(STREAM)
        assert reader.hosts() == [HOST]
        writer.open_stream(
            replace(STREAM, host=replace(HOST, memory_bytes=0, page_size=0))
        )  # knows less: changes nothing
        assert reader.hosts() == [HOST]


class TestAccount:
    def test_what_was_emitted_is_stored_rejected_or_lost(self, writer: Writer, reader: Reader) -> None:
        number = writer.open_stream(STREAM).stream_no
        first, second = batches(some_calls(2000))
        losses = (Loss(FIRST_US, "ring", 30, "full"), Loss(FIRST_US + 1, "tap", 12), Loss(FIRST_US + 2, "ring", 3))
        writer.write(number, replace(first, rejected=4, notices=2, lines=1006, losses=losses))
        writer.write(number, replace(second, losses=(Loss(FIRST_US + 3, "tap", 0, "restarted \udcff"),)))
        account = reader.account()
        assert (account.lines, account.stored, account.rejected, account.notices) == (2006, 2000, 4, 2)
        assert account.lost == {"ring": 33, "tap": 12}
        assert account.emitted == 2000 + 4 + 45

    def test_a_loss_lies_in_a_span_of_time(self, writer: Writer, reader: Reader) -> None:
        span = Loss(FIRST_US + 5, "spool", 7, "the disk was full", since_us=FIRST_US)
        assert writer.write(writer.open_stream(STREAM).stream_no, one_batch(Call(1), losses=(span,)))
        assert reader.losses() == [span]

    def test_losses_are_listed_newest_first(self, writer: Writer, reader: Reader) -> None:
        number = writer.open_stream(STREAM).stream_no
        losses = [Loss(FIRST_US + at, "pipe", at, f"detail {at}") for at in range(10)]
        writer.write(number, one_batch(losses=tuple(losses)))
        assert reader.losses() == losses[::-1]
        assert reader.losses(limit=3) == losses[:-4:-1]

    def test_a_detail_of_any_length_is_kept_in_part_at_least(self, writer: Writer, reader: Reader) -> None:
        detail = "é" * 5000
        writer.write(writer.open_stream(STREAM).stream_no, one_batch(losses=(Loss(1, "tap", 1, detail),)))
        kept = reader.losses()[0].detail
        assert len(kept) >= 1000
        assert detail.startswith(kept)

    def test_the_version_changes_with_every_change_and_with_nothing_else(
        self, store: Store, writer: Writer, reader: Reader
    ) -> None:
        seen = [reader.version()]
        number = writer.open_stream(STREAM).stream_no
        seen.append(reader.version())
        for batch in batches(some_calls(2000)):
            writer.write(number, batch)
            seen.append(reader.version())
        assert len(set(seen)) == 4
        assert reader.version() == seen[-1]
        assert store.reader().version() == seen[-1]


# Few times, so that many calls share one, and both ends of what a line can say.
_times = st.sampled_from([0, 1, FIRST_US, FIRST_US + 1, FIRST_US + 1_000_000, FIRST_US + 5_000_000, 2**63, GREATEST])
_calls = st.lists(
    st.builds(
        Call,
        pid=st.integers(1, 4),
        name=st.sampled_from([b"a", b"b", b"\xff"]),
        time_us=_times,
        length=st.sampled_from([0, 4096, GREATEST]),
        call=st.sampled_from(["mmap2", "munmap"]),
    ),
    max_size=40,
)
_wide_calls = st.lists(
    st.builds(
        WideCall,
        pid=st.integers(1, 4),
        name=st.sampled_from([b"a", b"b", b"\xff"]),
        time_us=_times,
        length=st.sampled_from([0, 4096, GREATEST]),
        call=st.sampled_from(CALLS[1:7]),
        errno=st.sampled_from([0, 0, 12]),
        quoted=st.booleans(),
    ),
    max_size=40,
)
_filters = st.builds(
    CallFilter,
    pid=st.none() | st.integers(1, 5),
    name=st.none() | st.sampled_from([b"a", b"\xff", b"nobody"]),
    call=st.none() | st.sampled_from(["mmap2", "munmap", "mremap"]),
    failed=st.none() | st.booleans(),
    from_us=st.none() | _times,
    to_us=st.none() | _times,
    min_length=st.none() | st.sampled_from([0, 1, 4097]),
)


def passes(row: CallRow, where: CallFilter) -> bool:
    return (
        where.pid in (None, row.pid)
        and where.name in (None, row.name)
        and where.call in (None, row.call)
        and where.failed in (None, bool(row.errno))
        and (where.from_us is None or row.time_us >= where.from_us)
        and (where.to_us is None or row.time_us < where.to_us)
        and (where.min_length is None or row.length >= where.min_length)
    )


class TestPaging:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(calls=_calls | _wide_calls, where=_filters, size=st.integers(1, 50))
    def test_pages_hold_every_call_once_in_order(
        self, writer: Writer, reader: Reader, calls: Sequence[Call], where: CallFilter, size: int
    ) -> None:
        # The store keeps what earlier examples wrote: the whole of it is paged each time.
        stream = replace(STREAM, name=f"stream {len(reader.streams())}")
        number = write_all(writer, calls, stream, rows=15)
        everything = reader.calls(EVERYTHING, limit=100_000)
        assert [row for row in everything if row.id >> 40 == number] == sorted(
            (
                CallRow((number << 40) + at, c.time_us, process(reader, c), c.pid, c.name, c.call, c.length, *said(c))
                for at, c in enumerate(calls)
            ),
            key=lambda row: (-row.time_us, -row.id),
        )
        expected = [row for row in everything if passes(row, where)]
        assert older(reader, where, size) == expected
        assert newer(reader, where, expected) == expected

    def test_a_process_with_few_calls_is_found_among_many(self, writer: Writer, reader: Reader) -> None:
        busy = [Call(1, time_us=FIRST_US + at * 10_000) for at in range(3000)]
        rare = [Call(2, time_us=FIRST_US + second * 7_000_000 + 5) for second in range(5)]
        write_all(writer, sorted(busy + rare, key=lambda call: call.time_us))
        number = process(reader, Call(2))
        found = reader.calls(CallFilter(process_id=number), limit=3)
        found += reader.calls(CallFilter(process_id=number), before=(found[-1].time_us, found[-1].id), limit=3)
        assert [call.time_us for call in found] == [call.time_us for call in rare[::-1]]
        assert reader.calls(CallFilter(process_id=999)) == []
        assert reader.calls(CallFilter(process_id=number, pid=1)) == []

    def test_a_page_of_nothing_is_empty(self, writer: Writer, reader: Reader) -> None:
        write_all(writer, [Call(1)])
        assert reader.calls(EVERYTHING, limit=0) == []


def process(reader: Reader, call: Call) -> int:
    start_us = call.start_us if isinstance(call, WideCall) else 0
    return next(row.id for row in reader.processes() if (row.pid, row.start_us) == (call.pid, start_us))


def said(call: Call) -> tuple[int | str | None, ...]:
    if isinstance(call, WideCall):
        return call.freed, call.errno, call.kind, call.vm
    return None, None, None, None


def older(reader: Reader, where: CallFilter, size: int) -> list[CallRow]:
    out: list[CallRow] = []
    while page := reader.calls(where, before=(out[-1].time_us, out[-1].id) if out else None, limit=size):
        assert len(page) <= size
        out += page
    return out


def newer(reader: Reader, where: CallFilter, rows: list[CallRow]) -> list[CallRow]:
    """What comes after the oldest of them, and that one."""
    if not rows:
        return []
    oldest = rows[-1]
    return [*reader.calls(where, after=(oldest.time_us, oldest.id), limit=len(rows)), oldest]


class TestOriginalDatabase:
    """Queries as they were written for the table MemoryCalls."""

    @pytest.fixture(autouse=True)
    def filled(self, writer: Writer) -> None:
        write_all(
            writer,
            [
                Call(10, b"python3", FIRST_US, 3 << 20),
                Call(10, b"python3", FIRST_US + 1, 1 << 19),
                Call(10, b"python3", FIRST_US + 2, 1 << 20, "munmap"),
                Call(11, b"python3", FIRST_US + 3, 1 << 20),
                Call(12, "ñandú".encode(), FIRST_US + 4, 1 << 20),
            ],
        )

    def test_it_has_the_original_columns(self, query: Query) -> None:
        row = query("SELECT * FROM MemoryCalls ORDER BY id LIMIT 1")[0]
        assert (row[0], row[1], row[3], row[4]) == (1 << 40, 10, "mmap2", 3.0)
        (named,) = query(
            "SELECT id, pid, process_name, call_type, segment_size, timestamp FROM MemoryCalls ORDER BY id LIMIT 1"
        )
        assert named == row

    def test_memory_by_process(self, query: Query) -> None:
        rows = query(
            "SELECT pid, process_name,"
            " SUM(CASE WHEN call_type = 'mmap2' THEN segment_size ELSE -segment_size END) AS memory"
            " FROM MemoryCalls WHERE process_name='python3' GROUP BY pid, process_name ORDER BY memory DESC"
        )
        assert [(pid, text(name), memory) for pid, name, memory in rows] == [(10, "python3", 2.5), (11, "python3", 1.0)]

    def test_a_name_is_compared_and_searched_as_text(self, query: Query) -> None:
        assert query("SELECT pid FROM MemoryCalls WHERE process_name = 'ñandú'") == [(12,)]
        assert query("SELECT DISTINCT pid FROM MemoryCalls WHERE process_name LIKE 'pyth%' ORDER BY pid") == [
            (10,),
            (11,),
        ]
        assert query("SELECT COUNT(*) FROM MemoryCalls WHERE process_name = 'Python3'") == [(0,)]

    def test_it_knows_every_memory_call_that_the_parser_does(self, writer: Writer, query: Query) -> None:
        write_all(writer, [WideCall(1, call=call) for call in CALLS[1:]], replace(STREAM, name="wide"))
        assert {text(call) for (call,) in query("SELECT DISTINCT call_type FROM MemoryCalls")} == set(CALLS) - {
            "mmap",  # is mmap2
            "fork",
            "exec",
            "exit",
            "proc",
        }

    def test_the_time_is_local_date_time_text(self, query: Query) -> None:
        local = dt.datetime.fromtimestamp(FIRST_US // 10**6).astimezone()
        first, last = query("SELECT MIN(timestamp), MAX(timestamp) FROM MemoryCalls")[0]
        assert text(first) == local.strftime("%Y-%m-%d %H:%M:%S.000000")
        assert text(last) == local.strftime("%Y-%m-%d %H:%M:%S.000004")
        day = local.strftime("%Y-%m-%d")
        assert query(f"SELECT COUNT(*) FROM MemoryCalls WHERE timestamp LIKE '{day}%'") == [(5,)]


def text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


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
