"""The recording, played as if it happened now."""

from __future__ import annotations

import gzip
import itertools
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from memtap.taps import choice, replay

EVENT = re.compile(rb"(mmap2|munmap): PID=(\d+), process=(.*), time=(\d+), length=(\d+)\n", re.DOTALL)


def test_the_bundled_recording_is_what_its_page_says():
    lines = replay.lines_of(replay.BUNDLED)
    events = [EVENT.fullmatch(line) for line in lines]
    assert all(events)
    assert len(events) == 99_603
    assert sum(event[1] == b"mmap2" for event in events) == 64_400
    times = [int(event[4]) for event in events]
    assert sum(later < earlier for earlier, later in itertools.pairwise(times)) == 376
    assert replay.BUNDLED.stat().st_size < 1_000_000


def test_only_the_times_are_moved_and_all_by_the_same():
    lines = replay.lines_of(replay.BUNDLED)
    moved = [line for _, line in replay.timed(lines, 1_000_000)]
    shifts = set()
    for line, was in zip(moved, lines, strict=True):
        now, then = EVENT.fullmatch(line), EVENT.fullmatch(was)
        assert (now[1], now[2], now[3], now[5]) == (then[1], then[2], then[3], then[5])
        shifts.add(int(now[4]) - int(then[4]))
    [shift] = shifts
    assert int(EVENT.fullmatch(moved[0])[4]) == 1_000_000
    assert shift == 1_000_000 - int(EVENT.fullmatch(lines[0])[4])


def test_lines_are_due_at_their_pace_and_in_their_order():
    due = [at for at, _ in replay.timed(replay.lines_of(replay.BUNDLED), 0)]
    assert due == sorted(due)
    assert due[-1] == pytest.approx(13.145e6, abs=1e3)


def test_broken_lines_are_played_as_they_are():
    lines = [
        b"Attaching 2 probes...\n",
        b"mmap2: PID=1, process=a\n",
        b"b, time=50, length=1\n",
        b"munmap: PID=1, process=, time=7, length=1, time=60, length=2\n",
        b"mmap2: PID=1, process=\xff\r, time=55, length=",
    ]
    assert [line for _, line in replay.timed(lines, 1000)] == [
        lines[0],
        lines[1],
        b"b, time=1000, length=1\n",
        b"munmap: PID=1, process=, time=7, length=1, time=1010, length=2\n",
        lines[4],
    ]


def test_in_format_2_starts_are_moved_with_the_times_by_whole_ticks():
    lines = [
        b'memtap: format=2, tap=bpftrace, version=1, host="x", boot=b, clock=realtime, page=4096, memory=1\n',
        b'proc: pid=1, start=20000000, uid=0, cgroup=0, time=1000, vm=1, rss=1, process="x"\n',
        b"mmap: pid=1, start=25000001, uid=0, cgroup=0, time=1500, length=1, freed=0, errno=0, kind=file, vm=1, rss=1, "
        b'process=", time=1, length=1"\n',
        b'exit: pid=1, start=25000001, uid=0, cgroup=0, time=2000, status=0, vm=1, rss=1, process="x"\n',
    ]
    moved = [line for _, line in replay.timed(lines, 9_004_000)]
    assert moved[0] == lines[0]
    assert moved[1] == lines[1].replace(b"start=20", b"start=9020").replace(b"time=1000", b"time=9004000")
    assert moved[2] == lines[2].replace(b"start=25", b"start=9025").replace(b"time=1500", b"time=9004500")
    assert moved[3] == lines[3].replace(b"start=25", b"start=9025").replace(b"time=2000", b"time=9005000")


@pytest.fixture
def short(tmp_path):
    """A recording of three calls in 20 ms."""
    path = tmp_path / "short.log.gz"
    lines = b"".join(b"mmap2: PID=%d, process=x y, time=%d, length=4096\n" % (i, 100 + i * 10_000) for i in range(3))
    path.write_bytes(gzip.compress(lines))
    return path


def test_it_begins_again_at_the_end_and_the_times_go_on(collect, wait_until, short):
    before_us = time.time() * 1e6
    collected = collect(choice.choose(f"replay:{short}"))
    wait_until(lambda: collected.text.count(b"\n") >= 9)
    status = collected.supervisor.status()
    assert (status.recording, status.restarts, collected.gaps) == (True, 0, [])
    assert collected.supervisor.stop(30)
    events = [EVENT.fullmatch(line + b"\n") for line in collected.text.split(b"\n")[:9]]
    assert [int(event[2]) for event in events] == [0, 1, 2] * 3
    assert {stream.count(b"\n") for stream in collected.streams[:3]} == {3}, "each pass is a stream of its own"
    times = [int(event[4]) for event in events]
    assert times == sorted(times)
    assert before_us < times[0]
    assert times[-1] < time.time() * 1e6


@pytest.fixture
def player():
    """The bundled recording, which takes 13 seconds, while it plays."""
    with subprocess.Popen(replay.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert EVENT.fullmatch(process.stdout.readline())
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_dies_of_a_signal_and_says_nothing(player, number):
    player.send_signal(number)
    _, said = player.communicate(timeout=60)
    assert (player.returncode, said) == (-number, b"")


def test_it_dies_when_nobody_reads(player):
    player.stdout.close()
    assert player.wait(timeout=60) == -signal.SIGPIPE
    assert player.stderr.read() == b""


def test_a_recording_without_a_call_is_refused(tmp_path):
    path = tmp_path / "empty.log"
    path.write_text("nothing\n")
    done = subprocess.run(replay.command(str(path)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == f"{path}: no line of it is a call; nothing to replay\n"


def test_people_are_told_that_it_is_a_recording():
    tap = choice.choose("replay")
    assert tap.recording
    assert "recording" in tap.message
    assert "not what this machine does now" in tap.message
    assert tap.left_out == ()


def test_its_page_lists_the_file():
    assert replay.BUNDLED.name in (Path(replay.BUNDLED).parent / "README.md").read_text()
