"""`memtap tap`: the tap's stream on standard output."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from typing import IO, cast

from memtap import names
from memtap.errors import TapError, UsageError
from memtap.stopping import stop_on_signals
from memtap.taps import exec_tap
from memtap.taps.choice import SPECS, choose
from memtap.taps.tap import Filters, Tap

GRACE_S = 2.0  # for the tap to print what it holds, before it is killed

_COMM_BYTES = 15  # TASK_COMM_LEN - 1, linux/sched.h


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "print the tap's lines, for a file, a pipe or another machine's memtap ingest"
    parser = subparsers.add_parser(
        "tap",
        help=summary,
        description=f"{summary.capitalize()}. For example: memtap tap | ssh HOST memtap ingest -",
    )
    parser.add_argument("--tap", default="auto", metavar="TAP", help=f"{SPECS} (default: %(default)s)")
    parser.add_argument("--pid", type=_number, default=0, metavar="N", help="this process only")
    parser.add_argument("--comm", type=_comm, default=b"", metavar="NAME", help="threads of exactly this name only")
    parser.add_argument("--cgroup", type=_number, default=0, metavar="ID", help="this cgroup only, by its id")
    parser.add_argument(
        "--min-length", type=_number, default=0, metavar="BYTES", help="calls of so many bytes or more only"
    )
    parser.add_argument(
        "--leave-out",
        type=_number,
        action="append",
        default=[],
        metavar="PID",
        help="leave this process out, as the memtap that reads the lines; may be repeated",
    )
    parser.set_defaults(run=run)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 1 << 63:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give one from 1 to 2^63 - 1")
    return int(text)


def _comm(text: str) -> bytes:
    comm = os.fsencode(text)
    if not 1 <= len(comm) <= _COMM_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r}: a name has 1 to {_COMM_BYTES} bytes, this one {len(comm)}")
    return comm


def run(args: argparse.Namespace) -> int:
    """Until SIGINT, SIGTERM, or the end of who reads. Nothing that was started is left behind."""
    with stop_on_signals() as stop:
        filters = Filters(args.pid, args.comm, args.cgroup, args.min_length)
        tap = choose(args.tap, leave_out=(os.getpid(), *args.leave_out), filters=filters, say=_say)
        if not tap.argv:
            raise UsageError(f"tap {args.tap!r}: its lines are there already; use memtap ingest to store them")
        _say(f"{'NOTE: ' if tap.recording else ''}{tap.message}")
        process = _start(tap)
        try:
            stop.then(lambda: _signal(process, signal.SIGTERM))
            status = _wait(process, stop.event)
        finally:
            _signal(process, signal.SIGKILL)
            process.wait()
    if status in (0, -signal.SIGPIPE) or stop:
        return 0
    raise TapError(f"tap {tap.name} ended by itself, with {_described(status)}; what it said is above")


def _start(tap: Tap) -> subprocess.Popen[bytes]:
    """The tap's command, which writes to our standard output by itself."""
    try:
        process = subprocess.Popen(
            exec_tap.wrapped(tap.argv, death_signal=tap.death_signal, mount_tracefs=tap.needs_tracefs),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", **tap.env},
            start_new_session=True,  # a terminal's Ctrl-C comes to us alone
        )
    except OSError as error:
        raise TapError(f"tap {tap.name} cannot be started: {error}") from None
    stderr = cast("IO[bytes]", process.stderr)
    threading.Thread(target=_show, args=(stderr, tap.harmless), name="tap stderr", daemon=True).start()
    return process


def _show(stderr: IO[bytes], harmless: str) -> None:
    with stderr:
        for line in stderr:
            shown = names.display(line.strip())
            if shown and not (harmless and harmless in shown):
                _say(shown)


def _wait(process: subprocess.Popen[bytes], stopping: threading.Event) -> int:
    """Its exit status, negative for a signal: SIGPIPE too where nobody reads any more.

    Once stopping, it has `GRACE_S`."""
    output, gone = select.poll(), False
    output.register(sys.stdout.fileno(), 0)  # tells of POLLERR alone: the tap itself would learn it at its next line
    while not stopping.is_set() and not gone:
        try:
            return process.wait(0.1)
        except subprocess.TimeoutExpired:
            gone = bool(output.poll(0))
    if gone:
        _signal(process, signal.SIGTERM)
    try:
        status = process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        status = -signal.SIGKILL
    return -signal.SIGPIPE if gone else status


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the command and all that it started, while its pid is surely its own."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):  # the signal came while it was being waited for
            os.killpg(process.pid, number)


def _described(status: int) -> str:
    return f"signal {-status} ({signal.strsignal(-status)})" if status < 0 else f"exit status {status}"


def _say(line: str) -> None:
    print(f"memtap: {line}", file=sys.stderr, flush=True)
