"""What is answered while the store cannot be."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from memtap.errors import StoreAway, StoreError
from memtap.status import PipelineStatus, Status, TapStatus


class Failing:
    """A reader over another that can be told to fail or to hang."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.error: Exception | None = None
        self.hanging = ""  # the question that gets no answer until `answers` is set
        self.answers = threading.Event()
        self.asked = threading.Event()

    def known_version(self) -> None:
        """As of a database that is somewhere else."""

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any, **options: Any) -> Any:
            if name == self.hanging:
                self.asked.set()
                self.answers.wait(30)
            if self.error is not None:
                raise self.error
            return getattr(self._reader, name)(*args, **options)

        return ask


@pytest.fixture
def failing(made):
    return Failing(made.reader())


def test_a_store_that_is_away_is_a_503_that_says_so_and_when_to_come_back(serve, failing):
    site = serve(failing)
    failing.error = StoreAway("store mysql://u@h/proyecto1: connection refused\x1b; start the server")
    with site.client() as client:
        answer = client.get("/api/ObtenerProcesos")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "connection refused\\x1b" in answer.json()["error"]["what"]
        failing.error = None
        assert client.get("/api/ObtenerProcesos").status_code == 200


def test_a_store_that_refuses_is_a_500_in_its_own_words(serve, failing):
    site = serve(failing)
    failing.error = StoreError("store duckdb:///x: schema 9 is newer than this memtap's")
    with site.client() as client:
        answer = client.get("/api/v1/calls")
    assert answer.status_code == 500
    assert "schema 9 is newer" in answer.json()["error"]["what"]


def test_status_keeps_the_last_known_numbers_and_says_away(serve, failing, events):
    site = serve(failing)
    before = site.get("/api/v1/status")
    failing.error = StoreAway("gone")
    away = site.get("/api/v1/status")
    assert away["store"] == before["store"] | {"state": "away", "error": "gone"}
    assert away["totals"] == before["totals"]
    failing.error = None
    assert site.get("/api/v1/status")["store"] == before["store"]


def test_a_store_that_hangs_stops_neither_the_status_nor_the_server(serve, failing):
    site = serve(failing, tick_s=0.05)
    known = site.get("/api/v1/status")
    failing.hanging = "version"
    assert failing.asked.wait(20)
    for _ in range(3):
        assert site.get("/api/v1/status")["totals"] == known["totals"]
    site.server.stop()
    assert site.server.join(20)
    failing.answers.set()


def test_a_request_that_waits_for_a_hanging_store_does_not_keep_the_server_from_stopping(serve, failing, caplog):
    site = serve(failing)
    failing.hanging = "search"
    with ThreadPoolExecutor(1) as clients, site.client() as client:
        waiting = clients.submit(client.get, "/api/v1/calls")
        assert failing.asked.wait(20)
        site.server.stop()
        assert site.server.join(20)
        with pytest.raises(httpx.RemoteProtocolError):
            waiting.result()
    failing.answers.set()
    assert not caplog.records


def test_a_failed_read_is_not_kept(serve, failing):
    site = serve(failing)
    failing.error = StoreAway("gone")
    with site.client() as client:
        assert client.get("/api/v1/totals").status_code == 503
    failing.error = None
    assert site.get("/api/v1/totals")["totals"]["requests"] > 0


@pytest.mark.parametrize(
    ("status", "ok"),
    [
        (Status(), True),
        (Status(TapStatus(name="stap", state="running")), True),
        (Status(TapStatus(name="file", state="ended")), True),
        (Status(TapStatus(name="stap", state="restarting", message="it died")), False),
        (Status(pipeline=PipelineStatus(store_error="disk full")), False),
    ],
)
def test_health_is_200_while_calls_are_kept_and_503_otherwise(serve, made, status, ok):
    site = serve(made.reader(), lambda: status)
    with site.client() as client:
        answer = client.get("/api/v1/health")
    assert answer.status_code == (200 if ok else 503)
    assert answer.json()["ok"] is ok
    assert bool(answer.json()["error"]) is not ok


def test_health_is_503_while_the_store_is_away(serve, failing):
    site = serve(failing)
    failing.error = StoreAway("gone")
    with site.client() as client:
        answer = client.get("/api/v1/health")
    assert (answer.status_code, answer.json()) == (503, {"ok": False, "tap": "none", "store": "away", "error": "gone"})


def test_a_defect_is_a_500_without_its_details(serve, failing, caplog):
    site = serve(failing)
    failing.error = KeyError("secret detail")
    with site.client() as client:
        answer = client.get("/api/v1/calls")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers
    site.server.stop()
    assert site.server.join(20)  # by then the log is written
    assert "secret detail" in caplog.text
