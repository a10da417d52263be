"""A wrong parameter is a 400 that says which, its value and what is allowed."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("path", "query", "parameter", "allowed"),
    [
        ("/api/v1/calls", "limit=x", "limit", "1 to 1000"),
        ("/api/v1/calls", "limit=0", "limit", "1 to 1000"),
        ("/api/v1/calls", "limit=1001", "limit", "1 to 1000"),
        ("/api/v1/calls", "limit=", "limit", "1 to 1000"),
        ("/api/v1/calls", "limit=+5", "limit", "1 to 1000"),
        ("/api/v1/calls", "limit=1_0", "limit", "1 to 1000"),
        ("/api/v1/calls", "limit=%D9%A3", "limit", "1 to 1000"),
        ("/api/v1/calls", f"limit={'9' * 5000}", "limit", "1 to 1000"),
        ("/api/v1/calls", "pid=-1", "pid", "0 to 4294967295"),
        ("/api/v1/calls", "pid=4294967296", "pid", "0 to 4294967295"),
        ("/api/v1/calls", "process_id=9223372036854775808", "process_id", "0 to 9223372036854775807"),
        ("/api/v1/calls", "min_length=18446744073709551616", "min_length", "0 to 18446744073709551615"),
        ("/api/v1/calls", "call=MMAP2", "call", "mmap2, munmap"),
        ("/api/v1/calls", "call=mmap2'--", "call", "mmap2, munmap"),
        ("/api/v1/calls", "failed=1", "failed", "true, false"),
        ("/api/v1/calls", "before=1", "before", "'older' or 'newer' of an earlier answer"),
        ("/api/v1/calls", "after=1-2-3", "after", "'older' or 'newer' of an earlier answer"),
        ("/api/v1/calls", "before=9223372036854775808-1", "before", "'older' or 'newer' of an earlier answer"),
        ("/api/v1/calls", "from_us=1.5", "from_us", "0 to 9223372036854775807"),
        ("/api/v1/processes", "ended=maybe", "ended", "false, true, all"),
        ("/api/v1/processes", "limit=-1", "limit", "1 to 1000000"),
        ("/api/v1/processes/abc", "", "process_id", "0 to 9223372036854775807"),
        ("/api/v1/totals", "to_us=tomorrow", "to_us", "0 to 9223372036854775807"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(site, path, query, parameter, allowed):
    with site.client() as client:
        answer = client.get(f"{path}?{query}")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["what"], error["parameter"]) == ("value not allowed", parameter)
    assert error["allowed"].startswith(allowed)


@pytest.mark.parametrize(
    "name",
    [
        "sixteen bytes ab",
        "\\x00",
        "%00",
        "\\q",
        "\\x4",
        "\\",
        "\\ud800",
        "\\U00110000",
        "\\UFFFFFFFF",
        "ñññññññññ",
    ],
)
def test_a_process_name_that_no_process_can_have_is_refused(site, name):
    with site.client() as client:
        answer = client.get("/api/v1/calls", params={"process_name": name.replace("%00", "\0")})
    assert answer.status_code == 400
    assert answer.json()["error"]["parameter"] == "process_name"


@pytest.mark.parametrize(
    "path", ["/api/ObtenerProcesos", "/api/v1/processes", "/api/v1/calls", "/api/v1/history", "/api/v1/losses"]
)
def test_an_unknown_parameter_is_an_error(site, path):
    with site.client() as client:
        answer = client.get(path, params={"limt": "5"})
    assert answer.status_code == 400
    assert answer.json()["error"] | {"allowed": None} == {
        "what": "unknown parameter",
        "parameter": "limt",
        "value": "5",
        "allowed": None,
    }


def test_a_parameter_given_twice_is_an_error(site):
    with site.client() as client:
        answer = client.get("/api/v1/calls?limit=5&limit=5")
    assert answer.status_code == 400
    assert answer.json()["error"]["allowed"] == "once"


def test_an_offending_value_is_echoed_short_and_printable(site):
    with site.client() as client:
        answer = client.get("/api/v1/calls", params={"limit": "\x1b\u202e" + "x" * 10_000})
    value = answer.json()["error"]["value"]
    assert value.startswith(r"\x1b\u202exxx")
    assert len(value) < 300


def test_an_unknown_address_is_a_404_in_json(site):
    with site.client() as client:
        answer = client.get("/api/v2/calls")
    assert answer.status_code == 404
    assert answer.json()["error"]["value"] == "/api/v2/calls"
