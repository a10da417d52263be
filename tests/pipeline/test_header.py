"""A header that a store could not keep, or the parser would refuse, is refused first, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from .test_ingest import memtap

GOOD = 'memtap: format=2, tap=x, version=1, host="h", boot=b, clock=realtime, page=4096, memory=4096'


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (GOOD.replace("format=2", "format=3"), "not a format that this memtap reads"),
        (GOOD.replace("boot=b", "boot=" + "b" * 65), "is missing or wrong"),
        (GOOD.replace("boot=b, ", ""), "'boot' is missing or wrong"),
        (GOOD.replace("memory=4096", "memory=99999999999999999999"), "is missing or wrong"),
        (GOOD.replace("memory=4096", "memory=-1"), "is missing or wrong"),
        (GOOD.replace("page=4096", "page=0"), "is missing or wrong"),
        (GOOD + ", more=" + "x" * 1000, "has 1,099 bytes, where 1,024 are the most"),
    ],
)
def test_it_is_refused_by_name(header: str, says: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace.log"
    trace.write_text(header + "\n")
    done = memtap("ingest", str(trace), "--store", "null://")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr.decode()
    assert says in done.stderr.decode()
    assert done.stdout == b""


def test_an_ordinary_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "trace.log").write_text(GOOD + "\n")
    assert memtap("ingest", str(tmp_path / "trace.log"), "--store", "null://").returncode == 0
