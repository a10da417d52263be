"""What format 2 says of calls and processes, against the lines themselves; of format 1 nothing is made up."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

import pytest
from counted import WideCall, by_process

from memtap.names import parse
from memtap.native import CALLS

SAID = ("call", "pid", "time_us", "length", "freed", "errno", "kind", "vm")
LIFE = ("fork", "exec", "exit", "proc")


def rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def all_calls(site: Any, **query: Any) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    older = None
    while True:
        page = site.get("/api/v1/calls", limit=1000, **query, **({"before": older} if older else {}))
        out += rows(page["columns"])
        older = page["older"]
        if older is None:
            return out


def facts(call: WideCall) -> tuple[Any, ...]:
    if call.call in LIFE:  # whose lines say no length
        call = replace(call, length=0)
    return *(getattr(call, name) for name in SAID), call.name


def said(calls: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((*(call[name] for name in SAID), parse(call["process_name"])) for call in calls)


def test_a_call_has_what_its_line_says(wide_site, wide_calls):
    assert said(all_calls(wide_site)) == sorted(facts(call) for call in wide_calls)


def test_an_error_has_its_name_and_a_granted_call_none(wide_site):
    calls = all_calls(wide_site)
    assert {(call["errno"], call["error"]) for call in calls} == {(0, None), (12, "ENOMEM")}


@pytest.mark.parametrize(("number", "name"), [(errno.EEXIST, "EEXIST"), (512, "errno 512")])
def test_an_error_is_told_by_its_name_or_else_its_number(fresh_wide, number, name):
    site = fresh_wide([WideCall(1, errno=number)])
    assert [(call["errno"], call["error"]) for call in all_calls(site)] == [(number, name)]


@pytest.mark.parametrize("failed", ["true", "false"])
def test_failed_calls_are_found_alone_or_left_out(wide_site, wide_calls, failed):
    wanted = [call for call in wide_calls if (call.errno != 0) is (failed == "true")]
    assert 0 < len(wanted) < len(wide_calls)
    assert said(all_calls(wide_site, failed=failed)) == sorted(facts(call) for call in wanted)


@pytest.mark.parametrize("name", CALLS)
def test_every_kind_of_call_is_found_by_its_name(wide_site, wide_calls, name):
    assert said(all_calls(wide_site, call=name)) == sorted(facts(call) for call in wide_calls if call.call == name)


def test_a_process_has_its_failed_calls_what_it_holds_and_whose_it_is(wide_site, wide_calls):
    sums, latest = by_process(wide_calls), {(call.pid, call.start_us): call for call in wide_calls}
    known = rows(wide_site.get("/api/v1/processes", ended="all")["columns"])
    assert sorted(
        (row["pid"], row["first_us"], row["balance"], row["failed"], row["vm"], row["resident"], row["ended_us"])
        for row in known
    ) == sorted(
        (pid, of.first_us, of.requested - of.released, of.failed, of.vm, of.resident, of.ended_us)
        for (pid, _), of in sums.items()
    )
    owners = {(row["pid"], row["first_us"]): (row["uid"], row["cgroup"], row["parent"]) for row in known}
    assert owners == {
        (pid, of.first_us): (latest[pid, start].uid, latest[pid, start].cgroup, of.parent)
        for (pid, start), of in sums.items()
    }


def test_the_originals_table_has_the_kernels_own_number(wide_site):
    listed = rows(wide_site.get("/api/v1/processes")["columns"])
    answer = wide_site.get("/api/ObtenerProcesos")
    assert [process["vm"] for process in answer] == [row["vm"] for row in listed]
    assert all(isinstance(process["vm"], int) for process in answer)
    assert list(answer[0]) == [
        "pid", "process_name", "memory", "percentage", "requested", "released", "share", "vm",
    ]  # fmt: skip


def test_one_process_has_what_it_held_second_by_second(wide_site, wide_calls):
    listed = rows(wide_site.get("/api/v1/processes", ended="all")["columns"])
    for row in listed[:20]:
        process = wide_site.get(f"/api/v1/processes/{row['id']}")
        history = process.pop("history")
        del process["parent_id"], process["cgroup_path"]
        assert process == row
        held = {
            call.time_us // 10**6: (call.vm, call.resident)
            for call in sorted(wide_calls, key=lambda call: call.time_us)
            if call.pid == row["pid"] and row["first_us"] <= call.time_us <= row["last_us"]
        }
        assert history["second"] == sorted(held)
        assert list(zip(history["vm"], history["resident"], strict=True)) == [held[at] for at in history["second"]]


def test_totals_count_failed_calls(wide_site, wide_calls):
    failed = sum(call.errno != 0 for call in wide_calls)
    assert wide_site.get("/api/v1/totals")["totals"]["failed"] == failed
    assert wide_site.get("/api/v1/totals", from_us=0)["totals"]["failed"] == failed
    assert wide_site.get("/api/v1/status")["totals"]["failed"] == failed
    middle_us = wide_calls[len(wide_calls) // 2].time_us // 10**6 * 10**6
    assert wide_site.get("/api/v1/totals", to_us=middle_us)["totals"]["failed"] == sum(
        call.errno != 0 for call in wide_calls if call.time_us < middle_us
    )


def test_no_failed_call_is_a_zero_where_calls_say_what_came_of_them(fresh_wide):
    site = fresh_wide([WideCall(1), WideCall(2)])
    assert site.get("/api/v1/totals")["totals"]["failed"] == 0
    assert site.get("/api/v1/status")["totals"]["failed"] == 0
    assert site.get("/api/v1/processes")["columns"]["failed"] == [0, 0]


def test_what_format_1_does_not_say_is_null(site):
    calls = site.get("/api/v1/calls")["columns"]
    processes = site.get("/api/v1/processes")["columns"]
    one = site.get(f"/api/v1/processes/{processes['id'][0]}")
    for name in ("freed", "errno", "error", "kind", "vm"):
        assert set(calls[name]) == {None}, name
    for name in ("failed", "uid", "cgroup", "parent", "vm", "resident"):
        assert set(processes[name]) == {None}, name
        assert one[name] is None, name
    assert set(one["history"]["vm"]) == set(one["history"]["resident"]) == {None}
    assert site.get("/api/v1/status")["totals"]["failed"] is None
    assert site.get("/api/v1/totals", from_us=0)["totals"]["failed"] is None
    assert all_calls(site, failed="true") == []


def test_a_life_cycle_line_asks_for_nothing(wide_site, wide_calls):
    lines = [call for call in all_calls(wide_site) if call["call"] in LIFE]
    assert len(lines) == sum(call.call in LIFE for call in wide_calls) > 0
    assert {(line["length"], line["freed"], line["errno"], line["kind"]) for line in lines} == {(0, 0, 0, "none")}
