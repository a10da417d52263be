"""Numbers up to their limits are read as they are; beyond, the line is rejected for its reason, and counted."""

from __future__ import annotations

from array import array

import pyarrow as pa
import pytest

from memtap.native import Batch, Parser

from . import plain, plain2
from .test_format2 import HEADER

GREATEST = 2**64 - 1
FIRST = b"mmap2: PID=%(pid)d, process=x, time=%(time)d, length=%(length)d\n"
WHO = b"pid=%(pid)d, start=%(start)d, uid=%(uid)d, cgroup=%(cgroup)d, time=%(time)d"
CALL = b"mmap: " + WHO + b", length=%(length)d, freed=%(freed)d, errno=%(errno)d, kind=none"
FORK = b"fork: " + WHO + b", parent=%(parent)d"
EXIT = b"exit: " + WHO + b", status=%(status)d"
HELD = b', vm=%(vm)d, rss=%(rss)d, process="x"\n'
USUAL = {
    b"pid": 7, b"start": 10**9, b"uid": 0, b"cgroup": 1, b"time": 10**15, b"length": 4096, b"freed": 0, b"errno": 0,
    b"parent": 1, b"status": 0, b"vm": 8192, b"rss": 4096,
}  # fmt: skip
LIMITS_1 = [(b"pid", 2**22, "pid"), (b"time", GREATEST, "time"), (b"length", GREATEST, "length")]
LIMITS_2 = [
    (CALL, b"pid", 2**22, "pid"),
    (CALL, b"start", GREATEST, "field"),
    (CALL, b"uid", 2**32 - 1, "field"),
    (CALL, b"cgroup", GREATEST, "field"),
    (CALL, b"time", GREATEST, "time"),
    (CALL, b"length", GREATEST, "length"),
    (CALL, b"freed", GREATEST, "field"),
    (CALL, b"errno", 4095, "field"),
    (CALL, b"vm", GREATEST, "field"),
    (CALL, b"rss", GREATEST, "field"),
    (FORK, b"parent", 2**22, "field"),
    (EXIT, b"status", 2**32 - 1, "field"),
]


def read(line: bytes, header: bytes = b"") -> tuple[Parser, Batch]:
    parser = Parser(header=header)
    if not header:
        parser.feed(FIRST % USUAL)
        parser.seal()
    parser.feed(line)
    return parser, parser.seal()


@pytest.mark.parametrize(("field", "most", "reason"), LIMITS_1)
def test_numbers_of_format_1(field: bytes, most: int, reason: str) -> None:
    column = {b"pid": "pid", b"time": "time_us", b"length": "length"}[field]
    for value in (0, 1, most - 1, most):
        parser, batch = read(FIRST % {**USUAL, field: value})
        assert (list(getattr(batch, column)), parser.rejected) == ([value], 0)
        assert len(plain.read(FIRST % {**USUAL, field: value}).events) == 1
    for value in (most + 1, 2 * most, 10**20, 10**21):
        parser, batch = read(FIRST % {**USUAL, field: value})
        assert (len(batch), parser.rejected_by) == (0, {reason: 1})
        assert plain.read(FIRST % {**USUAL, field: value}).events == []
        assert batch.seconds == [(10**9, 0, 1)], "counted to the second of the call before it"


@pytest.mark.parametrize(("line", "field", "most", "reason"), LIMITS_2)
def test_numbers_of_format_2(line: bytes, field: bytes, most: int, reason: str) -> None:
    for value in (0, 1, most - 1, most):
        text = (line + HELD) % {**USUAL, field: value}
        parser, batch = read(text, HEADER)
        assert (len(batch), parser.rejected) == (1, 0)
        (event,), *_ = plain2.read(text, HEADER)
        columns = (batch.pid, batch.time_us, batch.length, batch.freed, batch.errno, batch.vm, batch.resident)
        said = (event.pid, event.time_us, event.length, event.freed, event.errno, event.vm, event.rss)
        assert tuple(column[0] for column in columns if column is not None) == said
        uid, cgroup, parent = batch.process_facts[0]
        assert (uid, cgroup) == (event.uid, event.cgroup)
        assert field != b"parent" or parent == value
    for value in (most + 1, 2 * most + 2, 10**20, 10**21):
        text = (line + HELD) % {**USUAL, field: value}
        parser, batch = read(text, HEADER)
        assert (len(batch), parser.rejected_by) == (0, {reason: 1})
        assert plain2.read(text, HEADER)[0] == []


@pytest.mark.parametrize("second", [False, True])
def test_sums_beyond_64_bits_are_exact_in_every_form(second: bool) -> None:
    """2,000 calls that each ask for 2^64 - 1 bytes, and 1,000 that give as much back, in two batches."""
    asks = (CALL + HELD if second else FIRST) % {**USUAL, b"length": GREATEST}
    gives = (CALL + HELD) % {**USUAL, b"freed": GREATEST, b"length": 0} if second else asks.replace(b"mmap2", b"munmap")
    parser = Parser(header=HEADER if second else b"")
    asked = given = 0
    for _ in range(2):
        parser.feed(asks * 1000 + gives * 500)
        batch = parser.seal()
        for form in (batch, Batch.unpack(batch.pack())):
            ids = array("I", [1]), array("I", [1])
            rows = pa.table(form.activity(*ids)).to_pylist()  # as many for the second as its sums need
            sums = [sum(int(row[field]) for row in rows) for field in ("requested", "released", "requests", "releases")]
            assert sums == [1000 * GREATEST, 500 * GREATEST, 1000, 500]
            fields = form.sums_text(ids[0], 1).strip(b"(),\n").split(b",")
            assert (int(fields[2]), int(fields[3])) == (1000 * GREATEST, 500 * GREATEST)
        asked, given = asked + 1000 * GREATEST, given + 500 * GREATEST
    (total,) = parser.ledger()
    assert (total.requested, total.released, total.requests, total.releases) == (asked, given, 2000, 1000)
