"""A connection that is cut at any moment of the protocol, or slow, while memtap watches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
from mariadb import Server

from .case import case
from .numbered import Trace
from .oracle import judge
from .proxy import Cut, Proxy, proxy
from .rows import asking
from .watching import watching


@pytest.fixture
def between(hurt: Server) -> Iterator[Proxy]:
    with proxy(hurt.socket) as opened:
        yield opened


def before_the_batch_row(chance: Random) -> Cut:
    return Cut(b"INSERT INTO batches", chance.choice(["before", "sent", "answered"]))


def within_load_data(chance: Random) -> Cut:
    return Cut(b"LOAD DATA", "within", more=chance.choice([0, 1, chance.randrange(8000)]))


def before_commit(chance: Random) -> Cut:
    return Cut(b"COMMIT", "before")


def before_commits_answer(chance: Random) -> Cut:
    return Cut(b"COMMIT", "sent")


def after_commit(chance: Random) -> Cut:
    return Cut(b"COMMIT", "answered")


def commit_in_flight(chance: Random) -> Cut:
    """The repeat meets the old session's transaction, for less or for longer than it waits for a lock."""
    return Cut(b"COMMIT", "held", hold_s=chance.choice([0.05, 0.05, 0.2, 0.2, 0.9, 1.1, 2.5]))


CUTS = {
    "cut at the batch row": before_the_batch_row,
    "cut within LOAD DATA": within_load_data,
    "cut before COMMIT": before_commit,
    "cut before COMMIT's answer": before_commits_answer,
    "cut after COMMIT": after_commit,
    "COMMIT in flight at the repeat": commit_in_flight,
}


@pytest.mark.parametrize("name", CUTS)
def test_a_connection_that_is_cut(
    name: str, hurt: Server, database: str, between: Proxy, trace: Trace, tmp_path: Path
) -> None:
    with case(name, hurt, database, trace, tmp_path, url=between.url(database)) as each:
        for chance in each.runs:
            between.arm(CUTS[name](chance))
            assert between.has_cut(30), "there was nothing to cut"
            each.mended()


def test_a_connection_that_is_cut_anywhere(
    hurt: Server, database: str, between: Proxy, trace: Trace, tmp_path: Path
) -> None:
    with case("cut anywhere", hurt, database, trace, tmp_path, url=between.url(database)) as each:
        for chance in each.runs:
            each.memtap.until_printed(chance.randrange(600))
            between.cut_all()
            between.refusing = chance.random() < 0.3
            if between.refusing:
                each.memtap.until_printed(chance.randrange(2000))
                between.refusing = False
            each.mended()


def test_a_connection_on_which_every_packet_is_late(
    hurt: Server, database: str, between: Proxy, trace: Trace, tmp_path: Path
) -> None:
    with case("every packet late", hurt, database, trace, tmp_path, url=between.url(database)) as each:
        for chance in each.runs:
            least, most = sorted((chance.uniform(0, 0.02), chance.uniform(0, 0.04)))
            between.delay_s = partial(chance.uniform, least, most)
            each.memtap.until_printed(chance.randrange(300, 900))
            between.delay_s = None
            each.mended()


def test_a_store_that_is_away_at_the_start(
    hurt: Server, database: str, between: Proxy, trace: Trace, tmp_path: Path
) -> None:
    """Everything waits in the spool, and of a memtap that the store never saw it is known later that it watched."""
    soon = {"memtap.loader.SPOOL_AFTER_S": 0.05}
    killed = []
    for life in ("comes back", "stays away", "comes back"):
        between.refusing = True
        with watching(tmp_path / "watching", trace, between.url(database), shorter=soon) as memtap:
            memtap.until(lambda memtap=memtap: memtap.status()["spool"]["batches"] > 2, "the spool is used")
            assert f"until it answers, what comes waits in {memtap.spool}\n" in memtap.said()
            assert memtap.status()["store"]["state"] == "away"
            if life == "comes back":
                between.refusing = False
                memtap.until(lambda memtap=memtap: not memtap.status()["spool"]["batches"], "the spool is stored")
                memtap.until(lambda memtap=memtap: memtap.status()["store"]["state"] == "ok", "the page can read")
            if len(killed) < 2:
                killed.append(memtap.kill())
            else:
                printed = memtap.quiet()
                memtap.until_stored(printed - memtap.first)
                memtap.stop()
    verdict = judge(hurt.url(database), trace, printed, killed)
    assert verdict.wrong == []
    with asking(hurt.url(database)) as query:
        told = query("SELECT since_us, detail FROM losses WHERE cause = 'tap' ORDER BY time_us")
        cut_off = query("SELECT time_us FROM losses WHERE cause = 'spool'")
        streams = query("SELECT first_us, last_us FROM streams ORDER BY first_us")
    assert len(streams) == 3
    gaps = [since_us for since_us, detail in told if b"nobody watched" in detail]
    # A record that the kill cut off is lost, and its head still tells that the second watched then.
    assert gaps == [max(streams[1][1], *(time_us for (time_us,) in cut_off))], "the third finds what the second left"
    assert sum(b"was not known" in detail for _, detail in told) == 3
