"""Every answer tells the browser what it may not do, and hostile input is only ever text."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from web import Site, serving, stored

from memtap.api import frontend
from memtap.names import parse
from memtap.stores.contract import CallPage

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

REQUESTS = [
    ("GET", "/", {}),
    ("GET", "/?token=wrong", {}),
    ("GET", "/index.js", {}),
    ("GET", "/index.js", {"If-None-Match": "*"}),
    ("GET", "/nothing", {}),
    ("GET", "/login", {}),
    ("GET", "/login.css", {}),
    ("POST", "/login", {}),
    ("GET", "/api/ObtenerProcesos", {}),
    ("HEAD", "/api/ObtenerProcesos", {}),
    ("GET", "/api/ObtenerProcesos", {"If-None-Match": "*"}),
    ("GET", "/api/v1/calls?limit=x", {}),
    ("GET", "/api/v1/nothing", {}),
    ("DELETE", "/api/v1/calls", {}),
    ("GET", "/api/v1/status", {"Host": "evil.example"}),
]


@pytest.mark.parametrize(("method", "path", "headers"), REQUESTS)
@pytest.mark.parametrize("known", [True, False])
def test_every_answer_carries_the_policy(site, method, path, headers, known):
    with site.client() as client:
        if not known:
            del client.headers["authorization"]
        answer = client.request(method, path, headers=headers)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cache-control"] in ("no-store", "private, no-cache", "no-cache")


def test_only_the_login_page_lets_its_own_address_be_told_and_only_to_itself(site):
    with site.client() as client:
        for path in ("/", "/index.js", "/api/v1/status"):
            assert client.get(path).headers["referrer-policy"] == "no-referrer"


def test_the_stream_carries_the_policy_too(site):
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["cache-control"] == "no-store"


def test_the_login_page_has_nothing_that_the_policy_would_block(site):
    page = httpx.get(f"{site.settings.address}login").text
    assert "<style" not in page
    assert "<script" not in page
    assert " style=" not in page
    assert " on" not in [part[:3] for part in page.split('"')]
    assert httpx.get(f"{site.settings.address}login.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2f..%2fpyproject.toml",
        "/%2e%2e/%2e%2e/pyproject.toml",
        "/lib/../../api/app.py",
        "/lib/..%5c..%5cpyproject.toml",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/etc/passwd",
        "/lib/%00",
        "/index.js%00.html",
        "/....//....//etc/passwd",
        "/%c0%ae%c0%ae/etc/passwd",
        "/__init__.py",
        "/__pycache__/",
        "/.git/config",
        "/.",
        "/vendor/refresh.py",
        "/lib",
        "/lib/",
        "/" + "a" * 5000,
        "/index.js/",
        "/index.html/..",
        "/static/login.html",
    ],
)
def test_only_the_dashboards_own_files_are_served(site, path):
    request = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %b\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.settings.port)) as client:
        client.settimeout(20)
        client.sendall(request % (path.encode(), site.settings.token.encode()))
        answer = b""
        while part := client.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"404"
    assert set(json.loads(body)) == {"error"}


def test_every_file_of_the_dashboard_has_the_type_that_a_strict_browser_wants(site):
    with site.client() as client:
        assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("/index.js").headers["content-type"] == "text/javascript; charset=utf-8"
        assert client.get("/lib/page.css").headers["content-type"] == "text/css; charset=utf-8"
        assert client.get("/favicon.svg").headers["content-type"] == "image/svg+xml"
        assert client.get("/vendor/inter/inter-latin.woff2").headers["content-type"] == "font/woff2"


def test_a_file_of_the_dashboard_is_compressed_and_not_sent_again_until_it_has_changed(
    serve, made, monkeypatch, tmp_path
):
    module = tmp_path / "lib" / "new.js"
    module.parent.mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    module.write_text("// as it was\n" * 500)
    monkeypatch.setattr(frontend, "files", lambda _package: tmp_path)
    with serve(made.reader()).client() as client:
        first = client.get("/lib/new.js", headers={"Accept-Encoding": "gzip"})
        assert first.headers["content-encoding"] == "gzip"
        assert first.text == module.read_text()
        assert first.headers["cache-control"] == "private, no-cache"
        seen = {"If-None-Match": first.headers["etag"]}
        assert client.get("/lib/new.js", headers=seen).status_code == 304
        module.write_text("// as it is now\n" * 500)
        changed = client.get("/lib/new.js", headers={**seen, "Accept-Encoding": "identity"})
        assert (changed.status_code, changed.text) == (200, module.read_text())
        module.unlink()
        assert client.get("/lib/new.js").status_code == 404


NAMES = (
    b"<script>x()",
    b"</script>",
    b'"onerror="x',
    b"'; DROP TABLE",
    b"%s%n${x}",
    b"\x1b]0;owned\x07",
    b"\xff\xfe\xfd",
    b"\xed\xa0\x80",
    b"\r\ndata: x",
    b"\\u003c",
    b"",
    b" ",
    b"\x7f\x80",
    b"=cmd|'/c'!A1",
    "\u202egnp.exe".encode(),
    "\u2028\u2029".encode(),
    "🦀".encode(),
)


@pytest.fixture(scope="module")
def hostile(made, events, tmp_path_factory) -> Iterator[Site]:
    """A site whose processes have the names above, which no line of format 1 could carry all."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.duckdb"
    with stored(path, [replace(events[0], pid=pid, name=b"harmless") for pid in range(len(NAMES))]) as kept:
        reader = kept.reader()
        for method in ("processes", "search", "window"):
            setattr(reader, method, renaming(getattr(reader, method)))
        with serving() as serve:
            yield serve(reader)


