"""The spool while the store is away: its disk full, read-only or failing, memtap killed at each step of it."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mariadb import Server, disk

from .case import case, fill
from .numbered import Trace
from .oracle import judge
from .proxy import Proxy, proxy
from .rows import asking
from .runs import Runs
from .shim import Shim
from .watching import Watching, watching

SOON = {"memtap.loader.SPOOL_AFTER_S": 0.05, "memtap.spool.spool.RETRY_S": 0.1, "memtap.spool.spool.SYNC_S": 0.1}


@pytest.fixture
def between(hurt: Server) -> Iterator[Proxy]:
    with proxy(hurt.socket) as opened:
        yield opened


@contextmanager
def away(between: Proxy, memtap: Watching) -> Iterator[None]:
    """The store, for as long as it takes for something to be spooled."""
    between.refusing = True
    between.cut_all()
    try:
        yield
    finally:
        between.refusing = False


def test_the_spools_disk_is_full(hurt: Server, database: str, between: Proxy, trace: Trace, tmp_path: Path) -> None:
    """Then all waits in memory."""
    spool = tmp_path / "watching" / "spool"
    spool.mkdir(parents=True)
    with (
        disk(spool, 2),
        case("spool's disk full", hurt, database, trace, tmp_path, url=between.url(database), shorter=SOON) as each,
    ):
        ballast = spool / "ballast"
        for chance in each.runs:
            with away(between, each.memtap):
                before = chance.random() < 0.5
                if not before:
                    each.memtap.until_printed(chance.randrange(1000))
                fill(ballast, chance.choice([0, 4096, chance.randrange(1 << 16)]))
                each.memtap.until_printed(chance.randrange(300, 1200))
                if chance.random() < 0.5:
                    ballast.unlink()
                    each.memtap.until_printed(chance.randrange(1000))
            ballast.unlink(missing_ok=True)
            each.mended()


FAILURES = {
    "spool's disk fails to write": (errno.EIO, ["write"]),
    "spool's disk fails to fsync": (errno.EIO, ["sync"]),
    "spool read-only": (errno.EROFS, ["open", "write", "unlink"]),
}


@pytest.mark.parametrize("name", FAILURES)
def test_the_spools_disk_fails(
    name: str, hurt: Server, database: str, between: Proxy, trace: Trace, shim: Shim, tmp_path: Path
) -> None:
    error, operations = FAILURES[name]
    shim.watch("/watching/spool")
    with case(name, hurt, database, trace, tmp_path, url=between.url(database), shorter=SOON, env=shim.env) as each:
        for chance in each.runs:
            with away(between, each.memtap):
                each.memtap.until_printed(chance.randrange(200))
                times = 0 if name == "spool read-only" else chance.choice([0, 1, 2, 5])
                shim.arm("fail", *operations, after=chance.randrange(4), error=error, times=times)
                each.memtap.until(lambda: shim.hits, "the spool's disk fails")
                each.memtap.until_printed(chance.randrange(500))
                if chance.random() < 0.5:
                    shim.disarm()
                    each.memtap.until_printed(chance.randrange(300))
            shim.disarm()
            each.mended()


def test_neither_the_spool_nor_memory_has_room(
    hurt: Server, database: str, between: Proxy, trace: Trace, tmp_path: Path
) -> None:
    """What comes then is lost: counted, with its time."""
    small = {**SOON, "memtap.live.WAITING_ROWS": 600}
    arguments = ["--spool-bytes", "80K"]
    url = between.url(database)
    with case("spool and memory full", hurt, database, trace, tmp_path, *arguments, url=url, shorter=small) as each:
        for chance in each.runs:
            with away(between, each.memtap):
                dropped = each.memtap.status()["spool"]["dropped"]
                each.memtap.until(
                    lambda dropped=dropped: each.memtap.status()["spool"]["dropped"] > dropped, "calls are dropped"
                )
                each.memtap.until_printed(chance.randrange(1000))
            each.mended()
    with asking(hurt.url(database)) as query:
        details = [detail for (detail,) in query("SELECT detail FROM losses WHERE cause = 'spool'")]
    assert details
    assert all(re.search(rb": dropped [0-9]{16} to [0-9]{16} us$", detail) for detail in details), "with their time"


class Lives:
    """One memtap after the other on one store and one spool, each killed."""

    def __init__(self, runs: Runs, server: Server, between: Proxy, database: str, trace: Trace, folder: Path) -> None:
        self.runs = runs
        self.between = between
        self._server = server
        self._database = database
        self._trace = trace
        self._folder = folder
        self._killed: list[tuple[int, int]] = []

    @contextmanager
    def life(self, env: dict[str, str]) -> Iterator[Watching]:
        """A memtap that works until it is killed at the end of the block, if not before."""
        with watching(
            self._folder / "watching", self._trace, self.between.url(self._database), shorter=SOON, env=env
        ) as memtap:
            self.runs.restart_s.append(memtap.ready_s)
            if not self._killed:  # from then on it is the events' clock that says since when nobody watched
                memtap.until_printed()
                memtap.until_stored(300)
            yield memtap
            self._killed.append(memtap.kill())

    def judged(self) -> None:
        """After one last memtap, that is left to store everything."""
        with watching(self._folder / "watching", self._trace, self._server.url(self._database), shorter=SOON) as memtap:
            memtap.until_printed()
            printed = memtap.quiet()
            memtap.until_stored(printed - memtap.first)
            memtap.stop()
        url = self._server.url(self._database)
        self.runs.judged(judge(url, self._trace, printed, self._killed))
        with asking(url) as query:
            told = query("SELECT since_us, time_us, cause, events, detail FROM losses WHERE since_us > 0 ORDER BY 2")
        for _, end in self._killed:  # by the clock of the events, which stands still while nobody prints
            at_us = self._trace.event(end).time_us
            covered = any(since_us <= at_us <= until_us for since_us, until_us, *_ in told)
            assert covered, f"killed at line {end}, at {at_us} us, and no loss says that nobody watched: {told}"
        assert not list(self._folder.glob("watching/spool/*"))


def test_memtap_is_killed_while_it_spools(
    hurt: Server, database: str, between: Proxy, trace: Trace, tmp_path: Path
) -> None:
    lives = Lives(Runs("live memtap killed"), hurt, between, database, trace, tmp_path)
    for chance in lives.runs:
        with lives.life({}) as memtap:
            memtap.until_printed(chance.randrange(100, 1000))
            if chance.random() < 0.7:
                with away(between, memtap):
                    memtap.until_printed(chance.randrange(300, 1200))
                    if chance.random() < 0.5:
                        memtap.process.kill()
                time.sleep(chance.uniform(0, 0.3))
    lives.judged()


def test_memtap_is_killed_at_each_step_of_the_spool(
    hurt: Server, database: str, between: Proxy, trace: Trace, shim: Shim, tmp_path: Path
) -> None:
    steps = [("open", 2), ("write", 20), ("sync", 6), ("unlink", 2)]
    lives = Lives(Runs("killed at each step of the spool"), hurt, between, database, trace, tmp_path)
    shim.watch("/watching/spool")
    for chance in lives.runs:
        operation, most = steps[lives.runs.done % len(steps)]
        action = chance.choice(["kill before", "kill within", "kill after"])
        with lives.life(shim.env) as memtap:
            memtap.until_printed(chance.randrange(100, 500))
            shim.arm(action, operation, after=chance.randrange(most))
            while memtap.process.poll() is None:  # files come and go
                with away(between, memtap):
                    printed = memtap.printed.whole + chance.randrange(300, 1000)
                    while memtap.process.poll() is None and memtap.printed.whole < printed:
                        time.sleep(0.01)
                stored = time.monotonic() + 2
                while memtap.process.poll() is None and time.monotonic() < stored and any(memtap.spool.iterdir()):
                    time.sleep(0.01)
            assert memtap.process.wait() == -9
            shim.disarm()
    lives.judged()


def test_a_memtap_that_is_killed_before_it_has_stored_anything_is_a_gap(
    hurt: Server, database: str, trace: Trace, tmp_path: Path
) -> None:
    url, folder = hurt.url(database), tmp_path / "watching"
    with watching(folder, trace, url, shorter={"memtap.live.LIVE_FLUSH_S": [3600, 3600]}) as memtap:
        memtap.until_printed()
        memtap.kill()
    with watching(folder, trace, url) as memtap:
        memtap.until_stored(300)
        memtap.stop()
    with asking(url) as query:
        (began, _) = query("SELECT name FROM streams ORDER BY stream_no")
        told = query("SELECT since_us FROM losses WHERE detail LIKE 'nobody watched%'")
    assert told == [(int(began[0].rpartition(b":")[2]) // 1000,)], "since the first began"
