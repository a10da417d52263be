"""A batch is the same calls in every form: columns, Arrow, data frames; LOAD DATA text has its own tests."""

import gc
import sys
from array import array
from collections import defaultdict

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memtap.native import CALLS, Batch, Parser

from .plain import read
from .test_parser import ordinary, records


def parsed(data: bytes) -> Batch:
    parser = Parser()
    parser.feed(data)
    parser.finish()
    return parser.seal()


def maps(batch: Batch) -> tuple["array[int]", "array[int]"]:
    """Store ids unlike the local ones."""
    processes = array("I", (4_000_000_000 - i for i in range(batch.process_count)))
    return processes, array("I", (7 * i + 3 for i in range(batch.name_count)))


@given(st.lists(st.one_of(ordinary, records), max_size=40).map(b"".join))
@settings(max_examples=80)
def test_arrow_holds_the_columns_with_the_stores_ids(data: bytes) -> None:
    batch = parsed(data)
    processes, names = maps(batch)
    expected = [
        (2**40 + i, time_us, processes[process], names[name], call, length)
        for i, (time_us, process, name, call, length) in enumerate(
            zip(batch.time_us, batch.process, batch.name, batch.call, batch.length, strict=True)
        )
    ]
    table = pa.table(batch.events(processes, names, 2**40))
    table.validate(full=True)
    assert [tuple(row.values()) for row in table.to_pylist()] == expected


@given(st.lists(st.one_of(ordinary, records), max_size=60).map(b"".join))
@settings(max_examples=80)
@example(data=b"".join(b"munmap: PID=1, process=%d, time=%d, length=1\n" % (at, at) for at in (9_000_000, 5_000_000)))
def test_activity_sums_each_process_by_second(data: bytes) -> None:
    batch = parsed(data)
    processes, names = maps(batch)
    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 2**64, 0])
    comms: dict[tuple[int, int], set[bytes]] = defaultdict(set)
    for call, pid, comm, time_us, length in read(data).events:
        row = sums[pid, time_us // 1_000_000]
        comms[pid, time_us // 1_000_000].add(comm)
        row[0 if call == "mmap2" else 1] += length
        row[2 if call == "mmap2" else 3] += 1
        row[4], row[5] = min(row[4], time_us), max(row[5], time_us)
    found: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 2**64, 0])
    pid_of = dict(zip(processes, batch.process_pids, strict=True))
    table = pa.table(batch.activity(processes, names))
    table.validate(full=True)
    rows = [tuple(int(value) for value in row.values()) for row in table.to_pylist()]
    comm_of = dict(zip(names, batch.names, strict=True))
    for process, name, second, requested, released, requests, releases, first_us, last_us in rows:
        row = found[pid_of[process], second]
        assert comm_of[name] in comms[pid_of[process], second], "a name that it had then"
        for i, value in enumerate((requested, released, requests, releases)):
            row[i] += value
        row[4], row[5] = min(row[4], first_us), max(row[5], last_us)
    assert found == sums


DATA = b"".join(
    b"%s: PID=%d, process=%s, time=%d, length=%d\n"
    % (CALLS[i % 3 == 0].encode(), i % 7, (b"bash", b"\xff\xfe", b"na\xc3\xafve")[i % 3], 10**15 + i, i * i)
    for i in range(5000)
)


def test_four_data_frames_take_a_batch_as_it_is() -> None:
    batch = parsed(DATA)
    expected = [(call, pid, comm, time_us, length) for call, pid, comm, time_us, length in read(DATA).events]
    assert duckdb.sql("FROM batch").fetchall() == expected
    assert pl.DataFrame(batch).rows() == expected
    assert [tuple(row.values()) for row in pa.table(batch).to_pylist()] == expected
    assert list(pd.DataFrame.from_arrow(batch).itertuples(index=False, name=None)) == expected
    assert pa.record_batch(batch).num_rows == 5000


def test_arrow_consumers_get_our_memory_not_a_copy() -> None:
    batch = parsed(DATA)
    column = pa.table(batch)["length"].chunk(0)
    ours = pa.py_buffer(batch.length)
    assert column.buffers()[1].address == ours.address


def test_a_consumer_keeps_the_memory_it_was_given() -> None:
    batch = parsed(DATA)
    table = pa.table(batch)
    lengths = batch.length
    before = sys.getrefcount(batch)
    del batch, table
    gc.collect()
    assert lengths[4999] == 4999 * 4999
    assert before > 1


def test_every_reference_is_given_back() -> None:
    batch = parsed(DATA)
    gc.collect()
    before = sys.getrefcount(batch)
    for _ in range(50):
        pa.table(batch)
        batch.__arrow_c_stream__()  # never consumed
        batch.__arrow_c_array__()
        batch.__arrow_c_schema__()
        pl.DataFrame(batch)
    gc.collect()
    assert sys.getrefcount(batch) == before


def test_an_empty_batch_is_a_table_too() -> None:
    batch = Parser().seal()
    assert len(batch) == 0
    assert pa.table(batch).num_rows == 0
    assert batch.events_text(b"", b"", 0) == b""
    assert duckdb.sql("SELECT count(*) FROM batch").fetchall() == [(0,)]


def test_maps_that_are_too_short_are_refused() -> None:
    batch = parsed(DATA)
    processes, names = maps(batch)
    with pytest.raises(ValueError, match="process_ids: 24 bytes, but 7 ids"):
        batch.events(processes[:6], names, 0)
    with pytest.raises(ValueError, match="name_ids"):
        batch.events_text(processes, names[:1], 0)
    with pytest.raises(ValueError, match="process_ids"):
        batch.activity(b"", names)


@given(st.lists(st.tuples(st.sampled_from(["mmap2", "munmap"]), st.integers(0, 2**64 - 1)), max_size=40), st.data())
def test_counts_and_times_are_those_of_the_calls(calls, data) -> None:
    text = "".join(f"{call}: PID=1, process=x, time={when}, length=1\n" for call, when in calls)
    batch = parsed(text.encode())
    assert batch.counts() == {name: sum(call == name for call, _ in calls) for name in CALLS}
    times = [when for _, when in calls]
    below = data.draw(st.sampled_from([0, 2**64 - 1, *times, *(when + 1 for when in times if when < 2**64 - 1)]))
    earlier = max((when for when in times if when < below), default=0)
    assert batch.times(below) == ((min(times), max(times), earlier) if times else None)


def test_columns_cannot_be_written_to() -> None:
    column = parsed(DATA).length
    assert column.readonly
    with pytest.raises(TypeError):
        column[0] = 1
