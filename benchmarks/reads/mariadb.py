"""A MariaDB store with many calls, made by SQL in a fraction of the time that `memtap ingest` takes for it, and how the
server goes about each read."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.database import OPTIONS
from benchmarks.reads.asked import Read
from benchmarks.reads.filling import CALLS_PER_S, FIRST_US, PROCESSES
from memtap.stores import open_store
from memtap.stores.address import MySQLAddress, parse
from memtap.stores.contract import Store
from memtap.stores.mysql.partitions import cuts
from memtap.stores.mysql.reader import MySQLReader
from tests.mariadb import Server

AT_ONCE = 500_000  # calls of a transaction
# Only while a store is filled: what a power cut would take is made again.
FILLING = ("--innodb-buffer-pool-size=4G", "--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite")
PARTITION_S = 3600  # as `--keep-events 24h` has them
NAMES = 40
FIRST_ID = 1 << 40
# Calls are those of benchmarks.reads.filling: any process, mmap2 or munmap, 4 KiB to 400 KiB.
EVENTS = f"""
INSERT INTO events (id, time_us, process_id, what, name_id, length)
SELECT {FIRST_ID} + seq, {FIRST_US} + seq * 1000000 DIV {CALLS_PER_S}, 1 + CRC32(seq) MOD {PROCESSES},
       CRC32(CONCAT('call', seq)) MOD 2, 1 + CRC32(seq) MOD {PROCESSES} MOD {NAMES},
       4096 * (1 + CRC32(CONCAT('length', seq)) MOD 100)
FROM seq_{{first}}_to_{{last}} ORDER BY seq
"""
SECONDS = f"""
INSERT INTO rollup_1s (second, process_id, requested, released, requests, releases)
SELECT time_us DIV 1000000, process_id, SUM(IF(what = 0, length, 0)), SUM(IF(what = 1, length, 0)), SUM(what = 0),
       SUM(what = 1)
FROM events WHERE time_us >= {FIRST_US} + {{first}} * 1000000 DIV {CALLS_PER_S}
              AND time_us <= {FIRST_US} + {{last}} * 1000000 DIV {CALLS_PER_S}
