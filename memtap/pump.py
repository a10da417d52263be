"""The pump: from a ring or a file through the parser to the loader, batch by batch, in the caller's thread."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from math import inf

from memtap.loader import Draft, Loader
from memtap.native import File, Parser, Ring
from memtap.spool.record import span_us
from memtap.stores.streams import Loss

FILE_ROWS = 122_880  # a row group of DuckDB; 11 MB of LOAD DATA text: more is no faster
FILE_ROWS_LEAST = FILE_ROWS // 4  # with fewer, what each batch costs by itself begins to count
STORE_S = 2.0  # that a batch of a file may take: longer transactions hold up others and are longer to repeat
LIVE_ROWS = 65_536
LIVE_FLUSH_S = (0.5, 1.0)  # how long a live call waits before it is handed to the loader: the least, the most
STORE_PART = 0.05  # of its time in which a store may be busy with batches before they become fewer and larger
TICK_MS = 100


class Pump:
    """Seals a batch when it is full, when the flush interval has passed, and at the end of a stream."""

    def __init__(
        self,
        parser: Parser,
        loader: Loader,
        *,
        flush_s: tuple[float, float] | None,
        base: int = 0,
        live: bool = False,
    ) -> None:
        """`flush_s`: the least and the most that a call waits; None seals full batches only (a file). `base`: the
        offset at which the source was opened. `live`: it keeps the newest call's time and how many there were by name,
        which is one more look at each."""
        self.parser = parser
        self.loader = loader
        self._flush_s = flush_s
        self._base = base
        self._live = live
        self._lines = 0
        self._rejected = 0
        self._notices = 0
        self._dropped = 0
        self._losses: list[Loss] = []
        self.newest_us = 0  # live: no call sealed so far was later, wherever the clock stood
        self.calls: Counter[str] = Counter()  # live: by name, sealed since it began

    def add_loss(self, loss: Loss) -> None:
        """Stored with the next batch. From the pump's own thread."""
        self._losses.append(loss)

    def run(
        self,
        source: Ring | File,
        *,
        on_tick: Callable[[], None],
        check: Callable[[int], bytes] = lambda _: b"",
        interrupted: Callable[[], object] = lambda: False,
    ) -> None:
        """Until the source's end. `on_tick` comes every 100 ms or so; `check(offset)` is stored with each batch. A last
        line without an end is rejected, unless the stream was `interrupted` and will be continued in that line."""
        self._dropped = 0
        sealed = time.monotonic()
        while True:
            outcome = self.parser.pull(source, TICK_MS)
            if isinstance(source, Ring):
                self._see_dropped(source)
            if outcome == "ended" and not interrupted():
                self.parser.finish(source)
            now = time.monotonic()
            due = now - sealed >= self._interval_s()
            if outcome != "waiting" or due:
                self._seal(check)
                sealed = now
            on_tick()
            if outcome == "ended":
                return

    def flush(self) -> None:
        """Seals what waits, whatever is full or due."""
        self._seal(lambda _: b"")
        if self.loader.owes:  # what there was no room for; there is room for a batch without calls
            self.loader.submit(Draft(self.parser.seal(), 0, 0, 0))

    def _rows_in_time(self) -> int:
        """As many as the store took lately in the time that a batch is to take."""
        wanted = self.loader.rows_per_s * STORE_S if self.loader.rows_per_s else FILE_ROWS
        rows = FILE_ROWS
        while rows > max(wanted, FILE_ROWS_LEAST):
            rows //= 2
        return rows

    def _interval_s(self) -> float:
        """Between two batches: the longer, the longer the store takes for one, within bounds."""
        if self._flush_s is None:
            return inf
        least, most = self._flush_s
        if self.loader.store_error:
            return most
        return min(max(least, self.loader.store_s / STORE_PART), most)

    def _see_dropped(self, ring: Ring) -> None:
        if lines := ring.dropped_lines - self._dropped:
            self._dropped += lines
            detail = f"the parser fell behind: {lines} lines found no room in {ring.capacity} bytes"
            self._losses.append(Loss(time.time_ns() // 1000, "ring", lines, detail))

    def _seal(self, check: Callable[[int], bytes]) -> None:
        parser = self.parser
        if parser.lines == self._lines and not self._losses and not self.loader.owes:
            return
        events = parser.seal()
        if self._live:
            self.calls.update(events.counts())
            self.newest_us = max(self.newest_us, span_us(events)[1])
        offset = self._base + parser.consumed
        now_us = time.time_ns() // 1000
        told = [Loss(at or now_us, "tap", lost, "the tap says it lost them") for at, lost in events.losses]
        draft = Draft(
            events=events,
            lines=parser.lines - self._lines,
            rejected=parser.rejected - self._rejected,
            notices=parser.notices - self._notices,
            offset=offset,
            check=check(offset),
            losses=(*self._losses, *told),
        )
        self._losses.clear()
        if self._flush_s is None:
            parser.rows = self._rows_in_time()
        self._lines, self._rejected, self._notices = parser.lines, parser.rejected, parser.notices
        self.loader.submit(draft)
