"""Activity in steps that fit a chart, against the events themselves."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtap.api.timeline import STEPS_S, count_of, step_for
from memtap.stores.contract import Loss

SECOND_US = 1_000_000
TIMES = st.integers(0, 2**53)


@given(TIMES, TIMES, st.integers(2, 10_000))
def test_a_step_is_as_short_as_the_points_allow(one, other, points):
    from_us, to_us = min(one, other), max(one, other) + 1
    step = step_for(from_us, to_us, points)
    assert count_of(from_us, to_us, step) <= points
    shorter = [known for known in STEPS_S if known < step]
    assert all(count_of(from_us, to_us, known) > points for known in shorter)
    assert step in STEPS_S or step % 86_400 == 0


@pytest.mark.parametrize("points", [2, 3, 7, 30, 1000])
def test_the_steps_together_hold_every_call_of_the_window(site, events, points):
    answer = site.get("/api/v1/timeline", from_us=events[0].time_us, to_us=events[-1].time_us + 1, points=points)
    step, columns = answer["step"], answer["columns"]
    expected: dict[str, Counter[int]] = {name: Counter() for name in ("requested", "released", "requests", "releases")}
    for event in events:
        at = event.time_us // SECOND_US // step * step
        size, count = ("released", "releases") if event.call == "munmap" else ("requested", "requests")
        expected[size][at] += event.length
        expected[count][at] += 1
    assert len(columns["second"]) <= points
    assert columns["second"] == sorted({at for counter in expected.values() for at in counter})
    for name, counter in expected.items():
        assert columns[name] == [counter[second] for second in columns["second"]]
    assert set(columns["failed"]) == {None}
    assert answer["window"]["from_us"] <= events[0].time_us < events[-1].time_us < answer["window"]["to_us"]
    assert answer["window"]["from_us"] % (step * SECOND_US) == answer["window"]["to_us"] % (step * SECOND_US) == 0


def test_one_process_has_its_own_and_what_it_held(wide_site, wide_calls):
    columns = wide_site.get("/api/v1/processes", ended="all")["columns"]
    for number, requested in list(zip(columns["id"], columns["requested"], strict=True))[:5]:
        answer = wide_site.get("/api/v1/timeline", process_id=number, points=5)
        assert sum(answer["columns"]["requested"]) == requested
        assert len(answer["columns"]["vm"]) == len(answer["columns"]["second"])
    assert any(answer["columns"]["vm"])


def test_a_window_in_which_nothing_happened_is_empty(site):
    answer = site.get("/api/v1/timeline", from_us=0, to_us=10 * SECOND_US)
    assert answer["columns"]["second"] == []
    assert answer["step"] == 1


def test_losses_near_each_other_are_one_span(fresh, serve, events):
    first = events[0].time_us // SECOND_US * SECOND_US
    losses = [Loss(first + at * SECOND_US, "pipe", 2, f"at {at}") for at in (1, 2, 3, 20)] + [
        Loss(first + 2 * SECOND_US, "store", 5),
        Loss(first + 5000 * SECOND_US, "store", 7),
    ]
    fresh.writer.write(events[:50], losses=tuple(losses))
    found = serve(fresh.reader()).get("/api/v1/timeline", from_us=first, to_us=first + 100 * SECOND_US)["losses"]
    spans = sorted(zip(*found.values(), strict=True))
    assert spans == sorted(
        [
            (first + 1 * SECOND_US, first + 3 * SECOND_US, "pipe", 6, 3, "at 3"),
            (first + 20 * SECOND_US, first + 20 * SECOND_US, "pipe", 2, 1, "at 20"),
            (first + 2 * SECOND_US, first + 2 * SECOND_US, "store", 5, 1, ""),
        ]
    )


def test_a_history_in_steps_adds_up_to_that_in_seconds(site, events):
    window = {"from_us": events[0].time_us, "to_us": events[-1].time_us}
    seconds = site.get("/api/v1/history", **window)["columns"]
    tens = site.get("/api/v1/history", **window, step=10)
    assert tens["step"] == 10
    for name in ("requested", "released", "requests", "releases"):
        assert sum(tens["columns"][name]) == sum(seconds[name])
    assert all(second % 10 == 0 for second in tens["columns"]["second"])


def test_the_account_of_each_second_adds_up(fresh, serve, events):
    losses = (Loss(events[3].time_us, "pipe", 12), Loss(events[3].time_us, "spool", 3))
    fresh.writer.write(events[:500], losses=losses)
    answer = serve(fresh.reader()).get("/api/v1/seconds", from_us=events[0].time_us, to_us=events[499].time_us + 1)
    columns = answer["columns"]
    stored = Counter(event.time_us // SECOND_US for event in events[:500])
    assert dict(zip(columns["second"], columns["stored"], strict=True)) == stored
    at = columns["second"].index(events[3].time_us // SECOND_US)
    assert {cause: lost[at] for cause, lost in answer["lost"].items()} == {"pipe": 12, "spool": 3}
    for number, emitted in enumerate(columns["emitted"]):
        parts = (columns[name][number] for name in ("stored", "rejected", "lost"))
        assert emitted == sum(parts)


def test_failed_calls_of_each_step_are_those_of_the_lines(wide_site, wide_calls):
    columns = wide_site.get(
        "/api/v1/timeline", from_us=wide_calls[0].time_us - SECOND_US, to_us=wide_calls[-1].time_us + SECOND_US
    )["columns"]
    assert sum(columns["failed"]) == sum(call.errno != 0 for call in wide_calls) > 0
