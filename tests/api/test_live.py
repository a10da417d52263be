"""The stream of snapshots."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import httpx
import pytest

from memtap.api import owners
from memtap.host import memory_bytes
from memtap.status import PipelineStatus, SpoolStatus, Status, TapStatus
from memtap.stores.contract import Maintenance, Retention
from memtap.stores.retention import RetentionStatus


def statuses(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The documents of a stream's status events."""
    event = None
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            assert event == "status"
            yield json.loads(value)
        elif not line:
            event = None


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def test_the_first_snapshot_comes_at_once_and_is_what_status_answers(site):
    known = site.get("/api/v1/status")
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        first = next(statuses(answer))
    for document in (known, first):
        assert document.pop("time_us") > 10**15
    assert first == known


def test_the_version_changes_when_calls_arrive(fresh, serve, events):
    site = serve(fresh.reader(), tick_s=0.05)
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        stream = statuses(answer)
        before = next(stream)
        fresh.writer.write(events[:100])
        after = next(document for document in stream if document["version"] != before["version"])
    assert before["totals"]["requests"] == 0
    assert after["totals"]["requests"] + after["totals"]["releases"] == 100
    assert after["account"]["stored"] == after["account"]["emitted"] == 100
    assert site.get("/api/v1/processes")["version"] == after["version"]


def test_a_rate_is_told_while_calls_arrive_and_falls_to_nothing_after(fresh, serve, events):
    site = serve(fresh.reader(), tick_s=0.05)
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        stream = statuses(answer)
        assert next(stream)["rates"] == {"calls_per_s": 0, "requested_per_s": 0, "released_per_s": 0, "kinds": {}}
        fresh.writer.write(events[:100])
        busy = next(document["rates"] for document in stream if document["rates"]["calls_per_s"])
        idle = next(document["rates"] for document in stream if not document["rates"]["calls_per_s"])
    assert busy["requested_per_s"] > 0
    assert idle == {"calls_per_s": 0, "requested_per_s": 0, "released_per_s": 0, "kinds": {}}


def test_every_client_gets_the_same_snapshots_made_once(serve, made):
    made_at = []

    def status() -> Status:
        made_at.append(len(made_at))
        return Status(TapStatus(name="stap", restarts=len(made_at)))

    site = serve(made.reader(), status, tick_s=0.05)
    with (
        site.client() as one,
        site.client() as other,
        one.stream("GET", "/api/v1/live") as first,
        other.stream("GET", "/api/v1/live") as second,
    ):
        seen_first = list(islice(statuses(first), 20))
        seen_second = list(islice(statuses(second), 20))
    shared = {document["tap"]["restarts"] for document in seen_first[1:]} & {
        document["tap"]["restarts"] for document in seen_second[1:]
    }
    assert len(shared) > 5


def test_what_the_tap_and_the_pipeline_say_is_passed_on_with_hostile_bytes_escaped(serve, made):
    status = Status(
        TapStatus(
            name="stap",
            state="restarting",
            recording=True,
            message="died\x1b[2J",
            restarts=3,
            stderr=("line \udcff", "tab\there"),
            left_out=(7, 8),
        ),
        PipelineStatus(lines=5, rejected=1, lost={"pipe": 2}, queued=4, samples=(b"broken \xff\x1b\n",)),
    )
    answer = serve(made.reader(), lambda: status).get("/api/v1/status")
    assert answer["tap"] == {
        "name": "stap",
        "state": "restarting",
        "recording": True,
        "message": r"died\x1b[2J",
        "restarts": 3,
        "stderr": [r"line \xff", r"tab\there"],
        "left_out": [7, 8],
        "gap_since_us": None,
    }
    assert answer["samples"] == [r"broken \xff\x1b\n"]
    assert answer["pipeline"]["queued"] == 4
    assert answer["pipeline"]["lost"] == {"pipe": 2}
    assert answer["host"] == {"name": "testhost", "memory_bytes": 8 << 30}


def test_a_client_beyond_the_limit_is_refused_until_another_leaves(serve, made):
    site = serve(made.reader(), live_clients=1, tick_s=0.05)
    with site.client() as client:
        with client.stream("GET", "/api/v1/live") as answer:
            stream = statuses(answer)  # held on to: a forgotten one closes the connection
            next(stream)
            with site.client() as second:
                assert second.get("/api/v1/live").status_code == 503
        eventually(lambda: site.app.state.live.clients == 0)
        with client.stream("GET", "/api/v1/live") as answer:
            assert answer.status_code == 200


def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on(serve, made):
    noise = Status(pipeline=PipelineStatus(samples=(b"x" * 100_000,) * 10))
    site = serve(made.reader(), lambda: noise, tick_s=0.02, slow_client_s=0.3)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", site.server.port))
    deaf.sendall(
        b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n"
        % site.settings.token.encode()
    )
    with deaf, site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        stream = statuses(answer)
        eventually(lambda: next(stream) is not None and site.app.state.live.clients == 2)
        eventually(lambda: next(stream) is not None and site.app.state.live.clients == 1)
        assert next(stream)["store"]["state"] == "ok"


