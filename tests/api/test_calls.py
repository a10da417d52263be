"""Calls page by page, against the events themselves."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from memtap.names import display, parse
from memtap.stores.duckdb import reader as duckdb_reader


def listed(columns: dict[str, list[Any]]) -> list[tuple[str, int, bytes, int, int]]:
    return [
        (call, pid, parse(name), time_us, length)
        for call, pid, name, time_us, length in zip(
            columns["call"],
            columns["pid"],
            columns["process_name"],
            columns["time_us"],
            columns["length"],
            strict=True,
        )
    ]


def written(events: list[Any]) -> list[tuple[str, int, bytes, int, int]]:
    """Newest first, as the API lists them. The made times hardly repeat; where they do, the later line is newer."""
    newest_first = sorted(enumerate(events), key=lambda item: (item[1].time_us, item[0]), reverse=True)
    return [(event.call, event.pid, event.name, event.time_us, event.length) for _, event in newest_first]


def all_pages(site: Any, **query: Any) -> list[tuple[str, int, bytes, int, int]]:
    out = []
    older = None
    while True:
        page = site.get("/api/v1/calls", **query, **({"before": older} if older else {}))
        out += listed(page["columns"])
        assert page["count"] == len(page["columns"]["id"])
        older = page["older"]
        if older is None:
            return out


def test_the_pages_together_hold_every_call_once_newest_first(site, events):
    assert all_pages(site, limit=700) == written(events)


def test_the_last_page_is_known_to_be_the_last_even_when_it_is_full(site, events):
    assert all_pages(site, limit=1000) == written(events)
    assert len(events) % 1000 == 0


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ({"pid": 102}, lambda event: event.pid == 102),
        ({"call": "munmap"}, lambda event: event.call == "munmap"),
        ({"min_length": 1 << 30}, lambda event: event.length >= 1 << 30),
        ({"process_name": display(b"\xff\xfe")}, lambda event: event.name == b"\xff\xfe"),
        ({"process_name": display(b"a\x1b[31m")}, lambda event: event.name == b"a\x1b[31m"),
        ({"process_name": display(b"back\\slash")}, lambda event: event.name == b"back\\slash"),
        ({"process_name": "x, time=1", "call": "mmap2"}, lambda e: e.name == b"x, time=1" and e.call == "mmap2"),
        ({"process_name": "nobody"}, lambda event: False),
    ],
)
def test_a_filter_lets_through_what_it_says(site, events, query, passes):
    assert all_pages(site, limit=1000, **query) == written([event for event in events if passes(event)])


def test_a_search_for_what_is_rare_says_how_far_it_has_come_and_goes_on(site, events, monkeypatch):
    for name, most in (("FIRST_CALLS", 3), ("MOST_CALLS", 9), ("MOST_SECONDS", 0), ("STEPS_AT_ONCE", 1)):
        monkeypatch.setattr(duckdb_reader, name, most)
    least = sorted(event.length for event in events if event.pid == 102)[-5]
    query = {"pid": 102, "min_length": least}
    expected = written([event for event in events if event.pid == 102 and event.length >= least])
    found, older, short = [], None, 0
    while True:
        page = site.get("/api/v1/calls", limit=1, **query, **({"before": older} if older else {}))
        found += listed(page["columns"])
        if page["searched_us"] is None:
            assert (page["older"] is None) == (len(found) == len(expected))
        else:
            short += 1
            assert page["older"].startswith(f"{page['searched_us']}-")
            assert [call for call in expected if call[3] >= page["searched_us"]] == found
        older = page["older"]
        if older is None:
            break
    assert found == expected
    assert short > 1
    with site.client() as client:
        text = client.get("/api/v1/calls", params={"format": "csv", **query}).text
    assert len(list(csv.DictReader(io.StringIO(text, newline="")))) == len(expected)


def test_a_window_includes_its_beginning_and_not_its_end(site, events):
    first, last = events[500].time_us, events[600].time_us
    expected = [event for event in events if first <= event.time_us < last]
    assert all_pages(site, from_us=first, to_us=last) == written(expected)


def test_a_process_id_finds_the_calls_of_that_process(site, events):
    columns = site.get("/api/v1/processes", limit=1)["columns"]
    expected = [event for event in events if event.pid == columns["pid"][0]]
    assert all_pages(site, limit=1000, process_id=columns["id"][0]) == written(expected)


def test_newer_leads_to_what_has_arrived_since_and_nothing_twice(fresh, serve, events):
    fresh.writer.write(events[:100])
    site = serve(fresh.reader())
    page = site.get("/api/v1/calls", limit=10)
    nothing = site.get("/api/v1/calls", after=page["newer"])
    assert (nothing["count"], nothing["newer"], nothing["older"]) == (0, page["newer"], None)
    fresh.writer.write(events[100:130])
    news = site.get("/api/v1/calls", after=page["newer"])
    assert listed(news["columns"]) == written(events[100:130])


def test_before_and_after_exclude_each_other(site):
    with site.client() as client:
        answer = client.get("/api/v1/calls", params={"before": "1-1", "after": "1-1"})
    assert answer.status_code == 400
    assert answer.json()["error"]["parameter"] == "after"
