"""`memtap top`, as text and on a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyte
import pytest
from counted import HOST, WideCall, batches
from web import TOKEN

from memtap.names import display
from memtap.stores import open_store
from memtap.stores.contract import Stream
from memtap.top.sources import Row, Sample, rows_of
from memtap.top.table import BY_NAME, COLUMNS, bytes_text, chosen, lines

MEMTAP = [sys.executable, "-P", "-m", "memtap"]
COLUMNS_WIDE, LINES_HIGH = 150, 40
HOSTILE = [
    b"\x1b[2J\x1b]0;x\x07",
    b"\xff\xfe",
    b"[red]x[/red]",
    b"new\nline",
    "\u202egnp.exe".encode(),
    b"\x9b31m",
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Twenty processes of which the later hold more; and hostile ones."""
    address = f"duckdb://{tmp_path}/top.duckdb"
    store = open_store(address)
    store.migrate()
    writer = store.writer()
    number = writer.open_stream(Stream("file:x", "file", HOST)).stream_no
    names = [*HOSTILE, *(b"worker-%d" % at for at in range(20))]
    calls = [
        WideCall(
            100 + at,
            name,
            WideCall(1).time_us + at,
            start_us=(1 + at) * 10_000,
            length=(1 + at) << 20,
            vm=(1 + at) << 21,
        )
        for at, name in enumerate(names)
    ]
    for batch in batches(calls):
        writer.write(number, batch)
    writer.close()
    store.close()
    return address


