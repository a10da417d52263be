"""The DuckDB store's reading side."""

from __future__ import annotations

from collections.abc import Sequence

from memtap.stores.duckdb.database import Database
from memtap.stores.reading import Row, SqlReader


class DuckDBReader(SqlReader):
    """Reads while the writer writes: each question sees the store as of one moment."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self.database.connection() as connection:
            return connection.execute(sql, list(values)).fetchall()

    def close(self) -> None:
        pass
