"""A tap's command while it runs."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Literal

from memtap import names
from memtap.taps.child import OwnChild
from memtap.taps.complaints import loss_in

if TYPE_CHECKING:
    from memtap.stores.contract import Loss
    from memtap.taps.child import Launch
    from memtap.taps.tap import Tap

_STDERR_LINES = 20
_STDERR_LINE_BYTES = 500  # a longer line is cut: people read these


class TapProcess:
    """One run of a tap's command, its output in `fd`. Raises OSError where it cannot be started.

    Start it from a thread that outlives it: the kernel may tie its life to that thread.
    """

    def __init__(self, tap: Tap, launch: Launch = OwnChild) -> None:
        self._harmless = tap.harmless
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self.losses: list[Loss] = []  # that its stderr told of
        self._child = launch(tap)
        self.fd, self.pid = self._child.stdout, self._child.pid
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
        self._child.signal(number)

    def end(self, grace_s: float) -> int:
        """Wait for the command's own end, kill what is left of it then, and return its exit status
        (negative: the signal that ended it). Closes `fd`."""
        deadline = time.monotonic() + grace_s
        while not self._child.is_dead() and time.monotonic() < deadline:
            time.sleep(0.01)
        status = self._child.reap()
        self._collector.join(timeout=1)
        os.close(self.fd)
        return status

    def _collect(self) -> None:
        with os.fdopen(self._child.stderr, "rb") as stream:
            while line := stream.readline(_STDERR_LINE_BYTES):
                shown = names.display(line.strip())
                if shown and not (self._harmless and self._harmless in shown):
                    self._stderr.append(shown)
                if loss := loss_in(shown, time.time_ns() // 1000):
                    self.losses.append(loss)
