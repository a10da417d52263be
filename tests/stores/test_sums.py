"""Sums, names, lives and the account of every store."""

from __future__ import annotations

import pytest
from counted import (
    FIRST_US,
    GREATEST,
    HOST,
    STREAM,
    Call,
    Renamed,
    batches,
    by_pid,
    by_second,
    one_batch,
    some_calls,
)
from hypothesis import given
from hypothesis import strategies as st
from written import EVERYTHING, Query, sums, write_all

from memtap.stores.contract import (
    CallFilter,
    Host,
    Loss,
    Reader,
    Store,
    Stream,
    Writer,
    unknown_boot,
)
from memtap.stores.duckdb.text import comm_of, text_of


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
        write_all(writer, calls, STREAM._replace(name="again"))
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
        assert writer.write(number, batch._replace(events=Renamed(batch.events, names)))
        assert {row.pid: row.name for row in reader.processes()} == dict(enumerate(names, 1))
        for pid, name in enumerate(names, 1):
            assert [call.pid for call in reader.calls(CallFilter(name=name))] == [pid]
        assert {call.pid: call.name for call in reader.calls(EVERYTHING, limit=1000)} == dict(enumerate(names, 1))

    def test_the_view_shows_every_name_as_itself_or_so_that_it_can_be_told(
        self, url: str, writer: Writer, query: Query
    ) -> None:
        names = list(dict.fromkeys(self.BYTES + self.HOSTILE))
        (batch,) = batches([Call(pid + 1, name=b"n%d" % pid) for pid in range(len(names))])
        writer.write(writer.open_stream(STREAM).stream_no, batch._replace(events=Renamed(batch.events, names)))
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
            return Stream(f"tap:{boot}", "bpftrace", HOST._replace(boot_id=boot))

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
        writer.open_stream(STREAM._replace(host=HOST._replace(memory_bytes=0, page_size=0)))
        assert [host.memory_bytes for host in reader.hosts()] == [0]
        writer.open_stream(STREAM)
        assert reader.hosts() == [HOST]
        writer.open_stream(
            STREAM._replace(host=HOST._replace(memory_bytes=0, page_size=0))
        )  # knows less: changes nothing
        assert reader.hosts() == [HOST]


class TestAccount:
    def test_what_was_emitted_is_stored_rejected_or_lost(self, writer: Writer, reader: Reader) -> None:
        number = writer.open_stream(STREAM).stream_no
        first, second = batches(some_calls(2000))
        losses = (Loss(FIRST_US, "ring", 30, "full"), Loss(FIRST_US + 1, "tap", 12), Loss(FIRST_US + 2, "ring", 3))
        writer.write(number, first._replace(rejected=4, notices=2, lines=1006, losses=losses))
        writer.write(number, second._replace(losses=(Loss(FIRST_US + 3, "tap", 0, "restarted \udcff"),)))
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
