"""A batch's sums: the rows of processes that are new, and what is added to those of the others."""

from __future__ import annotations

from collections.abc import Collection

from memtap.errors import StoreError
from memtap.native import Batch
from memtap.stores.local_ids import LocalIds, OpenStream
from memtap.stores.mysql import statements as sql
from memtap.stores.mysql.errors import DUPLICATE_KEY, code_of
from memtap.stores.mysql.session import Session
from memtap.stores.tiers import TIERS

MANY = 100  # new processes: then LOAD DATA, which takes a third less of the server, is worth its statements


class IdsGone(Exception):
    """A process that this writer knew has been dropped since, or one that is new to it has just been made by another:
    its rows went nowhere, and the transaction with them."""


class Sums:
    """Rows of a batch, by table. `make` those of processes that are new, then `add` all others to what is there.
    `many`: whether the new ones go in as a file does."""

    def __init__(self, stream: OpenStream, ids: LocalIds, events: Batch) -> None:
        self.ids = ids
        self._stream = stream
        self._wide = events.wide
        numbers = {each.number for each in ids.new}
        self.many = len(numbers) >= MANY
        self.made = False
        self._new: dict[str, bytes] = {}
        self._added: dict[str, bytes] = {}
        if len(events):
            for step, table in TIERS.items():
                rows = events.sums_text(ids.processes, step)
                if self.many:
                    new, rows = _split(rows, 1, numbers)
                    self._new[table] = b"".join(row for _, row in new)
                self._added[table] = rows
        rows = events.process_sums_text(ids.processes, ids.names) if len(events) else b""
        new, self._added["processes"] = _split(rows, 0, numbers) if numbers else ([], rows)
        self._new["processes"] = sql.new_processes(stream.host_id, ids.new, dict(new), wide=self._wide)

    def make(self, session: Session) -> None:
        """Raises IdsGone where another writer has made one of the processes."""
        try:
            if self.many:
                session.load_values("processes", sql.columns_of_new(self._wide), self._new["processes"])
            else:
                session.run_values(sql.make_processes(self._wide), "", self._new["processes"])
        except StoreError as error:
            if not isinstance(error.__cause__, Exception) or code_of(error.__cause__) != DUPLICATE_KEY:
                raise
            # One that it made itself and has forgotten, or another writer's.
            self._stream.others = "maybe" if self._stream.others == "none" else "met"
            raise IdsGone from None
        for table in TIERS.values():
            session.load_values(table, sql.columns_of_sums(self._wide), self._new.get(table, b""))
        self.made = True

    def add(self, session: Session) -> None:
        for table, rows in self._added.items():
            processes = table == "processes"
            statement = sql.add_to_processes(self._wide) if processes else sql.add_to_rollup(table, self._wide)
            session.run_values(*statement, rows)


def _split(rows: bytes, at: int, numbers: Collection[int]) -> tuple[list[tuple[int, bytes]], bytes]:
    """Rows of SQL values: those with one of these `numbers` in field `at`, and the rest; in order."""
    found: list[tuple[int, bytes]] = []
    rest: list[bytes] = []
    for row in rows.splitlines(keepends=True):
        number = int(row.split(b",", at + 1)[at].removeprefix(b"("))
        if number in numbers:
            found.append((number, row))
        else:
            rest.append(row)
    return found, b"".join(rest)
