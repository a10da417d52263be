"""Where batches are kept. `contract` says what a store promises; its URL chooses which one keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtap.errors import StoreError
from memtap.stores.address import DuckDBAddress, MySQLAddress, default_url, parse, reader_url, store_url

if TYPE_CHECKING:
    from memtap.stores.contract import Store
    from memtap.stores.mysql.session import Load

__all__ = ["LOADS", "default_url", "open_store", "reader_url", "store_url"]


LOADS: tuple[Load, ...] = ("auto", "local", "insert")


def open_store(url: str, *, load: Load = "auto", connections: int = 1, existing: bool = False) -> Store:
    """Open the store that `url` names. `load`: how rows go into a server, see memtap.stores.mysql.session;
    `connections`: over how many at most a writer loads batches that wait, see memtap.stores.pace.
    `existing`: for a command that only reads, which makes no DuckDB file where there is none.

    ``duckdb:///ABSOLUTE/PATH`` (``duckdb:///./RELATIVE`` too), one process at a time;
    ``mysql://USER@HOST:PORT/DATABASE?unix_socket=…&option_file=…&tls_ca=…&tls_mode=…``, MySQL or MariaDB, where
    the database is ``proyecto1`` unless named, and the password comes from ``MEMTAP_MYSQL_PASSWORD``, the option
    file or ``MYSQL_PWD``; ``null://``, which counts and forgets; ``@PATH``, the URL in that file.

    The schema is left alone: call `Store.migrate` before the first `writer` or `reader`. Raises UsageError for a
    URL that names no store, StoreError or StoreAway where it cannot be opened.
    """
    address = parse(url)
    # Each store's driver takes its time to load and may be missing: only the one asked for is imported.
    if isinstance(address, DuckDBAddress):
        if existing and not address.path.exists():
            raise StoreError(
                f"store {address.url}: there is no such file: check the path, or let memtap run or ingest make it"
            )
        from memtap.stores.duckdb.store import DuckDBStore

        return DuckDBStore(address)
    if isinstance(address, MySQLAddress):
        from memtap.stores.mysql.store import MySQLStore

        return MySQLStore(address, load, connections)
    from memtap.stores.null import NullStore

    return NullStore()
