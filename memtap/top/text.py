"""The table as plain text: for a pipe, a log, a person without a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from memtap.top.table import COLUMNS, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtap.top.sources import Sample
    from memtap.top.table import Line


def table(sample: Sample, shown: Sequence[Line], limit: int | None = None) -> str:
    """Columns aligned, the name last, as it is the one of any length."""
    rows = [[column.name for column in COLUMNS]]
    rows += [[column.show(line) for column in COLUMNS] for line in shown[:limit]]
    widths = [max(cell_len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    head = [summary(sample, shown)]
    if sample.note:
        head.append(f"NOTE: {sample.note}")
    return "\n".join([*head, "", *(_line(row, widths) for row in rows), ""])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        " " * (width - cell_len(cell)) + cell if column.numeric else cell + " " * (width - cell_len(cell))
        for cell, width, column in zip(row, widths, COLUMNS, strict=True)
    ]
    return "  ".join(cells).rstrip()
