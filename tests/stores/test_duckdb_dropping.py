"""memtap killed while retention drops extents and parts of a DuckDB file: nothing goes but what is old."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import dropping
from counted import STREAM, Call

from memtap.stores import open_store
from memtap.stores.contract import CallFilter, Reader, Store
from memtap.stores.duckdb import housekeeping

DROPPING = Path(dropping.__file__)
KILLS = 8
LONGEST_S = 0.5  # between a step that dropped something and the kill: some steps
EVER = (0, 2**63)
LEAST = (dropping.KEPT.keep_events_s or 0) * 1_000_000 // dropping.EVERY_US  # calls that are kept


def kill_while_dropping(url: str, chance: random.Random) -> None:
    command = [sys.executable, str(DROPPING), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        dropped = process.stdout.readline()
        time.sleep(chance.uniform(0, LONGEST_S))
        process.kill()
        assert dropped == b"\n", process.stderr.read().decode()


def calls_of(reader: Reader) -> list[tuple[int, int, int]]:
    rows = reader.calls(CallFilter(), limit=1_000_000)
    return [(row.pid, row.time_us, row.length) for row in reversed(rows)]


def ask(reader: Reader, sql: str) -> list[Any]:
    return reader._rows(sql)  # type: ignore[attr-defined,no-any-return]


def check(store: Store, written: list[Call]) -> int:
    """Returns how many calls are kept: the latest ones, each once."""
    with closing(store.reader()) as reader:
        kept = calls_of(reader)
        assert kept == [(each.pid, each.time_us, each.length) for each in written[len(written) - len(kept) :]]
        assert ask(reader, "SELECT count(*), count(DISTINCT id) FROM events") == [(len(kept), len(kept))]
        assert reader.account().stored == len(written)
        found = {row.pid: (row.requested, row.requests) for row in reader.processes(ended=None)}
        expected = {
            pid: (sum(own), len(own)) for pid in found if (own := [each.length for each in written if each.pid == pid])
        }
        assert set(expected) == {each.pid for each in written}
        assert found == expected
        assert {row.pid: (row.requested, row.requests) for row in reader.window(*EVER)} == expected
        assert sum(row[3] for row in reader.history(None, *EVER, step=3600)) == len(written)
        seconds = [row[0] for row in ask(reader, "SELECT DISTINCT second FROM rollup_1s")]
        assert set(seconds) >= {time_us // 1_000_000 for _, time_us, _ in kept}
    return len(kept)


def test_who_is_killed_while_parts_are_dropped_loses_nothing_that_is_kept(tmp_path: Path, monkeypatch: Any) -> None:
    url, chance = f"duckdb://{tmp_path}/dropping.duckdb", random.Random()
    monkeypatch.setattr(housekeeping, "MOST_CALLS", 300)
    before = 0
    for _ in range(KILLS):
        kill_while_dropping(url, chance)
        with closing(open_store(url)) as store:
            with closing(store.writer()) as writer:
                written = [dropping.call(n) for n in range(writer.open_stream(STREAM).next_ordinal)]
            assert len(written) > before
            before = len(written)
            assert check(store, written) >= LEAST
    with closing(open_store(url)) as store:  # what was cut off is finished, and nothing is left of it
        while store.maintain(dropping.KEPT, written[-1].time_us).more:
            pass
        for _ in range(4):
            store.maintain(dropping.KEPT, written[-1].time_us)
        assert LEAST <= check(store, written) < LEAST + 2 * dropping.IN_PART
        with closing(store.reader()) as reader:
            names = {name for (name,) in ask(reader, "SELECT table_name FROM duckdb_tables()")}
            listed = ask(reader, "SELECT part, has_calls FROM parts")
        assert {name for name in names if name.startswith("events_")} == {
            f"events_{part}" for part, has in listed if has
        }
        assert {name for name in names if name.startswith("folded_1s_")} == {f"folded_1s_{part}" for part, _ in listed}
        assert min(part for part, _ in listed) > 0
