"""The text that a MySQL store is given says what the columns say."""

from __future__ import annotations

from array import array

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtap.native import KINDS, Batch, Parser

from .test_format2 import HEADER, lines
from .test_parser import ordinary, records

Row = dict[str, int | None]

format1 = st.lists(st.one_of(ordinary, records), max_size=40).map(b"".join)
format2 = st.lists(lines(), max_size=40).map(lambda some: HEADER + b"\n" + b"".join(some))
streams = st.one_of(format1, format2)


def parsed(data: bytes) -> Batch:
    parser = Parser()
    parser.feed(data)
    parser.finish()
    return parser.seal()


def ids(count: int, first: int, step: int) -> array[int]:
    return array("I", ((first + step * at) % 2**32 for at in range(count)))


def decoded(row: Row) -> tuple[int | None, ...]:
    """What the view `calls` makes of a row, in Python."""
    what, length = row["what"], row["length"] if row["length"] is not None else row["length_wide"]
    assert what is not None
    assert length is not None
    name = row["name_id"] if row["name_id"] is not None else row["name_wide"]
    said: tuple[int | None, ...] = (None, None, None, None)
    if what & 112:
        whole = -(-length // 4096) * 4096
        freed = row["freed"] if row["freed"] is not None else whole if what & 128 else 0
        pages = row["vm_pages"]
        said = (freed, row["errno"] or 0, (what >> 4 & 7) - 1, row["vm_wide"] if pages is None else pages * 4096)
    return row["id"], row["time_us"], row["process_id"], name, what & 15, length, *said


@given(
    streams,
    st.sampled_from([(5, 7), (2**16 - 3, 1), (2**32 - 1, -9)]),
    st.sampled_from([0, 95, 10**8 - 3, 10**10 - 3, 2**40, 10**16 - 3, 2**64 - 50]),
)
@settings(max_examples=200)
def test_each_call_is_written_as_it_is_in_no_more_columns_than_it_needs(
    data: bytes, names: tuple[int, int], first: int
) -> None:
    batch = parsed(data)
    process_ids, name_ids = ids(batch.process_count, 2**32 - 1, -1), ids(batch.name_count, *names)
    columns = batch.events_columns(name_ids)
    rows = []
    for line in bytes(batch.events_text(process_ids, name_ids, first)).splitlines():
        fields = [None if field == b"\\N" else int(field) for field in line.split(b"\t")]
        assert len(fields) == len(columns)
        rows.append(dict.fromkeys(("vm_pages", "vm_wide", "errno", "freed", "length_wide", "name_wide")) | dict(
            zip(columns, fields, strict=True)
        ))  # fmt: skip
    for row in rows:
        for narrow, bits in (("name_id", 16), ("length", 24), ("vm_pages", 32)):
            assert row[narrow] is None or row[narrow] < 2**bits
        assert row["errno"] != 0
        assert row["what"] < 256
    for column in columns[6:]:
        assert column == "vm_pages" or any(row[column] is not None for row in rows), f"{column} says nothing"
    nothing = [None] * len(batch)
    wide = [batch.freed, batch.errno, batch.kind, batch.vm] if batch.wide else [nothing] * 4
    assert [row["time_us"] for row in rows] == sorted(batch.time_us), "in the order of time"
    rows.sort(key=lambda row: row["id"] or 0)
    assert [decoded(row) for row in rows] == [
        (first + at, time_us, process_ids[process], name_ids[name], call, length, *said)
        for at, (time_us, process, name, call, length, *said) in enumerate(
            zip(batch.time_us, batch.process, batch.name, batch.call, batch.length, *wide, strict=True)
        )
    ]


def test_the_usual_call_takes_few_columns() -> None:
    usual = b"mmap: pid=1, start=9, uid=0, cgroup=1, time=1795411501000000, length=5000, freed=%d, errno=0, kind=%s, "
    end = b"vm=40960, rss=0, process=%s\n" % b"61".ljust(32, b"0")
    ids = array("I", [1])
    batch = parsed(HEADER + b"\n" + usual % (0, b"file") + end)
    assert batch.events_columns(ids) == ("id", "time_us", "process_id", "name_id", "what", "length", "vm_pages")
    kind = KINDS.index("file")
    assert batch.events_text(ids, ids, 7) == b"7\t1795411501000000\t1\t1\t%d\t5000\t10\n" % (2 | (kind + 1) << 4)
    batch = parsed(HEADER + b"\n" + usual % (8192, b"file") + end)
    assert "freed" not in batch.events_columns(ids), "the length in whole pages"


def values(text: bytes) -> list[tuple[int | None, ...]]:
    assert text == b"" or text.endswith(b"),\n")
    return [
        tuple(None if value == b"NULL" else int(value) for value in row.lstrip(b"(").split(b","))
        for row in text.split(b"),\n")[:-1]
    ]


@given(streams, st.sampled_from([0, 1, 60, 3600]), st.booleans())
@settings(max_examples=200)
def test_sums_are_those_of_the_activities(data: bytes, step: int, shared: bool) -> None:
    """Against the table of sums that DuckDB is given. `shared`: two local processes may be one of the store's."""
    batch = parsed(data)
    process_ids = ids(batch.process_count, 1000, 0 if shared else -1)
    name_ids = ids(batch.name_count, 3, 7)
    columns = [c for c in ("failed", "vm", "resident") if batch.wide]
    order: dict[tuple[int, int], list[dict[str, int]]] = {}
    for row in pa.table(batch.activity(process_ids, name_ids)).to_pylist():
        begin = row["second"] - row["second"] % step if step else 0
        order.setdefault((begin, row["process_id"]), []).append(row)
    expected = []
    for (begin, process), rows in sorted(order.items()):
        rows.sort(key=lambda row: row["last_us"])  # stable: of two of one time the later counts
        sums = [sum(int(row[column]) for row in rows) for column in ("requested", "released", "requests", "releases")]
        if columns:
            vm = [(row["vm"], row["last_us"]) for row in rows if row["vm"]]
            resident = [row["resident"] for row in rows if row["resident"]]
            sums.append(sum(row["failed"] for row in rows))
            sums += [vm[-1][0] if vm else None, resident[-1] if resident else None, vm[-1][1] if vm else None]  # type: ignore[list-item]
        times = (min(row["first_us"] for row in rows), rows[-1]["last_us"])
        head = (begin, process) if step else (process, rows[-1]["name_id"], *times)
        expected.append((*head, *sums))
    text = batch.sums_text(process_ids, step) if step else batch.process_sums_text(process_ids, name_ids)
    assert values(text) == expected


@given(streams, st.sampled_from([0, 1795411501000000, 2**64 - 1]))
def test_its_times_are_those_of_its_calls(data: bytes, below: int) -> None:
    batch = parsed(data)
    times = list(batch.time_us)
    least = max((time_us for time_us in times if time_us < below), default=0)
    assert batch.times(below) == ((min(times), max(times), least) if times else None)


def test_a_step_of_nothing_and_short_maps_are_refused() -> None:
    batch = parsed(b"mmap2: PID=1, process=a, time=1, length=1\n")
    one = array("I", [1])
    with pytest.raises(ValueError, match="a step of 0"):
        batch.sums_text(one, 0)
    for ask in (
        lambda: batch.sums_text(b"", 1),
        lambda: batch.process_sums_text(b"", one),
        lambda: batch.process_sums_text(one, b""),
        lambda: batch.events_columns(b""),
        lambda: batch.events_text(one, b"", 0),
    ):
        with pytest.raises(ValueError, match="0 bytes, but 1 ids"):
            ask()


def test_calls_in_the_opposite_order_come_in_the_order_of_time() -> None:
    """Far from what a tap writes: a sort of another kind takes over."""
    parser = Parser()
    for second in range(300, 0, -1):
        parser.feed(b"mmap2: PID=%d, process=x, time=%d000000, length=1\n" % (second, second))
    batch = parser.seal()
    text = batch.events_text(ids(batch.process_count, 0, 1), ids(batch.name_count, 0, 1), 0)
    assert [row.split(b"\t")[1] for row in bytes(text).splitlines()] == [
        b"%d000000" % second for second in range(1, 301)
    ]
