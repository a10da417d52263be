"""A tap that dies comes back, one that must go goes, and nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from memtap.taps import choice
from memtap.taps.child import enlarge_pipe
from memtap.taps.supervisor import Pauses, Supervisor
from memtap.taps.tap import Tap

SHORT = Pauses(first_s=0.01, longest_s=0.05)


def shell(script: str) -> Tap:
    return Tap("bpftrace", argv=("sh", "-c", script), message="a test")


def test_pauses_double_up_to_half_a_minute():
    assert [Pauses().after(failures) for failures in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert Pauses().after(10_000) == 30


def test_a_killed_bpftrace_is_started_again_and_the_gap_is_reported(collect, workload, wait_until):
    trigger = workload(1, 4096)
    collected = collect(choice.choose("bpftrace:original"), SHORT)

    def seen(stream):
        def calls_of_the_workload():
            trigger.work()
            return len(collected.streams) > stream and b"PID=%d," % trigger.pid in collected.streams[stream]

        return calls_of_the_workload

    wait_until(seen(0))
    assert collected.supervisor.status().state == "running"
    os.kill(children_named("bpftrace")[0], signal.SIGKILL)
    wait_until(seen(1))
    status = collected.supervisor.status()
    assert (status.state, status.restarts) == ("running", 1)
    [gap] = collected.gaps
    assert (gap.cause, gap.events) == ("tap", 0)
    assert gap.detail.startswith("bpftrace was ended by signal 9 (Killed); nothing was seen from 20")


def children_named(name: str) -> list[int]:
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, children.read_text().split()):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(pid)
    return found


def test_a_command_that_fails_at_once_is_tried_with_growing_pauses_and_its_words_are_kept(collect, wait_until):
    collected = collect(shell("printf 'no \\377 probe\\033[2J\\n' >&2; exit 3"), Pauses(first_s=0.2))
    said = set()

    def three_failures():
        said.add(collected.supervisor.status().message)
        return collected.supervisor.status().restarts == 3

    wait_until(three_failures)
    wait_until(lambda: "0.8 s" in collected.supervisor.status().message)
    expected = {f"bpftrace ended with exit status 3; trying again after {pause} s" for pause in ("0.2", "0.4")}
    assert expected <= said
    status = collected.supervisor.status()
    assert status.state == "restarting"
    assert status.stderr == (r"no \xff probe\x1b[2J",)


def test_a_missing_command_is_said_and_tried_again(collect, wait_until):
    collected = collect(Tap("stap", argv=("/nonexistent/stap",)), SHORT)
    wait_until(lambda: collected.supervisor.status().restarts > 1)
    wait_until(lambda: collected.supervisor.status().stderr)
    assert "cannot start /nonexistent/stap: [Errno 2] No such file" in collected.supervisor.status().stderr[-1]


def test_what_is_harmless_is_not_shown_to_people(collect, wait_until):
    tap = Tap(
        "bpftrace", argv=("sh", "-c", "echo no RLIMIT here >&2; echo bad >&2; echo up; sleep 1000"), harmless="RLIMIT"
    )
    collected = collect(tap)
    wait_until(lambda: collected.supervisor.status().stderr == ("bad",))


def test_only_the_last_lines_of_a_talkative_stderr_are_kept(collect, wait_until):
    collected = collect(shell("seq 1 100000 >&2; echo up; sleep 1000"))
    wait_until(lambda: collected.text == b"up\n")
    wait_until(lambda: collected.supervisor.status().stderr[-1:] == ("100000",))
    assert collected.supervisor.status().stderr == tuple(map(str, range(99981, 100001)))


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("sleep 1000 & echo $$ $!; wait", id="obeys"),
        pytest.param(
            "trap '' TERM INT HUP; sleep 1000 & echo $$ $!; while :; do sleep 1000; done",
            id="ignores signals",
        ),
        pytest.param("sleep 1000 & echo $$ $!", id="ends before its child"),
    ],
)
def test_stopping_leaves_neither_child_nor_grandchild(collect, wait_until, alive, script):
    collected = collect(shell(script))
    wait_until(lambda: collected.text.endswith(b"\n"))
    pids = [int(pid) for pid in collected.text.split()]
    assert collected.supervisor.stop(2)
    assert collected.supervisor.status().state == "ended"
    wait_until(lambda: not any(map(alive, pids)))


def test_what_a_tap_prints_as_it_ends_is_read(collect, wait_until):
    collected = collect(shell("trap 'echo last words; exit' TERM; echo up; while :; do sleep 0.01; done"))
    wait_until(lambda: collected.text == b"up\n")
    assert collected.supervisor.stop(30)
    assert collected.text == b"up\nlast words\n"
    assert collected.gaps == []


def test_stopping_during_a_pause_reports_the_gap(collect, wait_until):
    collected = collect(shell("echo up; exit 1"), Pauses(first_s=1000, longest_s=1000))
    wait_until(lambda: collected.supervisor.status().state == "restarting")
    assert collected.supervisor.stop(30)
    [gap] = collected.gaps
    assert gap.detail.startswith("bpftrace ended with exit status 1; nothing was seen from ")


def test_a_tap_that_was_never_started_can_be_stopped():
    supervisor = Supervisor(shell("true"), on_stream=lambda fd: None, on_gap=lambda loss: None)
    assert supervisor.stop(0)


def test_the_death_of_memtap_takes_bpftrace_with_it(wait_until, alive):
    program = textwrap.dedent("""
        import os, time
        from memtap.taps.choice import choose
        from memtap.taps.supervisor import Supervisor
        def read_once(fd):
            assert os.read(fd, 1)
            print(supervisor._process.pid, flush=True)
            time.sleep(1000)
        supervisor = Supervisor(choose("bpftrace:original", leave_out=0), on_stream=read_once, on_gap=print)
        supervisor.start()
        while True:
            os.popen("true").close()
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as memtap:
        assert memtap.stdout
        pid = int(memtap.stdout.readline())
        assert alive(pid)
        memtap.kill()
        memtap.wait()
        wait_until(lambda: not alive(pid))


