"""A DuckDB store with many calls, and what each read of it costs."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.reads.asked import Read
from benchmarks.reads.filling import fill
from memtap.stores import open_store
from memtap.stores.contract import Reader, Store
from memtap.stores.duckdb.reader import DuckDBReader


class Explaining(DuckDBReader):
    """Keeps the plan of every statement it puts, with what each step really read."""

    plans: list[tuple[str, str]]

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        plan = json.loads(super()._rows(f"EXPLAIN (ANALYZE, FORMAT json) {sql}", values)[0][1])
        self.plans.append((sql, "\n".join(line for root in plan["operator"] for line in _steps(root, 0))))
        return super()._rows(sql, values)


def _steps(step: dict[str, Any], depth: int) -> Iterator[str]:
    """A plan as lines: each step with its rows; of a scan, what it reads and the row groups that it could not skip."""
    more = step.get("extra_info", {})
    line = f"{'  ' * depth}{step.get('type', '?')} {step.get('intermediate_rows', '?')} rows"
    if "row_groups_scanned" in step:
        table = str(more.get("Table", "?")).rpartition(".")[2]
        filters = " AND ".join(more["Filters"]) if isinstance(more.get("Filters"), list) else more.get("Filters", "")
        line += f", {table}: {step['row_groups_scanned']} of {step.get('total_row_groups_to_scan', '?')} row groups"
        line += f", {step.get('rows_scanned', '?')} rows scanned, {filters[:160]}"
    yield line
    for child in step.get("children", ()):
        yield from _steps(child, depth + 1)


class DuckDBSide:
    """A folder, and in it a store of as many calls as one asks for."""

    name = "DuckDB"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="memtap-reads-", dir=folder))
        self._path = self._folder / "filled.duckdb"
        self._empty = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        shutil.rmtree(self._folder)

    def fill(self, calls: int) -> None:
        """A new store with this many calls of 10,000 processes, 10,000 calls a second, in place of any before."""
        self._path.unlink(missing_ok=True)
        fill(self._path, calls)

    def filled(self) -> Store:
        return open_store(f"duckdb://{self._path}")

    def empty(self) -> Store:
        """Another one without a call, each time."""
        self._empty += 1
        store = open_store(f"duckdb://{self._folder}/empty{self._empty}.duckdb")
        store.migrate()
        return store

    def bytes(self) -> int:
        return self._path.stat().st_size

    def cpu_ns(self) -> int:
        """Nanoseconds of the processors so far: a statement runs in the thread that asks, and neighbours do not
        count."""
        return time.thread_time_ns()

    def plans(self, read: Read) -> list[tuple[str, str]]:
        """Each statement of a read with its plan."""
        with closing(self.filled()) as store:
            reader: Reader = store.reader()
            assert isinstance(reader, DuckDBReader)
            explaining = Explaining(reader.database)
            explaining.plans = []
            read(explaining)
            return explaining.plans
