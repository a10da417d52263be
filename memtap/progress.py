"""Progress of long work: one line on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress


def _bar(size_bytes: int | None) -> Progress:
    """rich is loaded where somebody looks: that takes longer than parsing a million lines."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.fields[calls]} calls"),
        BarColumn(bar_width=30),
        *([TaskProgressColumn()] if size_bytes else []),
        TextColumn("{task.fields[rate]}"),
        *([TimeRemainingColumn()] if size_bytes else []),
        TextColumn("{task.fields[note]}", style="yellow"),
        console=Console(file=sys.stderr),
        transient=True,
    )


class IngestProgress:
    """How far a file is read, and how fast. `size_bytes` None: nobody knows how much there is."""

    def __init__(self, size_bytes: int | None) -> None:
        self._progress = _bar(size_bytes) if sys.stderr.isatty() else None
        if self._progress:
            self._task = self._progress.add_task("", total=size_bytes, calls="0", rate="", note="")

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress:
            self._progress.stop()

    def show(self, offset: int, calls: int, seconds: float, note: str) -> None:
        if self._progress:
            rate = f"{calls / seconds / 1e6:.2f} M calls/s" if seconds > 0 else ""
            self._progress.update(self._task, completed=offset, calls=f"{calls:,}", rate=rate, note=note)
