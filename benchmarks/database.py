"""A private MariaDB server for the benchmarks, with its defaults for durability: a commit is on the disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.tally import check_by_pid
from tests.mariadb import Server

# Room to work in, the same for all: 64 MB of pool and 48 MB of log, as the tests have, would measure checkpoints.
OPTIONS = (
    "--innodb-buffer-pool-size=1G",
    "--innodb-log-file-size=1G",
    "--innodb-flush-log-at-trx-commit=1",
    "--local-infile=1",
    "--skip-log-bin",
)


@contextmanager
def private_server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="memtap-bench-db-", dir="/tmp"))  # short, for the socket's path
    server = Server(folder, *OPTIONS)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def recreate(server: Server, database: str) -> None:
    server.execute(f"DROP DATABASE IF EXISTS {database}")
    server.execute(f"CREATE DATABASE {database}")


def check_events(
    server: Server, database: str, processes: str, expected: dict[int, tuple[int, int, int]], who: str
) -> None:
    """Sums of the calls by pid. `processes`: the table that says which pid a process has."""
    rows = server.execute(
        "SELECT p.pid, e.n, e.requested, e.released FROM (SELECT process_id, COUNT(*) AS n,"
        " SUM(IF(`call` = 0, length, 0)) AS requested, SUM(IF(`call` = 1, length, 0)) AS released"
        f" FROM {database}.calls GROUP BY process_id) e JOIN {database}.{processes} p ON p.id = e.process_id"
    )
    check_by_pid({row[0]: (row[1], int(row[2]), int(row[3])) for row in rows}, expected, who)


def check_memory_calls(server: Server, database: str, expected: dict[int, tuple[int, int, int]], who: str) -> None:
    """Sums of the original's table by pid."""
    rows = server.execute(
        "SELECT pid, COUNT(*), SUM(IF(call_type = 'mmap2', ROUND(segment_size * 1048576), 0)),"
        f" SUM(IF(call_type = 'munmap', ROUND(segment_size * 1048576), 0)) FROM {database}.MemoryCalls GROUP BY pid"
    )
    check_by_pid({row[0]: (row[1], int(row[2]), int(row[3])) for row in rows}, expected, who)
