"""`memtap run` as a user runs it: the live tap, a store, the page; and everything gone when it stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .store_contents import query

MEMTAP = [sys.executable, "-P", "-m", "memtap"]
TOKEN = "a-token-of-the-tests"


class Running:
    """A `memtap run` of the tests', with its page on a free port."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*MEMTAP, "run", "--port", "0", *arguments],
            env={**os.environ, "MEMTAP_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().partition("?")[0]
        assert self.address, self.process.communicate()[1]

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def wait_for(self, path: str, wanted: Any, timeout_s: float = 60.0) -> Any:
        end = time.monotonic() + timeout_s
        while not wanted(answer := self.get(path)):
            assert time.monotonic() < end, f"{path}: not within {timeout_s} s: {answer}"
            time.sleep(0.2)
        return answer

    def children(self) -> list[int]:
        """All that it started, and what those started."""
        found, look = [], [self.process.pid]
        while look:
            pid = look.pop()
            for task in Path(f"/proc/{pid}/task").iterdir():
                look += map(int, (task / "children").read_text().split())
            found.append(pid)
        return found[1:]

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Its exit status, and what it wrote to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    run = Running(*arguments)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.communicate()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


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
        assert [pid for pid in started if alive(pid)] == []
    lengths = "SELECT count(*) FROM events WHERE length = 7777777 AND call IN (0, 2)"
    assert query(url, lengths) == [(500,)]


def test_killed_without_a_word_it_leaves_no_tap_behind(tmp_path: Path) -> None:
    with running("--tap", "bpftrace", "--store", f"duckdb://{tmp_path}/store.duckdb") as run:
        run.wait_for("api/v1/status", lambda status: status["pipeline"]["lines"])
        started = run.children()
        run.process.kill()
        run.process.communicate()
        end = time.monotonic() + 20
        while any(map(alive, started)):
            assert time.monotonic() < end, "a tap outlived its memtap"
            time.sleep(0.1)


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
