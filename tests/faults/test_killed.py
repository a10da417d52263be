"""`memtap ingest` killed at any moment and run again: the store is as if nothing had been, row for row."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest
from mariadb import Server

from .ingesting import ROWS, Ingest
from .numbered import Trace
from .oracle import judge
from .proxy import Cut, proxy
from .rows import contents, differences
from .runs import Runs
from .shim import Shim

EVENTS = 8 * ROWS
# Each step of the protocol, by a word of its statement.
STEPS = (
    b"INSERT INTO batches",
    b"FROM names WHERE",
    b"INSERT INTO names",
    b"INTO TABLE events",
    b"INSERT INTO rollup_1s",
    b"INSERT INTO rollup_1m",
    b"INSERT INTO rollup_1h",
    b"INSERT INTO processes (id, name_id",
    b"INSERT INTO processes (host_id",
    b"INSERT INTO account_1s",
    b"UPDATE streams",
    b"COMMIT",
)


class Killing:
    """A recording that is ingested into one fresh store after another, killed on the way."""

    def __init__(self, runs: Runs, trace: Trace, folder: Path, stores: Iterator[tuple[str, str]]) -> None:
        """`stores`: the URL that memtap is given and the one to judge it by."""
        self.runs = runs
        self._trace = trace
        self._recording = trace.file(folder / "trace.log", EVENTS)
        self._stores = stores
        self._env: dict[str, str] = {}
        self._used = 0  # kills of this store
        url, self._judged = next(stores)
        self.quickest_s = Ingest(self._recording, url).run()
        self._twin = contents(self._judged)
        self._next()

    def use(self, env: dict[str, str]) -> None:
        self._env = env

    def _next(self) -> None:
        self.url, self._judged = next(self._stores)
        self._used = 0

    def start(self) -> subprocess.Popen[bytes]:
        return Ingest(self._recording, self.url, self._env).start()

    def has_killed(self, chance: Random, kill: Callable[[subprocess.Popen[bytes]], None]) -> None:
        """Kills one, in as many stores as it takes for one to be killed before it has done everything."""
        for _ in range(20):
            with self.start() as process:
                kill(process)
                _, said = process.communicate()
            assert process.returncode in (0, -9), said.decode()
            killed = process.returncode == -9
            self._used += killed
            if not killed or self._used == 4 or chance.random() < 0.2:
                self.finish()
            if killed:
                return
        raise AssertionError("it was never killed")

    def finish(self) -> None:
        """Ingests what is left, and compares with an ingest that nobody killed."""
        seconds = Ingest(self._recording, self.url).run()
        self.quickest_s = min(self.quickest_s, seconds)
        self.runs.ready_s.append(seconds)
        self.runs.judged(judge(self._judged, self._trace, EVENTS))
        assert differences(contents(self._judged), self._twin) == []
        self._next()


@pytest.fixture
def mysql_stores(hurt: Server) -> Iterator[Iterator[str]]:
    made: list[str] = []

    def names() -> Iterator[str]:
        for number in itertools.count():
            made.append(f"killed_{number}")
            yield made[-1]

    yield names()
    for name in made:
        hurt.execute(f"DROP DATABASE IF EXISTS {name}")


def duckdb_stores(folder: Path) -> Iterator[tuple[str, str]]:
    for number in itertools.count():
        url = f"duckdb://{folder}/{number}.duckdb"
        yield url, url


@pytest.mark.parametrize("store", ["duckdb", "mysql"])
def test_killed_at_random(store: str, hurt: Server, mysql_stores: Iterator[str], trace: Trace, tmp_path: Path) -> None:
    stores = (
        duckdb_stores(tmp_path) if store == "duckdb" else ((hurt.url(name), hurt.url(name)) for name in mysql_stores)
    )
    runs = Runs(f"memtap killed, {store}")
    killing = Killing(runs, trace, tmp_path, stores)
    for chance in runs:

        def kill(process: subprocess.Popen[bytes], chance: Random = chance) -> None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.2, 1.2) * killing.quickest_s)
            process.kill()

        killing.has_killed(chance, kill)
    killing.finish()


def test_killed_at_each_step_of_the_protocol(
    hurt: Server, mysql_stores: Iterator[str], trace: Trace, tmp_path: Path
) -> None:
    runs = Runs("memtap killed at each step, mysql", least=2 * len(STEPS))
    with proxy(hurt.socket) as between:
        stores = ((between.url(name), hurt.url(name)) for name in mysql_stores)
        killing = Killing(runs, trace, tmp_path, stores)
        for chance in runs:
            step = STEPS[runs.done % len(STEPS)]
            where, skip = chance.choice(["before", "sent", "answered"]), chance.choice([0, 0, 1, 2])
            print(f"  {step.decode()}: {where}, {skip} let by")
            # There may be fewer: not every batch has a process that is new.
            cuts = itertools.chain([Cut(step, where, skip=skip)] * 3, itertools.repeat(Cut(step, where)))

            def kill(process: subprocess.Popen[bytes], cuts: Iterator[Cut] = cuts) -> None:
                between.arm(replace(next(cuts), then=process.kill))
                process.wait(300)
                between.disarm()

            killing.has_killed(chance, kill)
        killing.finish()


def test_killed_at_any_write_to_the_file(shim: Shim, trace: Trace, tmp_path: Path) -> None:
    runs = Runs("memtap killed at each write, duckdb")
    killing = Killing(runs, trace, tmp_path, duckdb_stores(tmp_path))
    shim.watch(".duckdb")
    killing.use(shim.env)
    with killing.start() as process:
        process.communicate()
    operations = {name: shim.seen(name) for name in ("write", "sync", "open", "truncate", "rename", "unlink")}
    used = [name for name, count in operations.items() if count]
    assert {"write", "sync"} <= {*used}, "what is known of DuckDB no longer holds"
    killing.finish()
    for chance in runs:
        operation = chance.choice(used)
        action = chance.choice(["kill before", "kill within", "kill after"])
        arm = partial(shim.arm, action, operation, after=chance.randrange(1 + operations[operation] * 2 // 3))

        def kill(process: subprocess.Popen[bytes], arm: Callable[[], None] = arm) -> None:
            arm()
            process.wait(60)
            shim.disarm()

        killing.has_killed(chance, kill)
    killing.finish()