def test_silence_is_filled_with_heartbeats(serve, made):
    site = serve(made.reader(), tick_s=60.0, heartbeat_s=0.05)
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        comments = (line for line in answer.iter_lines() if line.startswith(":"))
        assert [next(comments) for _ in range(3)] == [": still here"] * 3


def test_a_snapshot_that_cannot_be_made_does_not_stop_the_clock(serve, made, caplog):
    broken = threading.Event()
    failed = threading.Event()

    def status() -> Status:
        if broken.is_set():
            failed.set()
            raise RuntimeError("a defect of the pipeline's")
        return Status(TapStatus(restarts=int(failed.is_set())))

    site = serve(made.reader(), status, tick_s=0.05)
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        stream = statuses(answer)
        next(stream)
        broken.set()
        assert failed.wait(20)
        broken.clear()
        assert next(document for document in stream if document["tap"]["restarts"])
    assert "a defect of the pipeline's" in caplog.text


def test_an_open_stream_ends_when_the_server_stops(serve, made):
    site = serve(made.reader(), tick_s=0.05)
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        stream = statuses(answer)
        next(stream)
        site.server.stop()
        for _ in stream:
            pass
    assert site.server.join(20)


def test_a_slot_keeps_the_latest_snapshot_only():
    from memtap.api.live import HEARTBEAT, Slot

    async def taken() -> list[bytes | None]:
        slot = Slot(b"first")
        slot.put(b"second")
        slot.put(b"third")
        events = [await slot.take(1), await slot.take(0.001)]
        slot.put(b"fourth")
        slot.close()
        return [*events, await slot.take(1)]

    assert asyncio.run(taken()) == [b"third", HEARTBEAT, None]


@pytest.mark.parametrize("path", ["/api/v1/live", "/api/v1/status", "/api/v1/health"])
def test_a_parameter_is_an_error_here(site, path):
    with site.client() as client:
        answer = client.get(path, params={"tick": 1})
    assert answer.status_code == 400
    assert answer.json()["error"]["parameter"] == "tick"


def test_the_last_minute_and_the_rates_by_kind_are_what_came_since(fresh, serve, events):
    calls: dict[str, int] = {}
    site = serve(fresh.reader(), lambda: Status(pipeline=PipelineStatus(calls=dict(calls))), tick_s=0.05)
    with site.client() as client, client.stream("GET", "/api/v1/live") as answer:
        stream = statuses(answer)
        next(document for document in stream if document["last_minute"]["seconds"])
        calls["mmap2"] = 70
        fresh.writer.write(events[:100])
        busy = next(document for document in stream if document["rates"]["kinds"])
        assert busy["rates"]["kinds"]["mmap2"] > 0
        late = next(
            document
            for document in stream
            if document["totals"]["requests"] and not any(document["rates"]["kinds"].values())
        )
    requested = sum(event.length for event in events[:100] if event.call == "mmap2")
    assert late["last_minute"]["requested"] == late["totals"]["requested"] == requested
    assert late["last_minute"]["requests"] + late["last_minute"]["releases"] == 100
    assert late["last_minute"]["failed"] is None


def test_what_the_spool_and_the_housekeeping_say_is_passed_on(serve, made):
    status = Status(
        spool=SpoolStatus("draining", "/var/\x1bspool", 3, 4096, 8192, 17, 1, 2, "no \x1b room"),
        retention=RetentionStatus(Retention(60, None, 3600), Maintenance(5, 6, 7, 123_456, 99), 1_000, "late"),
    )
    answer = serve(made.reader(), lambda: status).get("/api/v1/status")
    assert answer["spool"] == {
        "state": "draining",
        "path": r"/var/\x1bspool",
        "batches": 3,
        "bytes": 4096,
        "limit": 8192,
        "oldest_us": 17,
        "damaged": 1,
        "dropped": 2,
        "error": r"no \x1b room",
    }
    assert answer["retention"] == {
        "keep_events_s": 60,
        "keep_bytes": None,
        "keep_rollups_s": 3600,
        "latest_us": 1_000,
        "events_dropped": 5,
        "error": "late",
    }
    assert (answer["store"]["bytes"], answer["store"]["oldest_us"]) == (123_456, 99)


def test_the_machines_memory_is_told_where_it_is_this_machines(serve, made, monkeypatch):
    assert serve(made.reader()).get("/api/v1/status")["memory"] is None
    # The calls are of a host of the tests' own, with numbers that are the same everywhere: now it is this machine.
    monkeypatch.setattr(owners, "is_here", lambda host: host == "testhost")
    memory = serve(made.reader()).get("/api/v1/status")["memory"]
    assert 0 < memory["available_bytes"] < memory["total_bytes"] == memory_bytes()
