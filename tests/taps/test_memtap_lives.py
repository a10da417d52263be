"""stap/memtap.bt in the real kernel: processes begin, become others and end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from memtap.taps import choice

from .calling import Caller, Listener, build, parsed

FORKS = 5_000
PAGE = os.sysconf("SC_PAGESIZE")
LINE = re.compile(rb"(\w+): pid=(\d+), start=(\d+), uid=(\d+), cgroup=(\d+), time=(\d+), (.*), process=([0-9a-f]{32})")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build(tmp_path_factory.mktemp("lives"))


@pytest.fixture
def listener(monkeypatch, program):
    monkeypatch.setenv("BPFTRACE_PERF_RB_PAGES", "4096")  # the machine may be busy: nothing is to be lost here
    trigger = Caller(program)
    listener = Listener(choice.choose("bpftrace"), trigger)
    yield listener
    listener.stop()
    assert trigger.close() == 0


def heard(listener, program):
    """Every line so far: call, pid, start, uid, cgroup, time, fields, name; in the order of their times."""
    marker = Caller(program)
    listener.settle(marker)
    assert marker.close() == 0
    return sorted(LINE.findall(bytes(listener.text)), key=lambda line: int(line[5]))


def name_of(line):
    return bytes.fromhex(line[7].decode()).partition(b"\0")[0]


def field(line, name):
    return int(re.search(rb"\b%b=(\d+)" % name.encode(), line[6])[1])


def test_thousands_of_short_processes_are_all_paired_and_none_takes_anothers_calls(listener, program):
    caller = Caller(program)
    pids = [int(line) for line in caller.tell(f"forks {FORKS}")]
    lines = heard(listener, program)
    assert caller.close() == 0
    parser, _ = parsed(bytes(listener.text))
    assert (parser.rejected, parser.lost) == (0, 0)

    lives = defaultdict(list)  # of each (pid, start)
    for line in lines:
        lives[int(line[1]), int(line[2])].append(line)
    children = {
        key: life for key, life in lives.items() if life[0][0] == b"fork" and field(life[0], "parent") == caller.pid
    }
    assert Counter(pid for pid, _ in children) == Counter(pids)
    by_birth = sorted(children.items(), key=lambda item: item[0][1])
    for i, (_, life) in enumerate(by_birth):
        assert [line[0] for line in life] == [b"fork", b"mmap", b"munmap", b"exit"]
        assert [field(line, "length") for line in life[1:3]] == [(i + 1) * PAGE] * 2
        assert field(life[3], "status") == i % 256 << 8
        assert {name_of(line) for line in life} == {b"memory_calls"}


def test_fork_exec_and_exit_of_one_process_with_its_names_and_what_it_holds(listener, program):
    done = subprocess.Popen([sys.executable, "-c", "import os; os.execv('/bin/sh', ['sh', '-c', 'exit 7'])"])
    assert done.wait() == 7
    life = [line for line in heard(listener, program) if int(line[1]) == done.pid]
    assert len({line[2] for line in life}) == 1, "the start stays through exec"
    kinds = [line[0] for line in life]
    assert kinds[0] == b"fork" and kinds[-1] == b"exit" and kinds.count(b"exec") == 2
    assert field(life[0], "parent") == os.getpid()
    python, shell = (line for line in life if line[0] == b"exec")
    assert name_of(python).startswith(b"python")
    assert name_of(shell) == b"sh"
    last_of_python = life[life.index(shell) - 1]
    assert field(shell, "vm") < field(last_of_python, "vm"), "exec dropped what Python held"
    assert field(life[-1], "status") == 7 << 8


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        pytest.param("os._exit(300)", 300 % 256 << 8, id="status modulo 256"),
        pytest.param("os.kill(os.getpid(), 9)", signal.SIGKILL, id="killed"),
        pytest.param("threading.Thread(target=os._exit, args=(5,)).start(); time.sleep(60)", 5 << 8, id="by a thread"),
        pytest.param(
            "threading.Thread(target=lambda: (time.sleep(0.3), libc.syscall(60, 9))).start(); libc.syscall(60, 3)",
            None,  # SYS_exit, 60, ends one thread; of which of them wait(2) tells differs between kernels
            id="first thread first",
        ),
    ],
)
def test_the_status_is_what_wait_gives_and_a_process_ends_once_with_its_last_thread(listener, program, ending, status):
    code = f"import ctypes, os, threading, time; libc = ctypes.CDLL(None); {ending}"
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
    waited = os.waitpid(pid, 0)[1]
    assert waited == status or status is None
    ends = [line for line in heard(listener, program) if line[0] == b"exit" and int(line[1]) == pid]
    assert [field(line, "status") for line in ends] == [waited]


def test_a_forks_owner_and_cgroup_are_its_own(listener, program):
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    [root, *_] = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
    group = root / f"memtap-test-{os.getpid()}"
    group.mkdir()
    try:
        child = Caller(program)
        (group / "cgroup.procs").write_text(str(child.pid))
        pids = [int(line) for line in child.tell("forks 3")]
        assert child.close() == 0
        cgroups = {int(line[4]) for line in heard(listener, program) if int(line[1]) in pids}
        assert cgroups == {group.stat().st_ino}
    finally:
        group.rmdir()
    other = subprocess.Popen(["/bin/true"], user=65534)
    assert other.wait() == 0
    owners = {line[3] for line in heard(listener, program) if int(line[1]) == other.pid and line[0] == b"exec"}
    assert owners == {b"65534"}
