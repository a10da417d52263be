"""Whose sums a loss has touched: those of every process that lived while calls were lost, and of no other."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from counted import FIRST_US, WideCall, batches
from hypothesis import given
from hypothesis import strategies as st
from web import serving, stored_wide_at

from memtap.api.exactness import LOSSES_READ, MARGIN_US, Exactness, span
from memtap.errors import StoreAway
from memtap.loader import Draft, Loader
from memtap.status import Reconciliation, Status
from memtap.stores.contract import Cursor, Loss
from memtap.taps.supervisor import Pauses, Supervisor
from memtap.taps.tap import Tap

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US


def lives(*spans: tuple[int, int | None]) -> list[WideCall]:
    """Processes 1, 2, …, each with its first call and its exit (None: it lives) at these minutes."""
    calls = []
    for pid, (first, ended) in enumerate(spans, 1):
        born = WideCall(pid, start_us=pid * 10_000, time_us=FIRST_US + first * MINUTE_US)
        calls.append(born)
        if ended is not None:
            calls.append(replace(born, call="exit", time_us=FIRST_US + ended * MINUTE_US, length=0))
    return sorted(calls, key=lambda call: call.time_us)


def lost_at(minute: float, detail: str = "", cause: str = "tap", events: int = 1) -> Loss:
    return Loss(FIRST_US + int(minute * MINUTE_US), cause, events, detail)


def gap(first: int, last: int) -> Loss:
    """Of these minutes, as the supervisor tells it."""
    since, until = (
        datetime.fromtimestamp((FIRST_US + minute * MINUTE_US) / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for minute in (first, last)
    )
    seconds = (last - first) * 60
    detail = f"bpftrace ended with exit status 1; nothing was seen from {since} to {until} ({seconds:.1f} s)"
    return lost_at(last, detail, events=0)


def exact(site: Any) -> dict[int, bool]:
    """By pid."""
    columns = site.get("/api/v1/processes", ended="all")["columns"]
    return dict(zip(columns["pid"], columns["exact"], strict=True))


LIVES = lives((0, 10), (0, None), (20, 30), (40, None))


def test_gaps_of_unknown_size_are_counted_beside_what_is_known_to_be_lost(fresh_wide):
    """The identity cannot hold them: they are told apart from it."""
    account = fresh_wide(LIVES, gap(5, 6), lost_at(7, events=12), gap(8, 9)).get("/api/v1/status")["account"]
    assert (account["gaps"], account["lost"]) == (2, {"tap": 12})
    assert account["emitted"] == account["stored"] + account["rejected"] + 12


@pytest.mark.parametrize(
    ("loss", "touched"),
    [
        pytest.param(lost_at(5), {1, 2}, id="while two live"),
        pytest.param(lost_at(15), {2}, id="after one has ended"),
        pytest.param(lost_at(25), {2, 3}, id="in another's life"),
        pytest.param(lost_at(35), {2}, id="before one began"),
        pytest.param(lost_at(50), {2, 4}, id="after every call: open ends"),
        pytest.param(lost_at(5, cause="ring"), {1, 2}, id="of another cause"),
        pytest.param(lost_at(5, events=0), {1, 2}, id="of unknown size"),
        pytest.param(gap(5, 25), {1, 2, 3}, id="a gap, whose end is its time"),
        pytest.param(gap(12, 18), {2}, id="a gap between lives"),
        pytest.param(
            lost_at(25, f"the store is away: dropped {FIRST_US + 5 * MINUTE_US} to {FIRST_US + 25 * MINUTE_US} us"),
            {1, 2, 3},
            id="dropped calls, of which the last's time is told",
        ),
    ],
)
def test_a_loss_touches_those_that_lived_then(fresh_wide, loss, touched):
    assert exact(fresh_wide(LIVES, loss)) == {pid: pid not in touched for pid in (1, 2, 3, 4)}


def test_without_a_loss_every_sum_is_exact(wide_site, site):
    for whole in (wide_site, site):
        assert set(exact(whole).values()) == {True}
        assert whole.get("/api/v1/totals")["totals"]["exact"] is True
        assert whole.get("/api/v1/status")["totals"]["exact"] is True


def test_a_loss_is_attributed_with_a_margin_and_no_further(fresh_wide):
    margin = MARGIN_US / MINUTE_US
    site = fresh_wide(LIVES, lost_at(10 + margin), lost_at(20 - margin - 0.001))
    assert exact(site) == {1: False, 2: False, 3: True, 4: True}


def test_one_process_and_the_list_say_the_same(fresh_wide):
    site = fresh_wide(LIVES, lost_at(5))
    columns = site.get("/api/v1/processes", ended="all")["columns"]
    for number, whether in zip(columns["id"], columns["exact"], strict=True):
        assert site.get(f"/api/v1/processes/{number}")["exact"] is whether


def test_totals_since_the_beginning_are_touched_by_any_loss_and_those_of_a_window_by_its_own(fresh_wide):
    site = fresh_wide(LIVES, gap(5, 8))
    assert site.get("/api/v1/totals")["totals"]["exact"] is False
    assert site.get("/api/v1/status")["totals"]["exact"] is False

    def window(first: int, last: int) -> bool:
        times = {"from_us": FIRST_US + first * MINUTE_US, "to_us": FIRST_US + last * MINUTE_US}
        return site.get("/api/v1/totals", **times)["totals"]["exact"]

    assert [window(0, 4), window(0, 6), window(6, 7), window(7, 20), window(9, 20)] == [True, False, False, False, True]


def test_the_originals_table_keeps_its_keys(fresh_wide):
    [row, *_] = fresh_wide(LIVES, lost_at(5)).get("/api/ObtenerProcesos")
    assert list(row) == ["pid", "process_name", "memory", "percentage", "requested", "released", "share", "vm"]


def test_a_later_loss_is_known_at_once(fresh, serve, events):
    site = serve(fresh.reader())
    fresh.writer.write(events[:20])
    assert set(exact(site).values()) == {True}
    fresh.writer.write([], losses=(Loss(events[20].time_us, "tap", 1),))
    assert set(exact(site).values()) == {False}


def test_both_stores_say_the_same(mysql_url, fresh_wide):
    losses = (gap(12, 18), lost_at(25))
    with stored_wide_at(mysql_url, LIVES, losses) as reader, serving() as serve:
        assert exact(serve(reader)) == exact(fresh_wide(LIVES, *losses)) == {1: True, 2: False, 3: False, 4: True}


def test_a_gap_that_a_supervisor_tells_of_is_read_with_its_beginning():
    gaps, again = [], threading.Event()

    def told(loss: Loss) -> None:
        gaps.append(loss)
        again.set()

    supervisor = Supervisor(
        Tap("bpftrace", argv=("sh", "-c", "echo up")),
        on_stream=lambda _fd: None,
        on_gap=told,
        pauses=Pauses(first_s=0.01),
    )
    supervisor.start()
    assert again.wait(60)
    assert supervisor.stop(10)
    found = gaps[0]
    # Seen from an hour later, the span still begins where the gap did.
    first_us, last_us = span(found._replace(time_us=found.time_us + 60 * MINUTE_US))
    assert found.time_us - MINUTE_US < first_us < found.time_us
    assert last_us == found.time_us + 60 * MINUTE_US + MARGIN_US


class Shut:
    """A writer whose store is away until `opens`."""

    def __init__(self) -> None:
        self.opens = threading.Event()
        self.losses: list[Loss] = []

    def ahead(self, _stream_no: int, batch: Any) -> bool:
        return False

    def write(self, _stream_no: int, batch: Any) -> bool:
        if not self.opens.is_set():
            raise StoreAway("connection refused")
        self.losses += batch.losses
        return True


def test_calls_that_a_loader_dropped_are_read_with_the_first_one():
    calls = [WideCall(1, time_us=FIRST_US + minute * MINUTE_US) for minute in range(9)]
    first, second, third = (Draft(batch.events, batch.lines, 0, batch.notices) for batch in batches(calls, rows=3))
    writer = Shut()
    loader = Loader(writer, Cursor(stream_no=1), most_rows=3, drop=True, patience_s=None)
    for draft in (first, second):
        loader.submit(draft)
    writer.opens.set()
    loader.start()
    while loader.queued:
        loader.join(0.01)
    loader.submit(third)
    assert loader.finish(60).lost == 0
    [dropped] = writer.losses
    first_us, last_us = span(dropped)
    assert first_us <= calls[3].time_us - MARGIN_US < calls[5].time_us + MARGIN_US <= last_us
    assert last_us - first_us <= calls[5].time_us - calls[3].time_us + 2 * MARGIN_US + 2 * SECOND_US


def test_a_gap_whose_beginning_cannot_be_read_is_taken_to_have_begun_long_ago():
    loss = Loss(FIRST_US, "tap", 0, "x; nothing was seen from 2026-99-99T00:00:00Z to 2026-11-23T00:00:00Z (1.0 s)")
    assert span(loss) == (0, FIRST_US + MARGIN_US)


def test_what_is_before_the_oldest_loss_of_a_full_list_counts_as_lost():
    full = [Loss(FIRST_US + at * MINUTE_US, "tap", 1) for at in reversed(range(LOSSES_READ))]
    before = FIRST_US - 90 * MINUTE_US
    assert not Exactness(full).within(before, before)
    assert Exactness(full[:-1]).within(before, before)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=6),
    st.integers(0, 70),
    st.none() | st.integers(0, 20),
)
def test_a_life_is_touched_where_it_has_a_second_in_common_with_any_loss(spans, first, length):
    """Against every second, one by one."""
    losses = [
        Loss(
            (100 + start + more) * SECOND_US,
            "store",
            1,
            f"away: dropped {(100 + start) * SECOND_US} to {(100 + start + more) * SECOND_US} us",
        )
        for start, more in sorted(spans, key=sum, reverse=True)
    ]
    margin = MARGIN_US // SECOND_US
    lost = {second for start, more in spans for second in range(100 + start - margin, 100 + start + more + margin + 1)}
    lived = range(100 + first, 200 if length is None else 100 + first + length + 1)
    last_us = None if length is None else lived[-1] * SECOND_US
    assert Exactness(losses).within(lived[0] * SECOND_US, last_us) is lost.isdisjoint(lived)
    assert Exactness(losses).everywhere is (not losses)


def test_the_latest_reconciliation_is_in_the_status(serve, made):
    now = Status()
    site = serve(made.reader(), status=lambda: now)
    assert site.get("/api/v1/status")["reconciliation"] is None
    now = Status(reconciliation=Reconciliation(FIRST_US, processes=214, new=3, differing=2, difference=-(2**40)))
    assert site.get("/api/v1/status")["reconciliation"] == {
        "time_us": FIRST_US,
        "processes": 214,
        "new": 3,
        "differing": 2,
        "difference": -(2**40),
        "largest": [],
    }
