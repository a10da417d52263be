"""What `make overhead` promises: a tracer's account is held against the calls that were made, to the last one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.overhead import findings, report
from benchmarks.overhead.__main__ import observe
from benchmarks.overhead.findings import Findings, Sample, Session
from benchmarks.overhead.observers import (
    CannotWatch,
    Tracer,
    bpftrace_to,
    counting,
    perf_trace,
    read_counts,
    read_lines,
    read_perf,
)
from benchmarks.overhead.table import BASELINE, SUBJECT, TWO_CPUS, UNTRACED
from benchmarks.overhead.watching import Memtap
from benchmarks.overhead.workloads import Storm, build_storm, cpus

SAMPLE = Sample(0, SUBJECT, TWO_CPUS, "calls/s", 950.0, 1000, 1000, 1.0, 1.0, 0.5)
SESSION = Session(0, SUBJECT, 0, 100_000_000, 0, {})
MACHINE = {"cpu": "a processor", "cores": 2, "kernel": "6.18.0-1"}


def found(samples=(SAMPLE,), sessions=(SESSION,)):
    return Findings("2026-11-23 08:00 UTC", MACHINE, {}, 1.0, list(samples), list(sessions))


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    return Storm(build_storm(tmp_path_factory.mktemp("storm")), cpus()[:2], 0.1)


def memtap(folder):
    return Memtap(SUBJECT, folder, tap="bpftrace", store="duckdb")


@pytest.mark.parametrize(
    "make",
    [lambda _: counting(), lambda _: bpftrace_to("file"), lambda folder: memtap(folder)],
    ids=["counting", "bpftrace", "memtap"],
)
def test_every_call_of_a_storm_is_seen_or_told_to_be_lost(make, storm, tmp_path):
    samples, session = observe(make(tmp_path), [storm], 0)
    assert samples[0].made > 0
    assert session.lost is not None
    assert 0 <= samples[0].made - samples[0].seen <= session.lost
    assert not list(found(samples, [session]).unaccounted(session.observer))


def test_a_tracer_that_is_not_installed_is_said_to_be():
    with pytest.raises(CannotWatch, match="no-such-tracer is not installed"):
        Tracer("none", ["no-such-tracer"], read_counts).start()


def test_a_tracer_that_ends_says_why():
    with pytest.raises(CannotWatch, match="false ended by itself"):
        Tracer("none", ["false"], read_counts).start()


def test_what_the_tracers_print_is_counted():
    assert read_counts(b"\n@calls[12]: 7\n@calls[1]: 9\n", [12, 13]) == ({12: 7, 13: 0}, 0)
    lines = b"memtap: x\nmmap: pid=12, s\nmunmap: pid=12, s\nmmap: pid=123, s\nexit: pid=12, s\nLost 5 events\n"
    assert read_lines(lines, [12]) == ({12: 2}, 5)
    perf = (
        b" 0.1 ( 0.0 ms): storm/12 mmap(len: 4096) = 0x7f\n 0.2 ( 0.0 ms): storm/12 munmap(addr: 0) = 0\n"
        b" 0.3 ( 0.0 ms): storm/13 mmap(len: 4096) = 0x7f\nLOST 3 events!\n"
    )
    assert read_perf(perf, [12]) == ({12: 2}, None)
    assert perf_trace().name == "perf trace"


@pytest.mark.parametrize(
    ("seen", "lost", "adds_up"), [(1000, 0, True), (990, 10, True), (999, 0, False), (1001, 5, False)]
)
def test_calls_that_are_neither_seen_nor_lost_are_told(seen, lost, adds_up):
    wrong = list(found([replace(SAMPLE, seen=seen)], [replace(SESSION, lost=lost)]).unaccounted(SUBJECT))
    assert (not wrong) == adds_up


def test_ratios_are_of_the_same_repetition():
    theirs = [replace(SAMPLE, observer=BASELINE, rate=rate, repetition=n) for n, rate in ((1, 2000.0), (0, 1000.0))]
    ours = [SAMPLE, replace(SAMPLE, rate=1800.0, repetition=1)]
    assert found([*theirs, *ours]).ratios(SUBJECT, BASELINE, TWO_CPUS) == [0.95, 0.9]


def test_findings_survive_their_file(tmp_path):
    findings.write(found(), tmp_path / "results.json")
    assert findings.read(tmp_path / "results.json") == found()


def test_the_readme_says_what_was_found_and_what_could_not_be(tmp_path):
    untraced = replace(SAMPLE, observer=UNTRACED, rate=1900.0)
    baseline = replace(SAMPLE, observer=BASELINE, rate=1000.0)
    every = found(
        [untraced, baseline, SAMPLE],
        [replace(SESSION, observer=UNTRACED), replace(SESSION, observer=BASELINE, lost=None), SESSION],
    )
    every.failures["perf trace"] = "perf is not installed"
    (tmp_path / "README.md").write_text("before\n<!-- overhead -->\nstale\n<!-- /overhead -->\nafter\n")
    report.write(every, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stale" not in text
    assert f"| {SUBJECT} | 0.50 | 0 |" in text
    assert f"| {BASELINE} | 0.53 | not told |" in text
    assert "perf is not installed" in text
    assert "95.0% of the calls" in text
