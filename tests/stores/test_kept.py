"""Whatever the order of writes, repeats, housekeeping and reopenings: sums equal a recount, on both stores."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

import pytest
from counted import FIRST_US, HEADER, STREAM, WideCall, by_process, by_second
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memtap.native import Parser
from memtap.stores import open_store
from memtap.stores.contract import CallFilter, CallRow, Loss, Reader, Retention, SealedBatch, Store, Writer
from memtap.stores.duckdb import folding, parts

HOUR_US = 3600 * 1_000_000
YEAR_US = 365 * 24 * HOUR_US
EVER = (0, 2**63)
KEEP_ALL = Retention()
NUMBER = itertools.count()

# How far a batch's clock stands from where the one before left it.
steps = st.sampled_from(
    [0, 1, 999_999, 1_000_000, -1_000_000, 61_000_000, HOUR_US, -HOUR_US, 10 * YEAR_US, -10 * YEAR_US]
)
calls = st.builds(
    WideCall,
    pid=st.integers(1, 4),
    time_us=st.integers(0, 3_000_000),
    length=st.integers(0, 2**40),
    call=st.sampled_from(["mmap", "munmap", "brk"]),
    freed=st.integers(0, 2**40),
    errno=st.sampled_from([0, 0, 12]),
    vm=st.integers(1, 2**40),
)
writes = st.tuples(st.just("write"), steps, st.lists(calls, max_size=12))
others = st.tuples(st.sampled_from(["repeat", "fold", "reopen", "lose"]), st.integers(0, 5), st.just([]))
retentions = st.tuples(st.just("keep"), st.sampled_from([0, 1, 3600, 86_400 * 30]), st.just([]))


@pytest.fixture(autouse=True)
def _fold_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DuckDB folds is folded every few rows."""
    for name, rows in (("MOST_ACTIVITY", 9), ("ROWS_AT_ONCE", 7), ("MOST_FRESH_1M", 5), ("MOST_FRESH_1H", 7)):
        monkeypatch.setattr(folding, name, rows)
    monkeypatch.setattr(parts, "CALLS", 15)


@dataclass
class Kept:
    """A store, and what was written to it."""

    url: str
    stored: list[WideCall] = field(default_factory=list)
    written: list[SealedBatch] = field(default_factory=list)
    lost: int = 0
    seen_us: dict[WideCall, int] = field(default_factory=dict)  # the earliest that the clock has shown since
    old: set[int] = field(default_factory=set)  # times of calls that may have been dropped
    clock_us: int = FIRST_US + 20 * YEAR_US

    def __post_init__(self) -> None:
        self.store: Store = open_store(self.url)
        self.store.migrate()
        self._start()

    def _start(self) -> None:
        self.writer: Writer = self.store.writer()
        self.reader: Reader = self.store.reader()
        self.cursor = self.writer.open_stream(STREAM)

    def write(self, step_us: int, some: list[WideCall]) -> None:
        self.clock_us = max(self.clock_us + step_us, YEAR_US)
        self.seen_us = {call: min(seen, self.clock_us) for call, seen in self.seen_us.items()}
        here = [replace(call, time_us=self.clock_us + call.time_us) for call in some]
        self._add(here, ())

    def lose(self, events: int) -> None:
        self._add([], (Loss(self.clock_us, "ring", events, since_us=self.clock_us - 5),))
        self.lost += events

    def _add(self, here: list[WideCall], losses: tuple[Loss, ...]) -> None:
        parser = Parser(rows=max(len(here), 1))
        parser.feed(HEADER + b"".join(call.line for call in here))
        number, ordinal = len(self.written), len(self.stored)
        batch = SealedBatch(number, ordinal, 0, b"", parser.seal(), len(here), 0, 0, losses)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folding, "now_us", lambda: self.clock_us)
            assert self.writer.write(self.cursor.stream_no, batch)
        self.written.append(batch)
        self.stored += here
        self.seen_us |= dict.fromkeys(here, self.clock_us)

    def repeat(self, back: int) -> None:
        if self.written:
            again = self.written[-1 - back % len(self.written)]
            before = self.reader.version()
            assert not self.writer.write(self.cursor.stream_no, again)
            assert self.reader.version() == before

    def fold(self, _: int) -> None:
        before = self.reader.version()
        done = self.store.maintain(KEEP_ALL, self.clock_us)
        assert done.events_dropped == 0
        # A horizon that moved before leaves rows to be dropped.
        assert done.rollups_dropped or self.reader.version() == before

    def keep(self, seconds: int) -> None:
        """Only calls may go that are older, by their own time or by when they were written, and never come back."""
        self.store.maintain(Retention(keep_events_s=seconds), self.clock_us)
        since_us = self.clock_us - seconds * 10**6
        self.old |= {call.time_us for call in self.stored if min(call.time_us, self.seen_us[call]) < since_us}
        left = {call.time_us for call in self.reader.calls(CallFilter(), limit=9999)}
        assert {call.time_us for call in self.stored} - left <= self.old

    def reopen(self, _: int) -> None:
        self.close()
        self.store = open_store(self.url)
        self._start()
        assert (self.cursor.next_batch, self.cursor.next_ordinal) == (len(self.written), len(self.stored))

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
        self.store.close()

    def check(self) -> None:
        """Every sum against a count of what was written."""
        reader = self.reader
        expected = by_process(self.stored)
        rows = {(row.pid, row.start_us): row for row in reader.processes(ended=None)}
        assert {key: counts(row) for key, row in rows.items()} == {key: counts(s) for key, s in expected.items()}
        assert {key: (row.first_us, row.last_us) for key, row in rows.items()} == {
            key: (sums.first_us, sums.last_us) for key, sums in expected.items()
        }
        window = {(row.pid, row.start_us): counts(row) for row in reader.window(*EVER)}
        assert window == {key: counts(sums) for key, sums in expected.items()}
        account = reader.account()
        assert (account.stored, account.lost.get("ring", 0)) == (len(self.stored), self.lost)
        assert sum(second.emitted for second in reader.seconds(*EVER)) == account.emitted
        for step in (1, 60, 3600, 7200):
            assert sum(row[3] + row[4] + row[5] for row in reader.history(None, *EVER, step=step)) == sum(
                sums.requests + sums.releases + sums.failed for sums in expected.values()
            )

    def check_steps(self) -> None:
        """While nothing has been dropped: each step by itself, and every call."""
        for step in (1, 60, 3600):
            expected = by_second(
                replace(call, time_us=call.time_us // step // 10**6 * step * 10**6) for call in self.stored
            )
            assert [(row[0], row[1:]) for row in self.reader.history(None, *EVER, step=step)] == [
                (second, counts(sums)) for second, sums in sorted(expected.items())
            ]
        moments = sorted({call.time_us for call in self.stored})
        for moment in moments[:: len(moments) // 4 + 1]:
            begun_us = moment // 10**6 * 10**6
            before = by_process(call for call in self.stored if call.time_us < begun_us)
            ids = {row.id: (row.pid, row.start_us) for row in self.reader.processes(ended=None)}
            assert {ids[number]: vm for number, vm in self.reader.held_at(moment).items()} == {
                key: sums.vm for key, sums in before.items()
            }
        times = sorted((call.time_us for call in self.stored), reverse=True)
        assert [call.time_us for call in paged(self.reader)] == times


def counts(row: object) -> tuple[int, ...]:
    return tuple(getattr(row, name) for name in ("requested", "released", "requests", "releases", "failed"))


def paged(reader: Reader) -> Iterator[CallRow]:
    before = None
    while page := reader.calls(CallFilter(), before=before, limit=7):
        yield from page
        before = (page[-1].time_us, page[-1].id)


def fresh(url: str) -> str:
    """Another store beside this one."""
    number = next(NUMBER)
    return url.replace("store.duckdb", f"{number}.duckdb").replace("?", f"_{number}?")


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.one_of(writes, writes, others), min_size=3, max_size=14))
def test_sums_equal_a_recount_whatever_happens(url: str, history: list[tuple[str, int, list[WideCall]]]) -> None:
    kept = Kept(fresh(url))
    with closing(kept):
        for what, number, some in history:
            if what == "write":
                kept.write(number, some)
            else:
                getattr(kept, what)(number)
        kept.check()
        kept.check_steps()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.one_of(writes, writes, others, retentions), min_size=3, max_size=14))
