"""From a server: pages in the order of a key, each a question of its own, so that none waits for a slow reader."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import orjson

from memtap import csv_text
from memtap.export.copying import OPTIONS
from memtap.export.output import Pipe, write_all
from memtap.export.tables import conditions, source
from memtap.names import display

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memtap.export.selection import Format, Selection
    from memtap.export.tables import Source
    from memtap.stores.mysql.reader import MySQLReader

PAGE = 20_000  # rows

Row = tuple[Any, ...]


def copy(reader: MySQLReader, selection: Selection, format_: Format, fd: int) -> tuple[int, int]:
    """Writes the rows to `fd`. Returns (rows, names among them with escapes). Raises StoreError, OSError."""
    pages = Pages(reader, selection)
    if format_ == "parquet":
        _through_duckdb(pages, fd)
    else:
        for text in _texts(pages, format_):
            write_all(fd, text)
    return pages.rows, pages.escaped


class Pages:
    """The rows page by page, names shown. What it counts is of the pages given so far."""

    def __init__(self, reader: MySQLReader, selection: Selection) -> None:
        self._reader = reader
        self._selection = selection
        self.source: Source = source(selection)
        self.rows = 0
        self._shown: dict[bytes, str] = {}

    @property
    def escaped(self) -> int:
        return sum("\\" in shown for shown in self._shown.values())

    def __iter__(self) -> Iterator[list[Row]]:
        names = [column.name for column in self.source.columns]
        key = [names.index(name) for name in self.source.key]
        text_at = [at for at, column in enumerate(self.source.columns) if column.name in ("process", "host")]
        after: tuple[int, int] | None = None
        while rows := self._page(after):
            after = (rows[-1][key[0]], rows[-1][key[1]])
            self.rows += len(rows)
            yield [self._row(row, text_at) for row in rows]

    def _page(self, after: tuple[int, int] | None) -> list[Row]:
        selection, chosen = self._selection, self.source
        name_ids = None
        if selection.name is not None:
            found = self._reader.rows("SELECT id FROM names WHERE comm = ?", (selection.name,))
            name_ids = [row[0] for row in found]
        parts, values = conditions(selection, name_ids)
        keys = [column.sql for name in chosen.key for column in chosen.columns if column.name == name]
        if after is not None:
            parts.append(f"{keys[0]} >= ? AND ({keys[0]} > ? OR {keys[1]} > ?)")
            values += [after[0], after[0], after[1]]
        columns = ", ".join(f"{column.sql} AS `{column.name}`" for column in chosen.columns)
        return self._reader.rows(
            f"SELECT {columns} FROM {chosen.tables.format(calls='calls')}"  # noqa: S608
            f" LEFT JOIN (SELECT id, comm AS shown FROM names) n ON n.id = {chosen.name_id}"
            f"{' WHERE ' + ' AND '.join(parts) if parts else ''} ORDER BY {keys[0]}, {keys[1]} LIMIT {PAGE}",
            values,
        )

    def _row(self, row: Row, text_at: Sequence[int]) -> Row:
        cells: list[Any] = [int(cell) if isinstance(cell, Decimal) else cell for cell in row]
        for at in text_at:
            cells[at] = self._show(cells[at])
        return tuple(cells)

    def _show(self, name: bytes | str) -> str:
        raw = name.encode() if isinstance(name, str) else bytes(name)
        if raw not in self._shown:
            self._shown[raw] = display(raw)
        return self._shown[raw]


def _texts(pages: Pages, format_: Format) -> Iterator[bytes]:
    names = [column.name for column in pages.source.columns]
    if format_ == "csv":
        yield csv_text.lines([names], end="\n").encode()
        for rows in pages:
            yield csv_text.lines(rows, end="\n").encode()
        return
    for rows in pages:
        yield b"".join(map(_line, (dict(zip(names, row, strict=True)) for row in rows)))


def _line(row: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a sum beyond 64 bits
        whole = {
            name: orjson.Fragment(str(cell)) if isinstance(cell, int) and not -(2**63) <= cell < 2**64 else cell
            for name, cell in row.items()
        }
        return orjson.dumps(whole, option=orjson.OPT_APPEND_NEWLINE)


def _through_duckdb(pages: Pages, fd: int) -> None:
    """DuckDB reads the rows as CSV from a pipe, and writes them as Parquet to another."""
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def feed() -> None:
        try:
            for rows in pages:
                write_all(writing, csv_text.lines(rows, guard=False, end="\n").encode())
        except BaseException as error:  # told below
            failures.append(error)
        finally:
            os.close(writing)

    thread = threading.Thread(target=feed, name="memtap-export-rows", daemon=True)
    thread.start()
    types = ", ".join(f"'{column.name}': '{column.type}'" for column in pages.source.columns)
    pipe = Pipe(fd)
    try:
        with closing(duckdb.connect()) as connection:
            connection.execute(
                f"COPY (SELECT * FROM read_csv('/proc/self/fd/{reading}', header = false, auto_detect = false,"  # noqa: S608
                f" delim = ',', quote = '\"', escape = '\"', new_line = '\\n', nullstr = '',"
                f" allow_quoted_nulls = false, columns = {{{types}}}))"
                f" TO '{pipe.path}' ({OPTIONS['parquet']}, USE_TMP_FILE false)"
            )
    except duckdb.Error:
        pipe.finish()
        raise
    finally:
        os.close(reading)
        thread.join()
        if failures:
            raise failures[0]
    pipe.finish()
