"""Keeps a tap running: starts it, starts it again with growing pauses, and says what was missed."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memtap.status import TapState, TapStatus
from memtap.stores.contract import Loss
from memtap.taps.child import OwnChild, enlarge_pipe
from memtap.taps.process import TapProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtap.taps.child import Launch
    from memtap.taps.tap import Tap

_QUIET_START_S = 5.0  # a tap alive for so long has begun, even where the machine makes no call
_END_GRACE_S = 0.5  # between the end of a tap's output and its own
_FIFO_LOOK_MS = 100  # how soon a stop is noticed while nobody writes
_BETWEEN_PASSES_S = 0.5  # of a recording: no busy loop, however short it is


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait before a tap is started again."""

    first_s: float = 0.5
    longest_s: float = 30.0
    healthy_s: float = 60.0  # a tap that ran for so long begins again with the first pause

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row, from 1."""
        return float(min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32)))


class Supervisor:
    """Runs a tap until stopped, in a thread of its own. A recording that ends begins again, as a new stream; so does
    what comes through a FIFO with its next writer.

    `on_stream(fd)` is called in that thread for each new stream; it reads until the end of the stream,
    returns, and leaves the descriptor open. `on_gap(loss)` is called in the same thread, between two streams
    or at the end, for each time in which nothing was seen.
    """

    def __init__(
        self,
        tap: Tap,
        *,
        on_stream: Callable[[int], None],
        on_gap: Callable[[Loss], None],
        pauses: Pauses | None = None,
        launch: Launch = OwnChild,
    ) -> None:
        self._tap = tap
        self._on_stream = on_stream
        self._on_gap = on_gap
        self._pauses = pauses or Pauses()
        self._launch = launch
        self._thread = threading.Thread(target=self._run, name=f"tap {tap.name}", daemon=True)
        self._stopping = threading.Event()
        self._process: TapProcess | None = None
        self._state: TapState = "starting"
        self._message = tap.message
        self._stderr: tuple[str, ...] = ()
        self._restarts = 0
        self._failures = 0  # in a row
        # since when nothing is seen (epoch seconds, and by the clock that nobody sets), and why
        self._gap: tuple[float, float, str] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.5) -> bool:
        """End the tap: ask it first, so that it prints what it holds, and kill it at half the time.
        Returns whether its stream has ended within the time. May be called more than once."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_s
        if self._thread.ident is not None:
            self._signal(signal.SIGTERM)
            self._thread.join(timeout_s / 2)
            self._signal(signal.SIGKILL)
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the tap has ended for good, as a file does. Returns whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> TapStatus:
        process = self._process
        return TapStatus(
            name=self._tap.name,
            state=self._state,
            recording=self._tap.recording,
            message=self._message,
            restarts=self._restarts,
            stderr=(process.stderr() if process else ()) or self._stderr,
            left_out=self._tap.left_out,
            gap_since_us=int(gap[0] * 1e6) if (gap := self._gap) else 0,
        )

    def _signal(self, number: int) -> None:
        if process := self._process:
            process.signal(number)

    def _run(self) -> None:
        try:
            if self._tap.argv:
                self._keep_running()
            elif self._tap.fifo:
                self._follow_fifo()
            else:
                self._read_file()
        except BaseException as error:
            self._message = f"memtap stopped reading the tap: {error!r}"
            raise
        finally:
            self._state = "ended"

    def _read_file(self) -> None:
        try:
            fd = 0 if self._tap.path == "-" else os.open(self._tap.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self._message = f"cannot read {self._tap.path!r}: {error.strerror}"
            return
        self._state = "running"
        try:
            self._on_stream(fd)
        finally:
            if fd:
                os.close(fd)

    def _follow_fifo(self) -> None:
        """One writer after another, each a new stream."""
        while not self._stopping.is_set():
            try:
                fd = os.open(self._tap.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                self._message = f"cannot read {self._tap.path!r}: {error.strerror}"
                break
            try:
                if self._writer_came(fd):
                    os.set_blocking(fd, True)
                    enlarge_pipe(fd)
                    self._set_running()
                    self._close_gap()
                    self._on_stream(fd)
                    reason = f"who wrote to {self._tap.path} has gone"
                    self._gap = time.time(), time.monotonic(), reason
                    self._message = f"{reason}; waiting for the next"
                    self._state = "restarting"
                    self._restarts += 1
            finally:
                os.close(fd)
        self._close_gap()

    def _writer_came(self, fd: int) -> bool:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        while not self._stopping.is_set():
            if events := poll.poll(_FIFO_LOOK_MS):
                return bool(events[0][1] & select.POLLIN)
        return False

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            status, reason = self._run_once()
            if self._stopping.is_set():
                break
            if self._tap.recording and status == 0:  # played to its end
                self._stopping.wait(_BETWEEN_PASSES_S)
                continue
            if self._gap is None:
                self._gap = time.time(), time.monotonic(), reason
            if time.monotonic() - started >= self._pauses.healthy_s:
                self._failures = 0
            self._failures += 1
            self._restarts += 1
            pause_s = self._pauses.after(self._failures)
            self._message = f"{reason}; trying again after {pause_s:g} s"
            self._state = "restarting"
            self._stopping.wait(pause_s)
        self._close_gap()

    def _run_once(self) -> tuple[int | None, str]:
        """Start the tap and follow its stream to the end. Returns its exit status, None where it could not be
        started, and what happened, for people."""
        try:
            process = TapProcess(self._tap, self._launch)
        except OSError as error:
            return None, f"{self._tap.name} cannot be started: {error}"
        self._process = process
        if self._stopping.is_set():  # stop() may not have seen the process
            process.signal(signal.SIGTERM)
        try:
            self._await_first_bytes(process)
            self._on_stream(process.fd)
        finally:
            status = process.end(_END_GRACE_S)
            self._stderr = process.stderr() or self._stderr
            self._process = None
            for loss in process.losses:
                self._on_gap(loss)
        return status, f"{self._tap.name} {_describe(status)}"

    def _await_first_bytes(self, process: TapProcess) -> None:
        output = process.await_output(_QUIET_START_S)
        if output == "nothing":
            self._set_running()
            output = process.await_output(None)
        if output == "bytes":
            self._set_running()
            self._close_gap()

    def _set_running(self) -> None:
        self._state = "running"
        self._message = self._tap.message

    def _close_gap(self) -> None:
        if self._gap is None:
            return
        (_, begun, reason), self._gap = self._gap, None
        now = time.time()
        length_s = time.monotonic() - begun
        since = now - length_s
        span = f"from {_utc(since)} to {_utc(now)} ({length_s:.1f} s)"
        time_us, since_us = int(now * 1e6), int(since * 1e6)
        self._on_gap(Loss(time_us, "tap", 0, f"{reason}; nothing was seen {span}", since_us=since_us))


def _describe(status: int) -> str:
    if status < 0:
        return f"was ended by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with exit status {status}"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