def test_what_retention_drops_is_in_the_sums_still(url: str, history: list[tuple[str, int, list[WideCall]]]) -> None:
    kept = Kept(fresh(url))
    with closing(kept):
        for what, number, some in history:
            if what == "write":
                kept.write(number, some)
            elif what == "keep":
                kept.keep(number)
            else:
                getattr(kept, what)(number)
        kept.check()


def after_now(us: int) -> int:
    """Calls from before a store was made are in its first part, which ends then: it goes by the real time."""
    return max(us, time.time_ns() // 1000)


def test_without_calls_sums_are_left(url: str) -> None:
    """All calls go, and nothing else that is kept."""
    kept = Kept(fresh(url))
    with closing(kept):
        kept.clock_us = FIRST_US
        kept.fold(0)  # MariaDB makes its partitions before they are needed
        kept.write(0, [WideCall(pid, time_us=pid) for pid in range(1, 5)])
        later_us = after_now(kept.clock_us) + 400 * 24 * HOUR_US
        dropped = [kept.store.maintain(Retention(keep_events_s=3600), later_us) for _ in range(4)]
        assert sum(step.events_dropped for step in dropped) == 4
        assert (dropped[-1].events_dropped, dropped[-1].oldest_us, dropped[-1].more) == (0, None, False)
        assert kept.reader.calls(CallFilter()) == []
        kept.check()
        kept.write(0, [WideCall(1, time_us=9)])  # late, and not lost
        kept.check()


def test_what_was_held_at_a_moment_is_unknown_where_its_second_is_gone(url: str) -> None:
    """A minute tells what was held at its end, and nothing of its beginning if a call came later."""
    kept = Kept(fresh(url))
    with closing(kept):
        kept.clock_us = minute_us = FIRST_US - FIRST_US % HOUR_US + HOUR_US
        kept.fold(0)
        kept.write(0, [WideCall(1, time_us=at * 10**6, vm=vm) for at, vm in ((1, 1000), (30, 2000), (90, 3000))])
        (number,) = (row.id for row in kept.reader.processes())
        moments = {at: minute_us + at * 10**6 for at in (1, 2, 30, 31, 59, 60, 90, 91, 4000)}

        def held() -> dict[int, int | None]:
            return {at: kept.reader.held_at(us).get(number, 0) for at, us in moments.items()}

        known = {1: 0, 2: 1000, 30: 1000, 31: 2000, 59: 2000, 60: 2000, 90: 2000, 91: 3000, 4000: 3000}
        assert held() == known
        for _ in range(4):
            kept.store.maintain(Retention(keep_events_s=3600), after_now(minute_us) + 24 * HOUR_US)
        assert held() == known | {2: None, 30: None, 90: None}
