"""What bpftrace loses when nobody reads it is told, to the call."""

from __future__ import annotations

import os

from waiting import wait_until

from memtap.taps import choice
from memtap.taps.tap import Filters

from .calling import MARK_BYTES, Caller, Listener, build, parsed

LENGTH = MARK_BYTES + 1_000_000
PAIRS = 100_000  # two calls each: more than the pipe and the buffers hold


def test_lines_and_losses_are_together_the_calls_that_were_made(tmp_path, monkeypatch):
    monkeypatch.setenv("BPFTRACE_PERF_RB_PAGES", "8")
    storm = Caller(build(tmp_path))
    # its calls alone: other processes' would be lost with them
    listener = Listener(choice.choose("bpftrace", filters=Filters(pid=storm.pid)), storm)
    quiet, _ = parsed(bytes(listener.text))
    made = 0
    listener.pause()
    storm.tell(f"storm {PAIRS} {LENGTH}")
    made += 2 * PAIRS
    listener.resume()

    def all_accounted_for():
        # bpftrace is told of a CPU's losses with that CPU's next event that finds room
        nonlocal made
        for cpu in sorted(os.sched_getaffinity(0)):
            storm.tell(f"once {cpu} {LENGTH}")
            made += 2
        parser, batch = parsed(bytes(listener.text).rpartition(b"\n")[0] + b"\n")
        assert set(batch.pid) == {storm.pid}
        arrived = list(batch.length).count(LENGTH)
        assert arrived + parser.lost <= made
        return arrived + parser.lost == made and parser.lost

    wait_until(all_accounted_for)
    assert quiet.lost == 0
    text = listener.stop()
    assert storm.close() == 0
    parser, _ = parsed(text)
    assert parser.rejected == 0
    assert parser.lost > 0
