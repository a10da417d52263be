"""However many clients ask, the store is read once for each of its versions."""

from __future__ import annotations

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from memtap.api import snapshots

CACHED = ("/api/ObtenerProcesos", "/api/v1/processes", "/api/v1/calls", "/api/v1/totals", "/api/v1/losses")


def test_one_read_serves_every_client_and_both_forms_of_the_process_list(serve, made, counting):
    reader = counting(made.reader())
    site = serve(reader)
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: site.get("/api/ObtenerProcesos"), range(40)))
    site.get("/api/v1/processes")
    site.get("/api/v1/processes", ended="all", limit=2)
    assert all(answer == answers[0] for answer in answers)
    assert reader.asked["processes"] == 1
    assert reader.asked["known_version"] >= 42
    assert reader.asked["version"] <= 8  # the database itself: by those who ask at once, before it is known


def test_clients_that_ask_while_a_read_is_under_way_share_it(serve, made, counting):
    asked, go_on = threading.Event(), threading.Event()
    reader = counting(made.reader())
    search = made.reader().search

    def slow_search(*args, **options):
        reader.asked["search"] += 1
        asked.set()
        assert go_on.wait(20)
        return search(*args, **options)

    reader.search = slow_search
    site = serve(reader)
    with ThreadPoolExecutor(6) as clients:
        waiting = [clients.submit(site.get, "/api/v1/calls", limit=5) for _ in range(6)]
        assert asked.wait(20)
        go_on.set()
        answers = [answer.result() for answer in waiting]
    assert all(answer == answers[0] for answer in answers)
    assert reader.asked["search"] == 1


def test_a_new_version_is_read_anew(fresh, serve, events, counting):
    reader = counting(fresh.reader())
    site = serve(reader)
    assert site.get("/api/ObtenerProcesos") == []
    fresh.writer.write(events[:10])
    assert {process["pid"] for process in site.get("/api/ObtenerProcesos")} == {event.pid for event in events[:10]}
    assert reader.asked["processes"] == 2


@pytest.mark.parametrize("path", CACHED)
def test_a_client_that_has_the_answer_gets_304_until_the_store_changes(fresh, serve, events, path):
    fresh.writer.write(events[:10])
    site = serve(fresh.reader())
    with site.client() as client:
        etag = client.get(path).headers["etag"]
        unchanged = client.get(path, headers={"If-None-Match": f'"other", {etag}'})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
        fresh.writer.write(events[10:20])
        changed = client.get(path, headers={"If-None-Match": etag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != etag


def test_304_costs_no_read(serve, made, counting):
    reader = counting(made.reader())
    site = serve(reader)
    with site.client() as client:
        etag = client.get("/api/v1/calls").headers["etag"]
        for _ in range(5):
            assert client.get("/api/v1/calls", headers={"If-None-Match": etag}).status_code == 304
    assert reader.asked["search"] == 1


def test_different_questions_have_different_etags(site):
    with site.client() as client:
        tags = {client.get("/api/v1/calls", params={"limit": limit}).headers["etag"] for limit in (1, 2, 3)}
    assert len(tags) == 3


def test_the_etag_of_another_server_over_the_same_store_is_not_taken(serve, made):
    one, other = serve(made.reader()), serve(made.reader())
    with one.client() as client:
        etag = client.get("/api/v1/calls").headers["etag"]
    with other.client() as client:
        assert client.get("/api/v1/calls", headers={"If-None-Match": etag}).status_code == 200


def test_a_long_answer_is_compressed_for_those_who_take_it(site):
    with site.client(event_hooks={}) as client:
        plain = client.get("/api/v1/calls", headers={"Accept-Encoding": "identity"})
        refused = client.get("/api/v1/calls", headers={"Accept-Encoding": "gzip;q=0, identity"})
        with client.stream("GET", "/api/v1/calls", headers={"Accept-Encoding": "br, gzip"}) as packed:
            body = b"".join(packed.iter_raw())
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == plain.content == refused.content
    assert len(body) < len(plain.content)
    assert {answer.headers["vary"] for answer in (plain, refused, packed)} == {"Accept, Accept-Encoding"}


def test_a_short_answer_is_not_compressed(site):
    with site.client() as client:
        answer = client.get("/api/v1/losses", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


def test_only_this_user_may_keep_an_answer_and_must_ask_again(site):
    with site.client() as client:
        assert client.get("/api/v1/calls").headers["cache-control"] == "private, no-cache"
        assert client.get("/api/v1/status").headers["cache-control"] == "no-store"


def test_head_has_the_headers_of_get_and_no_body(site):
    with site.client() as client:
        got, head = (client.request(method, "/api/v1/losses") for method in ("GET", "HEAD"))
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["etag"] == got.headers["etag"]
    assert head.headers["content-length"] == got.headers["content-length"]


def test_while_an_answer_is_made_anew_that_of_a_moment_ago_is_given(fresh, serve, events, counting):
    """With its own ETag; and the new one as soon as it is there."""
    fresh.writer.write(events[:10])
    reader = counting(fresh.reader())
    processes, asked, go_on = reader.processes, threading.Event(), threading.Event()

    def slow(**options):
        if asked.is_set():
            assert go_on.wait(20)
        asked.set()
        return processes(**options)

    reader.processes = slow
    site = serve(reader, stale_s=600.0)
    with site.client() as client:
        before = client.get("/api/ObtenerProcesos")
        fresh.writer.write(events[10:20])
        meanwhile = client.get("/api/ObtenerProcesos")
        assert (meanwhile.content, meanwhile.headers["etag"]) == (before.content, before.headers["etag"])
        again = client.get("/api/ObtenerProcesos", headers={"If-None-Match": meanwhile.headers["etag"]})
        assert again.status_code == 304
        assert before.headers["age"] == "0"
        assert 1 <= int(meanwhile.headers["age"]) <= int(again.headers["age"])
        go_on.set()
        while (after := client.get("/api/ObtenerProcesos")).headers["etag"] == before.headers["etag"]:
            pass
    assert {process["pid"] for process in after.json()} == {event.pid for event in events[:20]}
    assert after.headers["age"] == "0"


def test_a_store_that_changes_all_the_time_is_not_read_all_the_time(fresh, serve, events, counting, monkeypatch):
    """What took long to make stands for a while: or a list of ten thousand processes would keep a core busy."""
    reader = counting(fresh.reader())
    site = serve(reader, stale_s=600.0, tick_s=600.0)  # the clock reads, too
    assert site.get("/api/ObtenerProcesos") == []
    monkeypatch.setattr(snapshots, "REST", 1e9)
    monkeypatch.setattr(snapshots, "REST_MOST_S", 600.0)
    for event in events[:5]:
        fresh.writer.write([event])
        assert site.get("/api/ObtenerProcesos") == []
    assert reader.asked["processes"] == 1
    monkeypatch.setattr(snapshots, "REST", 0)
    while len(site.get("/api/ObtenerProcesos")) != len({event.pid for event in events[:5]}):
        pass
    assert reader.asked["processes"] == 2


def test_an_answer_that_is_over_is_not_given_for_long(fresh, serve, events):
    site = serve(fresh.reader(), stale_s=0.0)
    assert site.get("/api/ObtenerProcesos") == []
    fresh.writer.write(events[:10])
    assert site.get("/api/ObtenerProcesos") != []