def renaming(read: Callable[..., Any]) -> Callable[..., Any]:
    def renamed(*values: Any, **options: Any) -> Any:
        found = read(*values, **options)
        rows = found.rows if isinstance(found, CallPage) else found
        rows[:] = [row._replace(name=NAMES[row.pid]) for row in rows]
        return found

    return renamed


@pytest.mark.parametrize("pid", range(len(NAMES)))
def test_a_hostile_name_passes_through_every_answer_as_text_and_leads_back_to_its_bytes(hostile, pid):
    def shown(columns: dict[str, list[Any]]) -> str:
        return columns["process_name"][columns["pid"].index(pid)]

    (name,) = (row["process_name"] for row in hostile.get("/api/ObtenerProcesos") if row["pid"] == pid)
    assert parse(name) == NAMES[pid]
    assert name.isprintable()
    assert shown(hostile.get("/api/v1/processes")["columns"]) == name
    assert shown(hostile.get("/api/v1/totals")["shares"]) == name
    assert shown(hostile.get("/api/v1/calls")["columns"]) == name
    assert hostile.get("/api/v1/calls", process_name=name)["count"] == 0


def test_what_holds_names_is_never_html(hostile):
    with hostile.client() as client:
        for path in ("/api/ObtenerProcesos", "/api/v1/processes", "/api/v1/calls", "/api/v1/totals"):
            assert client.get(path).headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "header", [b"Cookie: " + b"a=b; " * 4000, b"X-Long: " + b"x" * 70_000, b"Authorization: Bearer " + b"y" * 40_000]
)
def test_huge_headers_are_refused_and_the_server_goes_on(site, header):
    with socket.create_connection(("127.0.0.1", site.settings.port)) as client:
        client.settimeout(20)
        client.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
        assert int(client.recv(100).split(b" ", 2)[1]) in (400, 401, 431)
    assert site.get("/api/v1/status")["store"]["state"] == "ok"


def test_a_websocket_is_refused(site):
    with site.client() as client:
        answer = client.get(
            "/api/v1/live",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
                "Authorization": "",
            },
        )
    assert answer.status_code == 401
