"""Who may be in a transaction: a writer's, or the housekeeping that wants the gap between two batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, get_ident

LONGEST_GAP_S = 1.5  # between two batches of a live tap; a longer one is waited for no longer
GAPS = 4  # the latest ones: how long the next may be


class Gate:
    """Writers' transactions pass together; the housekeeper alone, and the next transaction lets it go first."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._writers = 0
        self._held = False
        self._left_s = 0.0  # monotonic: when the last one left
        self._writer = 0  # the thread of the last one that entered
        self._gaps: deque[float] = deque(maxlen=GAPS)

    def enter(self, *, again: bool = False) -> None:
        """`again`: by a writer that has a transaction inside already, which may wait for this one."""
        with self._changed:
            self._changed.wait_for(lambda: again or not self._held)
            if not self._writers:
                self._gaps.append(time.monotonic() - self._left_s)
            self._writers += 1
            self._writer = get_ident()
            self._changed.notify_all()

    def leave(self) -> None:
        with self._changed:
            self._writers -= 1
            self._left_s = time.monotonic()
            self._changed.notify_all()

    @contextmanager
    def writing(self, *, again: bool = False) -> Iterator[None]:
        self.enter(again=again)
        try:
            yield
        finally:
            self.leave()

    def between(self, work: Callable[[], object], patience_s: float = 5.0) -> None:
        """Runs `work` where a gap between transactions begins, so that the next one is as far away as can be; at once
        where none is expected, and at any time where there is no gap for so long: a writer may wait for a server that
        does not answer."""
        with self._changed:
            self._changed.wait_for(lambda: self._writers, self._expected_s())
            self._held = True
            self._changed.wait_for(lambda: not self._writers, patience_s)
        try:
            work()
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()

    def _expected_s(self) -> float:
        """How long the next transaction may be away: as long as the gaps before were, if that time is not over."""
        if self._writer == get_ident():
            return 0.0  # whoever keeps house writes nothing meanwhile
        gap_s = min(max(self._gaps, default=0.0), LONGEST_GAP_S)
        left_s = gap_s - (time.monotonic() - self._left_s)
        return left_s + 0.2 * gap_s if left_s > 0 else 0.0
