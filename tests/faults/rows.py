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


def tables(url: str, query: Query) -> list[str]:
    """Those that hold what was watched: all but when the schema was made."""
    if url.startswith("duckdb"):
        found = query("SELECT table_name FROM duckdb_tables() WHERE NOT internal")
    else:
        found = query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type <> 'VIEW'"
        )
    return sorted(name for (name,) in found if name != "schema_versions")


def contents(url: str) -> dict[str, list[Row]]:
    """Every table, row for row."""
    with asking(url) as query:
        return {name: sorted(query(f"SELECT * FROM {name}"), key=repr) for name in tables(url, query)}


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
