"""Processes that have ended. Format 1 does not say so; `/proc` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from memtap.host import live_pids

INTERVAL_S = 1.0


class Reaper:
    """Tells once of each pid that was seen to make calls and is no longer in `/proc`.

    It must be missing twice in a row: by then its last lines have come through the pipe, and what comes later under
    the same pid is another process's.
    """

    def __init__(self, on_ended: Callable[[tuple[int, ...]], None]) -> None:
        self._on_ended = on_ended
        self._known: set[int] = set()
        self._missing: set[int] = set()
        self._looked = time.monotonic()

    def hear(self, pids: Iterable[int]) -> None:
        """These made calls."""
        self._known.update(pids)

    def look(self) -> None:
        """Looks at `/proc`, at most once a second."""
        if time.monotonic() - self._looked < INTERVAL_S:
            return
        missing = self._known - live_pids()
        if gone := missing & self._missing:
            self._known -= gone
            self._on_ended(tuple(sorted(gone)))
        self._missing = missing - gone
        self._looked = time.monotonic()

    def all_ended(self) -> None:
        """None of the known processes lives any more."""
        if self._known:
            self._on_ended(tuple(sorted(self._known)))
        self._known.clear()
        self._missing.clear()
