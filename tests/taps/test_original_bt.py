"""stap/original.bt, run by the real bpftrace in the real kernel."""

from __future__ import annotations

import os
import re
import time
from collections import Counter

import pytest

from memtap.taps import choice

FORMAT_1 = re.compile(rb"(mmap2|munmap): PID=(\d+), process=(.*), time=(\d+), length=(-?\d+)", re.DOTALL)
LENGTH = 1_234_567  # bytes; not a whole number of pages, so that rounding would show
COUNT = 2_000


@pytest.fixture
def seen(collect, workload, wait_until):
    """The (call, pid, name, time, length) of every line that bpftrace printed while two workloads ran, one of
    them left out, and the two."""
    left_out = workload(COUNT, LENGTH)
    watched = workload(COUNT, LENGTH)
    trigger = workload(1, 4096)
    collected = collect(choice.choose("bpftrace:original", leave_out=left_out.pid))

    def attached():
        trigger.work()
        return b"PID=%d," % trigger.pid in collected.text

    wait_until(attached)
    before_us = time.time() * 1e6
    left_out.work()
    watched.work()
    after_us = time.time() * 1e6
    # bpftrace does not print all that it holds when it is ended
    last_line = re.compile(rb"munmap: PID=%d, .*length=%d\n" % (watched.pid, LENGTH))
    wait_until(lambda: len(last_line.findall(collected.text)) == COUNT)
    assert collected.supervisor.stop(30)
    lines = [line for line in collected.text.split(b"\n") if line]
    events = [event.groups() for event in map(FORMAT_1.fullmatch, lines) if event]
    assert len(events) == len(lines), [line for line in lines if not FORMAT_1.fullmatch(line)]
    return events, left_out, watched, (before_us, after_us)


def test_it_prints_every_call_of_a_process_and_nothing_else_of_it(seen):
    events, _, watched, _ = seen
    of_length = [event for event in events if int(event[1]) == watched.pid and int(event[4]) == LENGTH]
    # in any order: the lines of two CPUs are mixed, and the process may have moved between them
    assert Counter(event[0] for event in of_length) == {b"mmap2": COUNT, b"munmap": COUNT}
    assert {event[2] for event in of_length} == {b"memtap workload"}


def test_the_times_are_the_microseconds_of_the_calls(seen):
    events, _, watched, (before_us, after_us) = seen
    times = [int(event[3]) for event in events if int(event[1]) == watched.pid and int(event[4]) == LENGTH]
    second = 1e6  # bpftrace and this test do not read the same clock
    assert before_us - second < min(times)
    assert max(times) < after_us + second
    assert len(set(times)) > COUNT / 2, "whole milliseconds at best"


def test_it_leaves_out_the_process_it_is_told_to(seen):
    events, left_out, _, _ = seen
    assert left_out.pid not in {int(event[1]) for event in events}


def test_memtap_leaves_itself_out_unless_told_otherwise():
    tap = choice.choose("bpftrace:original")
    assert tap.left_out == (os.getpid(),)
    assert str(os.getpid()) in tap.argv
    assert choice.choose("bpftrace:original", leave_out=0).left_out == ()
