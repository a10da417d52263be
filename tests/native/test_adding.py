"""However calls come, in bursts of one process or of one and another, each is in the sums once."""

from __future__ import annotations

from array import array
from collections import defaultdict

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from memtap.native import Parser

Call = tuple[int, bytes, bool, int, int]  # pid, comm, whether it releases, time in microseconds, length
Burst = tuple[int, bytes, list[tuple[bool, int, int]]]  # pid, comm; of each call: release, step of time, length

BEGIN_US = 1_800_000_000_000_000
STEPS = st.sampled_from([1] * 9 + [0, -3, 7, 400_000, -400_000])
LENGTHS = st.sampled_from([4096] * 9 + [0, 1, 10**8, 2**57 - 1, 2**57, 2**63, 2**64 - 1])
CALLS = st.lists(st.tuples(st.booleans(), STEPS, LENGTHS), min_size=1, max_size=90)
COMMS = st.sampled_from([b"a", b"b"])
BURSTS = st.lists(st.tuples(st.integers(1, 3), COMMS, CALLS), min_size=1, max_size=6)
ALONE = st.lists(st.tuples(st.booleans(), STEPS, LENGTHS), min_size=1, max_size=2)
MIXED = st.lists(st.tuples(st.integers(1, 40), COMMS, ALONE), min_size=1, max_size=80)
COPIES = st.sampled_from([1] * 15 + [70])  # more than are read before the ledger has them


def calls_of(bursts: list[Burst]) -> list[Call]:
    calls = []
    time_us = BEGIN_US
    for pid, comm, burst in bursts:
        for release, step, length in burst:
            time_us += step
            calls.append((pid, comm, release, time_us, length))
    return calls


def text_of(calls: list[Call]) -> bytes:
    return b"".join(
        b"%s: PID=%d, process=%s, time=%d, length=%d\n"
        % (b"munmap" if release else b"mmap2", pid, comm, time_us, length)
        for pid, comm, release, time_us, length in calls
    )


def sums(calls: list[Call]) -> list[int]:
    """requested, released, requests, releases, first and last time."""
    asked = [length for _, _, release, _, length in calls if not release]
    given_back = [length for _, _, release, _, length in calls if release]
    times = [time_us for _, _, _, time_us, _ in calls]
    return [sum(asked), sum(given_back), len(asked), len(given_back), min(times), max(times)]


@given(BURSTS | MIXED, COPIES, st.integers(0, 200))
def test_sums_are_those_of_their_calls(bursts: list[Burst], copies: int, cut: int) -> None:
    """In the ledger, and by process and second in the batch."""
    calls = calls_of(bursts * copies)
    parser = Parser()
    parser.feed(text_of(calls[:cut]))
    first = parser.seal()
    parser.feed(text_of(calls[cut:]))
    by_pid: dict[int, list[Call]] = defaultdict(list)
    for call in calls:
        by_pid[call[0]].append(call)
    for row in parser.ledger():
        own = by_pid[row.pid]
        found = [row.requested, row.released, row.requests, row.releases, row.first_us, row.last_us]
        assert (found, row.name) == (sums(own), own[-1][1])
    for batch, part in ((first, calls[:cut]), (parser.seal(), calls[cut:])):
        by_second: dict[tuple[int, int], list[Call]] = defaultdict(list)
        for call in part:
            by_second[call[0], call[3] // 1_000_000].append(call)
        same = array("I", range(max(batch.process_count, batch.name_count)))
        added: dict[tuple[int, int], list[int]] = {}
        for row in pa.table(batch.activity(same, same)).to_pylist():
            key = batch.process_pids[row["process_id"]], row["second"]
            new = [int(row[name]) for name in ("requested", "released", "requests", "releases", "first_us", "last_us")]
            old = added.get(key, [0, 0, 0, 0, 2**64, 0])
            added[key] = [
                *(a + b for a, b in zip(old[:4], new[:4], strict=True)),
                min(old[4], new[4]),
                max(old[5], new[5]),
            ]
        assert added == {key: sums(own) for key, own in by_second.items()}