def test_a_tap_does_not_interrupt_those_it_watches(collect, wait_until):
    collected = collect(shell("exec cat /proc/self/stat"))
    wait_until(lambda: collected.text.endswith(b"\n"))
    policy = int(collected.text.split(b"\n")[0].rpartition(b")")[2].split()[38])  # proc(5): field 41
    assert policy == os.SCHED_BATCH


def test_a_file_is_read_once_and_ends(collect, tmp_path):
    path = tmp_path / "trace.log"
    path.write_bytes(b"munmap: PID=1, process=a, time=2, length=3\n")
    collected = collect(choice.choose(f"file:{path}"))
    assert collected.supervisor.join(60)
    assert collected.text == path.read_bytes()
    status = collected.supervisor.status()
    assert (status.name, status.state, status.restarts) == ("file", "ended", 0)


def test_what_comes_through_a_fifo_goes_on_with_its_next_writer(collect, wait_until, tmp_path):
    path = tmp_path / "calls"
    os.mkfifo(path)
    collected = collect(choice.choose(f"file:{path}"))
    for number in (1, 2):
        path.write_bytes(b"munmap: PID=%d, process=a, time=2, length=3\n" % number)
        wait_until(lambda: collected.supervisor.status().restarts == number)  # noqa: B023 - asked at once
    assert [stream.count(b"\n") for stream in collected.streams] == [1, 1]
    assert [loss.cause for loss in collected.gaps] == ["tap"], "between the two"
    assert collected.supervisor.stop(60)
    assert len(collected.gaps) == 2
    assert "who wrote to" in collected.gaps[1].detail


def test_the_pipe_is_as_big_as_the_kernel_allows():
    reading, writing = os.pipe()
    try:
        assert enlarge_pipe(reading) == int(Path("/proc/sys/fs/pipe-max-size").read_text())
    finally:
        os.close(reading)
        os.close(writing)
