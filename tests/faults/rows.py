"""A store's rows, read with the database's own client and nothing of memtap's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import MySQLdb

Row = tuple[Any, ...]
Query = Callable[[str], list[Row]]


@contextmanager
def asking(url: str) -> Iterator[Query]:
    """Asks the store that one statement after the other; decimals are integers."""
    parts = urlsplit(url)
    if parts.scheme == "duckdb":
        with duckdb.connect(parts.path, read_only=True) as connection:
            yield lambda statement: _plain(connection.execute(statement).fetchall())
        return
    socket = parse_qs(parts.query)["unix_socket"][0]
    with closing(MySQLdb.connect(unix_socket=socket, user=parts.username, database=parts.path[1:])) as connection:

        def ask(statement: str) -> list[Row]:
            cursor = connection.cursor()
            cursor.execute(statement)
            return _plain(cursor.fetchall())

        yield ask


# Where a file's batches end depends on how quick the store was, so their sums count.
LOGICAL = {
    **{
        name: f"SELECT * FROM {name}"
        for name in (
            "names",
            "hosts",
            "batches",
            "processes",
            "rollup_1s",
            "rollup_1m",
            "rollup_1h",
            "losses",
            "streams",
        )
    },
    "batches": "SELECT stream_no, SUM(stored), SUM(rejected), SUM(lines_read), SUM(notices), MAX(source_offset)"
    " FROM batches GROUP BY stream_no",
    "streams": "SELECT stream_no, name, tap, host_id, lines_read, stored, rejected, notices, first_us, last_us"
    " FROM streams",
    "loss_totals": "SELECT stream_no, cause, SUM(events) FROM loss_totals GROUP BY stream_no, cause",
    "account_1s": ("SELECT stream_no, second, SUM(stored), SUM(rejected) FROM account_1s GROUP BY stream_no, second"),
}


def calls(query: Query) -> str:
    """What the calls are read from: a view, where their table is not for people."""
    return "calls" if ("calls",) in query("SHOW TABLES") else "events"


def contents(url: str) -> dict[str, list[Row]]:
    """All that a store says of what was watched, row for row, in whatever tables it keeps it. A process is what is
    said of it: its id is another one where those that a killed memtap had taken were never used."""
    with asking(url) as query:
        found = {name for (name,) in query("SHOW TABLES")}
        asked = {name: statement for name, statement in LOGICAL.items() if name in found}
        asked["calls"] = f"SELECT * FROM {calls(query)}"
        rows = {name: query(statement) for name, statement in asked.items()}
        identities = dict(_named(query, "processes", "id", rows["processes"]))
        for name in rows.keys() & {"rollup_1s", "rollup_1m", "rollup_1h", "calls"}:
            table = calls(query) if name == "calls" else name
            rows[name] = [(identities[at], *row) for at, row in _named(query, table, "process_id", rows[name])]
        rows["processes"] = list(identities.values())
        return {name: sorted(found, key=repr) for name, found in rows.items()}


def _named(query: Query, table: str, column: str, rows: list[Row]) -> Iterator[tuple[int, Row]]:
    """The process that each row is of, and the row without it."""
    at = [name for name, *_ in query(f"DESCRIBE {table}")].index(column)
    return ((row[at], (*row[:at], *row[at + 1 :])) for row in rows)


def differences(one: dict[str, list[Row]], other: dict[str, list[Row]]) -> list[str]:
    """The tables in which two stores differ, and where first."""
    assert one.keys() == other.keys()
    return [
        f"{name}: {next(((a, b) for a, b in zip(one[name], other[name], strict=False) if a != b), 'their lengths')}"
        for name in one
        if one[name] != other[name]
    ]


def _plain(rows: Any) -> list[Row]:
    return [tuple(int(value) if isinstance(value, Decimal) else value for value in row) for row in rows]
