"""Clients that are slow, many, or send too much: bounded, and the others go on."""

from __future__ import annotations

import ast
import hmac
import inspect
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from memtap.api import access

HEAD_S = 0.4


def connected(site: Any) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", site.settings.port))
    client.settimeout(30)
    return client


def ended(client: socket.socket) -> bytes:
    """What comes until the server closes the connection. Fails where it does not."""
    answer = b""
    try:
        while part := client.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def head(site: Any, *lines: bytes, target: bytes = b"/api/v1/health", method: bytes = b"GET") -> bytes:
    token = b"Authorization: Bearer " + site.settings.token.encode()
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), b"Host: localhost", token, *lines, b"", b""])


@pytest.fixture
def hurried(serve, made) -> Any:
    return serve(made.reader(), head_s=HEAD_S, tick_s=0.05)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"G",
        b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 100\r\n\r\ntoken=",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5\r\ntok",
    ],
)
def test_a_request_that_does_not_come_whole_is_not_waited_for(hurried, sent):
    with connected(hurried) as client:
        client.sendall(sent)
        ended(client)


def test_nor_is_one_that_comes_byte_by_byte(hurried):
    with connected(hurried) as client:
        client.settimeout(0.02)
        request, deadline = head(hurried), time.monotonic() + 60
        for at in range(len(request) - 1):
            assert time.monotonic() < deadline
            try:
                client.sendall(request[at : at + 1])
                if client.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                return
    raise AssertionError("it was waited for")


def test_nor_a_second_request_on_a_kept_connection(hurried):
    with connected(hurried) as client:
        client.sendall(head(hurried))
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /api/v1/hea")
        ended(client)


def test_whoever_listens_is_left_alone(hurried):
    with connected(hurried) as client:
        client.sendall(head(hurried, target=b"/api/v1/live"))
        begun, received = time.monotonic(), 0
        while time.monotonic() - begun < 4 * HEAD_S:
            part = client.recv(65536)
            assert part
            received += part.count(b"event: status")
    assert received > 3


def test_many_silent_connections_keep_nobody_out(hurried):
    with ExitStack() as opened:
        silent = [opened.enter_context(connected(hurried)) for _ in range(300)]
        assert hurried.get("/api/v1/status")["store"]["state"] == "ok"
        for client in silent:
            ended(client)
    assert hurried.get("/api/v1/status")["store"]["state"] == "ok"


@pytest.mark.parametrize("length", [b"1000000000000", b"99999999999999999999"])
def test_a_body_that_nobody_asked_for_is_not_taken_in(hurried, length):
    with connected(hurried) as client:
        client.sendall(head(hurried, b"Content-Length: " + length))
        assert client.recv(100).split(b" ", 2)[1] in (b"200", b"400")
        ended(client)
    assert hurried.get("/api/v1/status")["store"]["state"] == "ok"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % at for at in range(20_000)) + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\x00c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"\r\n" * 50_000,
        b"\0" * 70_000,
    ],
)
def test_what_is_no_request_is_refused_and_the_server_goes_on(hurried, request_):
    with connected(hurried) as client:
        try:
            client.sendall(request_)
            answer = ended(client)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
    assert answer == b"" or int(answer.split(b" ", 2)[1]) in (400, 401, 404, 405, 413, 415, 421, 431)
    assert hurried.get("/api/v1/status")["store"]["state"] == "ok"


def test_requests_beyond_the_limit_are_refused_not_queued_for(serve, made):
    site = serve(made.reader())
    site.server._uvicorn.config.limit_concurrency = 20
    with ExitStack() as opened:
        for _ in range(30):
            opened.enter_context(connected(site)).sendall(b"G")
        refused = httpx.get(f"{site.settings.address}login")
        assert refused.status_code == 503


ORIGINS = [
    "http://localhost.evil.example:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:1",
    "https://127.0.0.1",
    "http://127.0.0.1.:{port}",
    "http://127.1:{port}",
    "http://2130706433:{port}",
    "http://0.0.0.0:{port}",
    "http://[::ffff:127.0.0.1]:{port}",
    "http://[::1]:{port}",
    "http://LOCALHOST.EVIL:{port}",
    "http://user@127.0.0.1:{port}",
    "file://",
    "null",
    "",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_form_from_any_other_origin_logs_nobody_in(site, origin):
    given = origin.format(port=site.settings.port)
    answer = httpx.post(f"{site.settings.address}login", data={"token": site.settings.token}, headers={"Origin": given})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "LOCALHOST:{port}", "localhost.:{port}", "[::1]:{port}"])
def test_our_own_page_logs_in_by_each_of_its_names(site, host):
    name = host.format(port=site.settings.port)
    answer = httpx.post(
        f"{site.settings.address}login",
        data={"token": site.settings.token},
        headers={"Host": name, "Origin": f"http://{name.lower()}"},
    )
    assert answer.status_code == 303


@pytest.fixture
def compared(monkeypatch) -> Iterator[list[tuple[bytes, bytes]]]:
    """What was compared in constant time."""
    seen: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return real(one, other)

    # Watched, not replaced.
    monkeypatch.setattr(access.hmac, "compare_digest", spy)
    yield seen


def test_every_secret_is_compared_in_constant_time(site, compared):
    token = site.settings.token.encode()
    session = site.app.state.access.session.encode()
    wrong = b"w" * len(token)
    httpx.get(f"{site.settings.address}api/v1/health", headers={"Authorization": f"Bearer {wrong.decode()}"})
    httpx.get(site.settings.address, params={"token": wrong.decode()})
    cookie = {"Cookie": f"memtap-{site.settings.port}={wrong.decode()}"}
    httpx.get(f"{site.settings.address}api/v1/health", headers=cookie)
    assert compared.count((wrong, token)) == 2
    assert (wrong, session) in compared


def test_no_secret_is_compared_in_any_other_way():
    tree = ast.parse(inspect.getsource(access))
    compares = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert compares == ["scheme.lower() == 'bearer'"]
    for path in Path(inspect.getfile(access)).parent.glob("*.py"):
        assert path.name == "access.py" or "settings.token" not in path.read_text(), path
