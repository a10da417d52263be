"""The benchmarks' own promises: every result is checked before its time counts, and the figures reach the README.

No timing is asserted: the machine may be busy.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import report, results, section
from benchmarks.ingesting import batches
from benchmarks.parsing import Memtap, PythonRe
from benchmarks.programs import Reader, build
from benchmarks.race import Contender, race
from benchmarks.tally import Tally, Wrong, check_by_pid
from benchmarks.traces import crowd, going_on, recording, storm, write_format1, write_format2
from memtap.native import Parser

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
ROOT = Path(__file__).parents[2]
# all but the counting of instructions, which checks nothing and is slow
CHECKED = ("parse", "format2", "ledger", "text", "null", "duckdb", "mariadb", "memory")
LINES = 2_000


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return write_format1(tmp_path_factory.mktemp("trace") / "trace.log", going_on(recording(), LINES))


def tampered(trace, folder, old, new):
    """The trace with one thing changed, and still with the tally of the unchanged one."""
    text = trace.path.read_bytes()
    assert old in text
    path = folder / "tampered.log"
    path.write_bytes(text.replace(old, new, 1))
    return replace(trace, path=path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Everything, on next to nothing: each contender's result is right, or this fails."""
    output = tmp_path_factory.mktemp("results") / "results.json"
    only = [argument for part in CHECKED for argument in ("--only", part)]
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--output", output, *only]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return output


def test_every_benchmark_runs_and_finds_every_result_right(tiny):
    found = json.loads(tiny.read_text())
    assert {each["claim"].split(",")[0] for each in found["comparisons"]} == {
        "parse format 1 to columns",
        "parse format 2",
        "parse + ledger",
        "columns to LOAD DATA text",
        "memtap ingest into null://",
        "memtap ingest into DuckDB",
        "memtap ingest into MariaDB",
    }
    assert all(each["seconds"] for each in found["measurements"])
    assert len(found["peaks"]) == 6
    assert found["machine"]["cpu"] and found["machine"]["kernel"] and found["machine"]["packages"]["duckdb"]


def test_what_a_run_found_is_read_back_as_it_was(tiny):
    assert results.read(tiny).as_json() == json.loads(tiny.read_text())


def test_the_figures_reach_the_readme_and_the_plot(tiny, tmp_path):
    (tmp_path / "docs").mkdir()
    text = f"before\n{BEGIN}\nolder figures\n{END}\nafter\n"
    (tmp_path / "README.md").write_text(text)
    found = results.read(tiny)
    report.write(found, tmp_path)
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith(f"before\n{BEGIN}\n") and readme.endswith(f"{END}\nafter\n")
    assert "older figures" not in readme
    assert readme.count("C, a loop that trusts its input") == 1
    plot = (tmp_path / "docs" / "benchmarks.svg").read_text()
    assert all(f">{each.contender}<" in plot for each in found.measurements)


def test_a_readme_without_marks_is_left_alone():
    with pytest.raises(ValueError, match=r"README.md: no section"):
        section.put("no marks", "benchmarks", ())


def test_every_claim_can_be_said_in_spanish(tiny):
    found = results.read(tiny)
    said = {text for each in found.comparisons for text in (each.claim, each.peer)}
    assert said <= report.SPANISH.keys()


def test_the_repository_readme_has_the_marks():
    readme = (ROOT / "README.md").read_text()
    assert readme.count(BEGIN) == readme.count(END) == 1


@pytest.mark.parametrize("program", ["trusting_loop", "sscanf_reader"])
@pytest.mark.parametrize(
    ("old", "new"),
    [(b"length=8192\n", b"length=8193\n"), (b"PID=8120", b"PID=8119"), (b"process=work", b"process=wolk")],
)
def test_a_reader_in_c_that_found_something_else_does_not_count(trace, tmp_path, program, old, new):
    reader = Reader(build(program, tmp_path), tampered(trace, tmp_path, old, new).path)
    try:
        contender = reader.contender(program, trace)
        assert contender.check
        with pytest.raises(Wrong, match=program):
            contender.check()
    finally:
        reader.close()


@pytest.mark.parametrize("name", [b"", b"a, time=1", b"x, time=1, len", b"a,b"])
def test_the_original_way_reads_names_that_sscanf_cannot(tmp_path, name):
    calls = replace(recording().head(1), names=[name], name=np.zeros(1, np.uint32))
    trace = write_format1(tmp_path / "name.log", iter([calls]))
    reader = Reader(build("sscanf_reader", tmp_path), trace.path)
    try:
        check = reader.contender("sscanf", trace).check
        assert check
        check()
    finally:
        reader.close()


def test_memtap_itself_is_not_believed(trace, tmp_path):
    other = Memtap(tampered(trace, tmp_path, b"length=8192\n", b"length=8193\n"))
    with pytest.raises(Wrong, match="memtap"):
        other.run()
    with pytest.raises(Wrong, match="memtap"):
        other.check()


def test_python_re_is_not_believed(trace, tmp_path):
    with pytest.raises(Wrong, match="Python re"):
        PythonRe(tampered(trace, tmp_path, b"time=1", b"time=2")).run()


def test_a_store_that_misses_a_pid_is_named():
    with pytest.raises(Wrong, match="of pid 7"):
        check_by_pid({5: (1, 2, 3)}, {5: (1, 2, 3), 7: (1, 0, 0)}, "store")


def test_contenders_take_turns_and_checks_come_first():
    order = []

    def contender(name):
        return Contender(name, lambda: order.append(name) or 1.0, {"lines": 1}, lambda: order.append(f"check {name}"))

    measured = race("row", [contender("a"), contender("b")], 2)
    assert order == ["check a", "check b", "a", "b", "b", "a", "a", "b"]
    assert [len(each.seconds) for each in measured] == [2, 2]


def test_a_repeated_recording_moves_on():
    calls = recording()
    first, second = going_on(calls, 2 * len(calls))
    assert first.time_us.max() < second.time_us.min()
    assert not set(first.pid.tolist()) & set(second.pid.tolist())


def test_a_trace_says_what_its_maker_counted(tmp_path):
    """The tallies come from the columns that were written; a plain count of the text agrees."""
    calls = recording()
    traces = [
        write_format1(tmp_path / "crowd.log", crowd(calls, LINES, 200)),
        write_format1(tmp_path / "storm.log", storm(50)),
        write_format2(tmp_path / "quoted.log", going_on(calls, LINES), hexadecimal=False),
        write_format2(tmp_path / "hexadecimal.log", going_on(calls, LINES), hexadecimal=True),
    ]
    for trace in traces:
        lines = trace.path.read_text().splitlines()
        assert len(lines) == trace.lines
        lengths = [int(line.split("length=")[1].split(",")[0]) for line in lines if "length=" in line]
        assert sum(lengths) == trace.tally.found().length
        assert trace.tally.found().events == len(lines) - ("memtap: format=2" in lines[0])
        Memtap(trace).check()
        Memtap(trace).run()


def test_batches_are_all_of_the_trace(trace):
    tally = Tally()
    for batch, _ in batches(trace):
        tally.add_batch(batch)
    tally.found().check(trace.tally.found(), "batches")


def test_sums_of_lengths_are_exact_beyond_64_bits():
    parser = Parser()
    parser.feed(b"mmap2: PID=1, process=a, time=1, length=18446744073709551615\n" * 3)
    tally = Tally()
    tally.add_batch(parser.seal())
    assert tally.found().length == 3 * (2**64 - 1)
