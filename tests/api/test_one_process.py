"""One process: its calls by kind, and what /proc says of it."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

import pytest
from counted import HOST, Sums, WideCall

from memtap import procfs
from memtap.api import owners, process_kinds
from memtap.host import sees_all_pids


def found(columns: dict[str, list[Any]]) -> dict[tuple[str, str], tuple[int, ...]]:
    names = ("requested", "released", "requests", "releases", "failed")
    keys = zip(columns["call"], columns["kind"], strict=True)
    return dict(zip(keys, zip(*(columns[name] for name in names), strict=True), strict=True))


def test_its_calls_by_kind_are_those_of_its_lines(wide_site, wide_calls):
    columns = wide_site.get("/api/v1/processes", ended="all")["columns"]
    starts = sorted({(call.pid, call.start_us) for call in wide_calls})
    for number, pid in list(zip(columns["id"], columns["pid"], strict=True))[:10]:
        times = set(wide_site.get("/api/v1/calls", process_id=number, limit=1000)["columns"]["time_us"])
        assert any(start[0] == pid for start in starts)
        expected: dict[tuple[str, str], Sums] = defaultdict(Sums)
        for call in wide_calls:
            if call.pid == pid and call.time_us in times and call.call not in ("fork", "exec", "exit", "proc"):
                expected[call.call, call.kind].add(call)
        answer = wide_site.get(f"/api/v1/processes/{number}/kinds")
        assert answer["complete"] is True
        assert answer["since_us"] == min(times)
        assert found(answer["columns"]) == {
            key: (sums.requested, sums.released, sums.requests, sums.releases, sums.failed)
            for key, sums in expected.items()
        }


def test_calls_of_format_1_have_no_kind(site, events, tallies):
    columns = site.get("/api/v1/processes", limit=1)["columns"]
    tally = tallies[columns["pid"][0]]
    assert found(site.get(f"/api/v1/processes/{columns['id'][0]}/kinds")["columns"]) == {
        ("mmap2", None): (tally.requested, 0, tally.requests, 0, 0),
        ("munmap", None): (0, tally.released, 0, tally.releases, 0),
    }


def test_where_there_are_more_calls_than_are_read_it_says_so(site, monkeypatch, events):
    number = site.get("/api/v1/processes", limit=1)["columns"]["id"][0]
    calls = site.get("/api/v1/calls", process_id=number, limit=10, to_us=events[-1].time_us)
    monkeypatch.setattr(process_kinds, "CALLS_READ", 10)  # instead of a hundred thousand calls
    answer = site.get(f"/api/v1/processes/{number}/kinds", to_us=events[-1].time_us)
    assert answer["complete"] is False
    assert answer["since_us"] == calls["columns"]["time_us"][-1]
    assert sum(answer["columns"]["requests"]) + sum(answer["columns"]["releases"]) == 10


@pytest.mark.parametrize("what", ["kinds", "proc"])
def test_of_an_unknown_process_nothing_is_said(site, what):
    with site.client() as client:
        answer = client.get(f"/api/v1/processes/987654/{what}")
    assert answer.status_code == 404
    assert answer.json()["error"]["parameter"] == "process_id"


def test_what_proc_says_of_a_process_that_lives_here(fresh_wide, monkeypatch):
    pid = os.getpid()
    (seen,) = procfs.look([pid])
    other = WideCall(pid, b"before", start_us=seen.start_us - 10_000)
    site = fresh_wide([other, WideCall(pid, b"me", start_us=seen.start_us, vm=4096, time_us=other.time_us + 1)])
    columns = site.get("/api/v1/processes", ended="all")["columns"]
    mine, earlier = (columns["id"][columns["process_name"].index(name)] for name in ("me", "before"))
    assert site.get(f"/api/v1/processes/{mine}/proc")["vm"] is None  # of another machine
    # The calls are of a host of the tests' own, with numbers that are the same everywhere: now it is this machine.
    monkeypatch.setattr(owners, "_here", lambda: (HOST.name, HOST.boot_id))
    said = site.get(f"/api/v1/processes/{mine}/proc")
    if sees_all_pids():
        assert said["vm"] > 4096 and said["resident"] > 0
        assert said["difference"] == said["vm"] - said["vm_said"] == said["vm"] - 4096
    else:
        assert said["vm"] is None
    assert site.get(f"/api/v1/processes/{earlier}/proc")["vm"] is None  # another's pid by now