def once(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MEMTAP, "top", "--interval", "0.2", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def cells(text: str) -> list[list[str]]:
    """Of the table below the empty line; no name here holds two spaces."""
    return [re.split(r" {2,}", line.strip()) for line in text.partition("\n\n")[2].splitlines()]


def test_in_a_pipe_it_is_plain_text_most_balance_first(url):
    done = once("--store", url)
    assert done.returncode == 0, done.stderr
    head, *rows = cells(done.stdout)
    assert head == [column.name for column in COLUMNS]
    assert [row[0] for row in rows] == [str(pid) for pid in range(125, 99, -1)]
    by_pid = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert by_pid["125"]["NAME"] == "worker-19"
    assert (by_pid["125"]["BALANCE"], by_pid["125"]["VM"]) == ("26.0M", "52.0M")
    assert by_pid["125"]["CALLS"] == "1"
    assert "26 processes" in done.stdout.splitlines()[0]


def test_hostile_names_move_nothing(url):
    done = once("--store", url)
    assert done.stdout.replace("\n", "").isprintable()
    for name in HOSTILE:
        assert display(name) in done.stdout


def test_it_sorts_filters_and_cuts(url):
    rows = cells(once("--store", url, "--sort", "pid", "--reverse", "--filter", "WORKER-1", "--rows", "3").stdout)[1:]
    assert [row[-1] for row in rows] == ["worker-1", "worker-10", "worker-11"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--sort", "size"], 2, "there is no such column; use one of pid, "),
        (["--interval", "0"], 2, "give 0.2 to 3600 seconds"),
        (["--rows", "0"], 2, "give a number of rows"),
        (["--url", "127.0.0.1:7411"], 2, "give the address that memtap printed"),
        (["--url", "http://127.0.0.1:7411/?token=abc"], 2, "leave the token out of it"),
        (["--url", "http://127.0.0.1:7411/"], 2, "set MEMTAP_TOKEN"),
        (["--store", "duckdb:///nowhere/x.duckdb"], 1, "there is no such file"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, status, said):
    done = once(*arguments, MEMTAP_TOKEN="")
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr.splitlines()[-1]
    assert "abc" not in done.stderr


def test_of_a_running_memtap_it_asks_over_http(site):
    done = once("--url", site.settings.address, MEMTAP_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    expected = site.get("/api/v1/processes")["columns"]
    rows = cells(done.stdout)[1:]
    assert [row[0] for row in rows] == [str(pid) for pid in expected["pid"]]
    assert [row[-1] for row in rows] == expected["process_name"]


def test_a_wrong_token_and_nobody_there_are_one_line_without_the_token(site):
    wrong = once("--url", site.settings.address, MEMTAP_TOKEN="not-the-token")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "does not know the token in MEMTAP_TOKEN" in wrong.stderr
    assert "not-the-token" not in wrong.stderr
    away = once("--url", "http://127.0.0.1:1/", MEMTAP_TOKEN=TOKEN)
    assert "does not answer: connection refused" in away.stderr
    assert away.stderr.count("\n") == 1


def test_a_store_that_a_memtap_owns_says_how_to_look_all_the_same(url):
    with_owner = open_store(url)
    try:
        done = once("--store", url)
    finally:
        with_owner.close()
    assert done.returncode == 1
    assert f"PID {os.getpid()}" in done.stderr or f"process {os.getpid()}" in done.stderr
    assert "memtap top --url http://127.0.0.1:7411/" in done.stderr


class Terminal:
    """What a person sees of a program, and the keys they press."""

    def __init__(self, *command: str, **environment: str) -> None:
        self.screen = pyte.Screen(COLUMNS_WIDE, LINES_HIGH)
        self._stream = pyte.ByteStream(self.screen)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES_HIGH, COLUMNS_WIDE, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.raw = b""
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "", "LINES": ""} | environment,
            start_new_session=True,
        )

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self, patience_s: float) -> None:
        if select.select([self._ours], [], [], patience_s)[0]:
            data = os.read(self._ours, 65536)
            self.raw += data
            self._stream.feed(data)

    def wait_for(self, condition: Callable[[str], object]) -> str:
        deadline = time.monotonic() + 60
        while not condition(self.text):
            assert time.monotonic() < deadline, self.text
            assert self.process.poll() is None, self.text
            self.read(0.1)
        return self.text

    def wait(self) -> int:
        deadline = time.monotonic() + 30
        while (status := self.process.poll()) is None:
            assert time.monotonic() < deadline, "it does not end"
            self.read(0.05)
        return status

    def restored(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def terminal(*arguments: str, **environment: str) -> Iterator[Terminal]:
    shown = Terminal(*MEMTAP, "top", "--interval", "0.2", *arguments, **environment)
    try:
        yield shown
    finally:
        shown.close()


def pids(text: str) -> list[int]:
    """Down the first column."""
    return [int(found[1]) for line in text.splitlines() if (found := re.match(r"\s*(\d{3})\s", line))]


def test_on_a_terminal_keys_sort_filter_and_quit(url):
    with terminal("--store", url) as top:
        text = top.wait_for(lambda text: len(pids(text)) == 26)
        assert pids(text) == list(range(125, 99, -1))
        assert "BALANCE ▼" in text
        for name in HOSTILE:
            assert display(name) in text
        top.press("p")
        top.wait_for(lambda text: "PID ▼" in text)
        top.press("p")
        top.wait_for(lambda text: "PID ▲" in text and pids(text) == list(range(100, 126)))
        top.press("/")
        top.wait_for(lambda text: "part of a name" in text)
        top.press("worker-1")
        text = top.wait_for(lambda text: pids(text) and len(pids(text)) == 11)
        assert "worker-2 " not in text
        top.press("\r")
        top.wait_for(lambda text: "· filter: worker-1" in text)
        top.press("n")
        top.wait_for(lambda text: "NAME ▲" in text)
        top.press(" ")
        top.wait_for(lambda text: "· paused" in text)
        top.press("\x1b")
        top.wait_for(lambda text: len(pids(text)) == 26)
        top.press("q")
        assert top.wait() == 0
        assert top.restored()
        assert b"\x1b[?1049l" in top.raw  # the screen as it was before


def test_what_changes_is_shown_with_its_rate(fresh, serve, events):
    running = serve(fresh.reader(), tick_s=0.1)
    with terminal("--url", running.settings.address, MEMTAP_TOKEN=TOKEN) as top:
        top.wait_for(lambda text: "0 processes" in text)
        fresh.writer.write(events[:50])
        top.wait_for(lambda text: "python3" in text)
        fresh.writer.write(events[50:3000])
        text = top.wait_for(lambda text: re.search(r"[1-9]\S*/s requested", text))
        assert TOKEN not in text
        running.server.stop()
        top.wait_for(lambda text: "does not answer" in text)
        assert "python3" in top.text  # what was known stays on the screen
        top.process.send_signal(signal.SIGTERM)
        top.wait()


def row(**changed: Any) -> Row:
    plain = {
        "id": 1,
        "pid": 1,
        "name": "x",
        "user": "",
        "vm": None,
        "resident": None,
        "balance": 0,
        "percentage": None,
        "requested": 0,
        "released": 0,
        "calls": 0,
        "failed": None,
        "exact": True,
    }
    return Row(**(plain | changed))


def test_rates_are_of_the_time_between_two_samples():
    before = Sample(10.0, "", "", 0, "", (row(requested=1000, calls=5), row(id=2, requested=7)))
    now = Sample(12.0, "", "", 0, "", (row(requested=5000, calls=9), row(id=2, requested=3), row(id=3, requested=9)))
    found = {line.row.id: (line.rate.requested, line.rate.calls) for line in lines(before, now)}
    assert found == {1: (2000, 2), 2: (0, 0), 3: (0, 0)}
    assert {line.rate.requested for line in lines(None, now)} == {0}


def test_what_has_no_figure_comes_last_whatever_the_order():
    rows = tuple(row(id=at, vm=vm) for at, vm in enumerate([5, None, 9, 1]))
    known = lines(None, Sample(0, "", "", 0, "", rows))
    for reverse, expected in ((False, [9, 5, 1, None]), (True, [1, 5, 9, None])):
        assert [line.row.vm for line in chosen(known, "", BY_NAME["vm"], reverse=reverse)] == expected


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (None, "-"),
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.0K"),
        (-4 << 30, "-4.0G"),
        (99.9 * 1024, "99.9K"),
        (999 * 2**20, "999M"),
        (1000 * 2**20, "1.0G"),
        (2**64, "16.0E"),
        (2**90, "1024Y"),
    ],
)
def test_sizes_fit_their_column(size, shown):
    assert bytes_text(size) == shown
    assert len(shown) <= 6


def test_what_a_strange_server_sends_is_escaped():
    columns = {name: [0] for name in ("id", "pid", "balance", "requested", "released", "requests", "releases")}
    columns |= {name: [None] for name in ("uid", "vm", "resident", "percentage", "failed")}
    columns |= {"process_name": ["\x1b[2J"], "user": ["a\nb"], "exact": [True]}
    (found,) = rows_of(columns)
    assert (found.name, found.user) == (r"\x1b[2J", r"a\nb")
