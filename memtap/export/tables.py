"""The columns of each table that can be exported, and where they come from, in the SQL that both stores share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtap.native import CALLS, KINDS

if TYPE_CHECKING:
    from memtap.export.selection import Selection


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `sql` is in terms of `e`, `p`, `h` and of `n`, the table of shown names."""

    name: str
    sql: str
    type: str  # DuckDB's


@dataclass(frozen=True, slots=True)
class Source:
    """What is selected from. `key` orders the rows, and leads from one page to the next."""

    columns: tuple[Column, ...]
    tables: str  # {calls} is what has a column for all that is known of a call
    name_id: str
    key: tuple[str, str]  # columns of this source, unique together


def _words(column: str, words: tuple[str, ...]) -> str:
    """SQL for the word whose index `column` is; NULL stays NULL."""
    cases = " ".join(f"WHEN {index} THEN '{word}'" for index, word in enumerate(words))
    return f"CASE {column} {cases} END"


_SUMS = (
    Column("requested", "{of}.requested", "DECIMAL(38, 0)"),
    Column("released", "{of}.released", "DECIMAL(38, 0)"),
    Column("requests", "{of}.requests", "UBIGINT"),
    Column("releases", "{of}.releases", "UBIGINT"),
    Column("failed", "{of}.failed", "UBIGINT"),
    Column("vm", "{of}.vm", "UBIGINT"),
    Column("resident", "{of}.resident", "UBIGINT"),
)


def _sums(of: str) -> tuple[Column, ...]:
    return tuple(Column(column.name, column.sql.format(of=of), column.type) for column in _SUMS)


_EVENTS = Source(
    (
        Column("id", "e.id", "UBIGINT"),
        Column("time_us", "e.time_us", "UBIGINT"),
        Column("process_id", "e.process_id", "UINTEGER"),
        Column("pid", "p.pid", "UINTEGER"),
        Column("process", "n.shown", "VARCHAR"),
        Column("call", _words("e.call", CALLS), "VARCHAR"),
        Column("length", "e.length", "UBIGINT"),
        Column("freed", "e.freed", "UBIGINT"),
        Column("errno", "e.errno", "USMALLINT"),
        Column("kind", _words("e.kind", KINDS), "VARCHAR"),
        Column("vm", "e.vm", "UBIGINT"),
    ),
    "{calls} e JOIN processes p ON p.id = e.process_id",
    "e.name_id",
    ("time_us", "id"),
)

_PROCESSES = Source(
    (
        Column("id", "p.id", "UINTEGER"),
        Column("host", "h.name", "VARCHAR"),
        Column("pid", "p.pid", "UINTEGER"),
        Column("start_us", "p.start_us", "UBIGINT"),
        Column("process", "n.shown", "VARCHAR"),
        Column("uid", "p.uid", "UINTEGER"),
        Column("cgroup", "p.cgroup", "UBIGINT"),
        Column("parent", "p.parent", "UINTEGER"),
        *_sums("p"),
        Column("first_us", "p.first_us", "UBIGINT"),
        Column("last_us", "p.last_us", "UBIGINT"),
        Column("ended_us", "p.ended_us", "UBIGINT"),
    ),
    "processes p JOIN hosts h ON h.id = p.host_id",
    "p.name_id",
    ("id", "pid"),
)


def _rollups(tier: str) -> Source:
    return Source(
        (
            Column("second", "e.second", "UBIGINT"),
            Column("process_id", "e.process_id", "UINTEGER"),
            Column("pid", "p.pid", "UINTEGER"),
            Column("process", "n.shown", "VARCHAR"),
            *_sums("e"),
        ),
        f"rollup_{tier} e JOIN processes p ON p.id = e.process_id",
        "p.name_id",
        ("second", "process_id"),
    )


def source(selection: Selection) -> Source:
    if selection.table == "events":
        return _EVENTS
    return _PROCESSES if selection.table == "processes" else _rollups(selection.tier)


def conditions(selection: Selection, name_ids: list[int] | None) -> tuple[list[str], list[object]]:
    """What a row must fulfil, with the values of its `?`. `name_ids`: those of the name that is asked for."""
    bounds = {
        "events": ("e.time_us >= ?", "e.time_us < ?", 1),
        "rollups": ("e.second >= ?", "e.second < ?", 1_000_000),
        "processes": ("p.last_us >= ?", "p.first_us < ?", 1),  # those that made a call meanwhile, or lived
    }
    from_sql, to_sql, unit = bounds[selection.table]
    parts, values = [], list[object]()
    if selection.from_us is not None:
        parts.append(from_sql)
        values.append(selection.from_us // unit)
    if selection.to_us is not None:
        parts.append(to_sql)
        values.append(-(-selection.to_us // unit))
    if selection.pid is not None:
        parts.append("p.pid = ?")
        values.append(selection.pid)
    if name_ids is not None:
        parts.append(f"{source(selection).name_id} IN ({', '.join(map(str, name_ids)) or 'NULL'})")
    if selection.table == "processes":
        parts.append("p.last_us >= p.first_us")  # those of which a call is stored
    return parts, values
