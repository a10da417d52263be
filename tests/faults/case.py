"""A memtap that watches through all the runs of a fault, and is judged by what its store holds in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mariadb import Server

from .numbered import Trace
from .oracle import judge
from .runs import Runs
from .watching import Watching, watching

MOST_KB = 200_000  # that memtap may grow by while its store is away: 3,000 lines a second are 170 KB


class Case:
    """One memtap, one database, one fault."""

    def __init__(self, server: Server, database: str, memtap: Watching, runs: Runs) -> None:
        self.server = server
        self.database = database
        self.memtap = memtap
        self.runs = runs

    def counted(self) -> int:
        """Lines that the store accounts for."""
        asked = f"SELECT COALESCE(SUM(stored + rejected), 0) FROM {self.database}.streams"
        lost = f"SELECT COALESCE(SUM(events), 0) FROM {self.database}.loss_totals"
        return int(self.server.execute(f"SELECT ({asked}) + ({lost})")[0][0])

    def alter(self, statement: str) -> None:
        """Changes a table under memtap's hands, without the checks of what is in it already."""
        connection = self.server.connect()
        try:
            connection.query("SET SESSION check_constraint_checks = 0")
            connection.query(statement)
        finally:
            connection.close()

    def mended(self) -> None:
        """Waits until all that was printed up to now is in the store."""
        printed = self.memtap.printed.whole
        wait = self.memtap.until(lambda: self.counted() >= printed, "the store has caught up")
        self.runs.ready_s.append(wait)


@contextmanager
def case(
    name: str,
    server: Server,
    database: str,
    trace: Trace,
    folder: Path,
    *arguments: str,
    url: str = "",
    **more: Any,
) -> Iterator[Case]:
    """For the runs of a fault; at the end the store is judged."""
    runs = Runs(name)
    with watching(folder / "watching", trace, url or server.url(database), *arguments, **more) as memtap:
        memtap.until_printed()
        each = Case(server, database, memtap, runs)
        each.mended()
        resident_kb = memtap.resident_kb()
        yield each
        printed = memtap.quiet()
        each.mended()
        assert memtap.resident_kb() < resident_kb + MOST_KB
        memtap.stop()
    runs.judged(judge(server.url(database), trace, printed))


def fill(ballast: Path, left: int) -> None:
    """Takes all the room but `left` bytes of a file's disk."""
    with suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    with ballast.open("r+b") as file:
        file.truncate(max(ballast.stat().st_size - left, 0))
