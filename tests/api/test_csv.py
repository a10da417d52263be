"""The columns as CSV: the same figures, safe in a spreadsheet, names that lead back to their bytes."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from web import called, stored

from memtap import csv_text
from memtap.api.downloads import PAGE, wants_csv
from memtap.names import display, parse

FORMULAS = (
    b"=1+1",
    b"+1",
    b"-1",
    b"@SUM(A1)",
    b"\t=1",
    b"\r=1",
    b"'quoted",
    "\uff1d1".encode(),
    b"a,b",
    b'a"b',
    b"a\nb",
)


def unguarded(cell: str) -> str:
    return cell.removeprefix("'")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(st.lists(st.binary(max_size=15).filter(lambda name: b"\0" not in name), min_size=1))
@example([*FORMULAS, b"a,b", b"a\nb"])
def test_a_name_in_a_cell_begins_no_formula_and_leads_back_to_its_bytes(names):
    text = csv_text.table({"name": [display(name) for name in names], "balance": [-5] * len(names)})
    assert text.count("\r\n") == len(names) + 1
    rows = table(text)
    assert [parse(unguarded(row["name"])) for row in rows] == names
    for row in rows:
        assert not row["name"].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert row["name"].isprintable()
        assert row["balance"] == "-5"  # a number is none


def test_cells_of_every_sort():
    assert list(map(csv_text.cell, (None, True, False, 2**80, 0.5, "", "plain"))) == [
        "",
        "true",
        "false",
        str(2**80),
        "0.5",
        '""',
        "plain",
    ]


def same(value: object, cell: str) -> bool:
    if isinstance(value, str):
        return value == unguarded(cell)
    return cell == ("" if value is None else json.dumps(value) if isinstance(value, bool) else str(value))


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/processes", {"ended": "all"}),
        ("/api/v1/timeline", {"points": 5}),
        ("/api/v1/shares", {"by": "name"}),
        ("/api/v1/compare", {"at": "0"}),
        ("/api/v1/calls", {"limit": 1000}),
        ("/api/v1/calls", {"limit": 7, "failed": "true"}),
        ("/api/v1/history", {}),
        ("/api/v1/seconds", {}),
        ("/api/v1/losses", {}),
        ("/api/v1/processes/1/kinds", {}),
    ],
)
def test_it_holds_what_the_columns_hold(wide_site, path, query):
    columns = wide_site.get(path, **query)["columns"]
    with wide_site.client() as client:
        answer = client.get(path, params={**query, "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    rows = table(answer.text)
    assert answer.text.partition("\r\n")[0].split(",") == list(columns)
    assert len(rows) == len(next(iter(columns.values())))
    for name, values in columns.items():
        assert all(same(value, row[name]) for value, row in zip(values, rows, strict=True)), name


@pytest.mark.parametrize(
    ("format_", "accept", "wanted"),
    [
        (None, "text/csv", True),
        (None, "application/json", False),
        (None, "*/*", False),
        (None, "", False),
        (None, "text/csv;q=0.5, application/json", False),
        (None, "application/json;q=0.5, Text/CSV; header=present", True),
        (None, "text/csv;q=0", False),
        (None, "text/csv;q=x", False),
        ("csv", "application/json", True),
        ("json", "text/csv", False),
    ],
)
def test_who_gets_it(format_, accept, wanted):
    assert wants_csv(format_, accept) is wanted


def test_the_two_forms_have_different_etags_and_are_told_apart_by_caches(site):
    with site.client() as client:
        as_json = client.get("/api/v1/processes")
        as_csv = client.get("/api/v1/processes", headers={"Accept": "text/csv"})
        again = client.get("/api/v1/processes", headers={"Accept": "text/csv", "If-None-Match": as_csv.headers["etag"]})
    assert as_json.headers["etag"] != as_csv.headers["etag"]
    assert "Accept" in as_json.headers["vary"].split(", ")
    assert again.status_code == 304


def test_calls_without_a_limit_are_all_of_them_page_by_page(tmp_path, serve, counting):
    events = [called("mmap2", 1 + at % 3, b"x", 1_700_000_000_000_000 + at // 7, at) for at in range(2 * PAGE + 1)]
    with stored(tmp_path / "many.duckdb", events) as kept:
        reader = counting(kept.reader())
        with serve(reader).client() as client:
            rows = table(client.get("/api/v1/calls", params={"format": "csv"}).text)
            some = table(client.get("/api/v1/calls", params={"format": "csv", "pid": 2, "min_length": 30}).text)
        assert [int(row["length"]) for row in rows] == list(range(2 * PAGE, -1, -1))
        assert len(some) == sum(event.pid == 2 and event.length >= 30 for event in events)
        assert reader.asked["search"] == 3 + 1


def test_a_wrong_parameter_of_a_download_is_an_error_in_json(site):
    with site.client() as client:
        for query in ({"limit": "x"}, {"before": "1-1", "after": "1-1"}, {"format": "xml"}):
            answer = client.get("/api/v1/calls", params={"format": "csv", **query})
            assert answer.status_code == 400
            assert answer.json()["error"]["parameter"] in (*query,)
