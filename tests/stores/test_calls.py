"""Pages of calls, and the view of the original database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest
from counted import (
    FIRST_US,
    GREATEST,
    STREAM,
    Call,
    WideCall,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import EVERYTHING, Query, write_all

from memtap.native import CALLS
from memtap.stores.contract import (
    CallFilter,
    CallRow,
    Reader,
    Retention,
    Store,
    Writer,
)
from memtap.stores.duckdb import folding, parts
from memtap.stores.duckdb import reader as duckdb_reader
from memtap.stores.duckdb.reader import DuckDBReader

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


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DuckDB folds is folded often, and fills a part soon: a page crosses the border of two."""
    monkeypatch.setattr(folding, "MOST_ACTIVITY", 9)
    monkeypatch.setattr(folding, "UNREAD", 1)
    monkeypatch.setattr(parts, "CALLS", 20)


class TestPaging:
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(calls=_calls | _wide_calls, where=_filters, size=st.integers(1, 50))
    def test_pages_hold_every_call_once_in_order(
        self, writer: Writer, reader: Reader, calls: Sequence[Call], where: CallFilter, size: int
    ) -> None:
        # The store keeps what earlier examples wrote: the whole of it is paged each time.
        stream = STREAM._replace(name=f"stream {len(reader.streams())}")
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

    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(calls=_wide_calls, where=_filters, size=st.integers(1, 50))
    def test_searches_that_go_on_find_every_call_once(
        self, store: Store, writer: Writer, reader: Reader, calls: Sequence[Call], where: CallFilter, size: int
    ) -> None:
        number = write_all(writer, calls, STREAM._replace(name=f"stream {len(reader.streams())}"), rows=15)
        if number % 2:
            store.maintain(Retention(), FIRST_US)
        with pytest.MonkeyPatch.context() as patch:
            for name, most in (("FIRST_CALLS", 3), ("MOST_CALLS", 9), ("MOST_SECONDS", 0), ("STEPS_AT_ONCE", 1)):
                patch.setattr(duckdb_reader, name, most)
            found, before = [], None
            while True:
                page = reader.search(where, before=before, limit=size)
                found += page.rows
                if page.more is None and len(page.rows) < size:
                    break
                assert before is None or page.more is None or page.more < before
                before = page.more or (page.rows[-1].time_us, page.rows[-1].id)
            assert found == [row for row in reader.calls(EVERYTHING, limit=100_000) if passes(row, where)]
            assert found == reader.calls(where, limit=100_000)

    def test_a_search_for_nothing_ends_and_says_where(
        self, writer: Writer, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(duckdb_reader, "FIRST_CALLS", 100)
        monkeypatch.setattr(duckdb_reader, "MOST_CALLS", 300)
        monkeypatch.setattr(folding, "MOST_ACTIVITY", 1)
        write_all(writer, [Call(1, time_us=FIRST_US + at * 1000) for at in range(3000)], rows=50)
        nothing = CallFilter(min_length=GREATEST)
        page = reader.search(nothing)
        assert page.rows == []
        if isinstance(reader, DuckDBReader):
            assert page.more is not None
            looked_us = FIRST_US + 2_999_000 - page.more[0]
            assert 200_000 <= looked_us <= 500_000, "as many calls as it may, and what else is in an extent"
        assert reader.calls(nothing) == []

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
        write_all(writer, [WideCall(1, call=call) for call in CALLS[1:]], STREAM._replace(name="wide"))
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
