"""`memtap tap`: the stream on standard output, filtered in the kernel, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import alive, wait_until

from memtap import cli

from .calling import MARK_BYTES, Caller, build

TAP = [sys.executable, "-P", "-m", "memtap", "tap", "--tap", "bpftrace"]


@pytest.fixture
def caller(tmp_path):
    caller = Caller(build(tmp_path))
    yield caller
    assert caller.close() == 0


def children_of(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGPIPE])
def test_it_prints_what_the_filters_let_by_and_ends_cleanly(caller, end):
    filters = ["--pid", str(caller.pid), "--min-length", "8192"]
    with subprocess.Popen([*TAP, *filters], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as memtap:
        header = memtap.stdout.readline()
        assert header.startswith(b"memtap: format=2, tap=bpftrace, "), memtap.stderr.read()
        [bpftrace] = children_of(memtap.pid)
        text = bytearray()
        os.set_blocking(memtap.stdout.fileno(), False)

        def seen():
            caller.tell("once 0 4096")
            caller.tell(f"once 0 {MARK_BYTES}")
            text.extend(memtap.stdout.read() or b"")
            return b"\n" in text

        wait_until(seen)
        if end == signal.SIGPIPE:
            memtap.stdout.close()  # who reads goes away: the tap's next line ends it

            def ended():
                caller.tell(f"once 0 {MARK_BYTES}")
                return memtap.poll() is not None

            wait_until(ended)
        else:
            memtap.send_signal(end)
        said = memtap.stderr.read()
        assert memtap.wait(60) == 0, said
    wait_until(lambda: not alive(bpftrace))
    lines = [line for line in bytes(text).split(b"\n")[:-1] if line]
    assert lines
    assert all(b": pid=%d, " % caller.pid in line and b"length=%d, " % MARK_BYTES in line for line in lines)
    assert b"RLIMIT" not in said


def test_names_and_cgroups_are_filters_too(caller):
    caller.tell("names 0 0 :" + b'"a b\n\\$;'.hex())
    group = next(line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines() if "cgroup2" in line)
    cgroup = Path(group).stat().st_ino
    filters = ["--comm", '"a b\n\\$;', "--cgroup", str(cgroup)]
    with subprocess.Popen([*TAP, *filters], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as memtap:
        assert memtap.stdout.readline().startswith(b"memtap: ")
        os.set_blocking(memtap.stdout.fileno(), False)
        text = bytearray()

        def seen():
            caller.tell(f"once 0 {MARK_BYTES}")
            text.extend(memtap.stdout.read() or b"")
            return b"mmap: " in text

        wait_until(seen)
        memtap.terminate()
        memtap.stderr.read()
    calls = [line for line in bytes(text).split(b"\n") if b"mmap: " in line]
    assert all(b": pid=%d, " % caller.pid in line for line in calls)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tap", "replay", "--pid", "1"], "it has no filters"),
        (["--tap", "bpftrace:original", "--comm", "x"], "it has no filters"),
        (["--tap", "-"], "its lines are there already"),
        (["--tap", "strace"], "there is no such tap"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(arguments, said, capsys):
    assert cli.main(["tap", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--pid", "0"], ["--pid", "x"], ["--comm", "16 bytes is more"], ["--comm", ""]])
def test_a_filter_that_can_match_nothing_is_wrong_usage(arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(["tap", *arguments])
    assert ended.value.code == 2
