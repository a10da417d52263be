"""`memtap ingest`: every event of a trace is in the store once, whatever happened on the way."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ..native.plain import read
from .store_contents import COUNTS, EVENTS, PROCESSES, everything, query

HERE = Path(__file__).parent
RECORDING = HERE.parent.parent / "memtap" / "taps" / "recordings" / "build-and-shell.log.gz"
HOSTILE = HERE.parent / "data" / "hostile-names.log"
MEMTAP = [sys.executable, "-P", "-m", "memtap"]


@pytest.fixture(params=["duckdb", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return f"duckdb://{tmp_path}/store.duckdb"
    return str(request.getfixturevalue("mysql_url"))


def memtap(*arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MEMTAP, *arguments], input=data, capture_output=True, check=False, timeout=300)


def ingest(source: Path | str, url: str, data: bytes | None = None) -> dict[str, object]:
    done = memtap("ingest", str(source), "--store", url, "--json", data=data)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b"", "nothing but the object in a pipe"
    outcome: dict[str, object] = json.loads(done.stdout)
    return outcome


def synthetic(events: int, seed: int) -> bytes:
    chance = random.Random(seed)
    names = [
        b"cc1",
        b"python3",
        b"a, time=1",
        b"\xff\xfe\x1b[31m",
        b"x' OR '1'='1",
        b"tab\there",
        b"",
        b"fifteen-bytes-x",
    ]
    now = 1795411501000000
    lines = []
    for _ in range(events):
        now += chance.choice([0, 1, 7, 1500, -900])
        lines.append(
            b"%s: PID=%d, process=%s, time=%d, length=%d\n"
            % (
                chance.choice([b"mmap2", b"munmap"]),
                chance.randrange(1, 3000),
                chance.choice(names),
                now,
                chance.choice([4096, 0, 2**63, 35583, 2**64 - 1]),
            )
        )
    return b"".join(lines)


def assert_holds(url: str, data: bytes) -> None:
    """The store holds exactly the events of `data`, by an independent count."""
    plain = read(data)
    stored = query(url, EVENTS)
    calls = {"mmap2": 0, "munmap": 1}
    assert [(pid, comm, calls[call], time_us, length) for call, pid, comm, time_us, length in plain.events] == [
        (pid, comm, call, time_us, length) for _, time_us, pid, comm, call, length in stored
    ]
    asked: Counter[int] = Counter()
    given_back: Counter[int] = Counter()
    for call, pid, _, _, length in plain.events:
        (asked if call == "mmap2" else given_back)[pid] += length
    totals = {pid: (requested, released) for pid, requested, released, *_ in query(url, PROCESSES)}
    assert totals == {pid: (asked[pid], given_back[pid]) for pid in totals}
    lines = len(data.split(b"\n")) - (data[-1:] == b"\n" or not data)
    assert query(url, COUNTS) == [(lines, len(plain.events), len(plain.rejected), plain.notices, len(data))]


def test_every_event_of_the_recording_is_stored(url: str, tmp_path: Path) -> None:
    """With what bpftrace says around it."""
    data = b"Attaching 2 probes...\n" + gzip.decompress(RECORDING.read_bytes()) + b"\n\n"
    plain = tmp_path / "trace.log"
    plain.write_bytes(data)
    outcome = ingest(plain, url)
    assert {name: outcome[name] for name in ("lines", "events", "stored", "rejected", "notices", "lost")} == {
        "lines": data.count(b"\n"),
        "events": len(read(data).events),
        "stored": len(read(data).events),
        "rejected": 0,
        "notices": 3,
        "lost": 0,
    }
    assert_holds(url, data)


def test_broken_lines_are_rejected_and_never_taken_for_another_event(url: str) -> None:
    data = HOSTILE.read_bytes()
    outcome = ingest(HOSTILE, url)
    assert outcome["rejected"] == 4
    assert outcome["samples"] == [
        "mmap2: PID=11788, process=a",
        ",b=c, time=1795411586597863, length=1191936",
        "munmap: PID=11788, process=a",
        ",b=c, time=1795411586597901, length=1191936",
    ]
    assert_holds(url, data)


def test_a_gzip_file_and_standard_input_give_the_same(url: str, tmp_path: Path) -> None:
    data = synthetic(3000, seed=1)
    packed = tmp_path / "trace.log.gz"
    packed.write_bytes(gzip.compress(data))
    assert ingest(packed, url)["stored"] == 3000
    assert_holds(url, data)
    assert ingest("-", url, data=data)["stored"] == 3000, "another stream: its calls are calls of their own"
    assert len(query(url, EVENTS)) == 6000


def test_a_file_killed_at_any_moment_and_run_again_is_stored_once(url: str, tmp_path: Path) -> None:
    """SIGKILL at random moments until one run gets through; then as if nothing had happened."""
    data = synthetic(260_000, seed=2)  # two batches and a little
    trace = tmp_path / "trace.log"
    trace.write_bytes(data)
    chance = random.Random(3)
    killed = 0
    while killed < 8:
        run = subprocess.Popen([*MEMTAP, "ingest", str(trace), "--store", url], stderr=subprocess.DEVNULL)
        try:
            run.wait(chance.uniform(0.3, 1.5))
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            killed += 1
        else:
            break
    ingest(trace, url)
    assert_holds(url, data)
    again = ingest(trace, url)
    assert (again["lines"], again["stored"], again["resumed_at"]) == (0, 0, len(data))
    disturbed = everything(url)
    trace.rename(tmp_path / "same.log")
    assert ingest(tmp_path / "same.log", f"duckdb://{tmp_path}/undisturbed.duckdb")["stored"] == 260_000
    assert everything(f"duckdb://{tmp_path}/undisturbed.duckdb") == disturbed


@pytest.mark.parametrize(("name", "number"), [("trace.log", signal.SIGINT), ("trace.log.gz", signal.SIGTERM)])
def test_a_signal_stops_it_cleanly_and_it_continues(name: str, number: int, tmp_path: Path) -> None:
    data = synthetic(300_000, seed=4)
    trace = tmp_path / name
    trace.write_bytes(gzip.compress(data, 1) if name.endswith("gz") else data)
    url = f"duckdb://{tmp_path}/store.duckdb"
    run = subprocess.Popen([*MEMTAP, "ingest", str(trace), "--store", url], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "store.duckdb.wal").exists() and run.poll() is None:
        time.sleep(0.01)
    run.send_signal(number)
    _, errors = run.communicate(timeout=60)
    if run.returncode:  # it may have been done before the signal came
        assert run.returncode == 1
        assert (
            errors
            == f"memtap: stopped by {signal.Signals(number).name} before the end of {trace}: run it again to continue\n"
        )
    ingest(trace, url)
    assert_holds(url, data)


def test_a_file_that_grew_is_continued_and_another_at_its_path_is_not(url: str, tmp_path: Path) -> None:
    first, second, other = synthetic(500, seed=5), synthetic(400, seed=6), synthetic(300, seed=7)
    trace = tmp_path / "trace.log"
    trace.write_bytes(first)
    assert ingest(trace, url)["stored"] == 500
    with trace.open("ab") as file:
        file.write(second)
    outcome = ingest(trace, url)
    assert (outcome["stored"], outcome["resumed_at"]) == (400, len(first))
    assert_holds(url, first + second)
    trace.write_bytes(other * 9)
    outcome = ingest(trace, url)
    assert (outcome["stored"], outcome["resumed_at"]) == (2700, 0)


def test_a_trace_that_ends_in_the_middle_of_a_line(url: str, tmp_path: Path) -> None:
    data = synthetic(10, seed=8)[:-1]
    trace = tmp_path / "trace.log"
    trace.write_bytes(data)
    outcome = ingest(trace, url)
    assert (outcome["stored"], outcome["rejected"], outcome["rejected_by"]) == (9, 1, {"cut": 1})
    assert_holds(url, data)


def test_an_empty_file_is_no_error(url: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert ingest(tmp_path / "empty", url)["lines"] == 0


def test_a_damaged_gzip_file_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    data = synthetic(50_000, seed=9)
    packed = tmp_path / "trace.log.gz"
    packed.write_bytes(gzip.compress(data)[:-5000])
    done = memtap("ingest", str(packed), "--store", f"duckdb://{tmp_path}/s.duckdb", "--json")
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"memtap: cannot read {packed}: ")
    assert done.stderr.count(b"\n") == 1
    outcome = json.loads(done.stdout)
    assert 0 < outcome["stored"] < 50_000
    assert outcome["rejected"] == 0


@pytest.mark.parametrize(
    ("source", "store", "status", "says"),
    [
        ("/nowhere/trace.log", "null://", 1, "cannot read /nowhere/trace.log: there is no such file: check"),
        ("/tmp", "null://", 1, "cannot read /tmp: it is a folder: name one"),
        (str(HOSTILE), "postgres://x", 2, "postgres://x"),
        (str(HOSTILE), "duckdb:////nowhere/x/y.duckdb", 1, "/nowhere/x/y.duckdb"),
        (str(HOSTILE), "mysql://nobody@localhost/proyecto1?unix_socket=/nowhere/s", 1, "/nowhere/s"),
    ],
)
def test_what_cannot_work_is_one_line_and_a_status(source: str, store: str, status: int, says: str) -> None:
    if store.startswith("duckdb") and os.geteuid() == 0:
        store, says = "duckdb:////proc/x/y.duckdb", "/proc/x/y.duckdb"
    done = memtap("ingest", source, "--store", store)
    assert done.returncode == status
    assert done.stderr.count(b"\n") == 1, done.stderr.decode()
    assert done.stderr.startswith(b"memtap: ")
    assert says in done.stderr.decode()
    assert done.stdout == b""


def test_a_terminal_sees_progress_and_a_summary(tmp_path: Path) -> None:
    trace = tmp_path / "trace.log"
    data = gzip.decompress(RECORDING.read_bytes())
    trace.write_bytes(data * 40)
    command = f"stty cols 150; {' '.join(MEMTAP)} ingest {trace} --store duckdb://{tmp_path}/s.duckdb"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], capture_output=True, check=True, stdin=subprocess.DEVNULL
    )
    screen = done.stdout.decode()
    assert "M calls/s" in screen
    lines = 40 * data.count(b"\n")
    calls = f"{lines:,}"
    assert f"{calls} calls stored from {calls} lines in " in screen


def test_a_pid_of_two_traces_is_two_processes_unless_they_are_of_one_boot(url: str, tmp_path: Path) -> None:
    line = b"mmap2: PID=7, process=x, time=1795411501000000, length=4096\n"
    for name in ("a.log", "b.log", "c.log", "d.log"):
        (tmp_path / name).write_bytes(line)
    ingest(tmp_path / "a.log", url)
    ingest(tmp_path / "b.log", url)
    assert [row[:2] for row in query(url, PROCESSES)] == [(7, 4096), (7, 4096)]
    for name in ("c.log", "d.log"):
        assert memtap("ingest", str(tmp_path / name), "--boot", "monday", "--store", url).returncode == 0
    assert sorted(row[:2] for row in query(url, PROCESSES)) == [(7, 4096), (7, 4096), (7, 8192)]


def test_a_clock_that_steps_changes_no_order_and_loses_nothing(url: str, tmp_path: Path) -> None:
    second, hour, year = 1_000_000, 3_600_000_000, 31_557_600_000_000
    now = 1795411501000000
    lines = []
    for step in (second, -second, hour, -hour, 10 * year, -10 * year, -10 * year, 10 * year, 0):
        for number in range(400):
            now += 100
            lines.append(b"mmap2: PID=%d, process=x, time=%d, length=%d\n" % (number % 7 + 1, now, len(lines)))
        now += step
    data = b"".join(lines)
    (tmp_path / "trace.log").write_bytes(data)
    outcome = ingest(tmp_path / "trace.log", url)
    assert (outcome["stored"], outcome["rejected"], outcome["lost"]) == (len(lines), 0, 0)
    assert_holds(url, data)
