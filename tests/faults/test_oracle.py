"""The oracle finds what the tests of faults rely on it to find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from .numbered import BAD, Trace
from .oracle import judge

COUNT = 3000


@pytest.fixture
def url(trace: Trace, tmp_path: Path) -> str:
    store = f"duckdb://{tmp_path}/store.duckdb"
    recording = trace.file(tmp_path / "trace.log", COUNT)
    command = [sys.executable, "-P", "-m", "memtap", "ingest", str(recording), "--store", store]
    subprocess.run(command, check=True, capture_output=True)
    return store


def test_a_store_that_holds_everything_once_is_found_right(url: str, trace: Trace) -> None:
    verdict = judge(url, trace, COUNT)
    assert verdict.wrong == []
    assert verdict.stored + verdict.rejected == verdict.emitted == COUNT
    assert verdict.rejected == COUNT // BAD


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DELETE FROM events_0 WHERE id = (SELECT min(id) + 7 FROM events_0)", "1 of 3000 events are missing"),
        ("INSERT INTO events_0 BY NAME SELECT * FROM events_0 ORDER BY id LIMIT 1", "stored twice: [0]"),
        ("UPDATE events_0 SET length = length + 1 WHERE id = (SELECT max(id) FROM events_0)", "never printed"),
        ("UPDATE folded_processes SET requested = requested + 1", "process"),
        ("UPDATE activity SET released = released + 1", "60 s of process"),
        ("DELETE FROM activity WHERE process_id = 1", "1 s of process"),
        ("UPDATE account_1s SET stored = stored + 1", "account of second"),
        ("UPDATE account_1s SET rejected = rejected + 1", "rejected lines"),
        ("UPDATE folded_streams SET stored = stored + 1", "the streams' sums"),
        ("UPDATE fresh_batches SET stored = stored + 1", "the batches count"),
        ("INSERT INTO loss_totals VALUES (1, 'store', 5)", "losses add up to 0"),
    ],
)
def test_what_is_wrong_is_found(url: str, trace: Trace, change: str, found: str) -> None:
    with duckdb.connect(url.removeprefix("duckdb://")) as store:
        store.execute(change)
    assert any(found in each for each in judge(url, trace, COUNT).wrong)


def test_events_that_change_places_are_found(url: str, trace: Trace) -> None:
    with duckdb.connect(url.removeprefix("duckdb://")) as store:
        store.execute("UPDATE events_0 SET id = id + 1000000 WHERE id = (SELECT min(id) + 7 FROM events_0)")
    assert any("stands after" in each for each in judge(url, trace, COUNT).wrong)
