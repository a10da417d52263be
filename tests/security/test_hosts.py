"""Only requests addressed to this machine by a name of its own are answered (DNS rebinding)."""

from __future__ import annotations

import socket

import pytest


def status_of(port: int, *headers: bytes, target: bytes = b"/api/v1/health", version: bytes = b"1.1") -> int:
    """The status of a request with exactly these header lines."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(20)
        lines = [b"GET %b HTTP/%b" % (target, version), *headers, b"Connection: close", b"", b""]
        client.sendall(b"\r\n".join(lines))
        answer = b""
        while part := client.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost:7411",
        "localhost:",
        "localhost.:80",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:7411",
        "[0:0:0:0:0:0:0:1]:7411",
    ],
)
def test_our_own_names_are_answered_in_any_spelling_and_with_any_port(site, host):
    auth = f"Authorization: Bearer {site.settings.token}".encode()
    assert status_of(site.settings.port, f"Host: {host}".encode(), auth) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7411",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "evil-localhost",
        "xlocalhost",
        "localhost..",
        "127.0.0.2",
        "0.0.0.0",
        "0",
        "2130706433",
        "0x7f.1",
        "127.1",
        "192.168.1.10",
        "10.0.0.1:7411",
        "[::2]",
        "[::ffff:127.0.0.1]",
        "[fe80::1%25lo]",
        "[::1",
        "::1",
        "localhost:x",
        "localhost:80:80",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost/",
        "localhost#",
        "localhost?",
        "localhost\\",
        "local host",
        "localhost,evil.example",
        "",
        " ",
        "*",
        "localhost%00",
        "\uff4cocalhost",
        "a" * 5000,
    ],
)
def test_any_other_is_refused_even_with_the_token(site, host):
    auth = f"Authorization: Bearer {site.settings.token}".encode()
    assert status_of(site.settings.port, f"Host: {host}".encode(), auth) in (400, 421)


@pytest.mark.parametrize(
    "path", ["/", "/login", "/login.css", "/index.js", "/api/v1/status", "/api/v1/live", "/nothing"]
)
def test_no_address_is_answered_under_a_strange_name(site, path):
    with site.client() as client:
        answer = client.get(path, headers={"Host": "evil.example"})
    assert answer.status_code == 421
    error = answer.json()["error"]
    assert (error["parameter"], error["value"]) == ("Host", "evil.example")


def test_two_hosts_or_none_are_refused(site):
    auth = f"Authorization: Bearer {site.settings.token}".encode()
    port = site.settings.port
    assert status_of(port, b"Host: localhost", b"Host: localhost", auth) in (400, 421)
    assert status_of(port, auth) in (400, 421)
    assert status_of(port, auth, version=b"1.0") == 421


def test_a_full_address_in_the_request_line_opens_nothing(site):
    auth = f"Authorization: Bearer {site.settings.token}".encode()
    port = site.settings.port
    assert status_of(port, b"Host: evil.example", auth, target=b"http://localhost/api/v1/health") == 421
    assert status_of(port, b"Host: localhost", auth, target=b"http://evil.example/api/v1/health") == 404


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Original-Host", "Forwarded", "X-Host"])
def test_no_header_stands_in_for_the_host(site, header):
    with site.client() as client:
        answer = client.get("/api/v1/health", headers={"Host": "evil.example", header: "localhost"})
    assert answer.status_code == 421


def test_a_name_that_the_operator_allows_is_answered(serve, made):
    site = serve(made.reader(), allowed_hosts=("Memory.example.org",))
    with site.client() as client:
        for host in ("memory.example.org", "MEMORY.example.org.:443"):
            assert client.get("/api/v1/health", headers={"Host": host}).status_code == 200
        assert client.get("/api/v1/health", headers={"Host": "example.org"}).status_code == 421


def test_listening_everywhere_the_address_of_the_connection_is_ours_and_no_other(serve, made):
    site = serve(made.reader(), listen="0.0.0.0")
    auth = f"Authorization: Bearer {site.settings.token}".encode()
    for host, status in (("127.0.0.1", 200), ("0.0.0.0", 421), ("192.168.7.7", 421), ("evil.example", 421)):
        assert status_of(site.settings.port, f"Host: {host}".encode(), auth) == status
