"""A tap's command as a process: started, signalled, waited for. Once by whoever may, see `memtap.taps.keeper`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from memtap.taps import exec_tap

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtap.taps.tap import Tap

_FIRST_PIPE_BYTES = 1 << 16  # what the kernel gives, and never worth shrinking below


class Child(Protocol):
    """Safe to signal from any thread; `reap` is called once."""

    pid: int
    stdout: int  # the reading ends of its pipes, the holder's to close
    stderr: int

    def signal(self, number: int) -> None:
        """Send a signal to the command and to all that it started."""
        ...

    def is_dead(self) -> bool: ...

    def reap(self) -> int:
        """Kill what is left of it, and return the command's exit status (negative: the signal that ended it)."""
        ...


Launch: TypeAlias = "Callable[[Tap], Child]"
"""Starts a tap's command. Raises OSError where it cannot be started."""


class OwnChild:
    """A child of this process, in a session of its own.

    Start it from a thread that outlives it: the kernel ties its life to that thread. Raises OSError where it cannot
    be started.
    """

    def __init__(self, tap: Tap) -> None:
        self._reaping = threading.Lock()  # a pid may be signalled only while nobody has waited for it
        with contextlib.ExitStack() as on_error, contextlib.ExitStack() as ours:
            self.stdout, out = _pipe(on_error, ours)
            self.stderr, err = _pipe(on_error, ours)
            enlarge_pipe(self.stdout)
            self._process = subprocess.Popen(
                exec_tap.wrapped(tap.argv, death_signal=tap.death_signal, mount_tracefs=tap.needs_tracefs),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "LC_ALL": "C", **tap.env},
                start_new_session=True,
            )
            on_error.pop_all()
        self.pid = self._process.pid

    def signal(self, number: int) -> None:
        with self._reaping:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)

    def is_dead(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def reap(self) -> int:
        # while the command has not been waited for, its process group cannot belong to anybody else
        self.signal(signal.SIGKILL)
        with self._reaping:
            return self._process.wait()


def _pipe(on_error: contextlib.ExitStack, ours: contextlib.ExitStack) -> tuple[int, int]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    on_error.callback(os.close, reading)
    ours.callback(os.close, writing)
    return reading, writing


def enlarge_pipe(fd: int) -> int:
    """Make the pipe as big as this process may, so that its reader may pause. Returns its size in bytes."""
    try:
        size = int(Path("/proc/sys/fs/pipe-max-size").read_text())
    except OSError:
        size = 1 << 20  # the kernel's own default for it
    while size > _FIRST_PIPE_BYTES:
        try:
            return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, size)
        except OSError:  # the user's pipes hold too many pages together
            size //= 2
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
