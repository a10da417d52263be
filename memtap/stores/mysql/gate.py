"""Who may be in a transaction: a writer, or the housekeeping that wants the gap between two of its batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition


class Gate:
    """Writers pass together; the housekeeper alone, and the next writer lets it go first."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._writers = 0
        self._waiting = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)
            self._writers += 1
        try:
            yield
        finally:
            with self._changed:
                self._writers -= 1
                self._changed.notify_all()

    def between(self, work: Callable[[], object], patience_s: float = 5.0) -> None:
        """Runs `work` in a gap between transactions, or at any time where there is none for so long: a writer may wait
        for a server that does not answer."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writers, patience_s)
            self._waiting = True
        try:
            work()
        finally:
            with self._changed:
                self._waiting = False
                self._changed.notify_all()
