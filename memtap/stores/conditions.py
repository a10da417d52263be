"""What stored rows must fulfil, as SQL: parts with a `?` for each value, which both stores' drivers take."""

from __future__ import annotations

from collections.abc import Sequence

GREATEST = 2**64 - 1


def marks(values: Sequence[object]) -> str:
    """A `?` for each."""
    return ", ".join("?" * len(values))


class Where:
    """Conditions as SQL, with their values."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self._parts: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, sql: str, *values: object) -> None:
        self._parts.append(sql)
        self.values += values

    def add_least(self, column: str, value: int) -> None:
        """Not less than `value`, of a column of 64 bits: beyond those, MariaDB compares wrongly."""
        if value > GREATEST:
            self.add("1 = 0")
        elif value > 0:
            self.add(f"{column} >= ?", value)

    def add_most(self, column: str, value: int) -> None:
        """Not more than `value`, of a column of 64 bits."""
        if value < 0:
            self.add("1 = 0")
        elif value < GREATEST:
            self.add(f"{column} <= ?", value)

    @property
    def sql(self) -> str:
        return " AND ".join(self._parts) or "1 = 1"


class Conditions(Where):
    """What a call `e` must fulfil."""

    def __init__(self) -> None:
        super().__init__()
        self.rollup = Where()  # what the rollups say of steps with such calls
        self.first_us, self.last_us = 0, GREATEST  # when they were made, both included
        self.every = False  # nothing but their time is asked for
        self.rare = False  # such calls are few among all, so that it is worth asking first

    def within(self, ranges: Sequence[tuple[int, int]]) -> Conditions:
        """And made within one of these times, both ends included."""
        out = Conditions()
        out.values, out._parts = list(self.values), list(self._parts)
        if len(ranges) == 1:
            out.add_least("e.time_us", ranges[0][0])
            out.add_most("e.time_us", ranges[0][1])
        else:
            either = " OR ".join(["(e.time_us >= ? AND e.time_us <= ?)"] * len(ranges))
            out.add(f"({either})", *(time_us for pair in ranges for time_us in pair))
        return out

    @property
    def first_s(self) -> int:
        return self.first_us // 1_000_000

    @property
    def last_s(self) -> int:
        return self.last_us // 1_000_000

    def narrow(self, *, first_us: int = 0, last_us: int = GREATEST) -> None:
        self.first_us, self.last_us = max(self.first_us, first_us), min(self.last_us, last_us)

    def add_first(self, time_us: int) -> None:
        """Not before this time."""
        self.add_least("e.time_us", time_us)
        self.narrow(first_us=time_us)

    def add_last(self, time_us: int) -> None:
        """Not after this time."""
        self.add_most("e.time_us", time_us)
        self.narrow(last_us=time_us)
