"""`memtap ingest` into MariaDB against LOAD DATA of ready-made files, and against the other ways rows get there."""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import MySQLdb

from benchmarks.command import init
from benchmarks.database import check_events, check_memory_calls, private_server, recreate
from benchmarks.ingesting import Ingest, batches
from benchmarks.programs import build
from benchmarks.race import Comparison, Contender, Measurement, compare, race
from benchmarks.rsyslog import Rsyslog, missing
from benchmarks.tally import Wrong
from benchmarks.traces import Trace
from tests.mariadb import Server

FIRST_ID = 1 << 40  # of the first stream's calls, as memtap counts them: the same bytes are loaded
STATEMENT_BYTES = 8 << 20  # of executemany: half of what the server takes in a packet; its own 64 KiB is slower
MEMORY_CALLS = """
CREATE TABLE MemoryCalls (
    id INT AUTO_INCREMENT PRIMARY KEY,
    pid INT,
    process_name VARCHAR(255),
    call_type VARCHAR(50),
    segment_size DOUBLE,
    timestamp VARCHAR(32)
) ENGINE=InnoDB
"""
CONNECTIONS = 2  # of each contender: on two cores more gain nothing
Row = tuple[int | None, ...]


class MariaDB:
    """The server, and one trace in every shape that a contender wants it in."""

    def __init__(self, server: Server, trace: Trace, folder: Path) -> None:
        self.server = server
        self.trace = trace
        self.folder = folder
        self.ingests = Ingest(trace, folder, "--connections", str(CONNECTIONS))
        self.connections = CONNECTIONS  # of memtap's, those over which it loads; its others wait, or keep house
        self._expected = trace.ledger.by_pid()
        self._files: list[tuple[Path, tuple[str, ...], int]] = []
        self._pids: list[int] = []

    def prepare(self) -> None:
        """The files to load: the text that memtap sends, batch by batch."""
        first_id = FIRST_ID
        for number, (batch, parser) in enumerate(batches(self.trace)):
            same = array("I", range(max(batch.process_count, batch.name_count)))
            path = self.folder / f"batch-{number}.tsv"
            path.write_bytes(batch.events_text(same, same, first_id))
            self._files.append((path, batch.events_columns(same), len(batch)))
            first_id += len(batch)
            self._pids = list(parser.process_pids)

    def rows(self) -> list[tuple[tuple[str, ...], list[Row]]]:
        """The same as Python tuples: the columns and rows of each batch."""
        found: list[tuple[tuple[str, ...], list[Row]]] = []
        first_id = FIRST_ID
        for batch, parser in batches(self.trace):
            same = array("I", range(max(batch.process_count, batch.name_count)))
            lines = bytes(batch.events_text(same, same, first_id)).splitlines()
            rows = [tuple(None if field == b"\\N" else int(field) for field in line.split(b"\t")) for line in lines]
            found.append((batch.events_columns(same), rows))
            first_id += len(batch)
            self._pids = list(parser.process_pids)
        return found

    def fresh(self) -> None:
        recreate(self.server, "bench")
        init(self.folder, self.server.url("bench"))

    def run_memtap(self) -> float:
        self.fresh()
        seconds = self.ingests.into(self.server.url("bench"))
        check_events(self.server, "bench", "processes", self._expected, "memtap ingest into MariaDB")
        return seconds

    def run_load_data(self) -> float:
        """Over as many connections as memtap loads; each batch a transaction."""
        self.fresh()
        seconds = self._on_connections([partial(_load, *file) for file in self._files], local_infile=2)
        self.check("LOAD DATA of ready-made files")
        return seconds

    def run_executemany(self, chunks: Sequence[tuple[tuple[str, ...], list[Row]]]) -> float:
        self.fresh()
        seconds = self._on_connections([partial(_insert, *chunk) for chunk in chunks])
        self.check("executemany")
        return seconds

    def check(self, who: str) -> None:
        with closing(self.server.connect("bench")) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE known (id INT UNSIGNED PRIMARY KEY, pid INT UNSIGNED) ENGINE=InnoDB")
            cursor.max_stmt_length = STATEMENT_BYTES
            cursor.executemany("INSERT INTO known VALUES (%s, %s)", list(enumerate(self._pids)))
        check_events(self.server, "bench", "known", self._expected, who)

    def fresh_original(self) -> None:
        recreate(self.server, "original")
        self.server.execute(MEMORY_CALLS.replace("MemoryCalls", "original.MemoryCalls"))

    def run_insert_each(self, program: Path) -> float:
        self.fresh_original()
        done = subprocess.run(
            [program, self.trace.path, self.server.socket, "original"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Wrong(f"insert_each: {done.stderr}")
        check_memory_calls(self.server, "original", self._expected, "one INSERT a row")
        return float(done.stdout.split()[0])

    def run_rsyslog(self) -> float:
        self.fresh_original()
        seconds = Rsyslog(self.server, self.trace, self.folder).run("original")
        check_memory_calls(self.server, "original", self._expected, "rsyslog")
        return seconds

    def _on_connections(self, loads: Sequence[Callable[[MySQLdb.cursors.Cursor], None]], **options: int) -> float:
        failures: list[Exception] = []

        def work(mine: Sequence[Callable[[MySQLdb.cursors.Cursor], None]]) -> None:
            try:
                with closing(
                    MySQLdb.connect(unix_socket=str(self.server.socket), user="root", database="bench", **options)
                ) as connection:
                    for load in mine:
                        load(connection.cursor())
                        connection.commit()
            except (MySQLdb.Error, Wrong) as error:
                failures.append(error)

        count = self.connections
        threads = [threading.Thread(target=work, args=(loads[i::count],)) for i in range(count)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begun
        if failures:
            raise failures[0]
        return seconds


def _load(path: Path, columns: Sequence[str], rows: int, cursor: MySQLdb.cursors.Cursor) -> None:
    cursor.execute(
        f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE events CHARACTER SET binary"
        f" FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({', '.join(columns)})"
    )
    if cursor.rowcount != rows:
        raise Wrong(f"LOAD DATA: the server took {cursor.rowcount} of {rows} rows of {path.name}")


def _insert(columns: Sequence[str], rows: list[Row], cursor: MySQLdb.cursors.Cursor) -> None:
    cursor.max_stmt_length = STATEMENT_BYTES
    marks = ", ".join(["%s"] * len(columns))
    cursor.executemany(f"INSERT INTO events ({', '.join(columns)}) VALUES ({marks})", rows)


def _client_library(what: str) -> list[str]:
    return shlex.split(subprocess.run(["mariadb_config", what], capture_output=True, text=True, check=True).stdout)


def mariadb_store(
    trace: Trace, medium: Trace, small: Trace, folder: Path, repetitions: int
) -> tuple[list[Measurement], list[Comparison]]:
    """`trace` is what memtap and LOAD DATA take; the slower ways get `medium`, one INSERT a row `small`, and their
    rates are compared."""
    flags, libraries = (_client_library(what) for what in ("--cflags", "--libs"))
    insert_each = build("insert_each", folder, flags=("-O3", *flags), libraries=libraries)
    with private_server() as server:
        whole, part, sample = (MariaDB(server, each, folder) for each in (trace, medium, small))
        whole.prepare()
        chunks = part.rows()

        def amount(of: Trace) -> dict[str, int]:
            return {"lines": of.lines, "bytes": of.size}

        contenders = [
            Contender("memtap ingest, MariaDB", whole.run_memtap, amount(trace)),
            Contender("LOAD DATA LOCAL INFILE, ready-made files", whole.run_load_data, amount(trace)),
            Contender("mysqlclient executemany", lambda: part.run_executemany(chunks), amount(medium)),
            Contender("C, one INSERT a row, autocommit", lambda: sample.run_insert_each(insert_each), amount(small)),
        ]
        if why_not := missing():
            print(f"rsyslog is left out: {why_not}", file=sys.stderr)
        else:
            contenders.append(Contender("rsyslog, ommysql", part.run_rsyslog, amount(medium)))
        measured = race("ingest into MariaDB", contenders, repetitions, warm=False)
    claim = "memtap ingest into MariaDB, whole process"
    goals = [0.95, None, 100, None]
    return measured, [
        compare(claim, measured[0], peer, "lines", goal) for peer, goal in zip(measured[1:], goals, strict=False)
    ]
