"""Shares of what, by whom, against the events themselves; processes within a window; two moments compared."""

from __future__ import annotations

import pwd
from collections import Counter

import pytest
from counted import HOST, WideCall, by_process

from memtap.api import owners
from memtap.names import parse

SECOND_US = 1_000_000


def test_shares_by_process_are_of_all_that_was_requested(site, tallies):
    answer = site.get("/api/v1/shares")
    total = sum(tally.requested for tally in tallies.values())
    columns = answer["columns"]
    assert (answer["by"], answer["of"], answer["total"]) == ("process", "requested", total)
    assert answer["what"] == "bytes requested by all processes"
    assert dict(zip(columns["pid"], columns["value"], strict=True)) == {
        pid: tally.requested for pid, tally in tallies.items()
    }
    assert columns["value"] == sorted(columns["value"], reverse=True)
    assert sum(columns["share"]) == pytest.approx(1)
    assert answer["other"] == {"value": 0, "share": 0, "groups": 0, "processes": 0}


def test_what_is_not_listed_is_other_and_nothing_is_missing(site, tallies):
    answer = site.get("/api/v1/shares", limit=3, of="released")
    assert answer["count"] == len(answer["columns"]["value"]) == 3
    assert answer["other"]["groups"] == answer["other"]["processes"] == len(tallies) - 3
    assert sum(answer["columns"]["value"]) + answer["other"]["value"] == answer["total"]
    assert answer["total"] == sum(tally.released for tally in tallies.values())


@pytest.mark.parametrize(
    ("by", "column", "key"),
    [
        ("name", "process_name", lambda sums, call: sums.name),
        ("user", "uid", lambda sums, call: call.uid),
        ("cgroup", "cgroup", lambda sums, call: call.cgroup),
    ],
)
def test_shares_by_other_things_add_up_the_processes_that_have_them(wide_site, wide_calls, by, column, key):
    first = {}
    for call in wide_calls:
        first.setdefault((call.pid, call.start_us), call)
    expected: Counter[object] = Counter()
    processes: Counter[object] = Counter()
    for process, sums in by_process(wide_calls).items():
        if sums.requested:
            expected[key(sums, first[process])] += sums.requested
            processes[key(sums, first[process])] += 1
    columns = wide_site.get("/api/v1/shares", by=by)["columns"]
    keys = [parse(name) for name in columns[column]] if by == "name" else columns[column]
    assert dict(zip(keys, columns["value"], strict=True)) == expected
    assert dict(zip(keys, columns["processes"], strict=True)) == processes


def test_what_living_processes_hold(wide_site, wide_calls):
    living = [sums for sums in by_process(wide_calls).values() if sums.ended_us is None]
    for of in ("vm", "resident"):
        answer = wide_site.get("/api/v1/shares", of=of)
        rows = wide_site.get("/api/v1/processes")["columns"]
        assert answer["total"] == sum(filter(None, rows[of]))
        assert answer["count"] <= len(rows["id"]) <= len(living)


def test_shares_of_a_window_are_of_that_window(site, events):
    from_us, to_us = (events[at].time_us // SECOND_US * SECOND_US for at in (900, 1800))
    answer = site.get("/api/v1/shares", from_us=from_us, to_us=to_us)
    inside = [event for event in events if from_us <= event.time_us < to_us and event.call == "mmap2"]
    assert answer["total"] == sum(event.length for event in inside)
    assert answer["what"].endswith(" in the window")


def test_what_a_window_does_not_know_is_refused(site):
    with site.client() as client:
        answer = client.get("/api/v1/shares", params={"of": "vm", "from_us": 5})
    assert answer.status_code == 400
    assert answer.json()["error"]["parameter"] == "of"


def test_users_and_cgroups_of_this_machine_have_names_and_those_of_another_none(fresh_wide, monkeypatch):
    root = owners.cgroups()
    cgroup = next(folder for folder in [*root.iterdir(), root] if folder.is_dir())
    calls = [
        WideCall(7, b"a", uid=0, cgroup=cgroup.stat().st_ino),
        WideCall(8, b"b", uid=0, cgroup=2**60, time_us=WideCall(1).time_us + 1),
    ]
    site = fresh_wide(calls)
    assert site.get("/api/v1/shares", by="user")["columns"]["label"] == ["uid 0"]
    # The calls are of a host of the tests' own, with numbers that are the same everywhere: now it is this machine.
    monkeypatch.setattr(owners, "_here", lambda: (HOST.name, HOST.boot_id))
    monkeypatch.setattr(owners, "_walked_s", 0.0)
    owners._paths.clear()
    here = site.get("/api/v1/shares", by="user", limit=2)["columns"]
    assert (here["label"], here["user"], here["uid"]) == (["root"], ["root"], [0])
    groups = site.get("/api/v1/shares", by="cgroup", limit=3)["columns"]
    paths = dict(zip(groups["cgroup"], groups["path"], strict=True))
    assert paths[2**60] is None
    assert paths[cgroup.stat().st_ino] == (str(cgroup).removeprefix(str(root)) or "/")


def test_a_user_is_named_as_the_machine_names_it():
    for entry in pwd.getpwall():
        assert owners.user_name(entry.pw_uid) == pwd.getpwuid(entry.pw_uid).pw_name
    unused = max(entry.pw_uid for entry in pwd.getpwall()) % 60_000 + 1_000_007
    assert owners.user_name(unused) is None


def test_processes_of_a_window_have_the_sums_of_that_window(site, events):
    from_us, to_us = (events[at].time_us // SECOND_US * SECOND_US for at in (900, 1800))
    answer = site.get("/api/v1/processes", from_us=from_us, to_us=to_us, ended="all")
    requested: Counter[int] = Counter()
    released: Counter[int] = Counter()
    for event in events:
        if from_us <= event.time_us < to_us:
            (released if event.call == "munmap" else requested)[event.pid] += event.length
    columns = answer["columns"]
    assert answer["window"] == {"from_us": from_us, "to_us": to_us}
    assert dict(zip(columns["pid"], columns["requested"], strict=True)) == requested
    assert dict(zip(columns["pid"], columns["released"], strict=True)) == released
    assert answer["requested_all"] == requested.total()
    assert sum(columns["share"]) == pytest.approx(1)
    assert columns["balance"] == sorted(columns["balance"], reverse=True)
