"""`memtap run` as a user runs it: the live tap, a store, the page; and everything gone when it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import MySQLdb
import pytest

from .running import MEMTAP, running, wait_until_gone
from .store_contents import query

WORK = "import mmap\nfor _ in range(500): mmap.mmap(-1, 7_777_777).close()"


@pytest.mark.parametrize("tap", ["bpftrace", "bpftrace:original"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stores_what_happens_and_leaves_nothing_behind(tap: str, number: signal.Signals, tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/store.duckdb"
    with running("--tap", tap, "--store", url) as run:
        run.wait_for(
            "api/v1/status", lambda status: status["tap"]["state"] == "running" and status["pipeline"]["lines"]
        )
        subprocess.run([sys.executable, "-c", WORK], check=True)
        run.wait_for(
            "api/v1/calls?min_length=7777777&limit=1000", lambda page: page["columns"]["length"].count(7_777_777) >= 500
        )
        started = run.children()
        assert started, "the tap is a child"
        status, errors = run.stop(number)
        assert status == 0
        wait_until_gone(started)
    if "they wait in" in errors.splitlines()[-1]:  # a busy machine's store did not take the last ones in time
        with running("--tap", "replay", "--store", url) as run:
            run.wait_for("api/v1/status", lambda status: not status["spool"]["batches"])
    else:
        assert errors.splitlines()[-1] == "memtap: stopped; everything that was read is stored"
    lengths = "SELECT count(*) FROM events WHERE length = 7777777 AND call IN (0, 2)"
    assert query(url, lengths) == [(500,)]


def test_killed_without_a_word_it_leaves_no_tap_behind(tmp_path: Path) -> None:
    with running("--tap", "bpftrace", "--store", f"duckdb://{tmp_path}/store.duckdb") as run:
        run.wait_for("api/v1/status", lambda status: status["pipeline"]["lines"])
        started = run.children()
        run.process.kill()
        run.process.communicate()
        wait_until_gone(started)


def test_what_ended_while_nobody_watched_has_ended(tmp_path: Path) -> None:
    store = f"duckdb://{tmp_path}/store.duckdb"
    program = "import mmap, sys; kept = mmap.mmap(-1, 8192); print(flush=True); sys.stdin.read()"
    with running("--tap", "bpftrace", "--store", store) as run:
        run.wait_for("api/v1/status", lambda status: status["pipeline"]["lines"])
        process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        run.wait_for("api/v1/processes", lambda page: process.pid in page["columns"]["pid"])
        run.stop()
    process.communicate()
    with running("--tap", "bpftrace", "--store", store) as run:
        run.wait_for("api/v1/processes", lambda page: process.pid not in page["columns"]["pid"])
        assert process.pid in run.get("api/v1/processes?ended=true")["columns"]["pid"]
        run.stop()


def test_the_time_between_two_runs_is_a_gap(tmp_path: Path) -> None:
    store = f"duckdb://{tmp_path}/store.duckdb"
    for _ in range(2):
        with running("--tap", "bpftrace", "--store", store) as run:
            run.wait_for("api/v1/status", lambda status: status["pipeline"]["stored"])
            run.stop()
    (gap,) = query(store, "SELECT since_us, time_us, events, stream_no FROM losses WHERE cause = 'tap'")
    ends = query(store, "SELECT last_us FROM streams WHERE stream_no = 1")
    begins = query(store, "SELECT min(e.time_us) FROM events e WHERE e.id >> 40 = 2 AND e.call <> 10")
    assert gap[2:] == (0, 2)
    assert ends[0][0] == gap[0] < gap[1]
    assert gap[1] <= begins[0][0] + 5_000_000, "until the tap's first lines"


def test_a_tap_that_is_killed_is_started_again_and_the_gap_is_shown(tmp_path: Path) -> None:
    with running("--tap", "bpftrace", "--store", f"duckdb://{tmp_path}/store.duckdb") as run:
        run.wait_for("api/v1/status", lambda status: status["pipeline"]["lines"])
        for pid in run.children():
            if "bpftrace" in Path(f"/proc/{pid}/comm").read_text():
                os.kill(pid, signal.SIGKILL)
        run.wait_for(
            "api/v1/status", lambda status: status["tap"]["restarts"] == 1 and status["tap"]["state"] == "running"
        )
        losses = run.wait_for("api/v1/losses", lambda losses: losses["columns"]["cause"] == ["tap"])
        assert "was ended by signal 9" in losses["columns"]["detail"][0]
        assert "nothing was seen from" in losses["columns"]["detail"][0]
        status, errors = run.stop()
        assert status == 0, errors
        assert "trying again after 0.5 s" in errors


def test_memtap_and_its_database_are_left_out_and_shown_as_left_out(mariadb: Any, mysql_url: str) -> None:
    with running("--tap", "bpftrace", "--store", mysql_url) as run:
        status = run.wait_for("api/v1/status", lambda status: status["pipeline"]["stored"] > 100)
        assert status["tap"]["left_out"] == [run.process.pid, mariadb.pid]
        for _ in range(20):
            run.get("api/v1/processes")
            mariadb.execute("SELECT count(*) FROM information_schema.columns")
        time.sleep(1.5)
        _, errors = run.stop()
        assert f"left out: memtap and its database (pid {run.process.pid}, {mariadb.pid})" in errors
    seen = {row[0] for row in query(mysql_url, "SELECT DISTINCT pid FROM processes WHERE requests > 0")}
    assert seen
    assert not seen & {run.process.pid, mariadb.pid}


def test_a_recording_says_so_everywhere(tmp_path: Path) -> None:
    with running("--tap", "replay", "--store", f"duckdb://{tmp_path}/store.duckdb") as run:
        status = run.wait_for("api/v1/status", lambda status: status["pipeline"]["stored"] > 1000)
        assert status["tap"]["recording"]
        assert status["host"]["name"] == "recording"
        _, errors = run.stop()
        assert "NOTE: a bundled recording" in errors


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--tap", "nonsense"], 2, "tap 'nonsense': there is no such tap"),
        (["--tap", "file:/nowhere"], 1, "no such file"),
        (["--listen", "0.0.0.0"], 2, "--insecure-listen"),
    ],
)
def test_what_cannot_work_is_one_line_and_a_status(
    arguments: list[str], status: int, says: str, tmp_path: Path
) -> None:
    command = [*MEMTAP, "run", "--port", "0", "--store", f"duckdb://{tmp_path}/s.duckdb", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr


def test_a_store_that_hangs_does_not_keep_it_and_what_it_did_not_take_is_stored_by_the_next(
    mysql_url: str, tmp_path: Path
) -> None:
    subprocess.run([*MEMTAP, "init", "--store", mysql_url], check=True, capture_output=True)
    parts = urlsplit(mysql_url)
    other = MySQLdb.connect(
        unix_socket=parse_qs(parts.query)["unix_socket"][0], user=parts.username, database=parts.path[1:]
    )
    spool = tmp_path / "spool"
    arguments = ["--tap", "replay", "--store", mysql_url, "--spool", str(spool)]
    with running(*arguments) as run:
        run.wait_for("api/v1/status", lambda status: status["pipeline"]["stored"] > 100)
        other.query("LOCK TABLES events WRITE, processes WRITE, batches WRITE, streams WRITE")
        run.wait_for("api/v1/status", lambda status: status["spool"]["batches"] > 3)
        players = run.children()
        status, said = run.stop(signal.SIGTERM)
    assert status == 0
    assert f"batches: they wait in {spool} for the next memtap run" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert players
    wait_until_gone(players)
    other.close()
    assert list(spool.iterdir())
    with running(*arguments) as run:
        run.wait_for("api/v1/status", lambda status: status["pipeline"]["stored"] > 100)
        status, said = run.stop()
    assert status == 0
    assert "batches of an earlier memtap go into the store first" in said
    assert not spool.exists()
    assert query(mysql_url, "SELECT count(*) FROM losses") == [(0,)]
    ((_, first, last, count), _) = query(
        mysql_url, "SELECT id >> 40, min(id), max(id), count(*) FROM events GROUP BY 1 ORDER BY 1"
    )
    assert last - first + 1 == count, "each call of the first run, once"
    assert query(mysql_url, "SELECT sum(stored) FROM streams WHERE stream_no = 1") == [(count,)]


def test_a_file_of_an_unknown_format_is_said_in_one_line(tmp_path: Path) -> None:
    trace = tmp_path / "trace.log"
    trace.write_text("memtap: format=3, tap=x\n")
    command = [*MEMTAP, "run", "--tap", f"file:{trace}", "--port", "0", "--store", f"duckdb://{tmp_path}/s.duckdb"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert run.stderr
        assert run.stdout.readline().startswith("http://")
        said = next(line for line in run.stderr if "format=3" in line)
        run.send_signal(signal.SIGINT)
        _, rest = run.communicate(timeout=60)
    assert said.startswith("memtap: tap: header b'memtap: format=3, tap=x': not a format that this memtap reads")
    assert rest == "memtap: stopped; everything that was read is stored\n"
