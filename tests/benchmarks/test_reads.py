"""The benchmark of reads asks both stores the same, and its figures reach both READMEs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.reads import filling, loading, report, waiting
from benchmarks.reads.__main__ import measure
from benchmarks.reads.asked import reads
from benchmarks.reads.duckdb import DuckDBSide
from memtap.stores.contract import CallPage

ROOT = Path(__file__).parents[2]
CALLS = 30_000
PROCESSES = 100


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, DuckDBSide(tmp_path_factory.mktemp("reads")) as side:
        patch.setattr(filling, "PROCESSES", PROCESSES)
        patch.setattr(loading, "PROCESSES", PROCESSES)
        patch.setattr(loading, "BATCHES", 6)
        patch.setattr(loading, "CALLS", 500)
        patch.setattr(waiting, "BATCHES", 8)
        patch.setattr(waiting, "PACE_S", 0.05)
        patch.setattr(waiting, "PAUSE_S", 0.01)
        side.fill(CALLS)
        with_store = side.filled()
        answers = {name: read(with_store.reader()) for name, read in reads(CALLS).items()}
        with_store.close()
        return measure({CALLS: side}, 1)[0], answers


def test_each_read_finds_what_there_is(found):
    _, answers = found
    assert len(answers["process table"]) == PROCESSES
    assert answers["totals"].requests + answers["totals"].releases == CALLS
    assert sum(row.requests + row.releases for row in answers["shares, all"]) == CALLS
    assert len(answers["what each held at a moment"]) == len(answers["process table"])
    for name, page in answers.items():
        if isinstance(page, CallPage):
            assert (page.rows == []) == name.endswith("none"), name


def test_every_read_has_its_time_and_plans(found):
    measured, answers = found
    assert measured["cpu_ms"].keys() == measured["plans"].keys() == answers.keys()
    assert all(ms > 0 for ms in measured["cpu_ms"].values())
    assert all(plan for plans in measured["plans"].values() for _, plan in plans)
    assert all(rate > 0 for rate in measured["calls_per_cpu_s"].values())
    assert all(took["longest"] >= 0 < took["median"] for took in measured["batch_ms"].values())
    assert measured["batch_ms"]["housekeeping"]["steps"] > 0


def test_the_figures_reach_both_readmes(found, tmp_path):
    measured, _ = found
    for name in ("README.md", "README.es.md"):
        (tmp_path / name).write_text("<!-- reads -->\nolder\n<!-- /reads -->\n")
    machine = {"cpu": "a processor", "cores": 2, "load": "0.10"}
    side = {"date": "2026-01-02 03:04 UTC", "machine": machine, "name": "DuckDB", "repetitions": 1}
    report.write({"duckdb": side | {"sizes": [measured, measured]}}, tmp_path)
    english, spanish = ((tmp_path / name).read_text() for name in ("README.md", "README.es.md"))
    assert "older" not in english + spanish
    assert [line.count("|") for line in english.splitlines()] == [line.count("|") for line in spanish.splitlines()]
    assert all(f"| {name} |" in english for name in reads(CALLS))
    assert all(f"| {report.SPANISH[name]} |" in spanish for name in reads(CALLS))


def test_the_repository_readmes_have_the_marks():
    for name in ("README.md", "README.es.md"):
        readme = (ROOT / name).read_text()
        assert readme.count("<!-- reads -->") == readme.count("<!-- /reads -->") == 1


def test_kept_results_are_read_back(found, tmp_path, monkeypatch):
    measured, _ = found
    monkeypatch.setattr(report, "FILE", tmp_path / "results.json")
    assert report.read() == {}
    (tmp_path / "results.json").write_text(json.dumps({"duckdb": {"sizes": [measured]}}))
    assert report.read()["duckdb"]["sizes"][0]["calls"] == CALLS
