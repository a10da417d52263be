"""/metrics as Prometheus reads it: by the OpenMetrics parser, against sums made without memtap."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import httpx
import pytest
from counted import WideCall, by_process
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_text_to_metric_families
from web import FIRST_US

from memtap.errors import StoreAway
from memtap.names import display
from memtap.status import PipelineStatus, Reconciliation, SpoolStatus, Status, TapStatus
from memtap.stores.contract import Loss, Maintenance
from memtap.stores.retention import RetentionStatus

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

HOSTILE = [
    b'"',
    b"\\",
    b'\\"} 1\n# EOF\n',
    b"\n# EOF",
    b'a"} 1\nevil 1\n#',
    b"\xff\xfe",
    "\u202egnp.exe".encode(),
    b"\x1b[2J",
    b"{}",
    b" ",
    b"\t\r\n",
    "ñandú".encode(),
    b"\x01" * 15,
    b"name=",
    b"15 bytes long..",
]


def scraped(site: Any, **query: Any) -> Samples:
    with site.client() as client:
        answer = client.get("/metrics", params=query)
    assert answer.status_code == 200, answer.text
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.name.startswith("memtap_")
        assert family.documentation
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def one(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def by_label(found: Samples, name: str, label: str = "name") -> dict[str, float]:
    return {dict(labels)[label]: value for (of, labels), value in found.items() if of == name}


def has(found: Samples, name: str) -> bool:
    return any(of == name for of, _ in found)


def sums_by_name(calls: list[WideCall]) -> dict[str, Counter[str]]:
    """What each name must say, from the lines themselves."""
    out: dict[str, Counter[str]] = defaultdict(Counter)
    for of in by_process(calls).values():
        sums = out[display(of.name)]
        sums.update(requested_bytes=of.requested, released_bytes=of.released, failed_calls=of.failed)
        if of.ended_us is None:
            sums.update(balance_bytes=of.requested - of.released, vm_bytes=of.vm or 0, resident_bytes=of.resident or 0)
    return out


def test_the_text_is_openmetrics_to_its_last_line(site):
    with site.client() as client:
        answer = client.get("/metrics")
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("\n# EOF\n")
    assert answer.text.count("# EOF") == 1


def test_it_needs_the_token_like_every_other_answer(site):
    with httpx.Client(base_url=site.settings.address, verify=False) as client:
        refused = client.get("/metrics")
        wrong = client.get("/metrics", headers={"Authorization": "Bearer guess"})
    assert (refused.status_code, wrong.status_code) == (401, 401)
    assert "memtap_" not in refused.text + wrong.text


def test_totals_are_those_of_the_calls(wide_site, wide_calls):
    found, sums = scraped(wide_site), by_process(wide_calls).values()
    assert one(found, "memtap_requested_bytes_total") == float(sum(of.requested for of in sums))
    assert one(found, "memtap_released_bytes_total") == float(sum(of.released for of in sums))
    assert by_label(found, "memtap_calls_total", "operation") == {
        "request": sum(of.requests for of in sums),
        "release": sum(of.releases for of in sums),
    }
    assert one(found, "memtap_failed_calls_total") == sum(call.errno != 0 for call in wide_calls)
    ended = sum(of.ended_us is not None for of in sums)
    assert one(found, "memtap_processes_seen") == len(sums)
    assert by_label(found, "memtap_processes", "state") == {"living": len(sums) - ended, "ended": ended}
    assert 0 < ended < len(sums)


def test_each_name_has_its_sums(wide_site, wide_calls):
    found = scraped(wide_site)
    wanted = sums_by_name(wide_calls)
    assert len(wanted) > 3
    for what in ("requested_bytes", "released_bytes", "balance_bytes", "vm_bytes", "resident_bytes", "failed_calls"):
        assert by_label(found, f"memtap_name_{what}") == {name: sums[what] for name, sums in wanted.items()}, what


@pytest.mark.parametrize("top", [1, 3, None])
def test_beyond_the_top_names_there_is_one_other_and_nothing_is_missing(fresh_wide, top):
    calls = [WideCall(pid, b"name %d" % pid, start_us=pid * 10**4, length=pid << 20) for pid in range(1, 61)]
    found = scraped(fresh_wide(calls), **({"top": top} if top else {}))
    count = top or 20
    named = {f"name {pid}": float(pid << 20) for pid in range(61 - count, 61)}
    other = float(sum(pid << 20 for pid in range(1, 61 - count)))
    assert by_label(found, "memtap_name_requested_bytes") == {**named, "other": other}


def test_a_name_is_one_series_however_many_processes_have_it_and_no_series_has_a_pid(fresh_wide):
    calls = [WideCall(70_000 + at, b"worker", start_us=at * 10**4, length=4096) for at in range(1, 500)]
    found = scraped(fresh_wide(calls))
    assert by_label(found, "memtap_name_requested_bytes") == {"worker": 499 * 4096.0}
    labels = {label for _, labels in found for label, _ in labels}
    assert labels == {"name", "operation", "cause", "state", "memtap_tap_state"}
    assert not any(value.startswith("70") for _, labels in found for _, value in labels)


def test_no_name_breaks_the_text_or_makes_a_series_of_its_own(fresh_wide):
    calls = [
        WideCall(at, name, start_us=at * 10**4, length=at << 12, quoted=at % 2 == 0)
        for at, name in enumerate(HOSTILE, 1)
    ]
    found = scraped(fresh_wide(calls))
    assert by_label(found, "memtap_name_requested_bytes") == {
        display(name): float(at << 12) for at, name in enumerate(HOSTILE, 1)
    }
    assert not has(found, "evil")


def test_a_process_called_other_is_counted_among_the_others(fresh_wide):
    calls = [
        WideCall(pid, name, start_us=pid * 10**4, length=length << 20)
        for pid, name, length in [(1, b"other", 100), (2, b"big", 50), (3, b"small", 1)]
    ]
    site = fresh_wide(calls)
    assert by_label(scraped(site, top=1), "memtap_name_requested_bytes") == {"big": 50 << 20, "other": 101 << 20}
    assert by_label(scraped(site), "memtap_name_requested_bytes") == {
        "big": 50 << 20,
        "small": 1 << 20,
        "other": 100 << 20,
    }


def test_sums_beyond_what_64_bits_hold_are_told(fresh_wide):
    calls = [WideCall(1, time_us=FIRST_US + at, length=2**63 - 1) for at in range(5)]
    assert one(scraped(fresh_wide(calls)), "memtap_requested_bytes_total") == float(5 * (2**63 - 1))


def test_the_loss_identity_holds_and_every_cause_is_there_from_the_beginning(fresh, serve, events):
    site = serve(fresh.reader())
    assert set(by_label(scraped(site), "memtap_lost_events_total", "cause").values()) == {0}
    fresh.writer.write(events[:50], losses=(Loss(FIRST_US, "tap", 7), Loss(FIRST_US, "ring", 3), Loss(1, "tap", 1)))
    found = scraped(site)
    lost = by_label(found, "memtap_lost_events_total", "cause")
    assert lost == {"tap": 8, "pipe": 0, "ring": 3, "parse": 0, "spool": 0, "store": 0}
    assert one(found, "memtap_lines_total") == 50
    assert one(found, "memtap_stored_events_total") == 50
    assert one(found, "memtap_emitted_events_total") == 50 + one(found, "memtap_rejected_lines_total") + 11


def test_processes_that_a_loss_has_touched_are_counted(fresh_wide):
    calls = [
        WideCall(1, start_us=10_000, time_us=FIRST_US),
        WideCall(2, start_us=20_000, time_us=FIRST_US),
        WideCall(2, start_us=20_000, time_us=FIRST_US + 1, call="exit", length=0),
        WideCall(3, start_us=30_000, time_us=FIRST_US + 90 * 10**6),
    ]
    found = scraped(fresh_wide(calls, Loss(FIRST_US + 60 * 10**6, "tap", 1)))
    assert one(found, "memtap_inexact_processes") == 1


def test_what_format_1_does_not_say_is_not_there(site):
    found = scraped(site)
    assert has(found, "memtap_name_requested_bytes")
    for name in ("failed_calls_total", "name_failed_calls", "name_vm_bytes", "name_resident_bytes"):
        assert not has(found, f"memtap_{name}"), name


def test_tap_queue_and_reconciliation_are_as_of_now(serve, made):
    now = Status()
    site = serve(made.reader(), status=lambda: now)
    found = scraped(site)
    assert by_label(found, "memtap_tap_state", "memtap_tap_state")["none"] == 1
    assert not has(found, "memtap_reconciliation_processes")
    now = Status(
        TapStatus(name="bpftrace", state="restarting", restarts=3),
        PipelineStatus(queued=5),
        Reconciliation(time_us=FIRST_US, processes=214, new=1, differing=2, difference=-4096),
    )
    found = scraped(site)
    states = by_label(found, "memtap_tap_state", "memtap_tap_state")
    assert states == {"starting": 0, "running": 0, "restarting": 1, "ended": 0, "none": 0}
    assert one(found, "memtap_tap_restarts_total") == 3
    assert one(found, "memtap_tap_recording") == 0
    assert one(found, "memtap_batches_queued") == 5
    said = {name.removeprefix("memtap_reconciliation_"): value for (name, _), value in found.items() if "recon" in name}
    assert said == {
        "timestamp_seconds": FIRST_US / 1e6,
        "processes": 214,
        "new": 1,
        "differing": 2,
        "difference_bytes": -4096,
    }


def test_a_store_that_is_away_is_a_metric_and_the_tap_is_still_told(serve, made, counting):
    reader = counting(made.reader())
    known = reader.version

    def gone() -> str:
        raise StoreAway("connection refused")

    reader.known_version = lambda: None  # as of a database that is somewhere else
    site = serve(reader, status=lambda: Status(TapStatus(state="running")))
    assert one(scraped(site), "memtap_store_up") == 1
    reader.version = gone
    away = scraped(site)
    assert one(away, "memtap_store_up") == 0
    assert by_label(away, "memtap_tap_state", "memtap_tap_state")["running"] == 1
    assert not has(away, "memtap_requested_bytes_total")
    reader.version = known
    assert has(scraped(site), "memtap_requested_bytes_total")


def test_a_store_that_takes_no_calls_is_not_up(serve, made):
    refused = Status(pipeline=PipelineStatus(store_error="disk full"))
    found = scraped(serve(made.reader(), status=lambda: refused))
    assert one(found, "memtap_store_up") == 0
    assert has(found, "memtap_requested_bytes_total")


def test_however_often_it_is_asked_the_store_is_read_once_a_version(fresh, serve, events, counting):
    fresh.writer.write(events[:20])
    reader = counting(fresh.reader())
    site = serve(reader)
    first, again = scraped(site), scraped(site)
    assert first == again
    assert reader.asked["processes"] == 1
    fresh.writer.write(events[20:40])
    assert scraped(site) != first
    assert reader.asked["processes"] == 2


@pytest.mark.parametrize("top", ["0", "1001", "x", "-1", ""])
def test_a_number_of_names_that_is_none_is_refused(site, top):
    with site.client() as client:
        answer = client.get("/metrics", params={"top": top})
    assert answer.status_code == 400
    assert answer.json()["error"]["allowed"] == "1 to 1000"


def test_a_renamed_process_takes_its_sums_along(fresh_wide):
    began = WideCall(1, b"sh", start_us=10_000, time_us=FIRST_US, length=1 << 20)
    became = replace(began, call="exec", name=b"python3", time_us=FIRST_US + 1, length=0)
    found = scraped(fresh_wide([began, became]))
    assert by_label(found, "memtap_name_requested_bytes") == {"python3": 1 << 20}


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", True),
        ("*/*", True),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", True),
        ("text/plain;version=0.0.4", False),
        ("Text/Plain", False),
    ],
)
def test_the_older_format_is_for_what_asks_for_it_and_says_the_same(site, accept, openmetrics):
    with site.client() as client:
        answer = client.get("/metrics", headers={"Accept": accept})
    kind = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.text.endswith("# EOF\n") is openmetrics
    parse = text_string_to_metric_families if openmetrics else plain_text_to_metric_families
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }
    assert samples == scraped(site)


def test_calls_by_name_and_the_spool_are_told(serve, made):
    status = Status(
        pipeline=PipelineStatus(calls={"mmap": 7, "munmap": 3}),
        spool=SpoolStatus("full", batches=2, bytes=4096, dropped=9),
        retention=RetentionStatus(latest=Maintenance(bytes_stored=123)),
    )
    found = scraped(serve(made.reader(), lambda: status))
    assert by_label(found, "memtap_tap_calls_total", "call") == {"mmap": 7, "munmap": 3}
    assert one(found, "memtap_spool_batches") == 2
    assert one(found, "memtap_spool_bytes") == 4096
    assert one(found, "memtap_spool_dropped_calls_total") == 9
    assert one(found, "memtap_store_bytes") == 123
