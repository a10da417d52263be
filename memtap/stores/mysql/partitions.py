"""Tables cut into partitions by time: made before they are needed, dropped whole when nothing in them is kept.

The last partition, `latest`, takes whatever comes: LOAD DATA LOCAL drops a row that fits none without a word. Between
the partitions of the hours to come and that one lie a few more, each three times as far ahead as the one before. A
partition is only cut while it is as good as empty: that moves no row and takes 50 to 150 ms. The calls of a clock that
was ahead fill one of the far ones, which then stays as it is: what comes before its time and after it has partitions of
its own as ever, and what comes in it is dropped later, by twice as much as the clock was ahead at most.

Of the table itself, cutting and dropping need the lock that a transaction holds which has used the table. They do not
wait for it: whoever waits makes all wait who come after. So they are tried where a gap between two batches begins, and
again a little later.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from memtap.errors import StoreAway
from memtap.stores.mysql.session import Session

TRIES = 40
PAUSE_S = 0.01
AT_ONCE = 4  # partitions of the usual length: one more takes little longer
FURTHER = 3
FARTHEST_S = 12 * 366 * 86_400  # what a clock may be ahead, at least, without filling `latest`
STRAYS = 2000  # rows that cutting a partition may move: those of a clock that was ahead

Between = Callable[[Callable[[], object]], None]
"""Runs what it is given while no writer of this process is in a transaction."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One part of a table: all before `end`, in the unit of its time, that no partition before it has."""

    name: str
    end: int | None  # None: no end
    bytes: int  # by the server's own statistics


class Partitions:
    """The partitions of one table. `unit`: of its time column, in one second."""

    def __init__(self, table: str, unit: int) -> None:
        self.table = table
        self.unit = unit

    def all(self, session: Session) -> list[Partition]:
        """Oldest first."""
        rows = session.rows(
            "SELECT partition_name, partition_description, data_length + index_length"
            " FROM information_schema.partitions WHERE table_schema = DATABASE() AND table_name = ?"
            " ORDER BY partition_ordinal_position",
            [self.table],
        )
        return [Partition(name, None if end == "MAXVALUE" else int(end), int(size or 0)) for name, end, size in rows]

    def make_ahead(self, session: Session, between: Between, now_s: int, span_s: int) -> None:
        """There is a partition for the present and one for what comes next, neither much longer than `span_s` unless
        it is full already."""
        present, *later = [part for part in self.all(session) if part.end is None or part.end > now_s * self.unit]
        first_s = now_s - now_s % span_s
        for part in (present, *later[:1]):
            end_s = None if part.end is None else part.end // self.unit
            too_long = end_s is None or end_s > first_s + 3 * span_s
            if too_long and self._is_as_good_as_empty(session, part):
                self._cut(session, between, part, cuts(first_s, end_s, span_s))
                return
            if end_s is not None:
                first_s = end_s

    def _cut(self, session: Session, between: Between, part: Partition, ends_s: list[int]) -> None:
        made = [f"PARTITION p{end} VALUES LESS THAN ({end * self.unit})" for end in ends_s]
        last = "MAXVALUE" if part.end is None else f"({part.end})"
        made.append(f"PARTITION `{part.name}` VALUES LESS THAN {last}")
        self._alter(session, between, f"REORGANIZE PARTITION `{part.name}` INTO ({', '.join(made)})")

    def drop(self, session: Session, between: Between, parts: list[Partition]) -> None:
        self._alter(session, between, f"DROP PARTITION {', '.join(f'`{part.name}`' for part in parts)}")

    def _is_as_good_as_empty(self, session: Session, part: Partition) -> bool:
        found = session.rows(f"SELECT 1 FROM {self.table} PARTITION (`{part.name}`) LIMIT {STRAYS + 1}")  # noqa: S608
        return len(found) <= STRAYS

    def _alter(self, session: Session, between: Between, what: str) -> None:
        # 0: not at all. MySQL, which knows no less than a second, takes it for 1.
        session.run("SET SESSION lock_wait_timeout = 0")
        for left in reversed(range(TRIES)):
            try:
                between(lambda: session.run(f"ALTER TABLE {self.table} {what}"))
                return
            except StoreAway:  # somebody reads or writes just now
                if not left or session.lost:
                    raise
                time.sleep(PAUSE_S * (1 + random.random()))  # noqa: S311


def cuts(first_s: int, end_s: int | None, span_s: int) -> list[int]:
    """Where to cut the time from `first_s` to `end_s` (None: without an end): some partitions of `span_s`, and then
    each three times as far ahead as the one before."""
    ahead = [span_s * n for n in range(1, AT_ONCE + 1)]
    while ahead[-1] < FARTHEST_S:
        ahead.append(ahead[-1] * FURTHER)
    return [first_s + s for s in ahead if end_s is None or first_s + s < end_s]
