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
        assert (status, errors.splitlines()[-1]) == (0, "memtap: stopped; everything that was read is stored")
        wait_until_gone(started)
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
        assert status == 0
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


def test_a_store_that_hangs_does_not_keep_it_and_what_is_lost_is_said(mysql_url: str) -> None:
    subprocess.run([*MEMTAP, "init", "--store", mysql_url], check=True, capture_output=True)
    parts = urlsplit(mysql_url)
    other = MySQLdb.connect(
        unix_socket=parse_qs(parts.query)["unix_socket"][0], user=parts.username, database=parts.path[1:]
    )
    command = [*MEMTAP, "run", "--tap", "replay", "--port", "0", "--store", mysql_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert run.stdout.readline().startswith("http://")
        other.query("LOCK TABLES events WRITE, processes WRITE")
        time.sleep(2)  # until a batch hangs
        players = [
            int(pid) for file in Path(f"/proc/{run.pid}/task").glob("*/children") for pid in file.read_text().split()
        ]
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=60)
    other.close()
    assert run.returncode == 1
    assert "the store did not take the last " in said.splitlines()[-1]
    assert "Traceback" not in said
    assert players
    assert not any(Path(f"/proc/{pid}").exists() for pid in players)


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
