"""The wall clock steps, of the tap and of memtap: order stays, nothing is lost, no time is without a place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mariadb import Server

from .ingesting import Ingest
from .numbered import Trace
from .oracle import judge
from .runs import Runs
from .shim import Shim
from .watching import watching

SECOND = 1_000_000
STEPS_US = {
    "1 s": SECOND,
    "1 h": 3600 * SECOND,
    "10 years": 3652 * 24 * 3600 * SECOND,
}
EVENTS = 200  # between two steps, or so


@pytest.mark.parametrize("store", ["duckdb", "mysql"])
def test_the_clock_of_a_trace_steps(store: str, hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    """Forth and back, over hours, years, and where a table is divided by time."""
    runs = Runs(f"clock of the tap steps, {store}")
    steps = []
    for chance in runs:
        step_us = chance.choice([*STEPS_US.values()]) * chance.choice([1, -1])
        ahead_us = sum(step_us for _, step_us in steps)
        if abs(ahead_us + step_us) > 3 * STEPS_US["10 years"]:  # not before the epoch
            step_us = -step_us
        steps.append((chance.randrange(EVENTS * runs.runs), step_us))
    stepping = replace(trace, steps=tuple(steps))
    url = f"duckdb://{tmp_path}/store.duckdb" if store == "duckdb" else hurt.url(database)
    count = EVENTS * runs.runs
    Ingest(stepping.file(tmp_path / "trace.log", count), url).run()
    runs.judged(judge(url, stepping, count, steps=True))


@pytest.mark.parametrize("store", ["duckdb", "mysql"])
def test_memtaps_own_clock_steps(
    store: str, hurt: Server, database: str, trace: Trace, shim: Shim, tmp_path: Path
) -> None:
    """While it watches and keeps house."""
    runs = Runs(f"memtap's clock steps, {store}")
    url = f"duckdb://{tmp_path}/store.duckdb" if store == "duckdb" else hurt.url(database)
    often = {"memtap.housekeeping.INTERVAL_S": 0.05, "memtap.housekeeping.AGAIN_S": 0.05}
    with watching(tmp_path / "watching", trace, url, rate=2000, shorter=often, env=shim.env) as memtap:
        memtap.until_printed()
        for chance in runs:
            shim.set_clock(chance.choice([0, *STEPS_US.values(), *(-step for step in STEPS_US.values())]))
            memtap.until_printed(chance.randrange(500))
            runs.ready_s.append(memtap.until_stored(memtap.printed.whole))
        shim.set_clock(0)
        printed = memtap.quiet()
        memtap.until_stored(printed)
        memtap.stop()
    runs.judged(judge(url, trace, printed))
