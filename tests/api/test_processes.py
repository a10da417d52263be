"""What the API says of processes equals a count of the events themselves."""

from __future__ import annotations

from typing import Any

import pytest

from memtap.names import parse

MEGABYTE = 2**20


def rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_obtener_procesos_answers_one_object_a_process_with_the_originals_keys(site, tallies):
    answer = site.get("/api/ObtenerProcesos")
    assert [set(process) for process in answer] == [
        {"pid", "process_name", "memory", "percentage", "requested", "released", "share", "vm"}
    ] * len(tallies)
    requested_all = sum(count.requested for count in tallies.values())
    for process in answer:
        count = tallies[process["pid"]]
        assert parse(process["process_name"]) == count.name
        assert process["requested"] == count.requested
        assert process["released"] == count.released
        assert process["memory"] == pytest.approx(count.balance / MEGABYTE)
        assert process["percentage"] == pytest.approx(100 * count.balance / (8 << 30))
        assert process["share"] == pytest.approx(count.requested / requested_all)
        assert process["vm"] is None


def test_obtener_procesos_is_ordered_by_memory(site, tallies):
    by_memory = sorted(tallies, key=lambda pid: tallies[pid].balance, reverse=True)
    assert [process["pid"] for process in site.get("/api/ObtenerProcesos")] == by_memory


def test_shares_of_all_processes_add_up_to_one(site):
    assert sum(process["share"] for process in site.get("/api/ObtenerProcesos")) == pytest.approx(1)


def test_columns_hold_the_same_numbers(site, tallies):
    answer = site.get("/api/v1/processes")
    assert (answer["count"], answer["total"]) == (len(tallies), len(tallies))
    assert answer["requested_all"] == sum(count.requested for count in tallies.values())
    assert answer["memory_bytes"] == 8 << 30
    for process in rows(answer["columns"]):
        count = tallies[process["pid"]]
        assert parse(process["process_name"]) == count.name
        assert (process["balance"], process["requested"], process["released"]) == (
            count.balance,
            count.requested,
            count.released,
        )
        assert (process["requests"], process["releases"]) == (count.requests, count.releases)
        assert (process["first_us"], process["last_us"]) == (min(count.times), max(count.times))
        assert (process["ended_us"], process["host"]) == (None, "testhost")


def test_a_limit_keeps_the_processes_with_the_most_memory_and_says_how_many_there_are(site, tallies):
    answer = site.get("/api/v1/processes", limit=3)
    by_memory = sorted(tallies, key=lambda pid: tallies[pid].balance, reverse=True)
    assert answer["columns"]["pid"] == by_memory[:3]
    assert (answer["count"], answer["total"]) == (3, len(tallies))


def test_ended_processes_are_left_out_unless_asked_for(fresh, serve, events):
    fresh.writer.write(events)
    fresh.writer.end(100, 101)
    site = serve(fresh.reader())

    def pids(ended: str) -> set[int]:
        return set(site.get("/api/v1/processes", ended=ended)["columns"]["pid"])

    everyone = {event.pid for event in events}
    assert pids("true") == {100, 101}
    assert pids("false") == everyone - {100, 101}
    assert pids("all") == everyone
    assert {process["pid"] for process in site.get("/api/ObtenerProcesos")} == everyone - {100, 101}


def test_a_share_counts_ended_processes_in_its_whole(fresh, serve, events, tallies):
    fresh.writer.write(events)
    fresh.writer.end(100)
    requested_all = sum(count.requested for count in tallies.values())
    answer = serve(fresh.reader()).get("/api/ObtenerProcesos")
    assert sum(process["share"] for process in answer) == pytest.approx(1 - tallies[100].requested / requested_all)


def test_one_process_has_its_numbers_and_its_seconds(site, tallies):
    columns = site.get("/api/v1/processes")["columns"]
    for process_id, pid in zip(columns["id"], columns["pid"], strict=True):
        process = site.get(f"/api/v1/processes/{process_id}")
        history = process["history"]
        assert process["pid"] == pid
        assert process["balance"] == tallies[pid].balance
        assert set(history["second"]) == {time_us // 10**6 for time_us in tallies[pid].times}
        assert history["second"] == sorted(history["second"])
        assert sum(history["requested"]) == tallies[pid].requested
        assert sum(history["releases"]) == tallies[pid].releases


def test_an_unknown_process_is_a_404_that_names_the_id(site):
    with site.client() as client:
        answer = client.get("/api/v1/processes/999999")
    assert answer.status_code == 404
    assert answer.json()["error"]["value"] == "999999"


def test_an_empty_store_has_no_processes_and_no_division_by_zero(fresh, serve):
    site = serve(fresh.reader())
    assert site.get("/api/ObtenerProcesos") == []
    assert site.get("/api/v1/processes")["count"] == 0
    assert site.get("/api/v1/totals")["totals"]["requests"] == 0
    assert site.get("/api/v1/history")["columns"]["second"] == []
    assert site.get("/api/v1/calls")["columns"]["id"] == []


def test_sums_beyond_64_bits_are_exact_integers(fresh, serve, event):
    longest = 2**64 - 1
    fresh.writer.write([event("mmap2", 1, b"big", 10**15 + at, longest) for at in range(5)])
    fresh.writer.write([event("munmap", 2, b"gives", 10**15 + at, longest) for at in range(3)])
    site = serve(fresh.reader())
    big, gives = site.get("/api/ObtenerProcesos")
    assert (big["requested"], big["memory"]) == (5 * longest, 5 * longest / MEGABYTE)
    assert gives["released"] == 3 * longest
    assert site.get("/api/v1/processes")["columns"]["balance"] == [5 * longest, -3 * longest]
    assert site.get("/api/v1/totals")["totals"]["released"] == 3 * longest
    assert site.get("/api/v1/status")["totals"]["requested"] == 5 * longest
    assert site.get("/api/v1/history")["columns"]["requested"] == [5 * longest]
    assert site.get("/api/v1/calls", limit=1)["columns"]["length"] == [longest]
