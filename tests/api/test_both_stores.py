"""The same calls in MariaDB and in DuckDB give the same answers."""

from __future__ import annotations

from typing import Any

import pytest
from web import Site, serving, stored_at, stored_wide_at


@pytest.fixture
def over_mariadb(mysql_url: str, events: list[Any]):
    with stored_at(mysql_url, events) as kept, serving() as serve:
        yield serve(kept.reader())


@pytest.fixture
def wide_over_mariadb(mysql_url: str, wide_calls: list[Any]):
    with stored_wide_at(mysql_url, wide_calls) as reader, serving() as serve:
        yield serve(reader)


def comparable(document: Any) -> Any:
    """Without what names the store's own state."""
    return (
        {key: value for key, value in document.items() if key != "version"} if isinstance(document, dict) else document
    )


def test_every_answer_is_the_same_over_both(over_mariadb: Site, site: Site, events):
    middle = events[len(events) // 2].time_us
    for path, query in [
        ("/api/ObtenerProcesos", {}),
        ("/api/v1/processes", {}),
        ("/api/v1/processes", {"ended": "all", "limit": 3}),
        ("/api/v1/processes/1", {}),
        ("/api/v1/calls", {"limit": 500}),
        ("/api/v1/calls", {"process_name": r"\xff\xfe", "call": "munmap", "to_us": middle}),
        ("/api/v1/calls", {"before": f"{middle}-0", "pid": 103, "min_length": 1000}),
        ("/api/v1/totals", {}),
        ("/api/v1/totals", {"from_us": middle}),
        ("/api/v1/history", {}),
        ("/api/v1/timeline", {"points": 7}),
        ("/api/v1/shares", {"by": "name", "limit": 3}),
        ("/api/v1/compare", {"at": middle}),
        ("/api/v1/processes", {"from_us": middle, "ended": "all"}),
        ("/api/v1/losses", {}),
    ]:
        assert comparable(over_mariadb.get(path, **query)) == comparable(site.get(path, **query)), (path, query)


def test_what_format_2_says_is_the_same_over_both(wide_over_mariadb: Site, wide_site: Site, wide_calls):
    middle = wide_calls[len(wide_calls) // 2].time_us
    for path, query in [
        ("/api/ObtenerProcesos", {}),
        ("/api/v1/processes", {"ended": "all"}),
        ("/api/v1/processes/1", {}),
        ("/api/v1/calls", {"limit": 1000}),
        ("/api/v1/calls", {"failed": "true", "to_us": middle}),
        ("/api/v1/calls", {"failed": "false", "call": "mremap"}),
        ("/api/v1/calls", {"errno": 12, "kind": "anonymous"}),
        ("/api/v1/calls", {"errno": 0, "max_length": 8192}),
        ("/api/v1/timeline", {}),
        ("/api/v1/seconds", {}),
        ("/api/v1/shares", {"by": "user"}),
        ("/api/v1/shares", {"by": "cgroup", "of": "vm"}),
        ("/api/v1/processes/1/kinds", {}),
        ("/api/v1/compare", {"at": middle, "of": "vm"}),
        ("/api/v1/totals", {}),
        ("/api/v1/totals", {"from_us": middle}),
    ]:
        assert comparable(wide_over_mariadb.get(path, **query)) == comparable(wide_site.get(path, **query)), (
            path,
            query,
        )


def test_the_page_of_calls_is_cut_at_the_same_places(over_mariadb: Site, site: Site):
    theirs, ours = over_mariadb.get("/api/v1/calls", limit=7), site.get("/api/v1/calls", limit=7)
    for _ in range(5):
        assert theirs == ours
        theirs, ours = (
            over_mariadb.get("/api/v1/calls", limit=7, before=theirs["older"]),
            site.get("/api/v1/calls", limit=7, before=ours["older"]),
        )
