"""What a store holds, read with the database's own tools and nothing of memtap's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import MySQLdb

EVENTS = """
    SELECT e.id, e.time_us, p.pid, n.comm, e.call, e.length
    FROM {calls} e JOIN processes p ON p.id = e.process_id JOIN names n ON n.id = e.name_id ORDER BY e.id"""
PROCESSES = (
    "SELECT pid, requested, released, requests, releases, first_us, last_us FROM processes ORDER BY pid, start_us"
)
SECONDS = """
    SELECT p.pid, r.second, r.requested, r.released, r.requests, r.releases
    FROM rollup_1s r JOIN processes p ON p.id = r.process_id ORDER BY p.pid, r.second"""
COUNTS = "SELECT sum(lines_read), sum(stored), sum(rejected), sum(notices), max(source_offset) FROM batches"


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows, decimals as integers."""
    parts = urlsplit(url)
    statement = statement.replace("{calls}", "events" if parts.scheme == "duckdb" else "calls")
    if parts.scheme == "duckdb":
        with duckdb.connect(parts.path, read_only=True) as connection:
            rows: Sequence[tuple[Any, ...]] = connection.execute(statement).fetchall()
    else:
        socket = parse_qs(parts.query)["unix_socket"][0]
        connection = MySQLdb.connect(unix_socket=socket, user=parts.username, database=parts.path[1:])
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            rows = cursor.fetchall()
        finally:
            connection.close()
    return [tuple(value if isinstance(value, bytes | str) else int(value) for value in row) for row in rows]


def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return {what: query(url, what) for what in (EVENTS, PROCESSES, SECONDS, COUNTS)}
