"""A batch survives being bytes, and bytes that no batch made are refused; its seconds add up."""

from array import array
from collections import Counter
from struct import Struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtap.native import Batch, Parser

from .test_format2 import HEADER
from .test_format2 import streams as streams2
from .test_parser import streams as streams1

pieces = st.one_of(
    st.tuples(st.just(b""), st.lists(streams1(), max_size=4)),
    st.tuples(st.just(HEADER), st.lists(streams2, max_size=4)),
)


def sealed(header: bytes, data: list[bytes]) -> tuple[Parser, list[Batch]]:
    """A batch for each piece."""
    parser = Parser(header=header)
    batches = []
    for piece in data:
        parser.feed(piece)
        batches.append(parser.seal())
    parser.finish()
    return parser, [*batches, parser.seal()]


def ids(batch: Batch) -> tuple["array[int]", "array[int]"]:
    return array("I", range(batch.process_count)), array("I", range(batch.name_count))


def content(batch: Batch) -> dict[str, Any]:
    """All that a batch says, without its local ids."""
    processes = list(zip(batch.process_pids, batch.process_starts, strict=True))[: batch.process_count]
    facts = batch.process_facts[: batch.process_count] if batch.wide else [(0, 0, 0)] * batch.process_count
    columns = {
        name: list(getattr(batch, name) or ())
        for name in ("call", "pid", "time_us", "length", "freed", "errno", "kind", "vm", "resident")
    }
    activity = pa.table(batch.activity(*ids(batch))).to_pylist()
    for row in activity:
        row["process_id"] = processes[row["process_id"]]
        row["name_id"] = batch.names[row["name_id"]]
    return columns | {
        "process": [(processes[i], facts[i]) for i in batch.process],
        "name": [batch.names[i] for i in batch.name],
        "activity": activity,
        "ended": [(processes[i], facts[i], at) for i, at in batch.ended],
        "losses": batch.losses,
        "seconds": batch.seconds,
        "wide": batch.wide,
    }


@given(pieces)
@settings(max_examples=200)
def test_a_batch_survives_being_bytes(made: tuple[bytes, list[bytes]]) -> None:
    for batch in sealed(*made)[1]:
        packed = batch.pack()
        again = Batch.unpack(packed)
        assert content(again) == content(batch)
        assert again.pack() == packed, "nothing in it depends on where it was"
        assert again.generation != batch.generation
        assert content(Batch.unpack(memoryview(b"x" + packed)[1:])) == content(batch), "at any address"


@given(pieces)
@settings(max_examples=50)
def test_only_what_it_refers_to_is_in_it(made: tuple[bytes, list[bytes]]) -> None:
    for batch in sealed(*made)[1]:
        again = Batch.unpack(batch.pack())
        activity = pa.table(again.activity(*ids(again)))
        used = {*again.process, *activity["process_id"].to_pylist(), *(process for process, _ in again.ended)}
        assert used == set(range(again.process_count))
        assert {*again.name, *activity["name_id"].to_pylist()} == set(range(again.name_count))


@given(pieces, st.data())
@settings(max_examples=300)
def test_changed_bytes_are_refused_or_are_another_batchs(made: tuple[bytes, list[bytes]], data: st.DataObject) -> None:
    packed = bytearray(data.draw(st.sampled_from(sealed(*made)[1])).pack())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(packed)] * 3 + [0, 7, 71, 72, len(packed) - 8, len(packed) - 1]))
    try:
        batch = Batch.unpack(packed[:cut])
    except ValueError as error:
        assert str(error).startswith("packed batch: ")
        return
    pa.table(batch).validate(full=True)
    batch.events_text(*ids(batch), 0)
    content(Batch.unpack(batch.pack()))


def test_what_is_wrong_is_said() -> None:
    parser = Parser()
    parser.feed(b"mmap2: PID=7, process=x, time=5000000, length=9\nno line\n")
    packed = parser.seal().pack()
    second = Struct("<3Q")  # and the calls and rejected lines in it
    cases = [
        (b"", "0 bytes are too few"),
        (b"{" + packed[1:], "begins with b'{batch01'"),
        (packed[:-8], "bytes, where its head tells of"),
        (packed[:8] + b"\xff" * 8 + packed[16:], "count 0 of its head is 18446744073709551615"),
        (packed[:16] + b"\x02" + packed[17:], "its head says 2"),
        (packed.replace((5_000_000).to_bytes(8, "little"), (5_000_001).to_bytes(8, "little")), "activity 0"),
        (packed.replace(second.pack(5, 1, 1), second.pack(2**64 // 10**6 + 1, 1, 1)), "second 0 is 18446744073710,"),
    ]
    for changed, message in cases:
        with pytest.raises(ValueError, match=f"packed batch: .*{message}"):
            Batch.unpack(changed)


@given(pieces)
@settings(max_examples=100)
def test_seconds_hold_every_event_and_every_rejected_line_once(made: tuple[bytes, list[bytes]]) -> None:
    parser, batches = sealed(*made)
    rejected = 0
    for batch in batches:
        counted = Counter(time_us // 1_000_000 for time_us in batch.time_us)
        assert [second for second, _, _ in batch.seconds] == sorted({second for second, _, _ in batch.seconds})
        assert {second: events for second, events, _ in batch.seconds if events} == counted
        assert all(events or lines for _, events, lines in batch.seconds)
        rejected += sum(lines for _, _, lines in batch.seconds)
    assert rejected == parser.rejected


def test_a_rejected_line_counts_to_the_second_of_the_event_before_it() -> None:
    def line(second: int) -> bytes:
        return b"mmap2: PID=7, process=x, time=%d000001, length=9\n" % second

    parser = Parser()
    parser.feed(b"first\n" + line(20) + b"bad\n" + line(21) + line(20) + b"bad\nworse\n")
    assert parser.seal().seconds == [(0, 0, 1), (20, 2, 3), (21, 1, 0)]
    parser.feed(b"last\n" + line(22))
    assert parser.seal().seconds == [(20, 0, 1), (22, 1, 0)]
    assert parser.seal().seconds == []


def test_seconds_that_change_with_every_line_need_no_more_room_than_there_are_seconds() -> None:
    parser = Parser()
    parser.feed(b"".join(b"mmap2: PID=7, process=x, time=%d000000, length=9\n" % (i % 3) for i in range(100_000)))
    assert parser.seal().seconds == [(0, 33_334, 0), (1, 33_333, 0), (2, 33_333, 0)]
