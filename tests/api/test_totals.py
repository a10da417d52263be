"""Totals, windows, seconds and losses, against the events themselves."""

from __future__ import annotations

from collections import Counter

import pytest

from memtap.stores.contract import Loss

SECOND_US = 1_000_000


def test_totals_are_of_every_call(site, events, tallies):
    answer = site.get("/api/v1/totals")
    assert answer["window"] == {"from_us": None, "to_us": None}
    assert answer["totals"] == {
        "requested": sum(count.requested for count in tallies.values()),
        "released": sum(count.released for count in tallies.values()),
        "requests": sum(event.call == "mmap2" for event in events),
        "releases": sum(event.call == "munmap" for event in events),
        "failed": None,
        "exact": True,
        "processes": len(tallies),
        "first_us": events[0].time_us,
        "last_us": events[-1].time_us,
    }
    shares = answer["shares"]
    assert dict(zip(shares["pid"], shares["requested"], strict=True)) == {
        pid: count.requested for pid, count in tallies.items()
    }
    assert shares["requested"] == sorted(shares["requested"], reverse=True)
    assert sum(shares["share"]) == pytest.approx(1)


def test_a_window_is_widened_to_whole_seconds_and_says_so(site, events):
    from_us, to_us = events[1000].time_us, events[2000].time_us
    answer = site.get("/api/v1/totals", from_us=from_us, to_us=to_us)
    low, high = from_us // SECOND_US * SECOND_US, -(-to_us // SECOND_US) * SECOND_US
    inside = [event for event in events if low <= event.time_us < high]
    assert answer["window"] == {"from_us": low, "to_us": high}
    assert answer["totals"]["requested"] == sum(event.length for event in inside if event.call == "mmap2")
    assert answer["totals"]["releases"] == sum(event.call == "munmap" for event in inside)
    assert sum(answer["shares"]["requested"]) == answer["totals"]["requested"]
    assert sum(answer["shares"]["share"]) == pytest.approx(1)


def test_one_bound_leaves_the_other_side_open(site, events, tallies):
    middle = events[1500].time_us // SECOND_US * SECOND_US
    before = site.get("/api/v1/totals", to_us=middle)["totals"]["requested"]
    after = site.get("/api/v1/totals", from_us=middle)["totals"]["requested"]
    assert before + after == sum(count.requested for count in tallies.values())
    assert before and after


def test_history_has_every_second_with_a_call(site, events):
    columns = site.get("/api/v1/history", from_us=events[0].time_us, to_us=events[-1].time_us + 1)["columns"]
    requested: Counter[int] = Counter()
    released: Counter[int] = Counter()
    for event in events:
        (released if event.call == "munmap" else requested)[event.time_us // SECOND_US] += event.length
    seconds = sorted(requested.keys() | released.keys())
    assert columns["second"] == seconds
    assert columns["requested"] == [requested[second] for second in seconds]
    assert columns["released"] == [released[second] for second in seconds]
    assert sum(columns["requests"]) + sum(columns["releases"]) == len(events)


def test_history_without_a_window_is_the_last_hour_there_is(fresh, serve, event):
    hour_us = 3600 * SECOND_US
    fresh.writer.write([event("mmap2", 1, b"a", at, 7) for at in (hour_us, 2 * hour_us + 5, 3 * hour_us)])
    assert serve(fresh.reader()).get("/api/v1/history")["columns"]["second"] == [2 * 3600, 3 * 3600]


@pytest.mark.parametrize("path", ["/api/v1/totals", "/api/v1/history"])
def test_an_empty_window_is_refused(site, path):
    with site.client() as client:
        answer = client.get(path, params={"from_us": 20, "to_us": 20})
    assert answer.status_code == 400
    assert answer.json()["error"]["allowed"] == "less than to_us, which is 20"


def test_history_of_more_than_a_day_is_refused(site):
    with site.client() as client:
        answer = client.get("/api/v1/history", params={"from_us": 0, "to_us": 10**15})
    assert answer.status_code == 400
    assert "86400 seconds" in answer.json()["error"]["allowed"]


def test_losses_are_listed_newest_first_and_the_account_adds_up(fresh, serve, events):
    losses = (Loss(events[0].time_us, "pipe", 12, "ring\x1b full"), Loss(events[1].time_us, "spool", 3))
    fresh.writer.write(events[:50], losses=losses)
    site = serve(fresh.reader())
    assert site.get("/api/v1/losses")["columns"] == {
        "time_us": [events[1].time_us, events[0].time_us],
        "cause": ["spool", "pipe"],
        "events": [3, 12],
        "detail": ["", r"ring\x1b full"],
    }
    account = site.get("/api/v1/status")["account"]
    assert account["lost"] == {"pipe": 12, "spool": 3}
    assert account["emitted"] == 50 + 12 + 3 == account["stored"] + account["rejected"] + sum(account["lost"].values())
