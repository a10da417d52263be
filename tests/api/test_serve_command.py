"""`memtap serve` as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pytest

MEMTAP = [sys.executable, "-c", "from memtap.cli import main; raise SystemExit(main())"]


@contextmanager
def served(*arguments: str, token: str = "") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the address that it printed."""
    environment = {**os.environ, "MEMTAP_TOKEN": token}
    with subprocess.Popen(
        [*MEMTAP, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout
            address = process.stdout.readline().strip()
            assert address, process.stderr.read() if process.stderr else ""
            yield process, address
        finally:
            if process.poll() is None:
                process.kill()


def refused(*arguments: str) -> tuple[int, str]:
    """Exit status and standard error of a command that does not start."""
    done = subprocess.run([*MEMTAP, "serve", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def url(tmp_path: Path) -> str:
    from memtap.stores import open_store

    url = f"duckdb://{tmp_path / 'served.duckdb'}"
    store = open_store(url)
    store.migrate()
    store.close()
    return url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_address_it_prints_opens_the_page_and_a_signal_ends_it_with_clients_connected(url, number):
    with served("--store", url) as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
        with httpx.Client(follow_redirects=True, timeout=20) as client:
            page = client.get(address)
            assert page.status_code == 200
            assert "<memtap-" in page.text
            assert "token" not in str(page.url)
            assert client.get(page.url.join("/api/ObtenerProcesos")).json() == []
            with client.stream("GET", page.url.join("/api/v1/live")) as live:
                assert next(live.iter_lines()) == "event: status"
                process.send_signal(number)
                _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == f"memtap: serving {url}; Ctrl-C stops\n"


def test_the_token_of_the_environment_is_used(url):
    with served("--store", url, token="chosen-by-the-operator") as (_, address):
        answer = httpx.get(
            address.partition("?")[0] + "api/v1/status", headers={"Authorization": "Bearer chosen-by-the-operator"}
        )
        assert answer.json()["store"]["url"] == url
        assert answer.json()["tap"]["state"] == "none"


def test_the_browsers_command_line_does_not_hold_the_token(url, tmp_path, monkeypatch):
    browser, shown = tmp_path / "browser", tmp_path / "shown"
    os.mkfifo(shown)
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {shown}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    with served("--store", url, "--open", token="the-token-itself") as (_, address):
        opened = shown.read_text()
        assert opened.startswith(address.partition("?")[0])
        assert "the-token-itself" not in opened
        assert httpx.get(opened).status_code == 303
        assert httpx.get(opened).status_code == 401


def test_two_on_one_machine_do_not_log_each_other_out(url):
    with (
        served("--store", url) as (_, one),
        served("--store", "null://") as (_, other),
        httpx.Client(timeout=20) as browser,
    ):
        for address in (one, other):
            browser.get(address)
        for address in (one, other):
            assert browser.get(address.partition("?")[0] + "api/v1/status").status_code == 200


def test_a_port_in_use_is_one_line_that_names_it(url):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, error = refused("--store", url, "--port", str(port))
    assert status == 1
    assert re.fullmatch(rf"memtap: port {port} on 127\.0\.0\.1 is in use, .*--port.*\n", error)


def test_a_file_that_another_memtap_holds_is_one_line_from_the_store(url):
    with served("--store", url) as (process, _):
        status, error = refused("--store", url, "--port", "0")
        assert status == 1
        assert str(process.pid) in error
    assert error.startswith("memtap: ")
    assert error.count("\n") == 1


def test_a_store_without_a_schema_is_one_line_and_not_a_page_of_errors(tmp_path):
    path = tmp_path / "none.duckdb"
    duckdb.connect(str(path)).close()
    status, error = refused("--store", f"duckdb://{path}", "--port", "0")
    assert status == 1
    assert "memtap init" in error
    assert error.count("\n") == 1


def test_a_store_that_is_not_there_is_said_and_not_made(tmp_path):
    path = tmp_path / "none.duckdb"
    status, error = refused("--store", f"duckdb://{path}", "--port", "0")
    assert (status, error.count("\n")) == (1, 1)
    assert "there is no such file" in error
    assert not path.exists()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_listening_beyond_loopback_needs_to_be_said_twice(url, address):
    status, error = refused("--store", url, "--port", "0", "--listen", address)
    assert status == 2
    assert "--insecure-listen" in error
    assert error.count("\n") == 1


def test_listening_beyond_loopback_warns_and_prints_an_address_of_this_machine(url):
    with served("--store", url, "--listen", "0.0.0.0", "--insecure-listen", token="short") as (process, address):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=short", address)
        assert httpx.get(address).status_code == 303
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "without TLS" in errors
    assert "MEMTAP_TOKEN has fewer than 16 characters" in errors


@pytest.mark.parametrize("port", ["-1", "65536", "http", "٣"])
def test_a_port_that_is_none_is_wrong_usage(url, port):
    status, error = refused("--store", url, f"--port={port}")
    assert status == 2
    assert "give a number from 0 to 65535" in error


def test_a_token_that_no_header_could_carry_is_wrong_usage(url, monkeypatch):
    monkeypatch.setenv("MEMTAP_TOKEN", "two words")
    status, error = refused("--store", url, "--port", "0")
    assert status == 2
    assert error.startswith("memtap: MEMTAP_TOKEN: ")
    assert "two words" not in error
