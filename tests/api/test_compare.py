"""Two moments or windows side by side, against the events themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from counted import FIRST_US, WideCall, by_pid

from memtap.stores.contract import Loss

SECOND_US = 1_000_000


def rows(answer: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    """(state, before, after, change) by pid."""
    columns = answer["columns"]
    names = ("state", "before", "after", "change")
    return dict(zip(columns["pid"], zip(*(columns[name] for name in names), strict=True), strict=True))


def whole(time_us: int) -> int:
    return time_us // SECOND_US * SECOND_US


def test_two_moments_differ_by_what_came_between(site, events):
    at, then = whole(events[900].time_us), whole(events[1800].time_us)
    answer = site.get("/api/v1/compare", at=at, **{"with": then})
    before, after = (by_pid([e for e in events if e.time_us < moment]) for moment in (at, then))
    assert answer["of"] == "balance"
    assert (answer["at"], answer["with"]) == ({"from_us": at, "to_us": None}, {"from_us": then, "to_us": None})
    found = rows(answer)
    assert found.keys() == {pid for pid in after if pid not in before or after[pid].balance != before[pid].balance}
    for pid, (state, was, now, change) in found.items():
        assert (was, now) == (before[pid].balance, after[pid].balance)
        assert change == now - was
        assert state == ("grew" if change > 0 else "shrank")
    assert [abs(change) for change in answer["columns"]["change"]] == sorted(
        map(abs, answer["columns"]["change"]), reverse=True
    )
    assert answer["totals"]["change"] == sum(change for *_, change in found.values())
    assert sum(answer["states"].values()) == len(after)


def test_without_with_a_moment_is_compared_with_now(site, events, tallies):
    at = whole(events[1500].time_us)
    found = rows(site.get("/api/v1/compare", at=at))
    assert {pid: after for pid, (_, _, after, _) in found.items()} == {pid: t.balance for pid, t in tallies.items()}


def test_what_appeared_and_what_ended(fresh, serve, event, events):
    start = events[0].time_us // SECOND_US * SECOND_US
    at = [start + second * SECOND_US for second in range(10)]
    fresh.writer.write(
        [
            event("mmap2", 1, b"stays", at[0], 100),
            event("mmap2", 2, b"ends", at[0] + 1, 50),
            event("mmap2", 3, b"appears", at[5], 70),
            event("mmap2", 4, b"comes and goes", at[5] + 1, 9),
        ]
    )
    fresh.writer.end(2, 4, at_us=at[6])
    found = serve(fresh.reader()).get("/api/v1/compare", at=at[2], **{"with": at[8]})
    assert rows(found) == {3: ("appeared", None, 70, 70), 2: ("ended", 50, None, -50)}
    assert found["states"] == {"grew": 0, "shrank": 0, "appeared": 1, "ended": 1, "unknown": 0, "same": 1}
    assert found["totals"] == {"before": 150, "after": 170, "change": 20}


def test_two_windows_differ_by_what_was_requested_in_each(site, events):
    at = [whole(events[index].time_us) for index in (300, 900, 1800)]
    answer = site.get("/api/v1/compare", at=f"{at[0]}-{at[1]}", **{"with": f"{at[1]}-{at[2]}"})
    one = by_pid([event for event in events if at[0] <= event.time_us < at[1]])
    two = by_pid([event for event in events if at[1] <= event.time_us < at[2]])
    assert answer["of"] == "requested"
    assert {pid: row[1:3] for pid, row in rows(answer).items()} == {
        pid: (one[pid].requested, two[pid].requested) for pid in one.keys() | two.keys()
    }


def test_without_with_a_window_is_compared_with_the_next_as_long(site, events):
    start = whole(events[300].time_us)
    middle, end = start + 5 * SECOND_US, start + 10 * SECOND_US
    answer = site.get("/api/v1/compare", at=f"{start}-{middle}")
    assert answer["with"] == {"from_us": middle, "to_us": end}


def test_by_vm_two_moments_show_what_the_kernel_counted_at_each(fresh_wide):
    at = [FIRST_US // SECOND_US * SECOND_US + second * SECOND_US for second in range(10)]
    stays, ends, appears = (WideCall(pid, start_us=pid * 10_000, time_us=at[0]) for pid in (1, 2, 3))
    calls = [
        replace(stays, vm=100 << 20),
        replace(ends, time_us=at[0] + 1, vm=50 << 20),
        replace(stays, time_us=at[1], vm=300 << 20),  # the latest before the first moment
        replace(stays, time_us=at[4], vm=200 << 20, call="exec", length=0),  # no balance knows of it
        replace(appears, time_us=at[5], vm=70 << 20),
        replace(ends, time_us=at[6], call="exit", length=0, vm=0),
        replace(stays, time_us=at[9], vm=1 << 20),  # later than both
    ]
    answer = fresh_wide(calls, Loss(at[3], "tap", 7, "lost")).get(
        "/api/v1/compare", at=at[2], of="vm", **{"with": at[8]}
    )
    assert answer["of"] == "vm"
    assert rows(answer) == {
        1: ("shrank", 300 << 20, 200 << 20, -100 << 20),
        2: ("ended", 50 << 20, None, -50 << 20),
        3: ("appeared", None, 70 << 20, 70 << 20),
    }
    assert answer["totals"] == {"before": 350 << 20, "after": 270 << 20, "change": -80 << 20}
    assert all(answer["columns"]["exact"])  # no sum that a loss could touch


def test_vm_that_no_tap_has_said_is_unknown_and_not_nought(site, events):
    at, then = whole(events[900].time_us), whole(events[1800].time_us)
    answer = site.get("/api/v1/compare", at=at, of="vm", **{"with": then})
    before, after = (by_pid([e for e in events if e.time_us < moment]) for moment in (at, then))
    assert rows(answer) == {
        pid: ("unknown" if pid in before else "appeared", None, None, None) for pid in before.keys() | after.keys()
    }
    assert answer["states"]["unknown"] == len(before)
    assert answer["totals"] == {"before": 0, "after": 0, "change": 0}


@pytest.mark.parametrize(
    ("query", "parameter", "what"),
    [
        ({}, "at", "parameter missing"),
        ({"at": "yesterday"}, "at", "value not allowed"),
        ({"at": "5-5"}, "at", "value not allowed"),
        ({"at": "9-5"}, "at", "value not allowed"),
        ({"at": "9223372036854775808"}, "at", "value not allowed"),
        ({"at": "5", "with": "6-7"}, "with", "a moment cannot be compared with a window"),
        ({"at": "6-7", "with": "5"}, "with", "a moment cannot be compared with a window"),
        ({"at": "6", "with": "5"}, "with", "`with` is before `at`"),
        ({"at": "5", "of": "resident"}, "of", "value not allowed"),
        ({"at": "5-6", "of": "vm"}, "of", "windows are compared by what was requested in them"),
    ],
)
def test_what_cannot_be_compared_is_said(site, query, parameter, what):
    with site.client() as client:
        answer = client.get("/api/v1/compare", params=query)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["parameter"], error["what"]) == (parameter, what)
