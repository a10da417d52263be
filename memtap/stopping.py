"""SIGINT and SIGTERM ask for a clean end; whoever works finds its own way there."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Event


class SignalEvent(Event):
    """An event that a signal handler may set: a plain one's lock may be held by the very wait that it interrupts."""

    def __init__(self) -> None:
        super().__init__()
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._came = False

    def is_set(self) -> bool:
        return self._came

    def set(self) -> None:
        self._came = True
        self._wakes.put(None)  # SimpleQueue may be re-entered

    def wait(self, timeout: float | None = None) -> bool:
        """For one thread."""
        if not self._came:
            with suppress(Empty):
                self._wakes.get(timeout=timeout)
        return self._came


class Stop:
    """Whether a signal has come, and which."""

    def __init__(self) -> None:
        self.event = SignalEvent()
        self.signal = ""
        self._actions: list[Callable[[], object]] = []

    def __bool__(self) -> bool:
        return bool(self.signal)

    def then(self, action: Callable[[], object]) -> None:
        """Do this when a signal comes; at once if it has."""
        self._actions.append(action)
        if self:
            action()

    def come(self, number: int, _frame: object) -> None:
        self.signal = signal.Signals(number).name
        self.event.set()
        for action in self._actions:
            action()


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """For the main thread."""
    stop = Stop()
    before = {number: signal.signal(number, stop.come) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
