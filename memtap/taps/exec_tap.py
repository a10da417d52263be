"""Turns itself into a tap's command: `python -I -S exec_tap.py PARENT SIGNAL OPTIONS COMMAND…`.

Runs between fork and exec, as a program of its own, because Python code there (`preexec_fn`) may deadlock
in a process with threads. Imports nothing of memtap.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

SELF = "@self"
"""In a tap's command: the pid of the command itself."""

EPOCH = "@epoch"
"""In a tap's command: nanoseconds from this machine's boot to the epoch, by its clocks as the command starts."""

TRACEFS = "/sys/kernel/tracing"

_MOUNT, _BATCHES = "mount", "batches"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CLONE_NEWNS = 0x00020000  # linux/sched.h
_MS_REC_PRIVATE = 0x4000 | 0x40000  # linux/mount.h


def wrapped(
    command: Sequence[str], *, death_signal: int, mount_tracefs: bool, run_in_batches: bool = True
) -> list[str]:
    """The command that becomes `command`, bound to the life of the thread that starts it."""
    wishes = {_MOUNT: mount_tracefs, _BATCHES: run_in_batches}
    options = ",".join(name for name, wished in wishes.items() if wished)
    # -I -S: no site, nothing from the environment or the current directory: starts in a few milliseconds
    python = [sys.executable, "-I", "-S", __file__]
    return [*python, str(os.getpid()), str(int(death_signal)), options, *command]


def die_with(parent: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when the thread that started this process ends."""
    _call("prctl", _PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the request
        os.kill(os.getpid(), death_signal)


def mount_tracefs() -> None:
    """Mount tracefs for this process alone: the host's mounts stay as they are."""
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/sys", None, _MS_REC_PRIVATE, None)  # what is mounted below it stays here
    _call("mount", b"tracefs", TRACEFS.encode(), b"tracefs", 0, None)


def run_in_batches() -> None:
    """Do not interrupt, once an event, those whose calls are watched: a tap that waits for its turn finds many events
    at a time. It keeps its share of the CPU, so this costs milliseconds and loses nothing."""
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # a sandbox may refuse: then it works as any other process
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _call(function: str, *arguments: int | bytes | None) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, f"{function}: {os.strerror(error)}")


def main(argv: list[str]) -> NoReturn:
    parent, death_signal, options, *command = argv
    try:
        die_with(int(parent), int(death_signal))
        if _MOUNT in options.split(","):
            mount_tracefs()
        if _BATCHES in options.split(","):
            run_in_batches()
        # Python ignores SIGPIPE and a shell's background jobs ignore SIGINT; both would pass through exec
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        epoch_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        told = {SELF: str(os.getpid()), EPOCH: str(epoch_ns)}
        words = [told.get(word, word) for word in command]
        os.execvp(words[0], words)  # noqa: S606 - an argument list of our own, never a shell
    except OSError as error:
        sys.exit(f"cannot start {command[0]}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
