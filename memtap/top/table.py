"""What is shown of the processes: columns, order, filter; text that fits and moves no cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from memtap.top.sources import Row, Sample

NO_FIGURE = "-"


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one process since the sample before. Per second."""

    requested: float = 0.0
    calls: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One process as the table knows it."""

    row: Row
    rate: Rate


Value = int | float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `key`: the letter that sorts by it."""

    name: str
    key: str
    value: Callable[[Line], Value]
    show: Callable[[Line], str]
    numeric: bool = True


def bytes_text(size: float | None) -> str:
    """1024-based, at most six characters: "512B", "12.3K", "-4.0G"."""
    if size is None:
        return NO_FIGURE
    sign, size = ("-", -size) if size < 0 else ("", size)
    if size < 1024:
        return f"{sign}{size:.0f}B"
    for unit in "KMGTPEZY":
        size /= 1024
        if size < 999.95 or unit == "Y":
            return f"{sign}{size:.1f}{unit}" if size < 99.95 else f"{sign}{size:.0f}{unit}"
    raise AssertionError


def count_text(count: float | None) -> str:
    return NO_FIGURE if count is None else f"{count:,.0f}"


def _percentage(line: Line) -> str:
    part = line.row.percentage
    return NO_FIGURE if part is None else f"{part:.1f}"


COLUMNS: tuple[Column, ...] = (
    Column("PID", "p", lambda line: line.row.pid, lambda line: str(line.row.pid)),
    Column("USER", "u", lambda line: line.row.user, lambda line: line.row.user or NO_FIGURE, numeric=False),
    Column("VM", "v", lambda line: line.row.vm, lambda line: bytes_text(line.row.vm)),
    Column("RES", "m", lambda line: line.row.resident, lambda line: bytes_text(line.row.resident)),
    Column(
        "BALANCE",
        "b",
        lambda line: line.row.balance,
        lambda line: ("" if line.row.exact else "≈") + bytes_text(line.row.balance),
    ),
    Column("MEM%", "%", lambda line: line.row.percentage, _percentage),
    Column("REQUESTED", "r", lambda line: line.row.requested, lambda line: bytes_text(line.row.requested)),
    Column("RELEASED", "l", lambda line: line.row.released, lambda line: bytes_text(line.row.released)),
    Column("REQ/S", "s", lambda line: line.rate.requested, lambda line: bytes_text(line.rate.requested)),
    Column("CALLS", "c", lambda line: line.row.calls, lambda line: count_text(line.row.calls)),
    Column("CALLS/S", "a", lambda line: line.rate.calls, lambda line: count_text(line.rate.calls)),
    Column("FAILED", "f", lambda line: line.row.failed, lambda line: count_text(line.row.failed)),
    Column("NAME", "n", lambda line: line.row.name, lambda line: line.row.name or '""', numeric=False),
)
BY_KEY: Mapping[str, Column] = {column.key: column for column in COLUMNS}
BY_NAME: Mapping[str, Column] = {column.name.lower(): column for column in COLUMNS}
DEFAULT = BY_NAME["balance"]


def lines(before: Sample | None, now: Sample) -> list[Line]:
    """With rates, where there was a sample before."""
    if before is None or now.at_s <= before.at_s:
        return [Line(row, Rate()) for row in now.rows]
    seconds = now.at_s - before.at_s
    known = {row.id: row for row in before.rows}
    return [Line(row, _rate(known.get(row.id), row, seconds)) for row in now.rows]


def _rate(before: Row | None, now: Row, seconds: float) -> Rate:
    if before is None:
        return Rate()
    return Rate(
        max(0, now.requested - before.requested) / seconds,
        max(0, now.calls - before.calls) / seconds,
    )


def chosen(all_lines: Iterable[Line], pattern: str, column: Column, *, reverse: bool) -> list[Line]:
    """Those whose name, user or pid holds `pattern`, most first (names: A first); what has no figure comes last."""
    wanted = pattern.casefold()
    found = [line for line in all_lines if not wanted or wanted in _searched(line.row)]
    have = [line for line in found if column.value(line) is not None]
    have.sort(key=lambda line: (column.value(line), line.row.id), reverse=column.numeric is not reverse)
    return have + [line for line in found if column.value(line) is None]


def _searched(row: Row) -> str:
    return f"{row.name}\n{row.user}\n{row.pid}".casefold()


def summary(now: Sample, shown: Sequence[Line]) -> str:
    """One line above the table."""
    parts = [f"memtap top · {now.host or now.where}"]
    if now.memory_bytes:
        parts.append(f"{bytes_text(now.memory_bytes)} of memory")
    parts.append(f"{len(now.rows):,} processes" + ("" if len(shown) == len(now.rows) else f", {len(shown):,} shown"))
    parts.append(f"balance {bytes_text(sum(row.balance for row in now.rows))}")
    parts.append(f"{bytes_text(sum(line.rate.requested for line in shown))}/s requested")
    return " · ".join(parts)
