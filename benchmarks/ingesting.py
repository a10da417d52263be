"""`memtap ingest` as a whole process: into nothing, and into DuckDB against DuckDB alone."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.command import Run, ingest, init
from benchmarks.parsing import Memtap
from benchmarks.race import Comparison, Contender, Measurement, compare, one_core, race
from benchmarks.tally import check_by_pid
from benchmarks.traces import Trace
from memtap.native import Batch, Parser
from memtap.pump import FILE_ROWS
from memtap.stores.duckdb.database import SETTINGS

# What memtap's own store sets (memtap.stores.duckdb.database): the peer has the same threads and memory.
DUCKDB_SETTINGS = SETTINGS


def batches(trace: Trace) -> Iterator[tuple[Batch, Parser]]:
    """The trace in batches of the size that `memtap ingest` makes."""
    parser = Parser(rows=FILE_ROWS)
    with trace.path.open("rb") as file:
        while lines := list(islice(file, FILE_ROWS)):
            parser.feed(b"".join(lines))
            yield parser.seal(), parser


class Ingest:
    """`memtap ingest` into a store; remembers what each run took."""

    def __init__(self, trace: Trace, folder: Path, *options: str) -> None:
        self.trace = trace
        self.folder = folder
        self.options = options
        self.runs: list[Run] = []

    def into(self, store: str) -> float:
        self.runs.append(ingest(self.trace, store, self.folder, *self.options))
        return self.runs[-1].seconds


def null_store(trace: Trace, folder: Path, repetitions: int) -> tuple[list[Measurement], list[Comparison]]:
    """Start, read, parse, keep the ledger, hand over, stop; against the parser alone with the same bytes, which are in
    memory then, on one core: with the ledger, which is the same work, and without."""
    ingests = Ingest(trace, folder)
    amount = {"lines": trace.lines, "bytes": trace.size}

    def parser(name: str, *, ledger: bool) -> Contender:
        parse = Memtap(trace, ledger=ledger)

        def run() -> float:
            with one_core():
                return parse.run()

        return Contender(name, run, amount, parse.check)

    measured = race(
        "ingest into nothing",
        [
            parser("memtap, parse and ledger", ledger=True),
            parser("memtap, parse alone", ledger=False),
            Contender("memtap ingest, null://", lambda: ingests.into("null://"), amount),
        ],
        repetitions,
    )
    claim = "memtap ingest into null://, whole process"
    parse, alone, whole = measured
    return measured, [compare(claim, whole, parse, "lines", 0.6), compare(claim, whole, alone, "lines")]


class DuckDB:
    """A file for each run, with memtap's tables in it beforehand."""

    def __init__(self, trace: Trace, folder: Path) -> None:
        self.trace = trace
        self.folder = folder
        self.path = folder / "bench.duckdb"
        self.ingests = Ingest(trace, folder)
        self._expected = trace.ledger.by_pid()

    def _fresh(self) -> None:
        for path in (self.path, self.path.with_name(f"{self.path.name}.wal")):
            path.unlink(missing_ok=True)
        init(self.folder, f"duckdb:///{self.path}")

    def run_memtap(self) -> float:
        self._fresh()
        seconds = self.ingests.into(f"duckdb:///{self.path}")
        self._check(None, "memtap ingest into DuckDB")
        return seconds

    def run_alone(self, tables: list[pa.Table], pids: list[int]) -> float:
        self._fresh()
        begun = time.perf_counter()
        with duckdb.connect(str(self.path), config=DUCKDB_SETTINGS) as connection:
            for table in tables:
                connection.register("ready", table)
                connection.begin()
                connection.execute(
                    "INSERT INTO events_0 (id, time_us, process_id, name_id, call, length)"
                    " SELECT id, time_us, process_id, name_id, call, length FROM ready"
                )
                connection.commit()
                connection.unregister("ready")
        seconds = time.perf_counter() - begun
        self._check(pa.table({"id": range(len(pids)), "pid": pids}), "DuckDB alone")
        return seconds

    def _check(self, processes: pa.Table | None, who: str) -> None:
        """`processes`: id and pid of each; None: they are in the store."""
        with duckdb.connect(str(self.path), read_only=True) as connection:
            if processes is not None:
                connection.register("known", processes)
            rows = connection.execute(
                "SELECT p.pid, count(*), sum(CASE call WHEN 0 THEN length ELSE 0 END)::HUGEINT,"
                " sum(CASE call WHEN 1 THEN length ELSE 0 END)::HUGEINT FROM events e"
                f" JOIN {'processes' if processes is None else 'known'} p ON p.id = e.process_id GROUP BY p.pid"
            ).fetchall()
        check_by_pid({row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in rows}, self._expected, who)


def duckdb_store(trace: Trace, folder: Path, repetitions: int) -> tuple[list[Measurement], list[Comparison]]:
    """The peer finds its columns ready, as Arrow tables in its own process, and adds rows to `events` alone. memtap
    starts, reads, parses, and keeps batches, processes, totals and rollups beside them."""
    store = DuckDB(trace, folder)
    tables: list[pa.Table] = []
    first_id = 0
    pids: list[int] = []
    for batch, parser in batches(trace):
        same = array("I", range(max(batch.process_count, batch.name_count)))
        tables.append(pa.table(batch.events(same, same, first_id)))
        first_id += len(batch)
        pids = list(parser.process_pids)
    amount = {"lines": trace.lines, "bytes": trace.size}
    measured = race(
        "ingest into DuckDB",
        [
            Contender("memtap ingest, DuckDB", store.run_memtap, amount),
            Contender("DuckDB, from ready Arrow tables", lambda: store.run_alone(tables, pids), amount),
        ],
        repetitions,
        warm=False,
    )
    return measured, [compare("memtap ingest into DuckDB, whole process", measured[0], measured[1], "lines", 0.9)]
