"""stap/memtap.bt in the real kernel: what each call asked for, was given and gave back, and what the process holds."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from memtap import header
from memtap.host import this_host
from memtap.native import CALLS, KINDS
from memtap.taps import choice

from .calling import Caller, Listener, build, calls_of, parsed

THREADS = 8
TOUCHED = 96 << 20  # bytes
PAGE = os.sysconf("SC_PAGESIZE")
ALL_CALLS = {"mmap", "munmap", "mremap", "brk", "shmat", "shmdt"}


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """What bpftrace printed while a process made known calls, what these were, a process left out, and one that wrote
    to its memory."""
    program = build(tmp_path_factory.mktemp("calls"))
    before = os.environ.get("BPFTRACE_PERF_RB_PAGES")
    os.environ["BPFTRACE_PERF_RB_PAGES"] = "4096"  # the machine may be busy: nothing is to be lost here
    left_out, marker = Caller(program), Caller(program)
    listener = Listener(choice.choose("bpftrace", leave_out=(os.getpid(), left_out.pid)), marker)
    if before is None:
        del os.environ["BPFTRACE_PERF_RB_PAGES"]
    else:
        os.environ["BPFTRACE_PERF_RB_PAGES"] = before
    caller, threaded, touching = Caller(program), Caller(program), Caller(program)
    start = int(Path(f"/proc/{caller.pid}/stat").read_text().rpartition(")")[2].split()[19])
    expected = caller.tell("calls")
    left_out.tell("calls")
    threaded.tell(f"threads {PAGE} {THREADS}")
    [resident] = touching.tell(f"touch {TOUCHED}")
    listener.settle(marker)
    text = listener.stop()
    for process in (caller, threaded, touching, marker, left_out):
        assert process.close() == 0
    return text, caller.pid, expected, threaded.pid, left_out.pid, start, (touching.pid, int(resident))


def test_the_native_parser_rejects_nothing_of_it(stream):
    parser, batch = parsed(stream[0])
    assert (parser.rejected, parser.samples) == (0, [])
    assert parser.lost == 0
    assert parser.events == len(batch) > 0


def test_its_first_line_says_what_it_is_and_where(stream):
    told = header.parse(stream[0].split(b"\n", 1)[0])
    assert (told.tap, told.host) == ("bpftrace", this_host())


def test_every_call_is_printed_with_its_result_and_what_the_kernel_says_is_held(stream):
    text, pid, expected, *_ = stream
    _, batch = parsed(text)
    rows = zip(
        batch.call, batch.pid, batch.length, batch.freed, batch.errno, batch.kind, batch.vm, batch.time_us, strict=True
    )
    printed = [
        f"{CALLS[call]} length={length} freed={freed} errno={error} kind={KINDS[kind]} vm={vm}"
        # the lines of two CPUs may come out of order, their times are not
        for call, of, length, freed, error, kind, vm, _ in sorted(rows, key=lambda row: row[-1])
        if of == pid
    ]
    # before them come the loader's own calls
    assert printed[-len(expected) :] == expected
    assert {line.split()[0] for line in expected} == ALL_CALLS


def test_threads_count_towards_their_process_under_their_own_names(stream):
    text, _, _, pid, *_ = stream
    _, batch = parsed(text)
    made = Counter(calls_of(batch, pid))
    for number in range(1, THREADS + 1):
        for call in ("mmap", "munmap"):
            assert made[call, number * PAGE, b"a thread"] == 100
    assert not re.search(rb"(?m)^fork: .*parent=%d," % pid, text), "a thread is no process"


def test_a_process_is_known_by_its_start_and_its_owner(stream):
    text, pid, *_, start, _ = stream
    lines = re.findall(rb"(?m)^mmap: pid=%d, start=(\d+), uid=(\d+), cgroup=(\d+), " % pid, text)
    [(start_ns, uid, _)] = set(lines)
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    assert int(start_ns) * ticks_a_second // 10**9 == start
    assert int(uid) == os.getuid()


def test_what_is_in_ram_is_what_the_kernel_says_but_for_what_its_cpus_have_not_added_up_yet(stream):
    text, *_, (pid, expected) = stream
    _, batch = parsed(text)
    assert batch.resident
    by_length = {
        (call, length): held
        for call, of, length, held in zip(batch.call, batch.pid, batch.length, batch.resident, strict=True)
        if of == pid
    }
    full, empty = by_length[CALLS.index("mmap"), TOUCHED], by_length[CALLS.index("munmap"), TOUCHED]
    cpus = os.cpu_count() or 1
    slack = 3 * max(32, 2 * cpus) * cpus * PAGE  # three counters; a CPU adds its share once it is 32 pages or so
    assert abs(full - expected) <= slack
    assert abs(empty - (expected - TOUCHED)) <= slack


def test_the_processes_left_out_are(stream):
    text, *_, left_out, _, _ = stream
    assert b"pid=%d," % left_out not in text
    assert b"pid=%d," % os.getpid() not in text


def test_nothing_is_left_in_bpftraces_maps_that_it_would_print(stream):
    assert b"@" not in stream[0]
