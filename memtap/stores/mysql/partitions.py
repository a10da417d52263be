"""Tables cut into partitions by time: made before they are needed, dropped whole when nothing in them is kept.

The last partition, `latest`, takes whatever comes (LOAD DATA LOCAL drops a row that fits none without a word) and is
empty as long as there is another one for the present: then splitting it moves no row and takes some 50 ms. Of the
table itself, both need the lock that a transaction holds which has used the table. They do not wait for it: whoever
waits makes all wait who come after. So they are tried in a gap between two batches, and again a little later.
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
STRAYS = 2000  # rows of `latest` that splitting it may move: those of a clock that was ahead

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
        """There is a partition for the present and one for what comes next, neither much longer than `span_s`."""
        parts = self.all(session)
        begin = now_s - now_s % span_s
        ends = [begin + span_s, begin + 2 * span_s]
        known = [part.end // self.unit for part in parts if part.end is not None and part.end > now_s * self.unit]
        if known and known[0] <= now_s + 2 * span_s:  # the present has its own
            ends = [end for end in ends if end > known[-1]] if known[-1] < begin + span_s or len(known) == 1 else []
            replaced = parts[-1:]
        else:  # it has none, or one that is far too long, which can only be cut while it is as good as empty
            replaced = parts[-1 - len(known) :]
        if not ends or not self._as_good_as_empty(session, replaced):
            return
        made = ", ".join(f"PARTITION p{end} VALUES LESS THAN ({end * self.unit})" for end in ends)
        names = ", ".join(f"`{part.name}`" for part in replaced)
        last = "PARTITION latest VALUES LESS THAN MAXVALUE"
        self._alter(session, between, f"REORGANIZE PARTITION {names} INTO ({made}, {last})")

    def drop(self, session: Session, between: Between, parts: list[Partition]) -> None:
        self._alter(session, between, f"DROP PARTITION {', '.join(f'`{part.name}`' for part in parts)}")

    def _as_good_as_empty(self, session: Session, parts: list[Partition]) -> bool:
        names = ", ".join(f"`{part.name}`" for part in parts)
        found = session.rows(f"SELECT 1 FROM {self.table} PARTITION ({names}) LIMIT {STRAYS + 1}")  # noqa: S608
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
