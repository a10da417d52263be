"""`duckdb:///PATH`: the store that needs nothing installed or started."""

from __future__ import annotations

import threading
import time

from memtap.errors import StoreError
from memtap.stores import schema
from memtap.stores.address import DuckDBAddress, default_url
from memtap.stores.contract import Maintenance, Retention
from memtap.stores.duckdb.database import Database
from memtap.stores.duckdb.housekeeping import maintain
from memtap.stores.duckdb.reader import DuckDBReader
from memtap.stores.duckdb.schema import MIGRATIONS, VERSION, VERSION_FOUND, VERSIONS_TABLE
from memtap.stores.duckdb.writer import DuckDBWriter

MIGRATION_MEMORY = "1GB"

# Two stores of one process may have the same file open.
_migrating = threading.Lock()


class DuckDBStore:
    """A DuckDB file. The first process to open it owns it: a second one gets a StoreError that names the first."""

    def __init__(self, address: DuckDBAddress) -> None:
        folder = address.path.parent
        if address.url.rpartition("/")[0] == default_url().rpartition("/")[0]:
            # What a machine's processes do is for its user's eyes.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.is_dir():
            raise StoreError(f"store {address.url}: there is no folder {folder}: make it, or use another path")
        self.url = address.url
        self._database = Database(address.path, address.url)

    def migrate(self) -> tuple[int, int]:
        with _migrating, self._database.transaction() as connection:
            connection.execute(VERSIONS_TABLE)
            before = self._version()
            schema.refuse_newer(before, VERSION, self.url)
            if 0 < before < VERSION:
                connection.execute(f"SET memory_limit = '{MIGRATION_MEMORY}'")  # tables are sorted as wholes
            for version in range(before + 1, VERSION + 1):
                for statement in MIGRATIONS[version - 1]:
                    connection.execute(statement)
                connection.execute("INSERT INTO schema_versions VALUES (?, ?)", [version, time.time_ns() // 1000])
        if 0 < before < VERSION:
            with self._database.connection() as connection:
                connection.execute(f"SET memory_limit = '{self._database.memory_limit}'")
        return before, VERSION

    def writer(self) -> DuckDBWriter:
        schema.require(self._version(), VERSION, self.url)
        return DuckDBWriter(self._database)

    def reader(self) -> DuckDBReader:
        schema.require(self._version(), VERSION, self.url)
        return DuckDBReader(self._database)

    def maintain(self, retention: Retention, now_us: int) -> Maintenance:
        return maintain(self._database, retention, now_us)

    def server_pids(self) -> tuple[int, ...]:
        return ()

    def close(self) -> None:
        self._database.close()

    def _version(self) -> int:
        with self._database.connection() as connection:
            made = connection.execute(VERSION_FOUND).fetchall()[0][0]
            if not made:
                return 0
            return connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").fetchall()[0][0] or 0
