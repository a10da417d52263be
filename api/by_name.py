"""Processes summed by their name: metrics must not grow with pids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtap.names import display

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtap.stores.contract import ProcessRow

OTHER = "other"
"""What stands for the names beyond the top. `by_name` never gives it to a process: one that is called so is counted
among the others, so that no name can pass for the sum of all the others, or make a series twice."""


@dataclass(slots=True)
class NameSums:
    """Of all processes with one name. Bytes."""

    name: str  # as memtap.names.display shows it
    requested: int = 0
    released: int = 0
    balance: int = 0  # of those that live, as are the next two: an ended process holds nothing
    vm: int | None = None  # None where no tap has said
    resident: int | None = None
    failed: int | None = None  # calls

    def add(self, row: ProcessRow) -> None:
        self.requested += row.requested
        self.released += row.released
        if row.uid is not None:  # format 2: else nobody has said what came of its calls
            self.failed = (self.failed or 0) + row.failed
        if row.ended_us is not None:
            return
        self.balance += row.balance
        if row.vm is not None:
            self.vm = (self.vm or 0) + row.vm
        if row.resident is not None:
            self.resident = (self.resident or 0) + row.resident


def by_name(rows: Iterable[ProcessRow], top: int) -> list[NameSums]:
    """The `top` names by requested bytes, most first, and OTHER for the processes of the rest, where there are any."""
    rows = list(rows)
    requested: dict[bytes, int] = {}
    for row in rows:
        requested[row.name] = requested.get(row.name, 0) + row.requested
    eligible = (name for name in requested if name != OTHER.encode())
    chosen = sorted(eligible, key=lambda name: (-requested[name], name))[:top]
    sums = {name: NameSums(display(name)) for name in chosen}
    other = NameSums(OTHER)
    for row in rows:
        sums.get(row.name, other).add(row)
    return [*sums.values(), other] if len(requested) > len(sums) else list(sums.values())
