"""A writer that is killed, at any moment, and started again: nothing lost, nothing twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from counted import STREAM, batches, some_calls

from memtap.stores import open_store
from memtap.stores.contract import Store

ROWS = 200
CALLS = 12_000
PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from counted import STREAM, batches, some_calls
from memtap.stores import open_store

store = open_store(sys.argv[1])
writer = store.writer()
cursor = writer.open_stream(STREAM)
for batch in batches(some_calls({CALLS}), rows={ROWS}, start=cursor):
    assert writer.write(cursor.stream_no, batch)
    print(batch.number, flush=True)
"""


def write_until_killed(url: str, after_batches: int, and_s: float) -> int:
    """Kill a writer some time after its `after_batches`th batch; the number of the last one that it reported."""
    with subprocess.Popen([sys.executable, "-P", "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(after_batches)]
        time.sleep(and_s)
        process.kill()
        rest = process.stdout.read().split("\n")[:-1]
    reported = [line for line in [*lines, *rest] if line]
    assert reported, "the writer did not write"
    return int(reported[-1])


def rows(store: Store, table: str) -> list[tuple[object, ...]]:
    with closing(store.reader()) as reader:
        return reader._rows(f"SELECT * FROM {table} ORDER BY 1, 2")  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("and_s", [0.0, 0.011])
def test_a_killed_writer_goes_on_and_the_store_is_as_if_nothing_had_been(
    url: str, and_s: float, open_url: Callable[[str], Store]
) -> None:
    with closing(open_store(url)) as store:
        store.migrate()
    for after in (5, 17, 1):
        last = write_until_killed(url, after, and_s)
        with closing(open_store(url)) as store, closing(store.writer()) as writer:
            cursor = writer.open_stream(STREAM)
            # What was reported is there; one more may have been committed before it could be reported.
            assert cursor.next_batch in (last + 1, last + 2)
            assert cursor.next_ordinal == cursor.next_batch * ROWS
    calls = some_calls(CALLS)
    store = open_url(url)
    with closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        assert cursor.next_ordinal < CALLS
        for batch in batches(calls, rows=ROWS, start=cursor):
            assert writer.write(cursor.stream_no, batch)

    twin = open_url(url.replace("store.duckdb", "twin.duckdb").replace("?", "_twin?"))
    with closing(twin.writer()) as writer:
        number = writer.open_stream(STREAM).stream_no
        for batch in batches(calls, rows=ROWS):
            assert writer.write(number, batch)
    for table in ("names", "hosts", "batches", "processes", "events", "rollup_1s"):
        assert rows(store, table) == rows(twin, table), table
