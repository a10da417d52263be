"""From a DuckDB file: DuckDB writes each format itself, row group by row group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from memtap import csv_text
from memtap.export.output import Pipe
from memtap.export.tables import conditions, source
from memtap.names import display

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtap.export.selection import Format, Selection
    from memtap.stores.duckdb.database import Database

NAMES_AT_ONCE = 10_000
ROW_GROUP = 61_440  # rows: what Parquet keeps in memory until it is written
MEMORY = "128MB"  # of which most caches what was read; more makes nothing faster

OPTIONS: dict[Format, str] = {
    "csv": "FORMAT csv, HEADER true, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR ''",
    "jsonl": "FORMAT json, ARRAY false",
    "parquet": f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP},"
    " KV_METADATA {memtap_names: 'escaped as memtap shows them: \\\\ \\n \\xff \\u202e lead back to the bytes'}",
}


def copy(database: Database, selection: Selection, format_: Format, fd: int) -> tuple[int, int]:
    """Writes the rows to `fd`. Returns (rows, names among them with escapes). Raises StoreError, OSError."""
    with database.connection() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")  # of this process, which does nothing else
        escapes = show_names(connection, guarded=format_ == "csv")
        name_ids = None
        if selection.name is not None:
            found = connection.execute("SELECT id FROM names WHERE comm = ?", [selection.name]).fetchall()
            name_ids = [row[0] for row in found]
        chosen = source(selection)
        parts, values = conditions(selection, name_ids)
        columns = ", ".join(f'{column.sql} AS "{column.name}"' for column in chosen.columns)
        tables = f"{chosen.tables.format(calls='events')} LEFT JOIN shown n ON n.id = {chosen.name_id}"
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        order = "" if selection.table == "events" else f" ORDER BY {', '.join(chosen.key)}"
        pipe = Pipe(fd)
        try:
            rows = connection.execute(
                f"COPY (SELECT {columns} FROM {tables}{where}{order})"  # noqa: S608
                f" TO '{pipe.path}' ({OPTIONS[format_]}, USE_TMP_FILE false)",
                values,
            ).fetchall()[0][0]
        except duckdb.Error:
            pipe.finish()  # where nobody takes the bytes any more, that is the reason
            raise
        pipe.finish()
        if not (rows and escapes):
            return int(rows), 0
        where = " AND ".join(["n.escaped", *parts])
        among = connection.execute(f"SELECT count(DISTINCT n.id) FROM {tables} WHERE {where}", values)  # noqa: S608
        return int(rows), int(among.fetchall()[0][0])


def show_names(connection: duckdb.DuckDBPyConnection, *, guarded: bool) -> bool:
    """Makes a table of names as they are shown. Returns whether any has escapes. `guarded`: for CSV."""
    show: Callable[[str], str] = csv_text.guarded if guarded else str
    escapes = False
    connection.execute("CREATE TEMP TABLE shown (id UINTEGER, shown VARCHAR, escaped BOOLEAN)")
    first = 0
    while True:
        rows = connection.execute(
            "SELECT id, comm FROM names WHERE id >= ? ORDER BY id LIMIT ?", [first, NAMES_AT_ONCE]
        ).fetchall()
        if not rows:
            return escapes
        texts = [display(bytes(comm)) for _, comm in rows]
        escaped = ["\\" in text for text in texts]
        escapes |= any(escaped)
        connection.execute(
            "INSERT INTO shown SELECT unnest(?::UINTEGER[]), unnest(?::VARCHAR[]), unnest(?::BOOLEAN[])",
            [[number for number, _ in rows], [show(text) for text in texts], escaped],
        )
        first = rows[-1][0] + 1