GROUP BY 1, 2 ORDER BY 1, 2
"""
TIER = """
INSERT INTO {table} (second, process_id, requested, released, requests, releases)
SELECT second - second MOD {step}, process_id, SUM(requested), SUM(released), SUM(requests), SUM(releases)
FROM {finer} GROUP BY 1, 2 ORDER BY 1, 2
"""
OTHERS = (
    """
    INSERT INTO account_1s SELECT second, 1, SUM(requests + releases), 0 FROM rollup_1s GROUP BY second ORDER BY second
    """,
    f"""
    INSERT INTO processes
        (id, host_id, pid, start_us, name_id, requested, released, requests, releases, first_us, last_us)
    SELECT r.process_id, 1, r.process_id, 0, 1 + (r.process_id - 1) MOD {NAMES}, r.requested, r.released, r.requests,
           r.releases, {FIRST_US}, {{last_us}}
    FROM (SELECT process_id, SUM(requested) AS requested, SUM(released) AS released, SUM(requests) AS requests,
                 SUM(releases) AS releases FROM rollup_1h GROUP BY process_id) r ORDER BY r.process_id
    """,
    """
    INSERT INTO batches SELECT 1, seq, seq * 65536, LEAST(65536, {calls} - seq * 65536), 67 * 65536 * (seq + 1), '',
                               LEAST(65536, {calls} - seq * 65536), 0, 0
    FROM seq_0_to_{batches}
    """,
    f"""
    INSERT INTO streams (stream_no, name, tap, host_id, batches, lines_read, stored, first_us, last_us, changes)
    VALUES (1, 'bench', 'file', 1, {{batches}} + 1, {{calls}}, {{calls}}, {FIRST_US}, {{last_us}}, {{batches}} + 1)
    """,
    "INSERT INTO name_uses SELECT id, GREATEST(UNIX_TIMESTAMP() + 7200, {last_us} DIV 1000000 + 3600) FROM names",
    "INSERT INTO stream_uses VALUES (1, UNIX_TIMESTAMP())",
    "UPDATE hosts SET last_us = {last_us}",
    f"UPDATE counters SET next_id = CASE what WHEN 'process' THEN {PROCESSES + 1} WHEN 'name' THEN 100 ELSE 2 END",
    "ANALYZE TABLE events, rollup_1s, rollup_1m, rollup_1h, account_1s, processes, batches",
)


class Explaining(MySQLReader):
    """Keeps the plan of every statement it puts, with what each step really read."""

    plans: list[tuple[str, str]]

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        plan = super()._rows(f"ANALYZE {sql}", values)
        self.plans.append((sql, "\n".join("\t".join(map(str, row)) for row in plan)))
        return super()._rows(sql, values)


class MariaDBSide:
    """A private server, and in it a store of as many calls as one asks for."""

    name = "MariaDB"

    def __init__(self, folder: Path | None = None, partition_s: int = PARTITION_S) -> None:
        self._partition_s = partition_s
        self._folder = Path(
            tempfile.mkdtemp(prefix="memtap-reads-", dir=folder or "/tmp")
        )  # short, for the socket's path
        self._server = Server(self._folder, *OPTIONS)

    def __enter__(self) -> Self:
        self._server.start(*FILLING)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.stop()
        shutil.rmtree(self._folder)

    def fill(self, calls: int) -> None:
        """A new store with this many calls of 10,000 processes, 10,000 calls a second, in place of any before."""
        self._server.execute("DROP DATABASE IF EXISTS bench")
        with closing(open_store(self._server.url("bench"))) as store:
            store.migrate()
        self._partition(calls)
        with closing(self._server.connect("bench")) as connection:
            cursor = connection.cursor()
            cursor.execute("ALTER TABLE rollup_1s DROP KEY by_process")  # made later, from sorted rows
            cursor.execute("SET SESSION tmp_memory_table_size = 256 << 20, SESSION max_heap_table_size = 256 << 20")
            cursor.execute("INSERT INTO hosts VALUES (1, 'bench', 'boot', 16 << 30, 4096, 0)")
            cursor.execute(f"INSERT INTO names SELECT seq, CONCAT('worker/', seq) FROM seq_1_to_{NAMES}")
            cursor.execute("INSERT INTO names VALUES (99, 'worker/none')")
            for first in range(0, calls, AT_ONCE):
                last = min(first + AT_ONCE, calls) - 1
                cursor.execute(EVENTS.format(first=first, last=last))
                cursor.execute(SECONDS.format(first=first, last=last))
            cursor.execute("ALTER TABLE rollup_1s ADD KEY by_process (process_id, second)")
            for table, finer, step in (("rollup_1m", "rollup_1s", 60), ("rollup_1h", "rollup_1m", 3600)):
                cursor.execute(TIER.format(table=table, finer=finer, step=step))
            batches = -(-calls // 65536) - 1
            last_us = FIRST_US + (calls - 1) * 1_000_000 // CALLS_PER_S
            for statement in OTHERS:
                cursor.execute(statement.format(calls=calls, batches=batches, last_us=last_us))
        self._server.stop()
        self._server.start()

    def filled(self) -> Store:
        return open_store(self._server.url("bench"))

    def empty(self) -> Store:
        """Another one without a call, each time."""
        self._server.execute("DROP DATABASE IF EXISTS nothing")
        store = open_store(self._server.url("nothing"))
        store.migrate()
        return store

    def cpu_ns(self) -> int:
        """Nanoseconds of the processors so far, in the server and here: neighbours do not count."""
        return time.thread_time_ns() + _server_ns(self._server.pid)

    def bytes(self) -> int:
        found = self._server.execute(
            "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = 'bench'"
        )
        return int(found[0][0])

    def plans(self, read: Read) -> list[tuple[str, str]]:
        """Each statement of a read with the server's plan of it."""
        address = parse(self._server.url("bench"))
        assert isinstance(address, MySQLAddress)
        with closing(Explaining(address)) as reader:
            reader.plans = []
            read(reader)
            return reader.plans

    def _partition(self, calls: int) -> None:
        """An empty store's first partition cut as housekeeping would have, had it seen these calls arrive."""
        first_s, last_s = FIRST_US // 1_000_000, FIRST_US // 1_000_000 + calls // CALLS_PER_S
        span_s = self._partition_s
        ends = [*range(first_s - first_s % span_s + span_s, last_s + 2 * span_s, span_s)]
        ends += cuts(ends[-1], None, span_s)
        for table, unit in (("events", 1_000_000), ("rollup_1s", 1)):
            parts = ", ".join(f"PARTITION p{end} VALUES LESS THAN ({end * unit})" for end in ends)
            self._server.execute(
                f"ALTER TABLE bench.{table} PARTITION BY RANGE ({'time_us' if unit > 1 else 'second'})"
                f" ({parts}, PARTITION latest VALUES LESS THAN MAXVALUE)"
            )


def _server_ns(pid: int) -> int:
    """Nanoseconds that the server's threads have had a processor."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has ended
            total += int((task / "schedstat").read_text().split()[0])
    return total
