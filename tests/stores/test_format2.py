"""What every store makes of format 2, asked of each."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from counted import (
    FIRST_US,
    GREATEST,
    HEADER,
    STREAM,
    Call,
    Sums,
    WideCall,
    batches,
    by_process,
    by_second,
    one_batch,
    some_calls,
    some_wide_calls,
)

from memtap.errors import StoreError
from memtap.native import CALLS, Parser
from memtap.stores.contract import CallFilter, CallRow, Loss, ProcessRow, Reader, SealedBatch, Store, Writer

Query = Callable[..., list[tuple[Any, ...]]]
EVERYTHING = CallFilter()
LIFE = ("fork", "exec", "exit", "proc")


def write_all(writer: Writer, calls: Sequence[Call], rows: int = 1000, name: str = STREAM.name) -> int:
    cursor = writer.open_stream(STREAM._replace(name=name))
    for batch in batches(calls, rows=rows, start=cursor):
        assert writer.write(cursor.stream_no, batch)
    return cursor.stream_no


def in_batches(*groups: Sequence[WideCall]) -> Iterator[SealedBatch]:
    """One batch after the other of one stream, of these calls each."""
    at = 0
    for number, calls in enumerate(groups):
        yield one_batch(*calls)._replace(number=number, first_ordinal=at)
        at += len(calls)


def write_each(writer: Writer, *groups: Sequence[WideCall], name: str = STREAM.name) -> None:
    number = writer.open_stream(STREAM._replace(name=name)).stream_no
    for batch in in_batches(*groups):
        assert writer.write(number, batch)


def counts(row: ProcessRow | Sums) -> tuple[int, ...]:
    return row.requested, row.released, row.requests, row.releases, row.failed


def by_identity(rows: Sequence[ProcessRow]) -> dict[tuple[int, int], ProcessRow]:
    out = {(row.pid, row.start_us): row for row in rows}
    assert len(out) == len(rows)
    return out


class TestCalls:
    def test_everything_that_a_line_says_comes_back(self, writer: Writer, reader: Reader) -> None:
        names = [b"", b"quoted", b'"\\', b"hex\xff", b"15 bytes long..", b"a\nmmap: pid=1,"]
        calls = [
            WideCall(
                5, name, FIRST_US + at, length=at << 40, call=call, freed=3 * at, errno=at % 3, vm=GREATEST - at,
                kind=["none", "anonymous", "file", "reserved"][at % 4], quoted=at % 2 == 0,
            )
            for at, (name, call) in enumerate(zip(names, CALLS[1:7], strict=True))
        ]  # fmt: skip
        write_all(writer, calls)
        number = reader.processes()[0].id
        assert reader.calls(EVERYTHING)[::-1] == [
            CallRow((1 << 40) + at, c.time_us, number, 5, c.name, c.call, c.length, c.freed, c.errno, c.kind, c.vm)
            for at, c in enumerate(calls)
        ]

    def test_format_1_says_nothing_of_it(self, writer: Writer, reader: Reader) -> None:
        write_all(writer, [Call(1)])
        (row,) = reader.calls(EVERYTHING)
        assert (row.freed, row.errno, row.kind, row.vm) == (None, None, None, None)
        (process,) = reader.processes()
        assert (process.failed, process.vm, process.resident) == (0, None, None)
        assert (process.uid, process.cgroup, process.parent) == (None, None, None)
        assert reader.held(process.id, 0, GREATEST) == [(FIRST_US // 10**6, None, None)]

    def test_failed_calls_are_told_from_the_others(self, writer: Writer, reader: Reader) -> None:
        wide = [
            WideCall(1, time_us=FIRST_US),
            WideCall(1, time_us=FIRST_US + 1, errno=errno.ENOMEM),
            WideCall(2, time_us=FIRST_US + 3_000_000, errno=errno.EINVAL, call="brk"),
            WideCall(2, time_us=FIRST_US + 5_000_000, call="exit"),
        ]
        narrow = [Call(3, time_us=FIRST_US + 2)]
        write_all(writer, wide)
        write_all(writer, narrow, name="narrow")

        def found(**where: Any) -> list[tuple[str, int | None]]:
            return [(row.call, row.errno) for row in reader.calls(CallFilter(**where))]

        assert found(failed=True) == [("brk", errno.EINVAL), ("mmap", errno.ENOMEM)]
        assert found(failed=False) == [("exit", 0), ("mmap2", None), ("mmap", 0)]
        assert len(found()) == 5
        assert found(failed=True, pid=1) == [("mmap", errno.ENOMEM)]
        assert found(failed=True, call="brk", from_us=FIRST_US + 1) == [("brk", errno.EINVAL)]
        assert found(failed=True, to_us=FIRST_US + 2) == [("mmap", errno.ENOMEM)]
        assert found(failed=True, pid=3) == []

    def test_the_life_of_a_process_is_among_its_calls(self, writer: Writer, reader: Reader) -> None:
        write_all(writer, [WideCall(1, time_us=FIRST_US + at, call=call) for at, call in enumerate(CALLS[1:])])
        assert [row.call for row in reader.calls(EVERYTHING)][::-1] == list(CALLS[1:])
        for call in CALLS[1:]:
            assert [row.call for row in reader.calls(CallFilter(call=call))] == [call]
        (exited,) = reader.calls(CallFilter(call="exit"))
        assert (exited.length, exited.freed, exited.errno, exited.kind) == (0, 0, 0, "none")

    def test_both_formats_side_by_side(self, writer: Writer, reader: Reader) -> None:
        write_all(writer, some_calls(500), rows=100)
        write_all(writer, some_wide_calls(500), rows=100, name="wide")
        assert [row.errno is None for row in reader.calls(CallFilter(), limit=2000)].count(True) == 500
        assert reader.account().stored == 1000
        assert reader.account().notices == 1, "the header"


class TestSums:
    @pytest.mark.parametrize("rows", [17, 250, 5000])
    def test_every_sum_equals_an_independent_count(self, writer: Writer, reader: Reader, rows: int) -> None:
        calls = some_wide_calls(4000)
        write_all(writer, calls, rows=rows)
        expected = by_process(calls)
        listed = by_identity(reader.processes(ended=None))
        assert listed.keys() == expected.keys()
        for identity, row in listed.items():
            sums, first = expected[identity], next(c for c in calls if (c.pid, c.start_us) == identity)
            assert counts(row) == counts(sums)
            assert (row.first_us, row.last_us, row.name) == (sums.first_us, sums.last_us, sums.name)
            assert (row.vm, row.resident, row.ended_us) == (sums.vm, sums.resident, sums.ended_us)
            assert (row.uid, row.cgroup, row.parent) == (first.uid, first.cgroup, sums.parent)
            assert reader.process(row.id) == row
        assert any(row.ended_us for row in listed.values())
        assert any(row.failed for row in listed.values())
        totals = reader.totals()
        assert (totals.requested, totals.released, totals.requests, totals.releases, totals.failed) == tuple(
            map(sum, zip(*map(counts, expected.values()), strict=True))
        )
        assert totals.processes == len(expected)
        assert {(row.pid, row.start_us) for row in reader.processes(ended=True)} == {
            identity for identity, sums in expected.items() if sums.ended_us
        }

    def test_every_second_equals_an_independent_count(self, writer: Writer, reader: Reader) -> None:
        calls = some_wide_calls(4000, pids=9)
        write_all(writer, calls, rows=130)
        from_us, to_us = FIRST_US + 2_000_000, FIRST_US + 7_000_000
        chosen = [call for call in calls if from_us <= call.time_us < to_us]
        assert {key: counts(row) for key, row in by_identity(reader.window(from_us, to_us)).items()} == {
            key: counts(sums) for key, sums in by_process(chosen).items()
        }
        assert reader.history(None, from_us, to_us) == [
            (second, *counts(sums)) for second, sums in sorted(by_second(chosen).items())
        ]
        for identity, row in by_identity(reader.processes(ended=None)).items():
            seconds = by_second(call for call in chosen if (call.pid, call.start_us) == identity)
            assert reader.held(row.id, from_us, to_us) == [
                (second, sums.vm, sums.resident) for second, sums in sorted(seconds.items())
            ]
            assert reader.history(row.id, from_us, to_us) == [
                (second, *counts(sums)) for second, sums in sorted(seconds.items())
            ]

    @pytest.mark.parametrize(
        ("call", "length", "freed", "expected"),
        [
            ("mmap", 8192, 0, (8192, 0, 1, 0, 0)),
            ("munmap", 8192, 4096, (0, 4096, 0, 1, 0)),  # the range had a hole
            ("mremap", 8192, 4096, (4096, 0, 1, 0, 0)),
            ("mremap", 4096, 8192, (0, 4096, 0, 1, 0)),
            ("brk", 4096, 0, (4096, 0, 1, 0, 0)),
            ("brk", 0, 4096, (0, 4096, 0, 1, 0)),
            ("shmat", 4096, 0, (4096, 0, 1, 0, 0)),
            ("shmdt", 0, 4096, (0, 4096, 0, 1, 0)),
            ("fork", 0, 0, (0, 0, 0, 0, 0)),
            ("exec", 0, 0, (0, 0, 0, 0, 0)),
            ("exit", 0, 0, (0, 0, 0, 0, 0)),
            ("proc", 0, 0, (0, 0, 0, 0, 0)),
        ],
    )
    def test_a_call_counts_with_what_was_granted(
        self, writer: Writer, reader: Reader, call: str, length: int, freed: int, expected: tuple[int, ...]
    ) -> None:
        one = WideCall(1, call=call, length=length, freed=freed)
        failed = replace(one, pid=2, errno=errno.ENOMEM)
        write_all(writer, [one] if call in LIFE else [one, failed])
        rows = {row.pid: counts(row) for row in reader.processes(ended=None)}
        assert rows.pop(1) == expected
        assert rows in ({}, {2: (0, 0, 0, 0, 1)})
        assert {row.pid: counts(row) for row in reader.window(FIRST_US, FIRST_US + 1)} == {1: expected, **rows}

    def test_numbers_of_64_bits_and_sums_beyond(self, writer: Writer, reader: Reader, query: Query) -> None:
        great = WideCall(1, time_us=GREATEST, length=GREATEST, vm=GREATEST, resident=GREATEST, cgroup=GREATEST)
        calls = [great, replace(great, call="munmap", freed=GREATEST), great, replace(great, call="brk")]
        write_all(writer, calls, rows=3)
        (row,) = reader.processes()
        assert counts(row) == (3 * GREATEST, GREATEST, 3, 1, 0)
        assert (row.vm, row.resident, row.cgroup) == (GREATEST, GREATEST, GREATEST)
        assert reader.held(row.id, 0, 2**64) == [(GREATEST // 10**6, GREATEST, GREATEST)]
        assert {(call.length, call.vm) for call in reader.calls(EVERYTHING)} == {(GREATEST, GREATEST)}
        assert query("SELECT SUM(segment_size) FROM MemoryCalls") == [(pytest.approx(4 * 2**44),)]


class TestHeld:
    """`vm` and `resident` are those of the latest call, whatever comes when."""

    EARLY = WideCall(1, time_us=FIRST_US + 10, vm=1000, resident=100)
    LATE = WideCall(1, time_us=FIRST_US + 20, vm=2000, resident=200)

    def held(self, reader: Reader) -> tuple[int | None, int | None]:
        (row,) = reader.processes(ended=None)
        in_seconds = reader.held(row.id, FIRST_US, FIRST_US + 1_000_000)
        assert in_seconds == [(FIRST_US // 10**6, row.vm, row.resident)]
        return row.vm, row.resident

    def test_the_latest_wins_though_it_comes_first(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [self.LATE], [self.EARLY])
        assert self.held(reader) == (2000, 200)

    def test_the_latest_wins_where_it_comes_last(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [self.EARLY], [self.LATE])
        assert self.held(reader) == (2000, 200)

    def test_of_one_microsecond_the_one_that_comes_last_wins(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [self.LATE], [replace(self.LATE, vm=5)], [replace(self.LATE, vm=3), self.EARLY])
        assert self.held(reader) == (3, 200)

    def test_it_may_shrink(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [self.EARLY], [replace(self.LATE, vm=1, resident=1)])
        assert self.held(reader) == (1, 1)

    def test_what_is_not_known_replaces_nothing(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [self.EARLY], [replace(self.LATE, vm=0, resident=0)], [replace(self.LATE, vm=7, resident=0)])
        assert self.held(reader) == (7, 100)

    def test_an_unknown_newest_leaves_the_newest_known_whenever_it_comes(self, writer: Writer, reader: Reader) -> None:
        middle = replace(self.EARLY, time_us=FIRST_US + 15, vm=1500, resident=150)
        write_each(writer, [self.EARLY], [replace(self.LATE, vm=0, resident=0)], [middle])
        assert self.held(reader) == (1500, 150)

    def test_a_tap_that_cannot_tell_tells_nothing(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [replace(self.EARLY, vm=0, resident=0)], [replace(self.LATE, resident=0, cgroup=0)])
        assert self.held(reader) == (2000, None)
        write_each(writer, [replace(self.LATE, pid=2, cgroup=0, uid=0)], name="other")
        other = next(row for row in reader.processes() if row.pid == 2)
        assert (other.cgroup, other.uid, other.parent) == (None, 0, None)

    def test_a_second_keeps_its_own(self, writer: Writer, reader: Reader) -> None:
        next_second = replace(self.EARLY, time_us=FIRST_US + 1_000_000, vm=3000, resident=0)
        write_each(writer, [next_second, self.LATE, next_second, self.EARLY])
        (row,) = reader.processes()
        second = FIRST_US // 10**6
        assert reader.held(row.id, FIRST_US, FIRST_US + 2_000_000) == [(second, 2000, 200), (second + 1, 3000, None)]
        assert reader.held(row.id, FIRST_US + 1_000_000, FIRST_US + 2_000_000) == [(second + 1, 3000, None)]
        assert (row.vm, row.resident) == (3000, 200)
        assert reader.held(row.id + 1, 0, GREATEST) == []

    def test_at_a_moment_it_is_that_of_the_call_before(self, writer: Writer, reader: Reader) -> None:
        calls = some_wide_calls(2000, pids=9)
        write_all(writer, calls, rows=130)
        ids = {row.id: (row.pid, row.start_us) for row in reader.processes(ended=None)}
        for at_s in range(-1, 14, 2):
            at_us = FIRST_US // 10**6 * 10**6 + at_s * 10**6
            before = by_process(call for call in calls if call.time_us < at_us)
            assert {ids[number]: vm for number, vm in reader.held_at(at_us + 999_999).items()} == {
                key: sums.vm for key, sums in before.items() if not sums.ended
            }
        assert reader.held_at(-1) == {}
        assert reader.held_at(2**70) == reader.held_at(GREATEST)


class TestLife:
    BORN = WideCall(8, b"born", FIRST_US, start_us=50_000, call="fork", parent=1, uid=0)
    EXIT = WideCall(8, b"born", FIRST_US + 100, start_us=50_000, call="exit", uid=0)

    def test_an_exit_ends_a_process_at_its_own_time(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [self.BORN], [self.EXIT, WideCall(9, time_us=FIRST_US + 200)])
        assert [(row.pid, row.ended_us) for row in reader.processes(ended=True)] == [(8, FIRST_US + 100)]
        assert [row.pid for row in reader.processes()] == [9]

    def test_a_process_may_be_born_and_end_in_one_batch(self, writer: Writer, reader: Reader) -> None:
        write_each(writer, [self.BORN, self.EXIT])
        (row,) = reader.processes(ended=None)
        assert (row.first_us, row.last_us, row.ended_us) == (FIRST_US, FIRST_US + 100, FIRST_US + 100)

    def test_an_end_may_come_without_a_call(self, writer: Writer, reader: Reader) -> None:
        parser = Parser(rows=8)
        parser.feed(HEADER + self.BORN.line)
        number = writer.open_stream(STREAM).stream_no
        writer.write(number, one_batch(self.BORN)._replace(events=parser.seal()))
        parser.end([8])
        events = parser.seal()
        assert (len(events), len(events.ended)) == (0, 1)
        writer.write(number, one_batch()._replace(number=1, first_ordinal=1, events=events))
        assert [row.ended_us for row in reader.processes(ended=None)] == [FIRST_US]

    def test_a_batch_that_is_written_again_changes_nothing(self, writer: Writer, reader: Reader, query: Query) -> None:
        calls = some_wide_calls(1000)
        number = writer.open_stream(STREAM).stream_no
        first, second = batches(calls, rows=500)
        assert writer.write(number, first)
        assert writer.write(number, second)
        tables = ("processes", "rollup_1s", "events", "streams", "batches")
        before = [query(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
        assert not writer.write(number, first)
        assert not writer.write(number, second)
        assert [query(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables] == before
        assert reader.processes(ended=True)

    def test_a_batch_that_fails_ends_nobody(self, writer: Writer, reader: Reader) -> None:
        first, second = in_batches([self.BORN], [self.EXIT])
        number = writer.open_stream(STREAM).stream_no
        writer.write(number, first)
        with pytest.raises(StoreError):
            writer.write(number, second._replace(losses=(Loss(0, "ring", -1),)))
        assert [row.ended_us for row in reader.processes(ended=None)] == [None]
        assert writer.write(number, second)
        assert [row.ended_us for row in reader.processes(ended=None)] == [FIRST_US + 100]

    @pytest.mark.parametrize("after_us", [50, 150])
    def test_a_line_that_comes_after_the_exit_revives_nobody(
        self, writer: Writer, reader: Reader, after_us: int
    ) -> None:
        late = replace(self.BORN, call="munmap", freed=4096, time_us=FIRST_US + after_us)
        number = writer.open_stream(STREAM).stream_no
        calls = [self.BORN, self.EXIT, late]
        for batch in batches(calls, rows=1):  # of one parser, which knows that it has ended
            writer.write(number, batch)
        for batch in batches([*calls, late], rows=1, start=writer.open_stream(STREAM)):  # of one that does not
            writer.write(number, batch)
        (row,) = reader.processes(ended=None)
        assert (row.ended_us, row.releases) == (FIRST_US + 100, 2)

    @pytest.mark.parametrize("noticed_us", [90, 5_000_000])
    def test_an_exit_and_an_absence_end_a_process_once(self, writer: Writer, reader: Reader, noticed_us: int) -> None:
        first, second = in_batches([self.BORN], [self.EXIT])
        number = writer.open_stream(STREAM).stream_no
        writer.write(number, first)
        writer.end_processes(number, [8], FIRST_US + noticed_us)
        writer.write(number, second)
        writer.end_processes(number, [8], FIRST_US + 9_000_000)
        assert [row.ended_us for row in reader.processes(ended=None)] == [FIRST_US + min(noticed_us, 100)]

    def test_a_pid_that_comes_back_is_another_process(self, writer: Writer, reader: Reader) -> None:
        again = replace(self.BORN, start_us=90_000, time_us=FIRST_US + 150, parent=7, uid=5, cgroup=6)
        write_each(writer, [self.BORN, self.EXIT, again], [replace(self.EXIT, call="munmap", freed=1)])
        ended, alive = reader.processes(ended=None)[::-1]
        assert (ended.start_us, ended.ended_us, ended.released) == (50_000, FIRST_US + 100, 1)
        assert (ended.parent, ended.uid, ended.cgroup) == (1, 0, 4711)
        assert (alive.start_us, alive.ended_us, alive.released) == (90_000, None, 0)
        assert (alive.parent, alive.uid, alive.cgroup) == (7, 5, 6)
        assert {row.process_id for row in reader.calls(CallFilter(pid=8))} == {ended.id, alive.id}

    def test_a_process_is_the_same_whether_a_tap_or_proc_told_of_it_first(self, writer: Writer, reader: Reader) -> None:
        there = replace(self.BORN, call="proc", vm=7)
        write_each(writer, [there], [replace(self.BORN, call="mmap")])
        write_each(writer, [replace(self.BORN, call="mmap", time_us=FIRST_US + 1)], [self.EXIT], name="restarted")
        (row,) = reader.processes(ended=None)
        assert (row.requests, row.ended_us) == (2, FIRST_US + 100)

    def test_lines_that_muddle_pids_and_starts_do_not_stop_the_stream(self, writer: Writer, reader: Reader) -> None:
        # Three processes, two of which began in one tick: the second of these gets the next microsecond.
        one, other = replace(self.BORN, call="mmap"), replace(self.BORN, call="mmap", start_us=70_000)
        parser = Parser(rows=8)
        parser.feed(HEADER + one.line + other.line + one.line.replace(b"567890, uid", b"567891, uid"))
        writer.write(writer.open_stream(STREAM).stream_no, one_batch(one, one, one)._replace(events=parser.seal()))
        assert {row.start_us: row.requests for row in reader.processes(ended=None)} == {50_000: 1, 50_001: 1, 70_000: 1}

    def test_many_processes_end_in_one_batch(self, writer: Writer, reader: Reader) -> None:
        calls = [replace(self.BORN, pid=pid, time_us=FIRST_US + pid) for pid in range(1, 2501)]
        write_all(writer, [*calls, *(replace(call, call="exit", time_us=call.time_us + 5000) for call in calls)], 5000)
        assert {row.pid: row.ended_us for row in reader.processes(ended=True)} == {
            pid: FIRST_US + pid + 5000 for pid in range(1, 2501)
        }


class TestOriginalDatabase:
    """Queries as they were written for the table MemoryCalls."""

    def test_mmap_is_called_as_it_was_and_what_was_not_granted_is_not_there(self, writer: Writer, query: Query) -> None:
        calls = [WideCall(1, time_us=FIRST_US + at, call=call) for at, call in enumerate(CALLS[1:])]
        write_all(writer, [*calls, WideCall(1, errno=errno.ENOMEM), WideCall(1, call="brk", errno=1)])
        rows = query("SELECT call_type FROM MemoryCalls ORDER BY id")
        assert [value if isinstance(value, str) else value.decode() for (value,) in rows] == [
            "munmap", "mmap2", "mremap", "brk", "shmat", "shmdt",
        ]  # fmt: skip

    def test_the_size_of_a_segment_is_what_was_given_or_given_back(self, writer: Writer, query: Query) -> None:
        mb = 1 << 20
        write_all(
            writer,
            [
                WideCall(1, length=3 * mb),
                WideCall(1, call="munmap", length=5 * mb, freed=2 * mb),
                WideCall(1, call="shmdt", length=0, freed=mb),
                WideCall(1, call="mremap", length=4 * mb, freed=mb),
                WideCall(1, call="mremap", length=mb, freed=4 * mb),
                WideCall(1, call="brk", length=mb // 2, freed=0),
            ],
        )
        write_all(writer, [Call(2, call="munmap", length=7 * mb)], name="narrow")
        sizes = [size for (size,) in query("SELECT segment_size FROM MemoryCalls ORDER BY id")]
        assert sizes == [3.0, 2.0, 1.0, 3.0, -3.0, 0.5, 7.0]

    def test_its_sums_are_the_balances(self, writer: Writer, reader: Reader, query: Query) -> None:
        write_all(writer, some_wide_calls(2000), rows=300)
        rows = query(
            "SELECT pid, SUM(CASE WHEN call_type IN ('munmap', 'shmdt') THEN -segment_size ELSE segment_size END)"
            " FROM MemoryCalls GROUP BY pid"
        )
        expected: dict[int, int] = defaultdict(int)
        for row in reader.processes(ended=None):
            if row.requests or row.releases:
                expected[row.pid] += row.balance
        assert {pid: mb * 2**20 for pid, mb in rows} == pytest.approx(expected)


def test_the_same_lines_give_the_same_rows(url: str, store: Store, open_url: Callable[[str], Store]) -> None:
    calls = some_wide_calls(3000)
    with closing(store.writer()) as writer:
        write_all(writer, calls[:1000])
        with pytest.raises(StoreError):  # a failed transaction must leave no trace in later ids either
            start = writer.open_stream(STREAM)
            writer.write(1, next(batches(calls, start=start))._replace(losses=(Loss(0, "", -1),)))
        write_all(writer, calls)
    twin = open_url(url.replace("store.duckdb", "twin.duckdb").replace("?", "_twin?"))
    with closing(twin.writer()) as writer:
        write_all(writer, calls)
    with closing(store.reader()) as reader, closing(twin.reader()) as other:
        for table in ("names", "hosts", "batches", "processes", "events", "rollup_1s"):
            select = f"SELECT * FROM {table} ORDER BY 1, 2"
            assert reader._rows(select) == other._rows(select), table  # type: ignore[attr-defined]
