"""A tap's command while it runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, cast

from memtap import names
from memtap.taps import exec_tap
from memtap.taps.complaints import loss_in

if TYPE_CHECKING:
    from memtap.stores.contract import Loss
    from memtap.taps.tap import Tap

_STDERR_LINES = 20
_STDERR_LINE_BYTES = 500  # a longer line is cut: people read these
_FIRST_PIPE_BYTES = 1 << 16  # what the kernel gives, and never worth shrinking below


class TapProcess:
    """One run of a tap's command, in a session of its own, its output in `fd`.

    Start it from a thread that outlives it: the kernel ties its life to that thread. Raises OSError where
    it cannot be started.
    """

    def __init__(self, tap: Tap) -> None:
        self._harmless = tap.harmless
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self.losses: list[Loss] = []  # that its stderr told of
        self._reaping = threading.Lock()  # a pid may be signalled only while nobody has waited for it
        self.fd, writing = os.pipe2(os.O_CLOEXEC)
        try:
            enlarge_pipe(self.fd)
            self._process = subprocess.Popen(
                exec_tap.wrapped(tap.argv, death_signal=tap.death_signal, mount_tracefs=tap.needs_tracefs),
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C", **tap.env},
                start_new_session=True,
            )
        except BaseException:
            os.close(self.fd)
            raise
        finally:
            os.close(writing)
        self.pid = self._process.pid
        self._collector = threading.Thread(target=self._collect, name="tap stderr", daemon=True)
        self._collector.start()

    def await_output(self, timeout_s: float | None) -> Literal["bytes", "end", "nothing"]:
        """What came first within the time (None: any time): bytes to read, the end, or nothing."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        events = poll.poll(None if timeout_s is None else timeout_s * 1000)
        if not events:
            return "nothing"
        return "bytes" if events[0][1] & select.POLLIN else "end"

    def stderr(self) -> tuple[str, ...]:
        """The last lines it wrote to stderr, safe to print."""
        return tuple(self._stderr)

    def signal(self, number: int) -> None:
        """Send a signal to the command and to all that it started."""
        with self._reaping:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)

    def end(self, grace_s: float) -> int:
        """Wait for the command's own end, kill what is left of it then, and return its exit status
        (negative: the signal that ended it). Closes `fd`."""
        deadline = time.monotonic() + grace_s
        while not self._is_dead() and time.monotonic() < deadline:
            time.sleep(0.01)
        # while the command has not been waited for, its process group cannot belong to anybody else
        self.signal(signal.SIGKILL)
        with self._reaping:
            status = self._process.wait()
        self._collector.join(timeout=1)
        os.close(self.fd)
        return status

    def _is_dead(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _collect(self) -> None:
        with cast("IO[bytes]", self._process.stderr) as stream:
            while line := stream.readline(_STDERR_LINE_BYTES):
                shown = names.display(line.strip())
                if shown and not (self._harmless and self._harmless in shown):
                    self._stderr.append(shown)
                if loss := loss_in(shown, time.time_ns() // 1000):
                    self.losses.append(loss)


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
