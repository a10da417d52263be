"""/proc as lines of format 2, a slice at a time, without memtap's own processes."""

from __future__ import annotations

import os
import subprocess
import sys

from memtap import procfs
from memtap.native import Parser
from memtap.reconciler import Reconciler

HEADER = b'memtap: format=2, tap=x, version=1, host="h", boot=b, clock=realtime, page=4096, memory=1'


def round_of(reconciler: Reconciler) -> None:
    before = reconciler.latest.time_us
    while reconciler.latest.time_us == before:
        reconciler.tick()


def test_a_process_is_told_of_as_the_kernel_has_it() -> None:
    (me,) = procfs.look([os.getpid()])
    parser = Parser(header=HEADER)
    parser.feed(procfs.line(me))
    (row,) = parser.ledger()
    batch = parser.seal()
    assert (row.pid, row.vm, row.name) == (os.getpid(), me.vm, me.comm)
    assert batch.process_facts[0][0] == os.getuid()


def test_the_owner_of_a_process_that_may_not_be_dumped_is_its_user() -> None:
    code = "import ctypes, os; os.setuid(65534); ctypes.CDLL(None).prctl(4, 0)\nprint(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hidden:
        assert hidden.stdout and hidden.stdin
        hidden.stdout.readline()
        (seen,) = procfs.look([hidden.pid])
        assert b", uid=65534, " in procfs.line(seen)
        hidden.stdin.close()


def test_a_process_that_is_gone_is_not_told_of_as_roots() -> None:
    with subprocess.Popen(["sleep", "60"]) as gone:
        (seen,) = procfs.look([gone.pid])
        gone.kill()
    assert procfs.line(seen) == b""


def test_every_process_is_reconciled_but_memtap_and_what_it_started() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"], stdout=subprocess.DEVNULL, start_new_session=True) as tap:
        parser = Parser(header=HEADER)
        reconciler = Reconciler(parser, [tap.pid])
        children: list[procfs.Seen] = []
        while not children:
            children = [seen for seen in procfs.look() if seen.parent == tap.pid]
        round_of(reconciler)
        told = {row.pid for row in parser.ledger()}
        assert os.getpid() in told
        assert not told & {tap.pid, children[0].pid}
        os.killpg(tap.pid, 9)


def test_a_round_takes_one_slice_a_tick_and_a_stream_that_begins_begins_it_again() -> None:
    parser = Parser(header=HEADER)
    reconciler = Reconciler(parser, [])
    reconciler.tick()
    assert parser.events == 0, "/proc was only looked at"
    reconciler.begin()
    round_of(reconciler)
    assert parser.events == reconciler.latest.new > 0
    assert reconciler.latest.differing == 0
    events = parser.events
    reconciler.tick()
    assert parser.events == events, "the next round is not due"
