"""The same tests for both stores: `url` is once a DuckDB file and once a database of a real MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from memtap.stores import open_store
from memtap.stores.contract import Reader, Store, Writer
from memtap.stores.duckdb import schema as duckdb_schema
from memtap.stores.mysql import schema as mysql_schema


@pytest.fixture(params=["duckdb", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return f"duckdb://{tmp_path}/store.duckdb"
    mysql: str = request.getfixturevalue("mysql_url")
    return mysql


@pytest.fixture
def database(mysql_url: str) -> str:
    """The name of a MySQL store's database."""
    return mysql_url.partition("localhost/")[2].partition("?")[0]


@pytest.fixture
def version(url: str) -> int:
    """The schema version that this memtap makes of such a store."""
    return (duckdb_schema if url.startswith("duckdb:") else mysql_schema).VERSION


@pytest.fixture
def open_url() -> Iterator[Callable[[str], Store]]:
    """Open and migrate a store that is closed when the test ends, at the latest."""
    with ExitStack() as stack:

        def opened(url: str) -> Store:
            store = stack.enter_context(closing(open_store(url)))
            store.migrate()
            return store

        yield opened


@pytest.fixture
def store(url: str, open_url: Callable[[str], Store]) -> Store:
    return open_url(url)


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    with closing(store.writer()) as writer:
        yield writer


@pytest.fixture
def reader(store: Store) -> Iterator[Reader]:
    with closing(store.reader()) as reader:
        yield reader


@pytest.fixture
def query(reader: Reader) -> Callable[..., list[tuple[Any, ...]]]:
    """What a stranger's SQL client gets from the store."""
    ask: Callable[..., list[tuple[Any, ...]]] = reader._rows  # type: ignore[attr-defined]
    return ask
