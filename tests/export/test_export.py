"""`memtap export`, from both stores, against the calls themselves."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from counted import HOST, WideCall, batches, by_process, by_second, some_wide_calls

from memtap.cli import main
from memtap.export import paging, selection
from memtap.names import display, parse
from memtap.stores import open_store
from memtap.stores.contract import Stream

MEMTAP = [sys.executable, "-P", "-m", "memtap"]
NAMES = [b"bash", b"=1+1", b"\xff\xfe", b"'quote", b'a,"b"', b"new\nline", b"back\\slash", b"", "ñandú".encode(), b" "]
FORMATS = pytest.mark.parametrize("format_", selection.FORMATS)


def stored(url: str, calls: list[WideCall]) -> str:
    store = open_store(url)
    store.migrate()
    writer = store.writer()
    number = writer.open_stream(Stream("file:x", "file", HOST)).stream_no
    for batch in batches(calls):
        assert writer.write(number, batch)
    writer.close()
    store.close()
    return url


@pytest.fixture(scope="module")
def calls() -> list[WideCall]:
    made = some_wide_calls(2500, seed=5)
    hostile = [
        WideCall(900 + at, name, made[-1].time_us + at, start_us=10**9 + at * 10_000) for at, name in enumerate(NAMES)
    ]
    return made + hostile


@pytest.fixture(params=["duckdb", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, calls: list[WideCall], monkeypatch) -> str:
    monkeypatch.setattr(paging, "PAGE", 700)  # so that a few thousand calls are several pages
    address = f"duckdb://{tmp_path}/store.duckdb" if request.param == "duckdb" else request.getfixturevalue("mysql_url")
    return stored(address, calls)


def exported(*arguments: str) -> bytes:
    """In this process: starting another for each of the formats takes its time."""
    with tempfile.NamedTemporaryFile() as out:
        assert main(["export", *arguments, "--out", out.name]) == 0
        return Path(out.name).read_bytes()


def refused(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([*MEMTAP, "export", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """What is exported, as Python's own readers read it, with empty cells as None and numbers as such."""

    def read(url: str, format_: str, table: str, *arguments: str) -> list[dict[str, Any]]:
        data = exported(table, "--store", url, "--format", format_, *arguments)
        if format_ == "jsonl":
            return [json.loads(line) for line in data.splitlines()]
        if format_ == "csv":
            return [_typed(row) for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
        (tmp_path / "x.parquet").write_bytes(data)
        found = duckdb.sql(f"SELECT * FROM '{tmp_path}/x.parquet'")
        cells = [tuple(int(cell) if hasattr(cell, "as_tuple") else cell for cell in row) for row in found.fetchall()]
        return [dict(zip(found.columns, row, strict=True)) for row in cells]

    return read


def _typed(row: dict[str, str]) -> dict[str, Any]:
    text = {"process", "host", "call", "kind"}
    return {
        name: cell.removeprefix("'") if name == "process" else cell if name in text else int(cell) if cell else None
        for name, cell in row.items()
    }


@FORMATS
def test_events_are_all_calls_with_their_names_bytes(url, rows, calls, format_):
    found = rows(url, format_, "events")
    names = ("time_us", "pid", "call", "length", "freed", "errno", "kind", "vm")
    seen = sorted(((*(row[name] for name in names), parse(row["process"])) for row in found), key=repr)
    lives = ("fork", "exec", "exit", "proc")
    made = [replace(call, length=0) if call.call in lives else call for call in calls]
    assert seen == sorted(((*(getattr(call, name) for name in names), call.name) for call in made), key=repr)
    assert len({row["id"] for row in found}) == len(calls)


@FORMATS
def test_rollups_and_processes_add_up(url, rows, calls, format_):
    seconds = rows(url, format_, "rollups")
    for second, sums in by_second(calls).items():
        mine = [row for row in seconds if row["second"] == second]
        assert sum(row["requested"] for row in mine) == sums.requested
        assert sum(row["released"] for row in mine) == sums.released
    processes = {(row["pid"], row["start_us"]): row for row in rows(url, format_, "processes")}
    assert processes.keys() == by_process(calls).keys()
    for key, sums in by_process(calls).items():
        row = processes[key]
        assert (row["requested"], row["released"], row["failed"]) == (sums.requested, sums.released, sums.failed)
        assert (parse(row["process"]), row["first_us"], row["last_us"]) == (sums.name, sums.first_us, sums.last_us)
        assert row["host"] == "here"


def test_a_window_and_a_process_narrow_it(url, rows, calls):
    from_us, to_us = calls[500].time_us, calls[1500].time_us
    window = ("--from", str(from_us), "--to", str(to_us))
    inside = [call for call in calls if from_us <= call.time_us < to_us]
    assert len(rows(url, "jsonl", "events", *window)) == len(inside)
    pid = inside[0].pid
    of_pid = rows(url, "jsonl", "events", *window, "--process", str(pid))
    assert len(of_pid) == sum(call.pid == pid for call in inside) > 0
    for name in (b"\xff\xfe", b"new\nline"):
        of_name = rows(url, "jsonl", "events", "--process", display(name))
        assert len(of_name) == sum(call.name == name for call in calls) > 0
    assert rows(url, "jsonl", "events", "--process", "name:nobody") == []


def test_a_cell_of_csv_begins_no_formula_and_holds_no_control_byte(url):
    text = exported("events", "--store", url).decode()
    for row in csv.DictReader(io.StringIO(text, newline="")):
        assert not row["process"].startswith(("=", "+", "-", "@"))
        assert row["process"].isprintable()
    assert ",'=1+1," in text and ",''quote," in text


def test_escaped_names_are_said_to_be(url, calls):
    done = subprocess.run([*MEMTAP, "export", "events", "--store", url], capture_output=True, text=True, timeout=120)
    escaped = {call.name for call in calls if "\\" in display(call.name)}
    assert f"{len(calls):,} events\n" in done.stderr
    assert f"{len(escaped)} names have escapes" in done.stderr


@pytest.mark.parametrize("which", [("--process", "bash"), ("--to", "1000000000")], ids=["of one name", "of nothing"])
def test_names_that_are_not_exported_are_not_said_to_have_escapes(url, which, capfd):
    exported("events", "--store", url, *which)
    told = capfd.readouterr().err
    assert " events in " in told
    assert "escapes" not in told


@pytest.mark.parametrize("table", ["events", "processes"])
def test_a_tier_of_what_has_none_is_refused(small, table):
    status, error = refused(table, "--store", small, "--tier", "1m")
    assert (status, error) == (
        2,
        f"memtap: --tier 1m: {table} have no tiers; leave it out, or export rollups\n",
    )


@pytest.fixture
def small(tmp_path: Path) -> str:
    return stored(f"duckdb://{tmp_path}/small.duckdb", [WideCall(7, b"x"), WideCall(8, b"y")])


def test_a_file_appears_whole_for_its_owner_or_not_at_all(small, tmp_path):
    out = tmp_path / "calls.csv"
    out.write_text("what was there")
    assert main(["export", "events", "--store", small, "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 3
    assert out.stat().st_mode & 0o777 == 0o600
    status, error = refused("events", "--store", small, "--out", str(tmp_path / "nowhere" / "calls.csv"))
    assert (status, error.count("\n")) == (1, 1)
    assert "no such file or directory" in error
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".duckdb"]


def many(path: Path, rows: int) -> str:
    """A store of so many calls that differ."""
    url = stored(f"duckdb://{path}", [WideCall(7, b"x")])
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "INSERT INTO events_0 SELECT e.* REPLACE (i AS id, time_us + i AS time_us, hash(i) AS length)"
            f" FROM events_0 e, range(1, {rows}) made(i)"
        )
    return url


def test_whoever_stops_reading_ends_it_without_a_word(tmp_path):
    arguments = [*MEMTAP, "export", "events", "--store", many(tmp_path / "many.duckdb", 200_000)]
    command = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout is not None and command.stderr is not None
    assert command.stdout.readline().startswith(b"id,")
    command.stdout.close()
    with command.stderr:
        assert command.stderr.read() == b""
    assert command.wait(60) == 1


def test_a_full_disk_is_one_line(small):
    with Path("/dev/full").open("wb", buffering=0) as full:
        done = subprocess.run(
            [*MEMTAP, "export", "events", "--store", small], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == "memtap: cannot write -: no space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calls"], "invalid choice"),
        (["events", "--format", "xml"], "invalid choice"),
        (["events", "--from", "yesterday"], "'yesterday' is no time"),
        (["events", "--to", "9" * 30], "is no time"),
        (["events", "--from", "2026-13-01"], "is no time"),
        (["events", "--process", "sixteen bytes ab"], "no process has that name"),
        (["events", "--process", "\\q"], "unknown escape"),
        (["events", "--process", "4294967296"], "is no pid"),
        (["events", "--from", "1000000000", "--to", "1000000000"], "--from is not before --to"),
        (["events", "--store", "null://"], "keeps nothing"),
    ],
)
def test_wrong_usage_is_said(small, arguments, said):
    status, error = refused("--store", small, *arguments) if "--store" not in arguments else refused(*arguments)
    assert status == 2
    assert said in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795411501000000", 1_795_411_501_000_000),
        ("2026-11-23T09:00:00+00:00", 1_795_424_400_000_000),
        ("2026-11-23T10:00:00.000001+01:00", 1_795_424_400_000_001),
        ("20261123T090000Z", 1_795_424_400_000_000),
    ],
)
def test_times_as_people_and_programs_write_them(text, expected):
    assert selection.moment(text) == expected


def test_a_time_ago_is_before_now():
    hour, minute = selection.moment("1h"), selection.moment("1m")
    assert 0 <= minute - hour - 59 * 60 * 10**6 < 60 * 10**6


def test_memory_does_not_grow_with_the_rows(tmp_path):
    grown = []
    for rows in (50_000, 400_000):
        url = many(tmp_path / f"{rows}.duckdb", rows)
        out = tmp_path / "out.csv"
        probe = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        command = [*MEMTAP, "export", "events", "--store", url, "--out", str(out)]
        done = subprocess.run([sys.executable, "-c", probe, *command], capture_output=True, text=True, timeout=300)
        grown.append(int(done.stdout) * 1024)
        assert out.read_bytes().count(b"\n") == rows + 1
    assert grown[1] - grown[0] < 64e6 < 350_000 * 200  # bytes: less than those rows would take, however kept
