"""The server's life: a socket first, and an end whoever is connected."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from memtap.errors import MemtapError
from memtap.server import bind


def test_a_port_in_use_is_told_before_anything_starts_with_what_to_do():
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MemtapError, match=rf"^port {port} on 127\.0\.0\.1 is in use.*--port"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("address", ["192.0.2.1", "no such host", "256.1.1.1", "a" * 64 + ".example"])
def test_an_address_that_is_not_this_machines_is_one_line(address):
    with pytest.raises(MemtapError, match=r"^cannot listen on .*--listen an address of this machine$") as error:
        bind(address, 0)
    assert "\n" not in str(error.value)


def test_a_port_can_be_bound_again_right_after_a_server_with_clients_stopped(serve, made):
    site = serve(made.reader())
    with site.client() as client:
        client.get("/api/v1/status")
        site.server.stop()
        assert site.server.join(20)
        bind("127.0.0.1", site.settings.port).close()


def test_it_stops_whatever_kind_of_client_is_connected(serve, made):
    site = serve(made.reader(), tick_s=0.02)
    address = ("127.0.0.1", site.settings.port)
    request = b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
    silent = socket.create_connection(address)  # sends nothing
    halting = socket.create_connection(address)  # sends half a request
    halting.sendall(b"GET / HTTP/1.1\r\nHost: local")
    posting = socket.create_connection(address)  # promises a body that never comes
    posting.sendall(
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken="
    )
    deaf = socket.create_connection(address)  # reads nothing
    deaf.sendall(request % site.settings.token.encode())
    with (
        silent,
        halting,
        posting,
        deaf,
        site.client() as idle,
        site.client() as reading,
        reading.stream("GET", "/api/v1/live") as answer,
    ):
        idle.get("/api/v1/status")  # its connection is kept alive
        lines = answer.iter_lines()
        assert next(lines)
        site.server.stop()
        assert site.server.join(20)
        with pytest.raises(httpx.ConnectError):
            httpx.get(site.settings.address)


def test_stop_may_be_repeated_and_may_come_before_the_start_is_over(serve, made):
    site = serve(made.reader())
    for _ in range(3):
        site.server.stop()
    assert site.server.join(20)
    site.server.stop()


def test_no_thread_is_left_behind(serve, made):
    before = set(threading.enumerate())
    site = serve(made.reader())
    site.get("/api/ObtenerProcesos")
    site.server.stop()
    assert site.server.join(20)
    assert set(threading.enumerate()) <= before


def test_a_request_that_is_no_http_is_refused_and_the_server_goes_on(site):
    with socket.create_connection(("127.0.0.1", site.settings.port)) as client:
        client.settimeout(20)
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert site.get("/api/v1/status")["store"]["state"] == "ok"


def test_the_server_does_not_say_what_it_is_made_of(site):
    with site.client() as client:
        assert "server" not in client.get("/api/v1/status").headers
