"""Tables cut into partitions by time: made before they are needed, dropped whole when nothing in them is kept.

The last partition, `latest`, takes whatever comes: LOAD DATA LOCAL drops a row that fits none without a word. Between
the partitions of the hours to come and that one lie a few more, each three times as far ahead as the one before. All of
them are there from the beginning; later, partitions are cut off those ahead.

Only an empty partition is ever cut. MariaDB (10.11.19, and who knows since when) loses every row of the partitions that
REORGANIZE PARTITION rewrites where the connection is killed or the server shut down at a bad moment: in one of five
tries. So it is looked at once more right before; for a row that another memtap puts there within that millisecond, it
takes such a kill, too. Where a clock that was ahead has put calls into one of the far partitions, that one stays as it
is: what comes before its time and after it has partitions of its own as ever, and what comes in it is dropped later, by
twice as much as the clock was ahead at most.

Of the table itself, cutting and dropping one need the lock that a transaction holds which has used the table, for 15
to 100 ms, longer on a machine that is busy. They do not wait for it: whoever waits makes all wait who come after. So
they are tried where a gap between two batches begins, and again a little later.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from memtap.errors import StoreAway
from memtap.stores.mysql.session import Session

TRIES = 40
PAUSE_S = 0.01
AT_ONCE = 4  # partitions of the usual length
FURTHER = 3
FARTHEST_S = 12 * 366 * 86_400  # what a clock may be ahead, at least, without filling `latest`
FIRST_SPAN_S = 3600

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
        there is something in it already."""
        present, *later = [part for part in self.all(session) if part.end is None or part.end > now_s * self.unit]
        first_s = now_s - now_s % span_s
        for part in (present, *later[:1]):
            end_s = None if part.end is None else part.end // self.unit
            too_long = end_s is None or end_s > first_s + 3 * span_s
            if too_long and self._is_empty(session, part):
                self._cut(session, between, part, cuts(first_s, end_s, span_s))
                return
            if end_s is not None:
                first_s = end_s

    def _cut(self, session: Session, between: Between, part: Partition, ends_s: list[int]) -> None:
        """One cut at a time, the nearest first, what is left keeping its name: each file takes its time."""
        last = "MAXVALUE" if part.end is None else f"({part.end})"

        def cut(end_s: int) -> None:
            if self._is_empty(session, part):
                made = f"{_made([end_s], self.unit)}, PARTITION `{part.name}` VALUES LESS THAN {last}"
                session.run(f"ALTER TABLE {self.table} REORGANIZE PARTITION `{part.name}` INTO ({made})")

        for end_s in ends_s:
            self._in_a_gap(session, between, partial(cut, end_s))

    def drop(self, session: Session, between: Between, parts: list[Partition]) -> None:
        for part in parts:
            drop = f"ALTER TABLE {self.table} DROP PARTITION `{part.name}`"
            self._in_a_gap(session, between, partial(session.run, drop))

    def _is_empty(self, session: Session, part: Partition) -> bool:
        return not session.rows(f"SELECT 1 FROM {self.table} PARTITION (`{part.name}`) LIMIT 1")  # noqa: S608

    def _in_a_gap(self, session: Session, between: Between, work: Callable[[], object]) -> None:
        # 0: not at all. MySQL, which knows no less than a second, takes it for 1.
        session.run("SET SESSION lock_wait_timeout = 0")
        for left in reversed(range(TRIES)):
            try:
                between(work)
                return
            except StoreAway:  # somebody reads or writes just now
                if not left or session.lost:
                    raise
                time.sleep(PAUSE_S * (1 + random.random()))  # noqa: S311


def first_partitions(now_s: int, unit: int) -> str:
    """Of a new table, in SQL: one of all the past, and what `make_ahead` would want."""
    hour_s = now_s - now_s % FIRST_SPAN_S
    ends = [hour_s, *cuts(hour_s, None, FIRST_SPAN_S)]
    return f"{_made(ends, unit)}, PARTITION latest VALUES LESS THAN MAXVALUE"


def _made(ends_s: list[int], unit: int) -> str:
    return ", ".join(f"PARTITION p{end} VALUES LESS THAN ({end * unit})" for end in ends_s)


def cuts(first_s: int, end_s: int | None, span_s: int) -> list[int]:
    """Where to cut the time from `first_s` to `end_s` (None: without an end): some partitions of `span_s`, and then
    each three times as far ahead as the one before."""
    ahead = [span_s * n for n in range(1, AT_ONCE + 1)]
    while ahead[-1] < FARTHEST_S:
        ahead.append(ahead[-1] * FURTHER)
    return [first_s + s for s in ahead if end_s is None or first_s + s < end_s]
