"""A store's ids of names and processes: batches out of a spool do not ask for them again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from memtap.native import Batch, Parser
from memtap.stores import local_ids
from memtap.stores.local_ids import Facts, Identity, LocalIds

from .keeping import HEADER, numbered


class Table:
    """Ids as a store gives them, and what it was asked for."""

    def __init__(self) -> None:
        self.names: dict[bytes, int] = {}
        self.processes: dict[Identity, int] = {}
        self.asked: list[object] = []

    def covering(self, ids: LocalIds, batch: Batch) -> LocalIds:
        self.asked = []
        return ids.covering(batch, self._name_ids, self._process_ids)

    def _name_ids(self, comms: Sequence[bytes]) -> list[int]:
        self.asked += comms
        return [self.names.setdefault(comm, 100 + len(self.names)) for comm in comms]

    def _process_ids(self, processes: Mapping[Identity, Facts]) -> dict[Identity, int]:
        self.asked += processes
        return {key: self.processes.setdefault(key, 500 + len(self.processes)) for key in processes}


def spooled(count: int, pids: Sequence[int]) -> list[Batch]:
    """Batches as a spool gives them back, each of these pids in turn."""
    parser = Parser(header=HEADER.strip())
    batches = [numbered(2, 2 * at, parser, pid=pids[at % len(pids)]) for at in range(count)]
    return [Batch.unpack(batch.pack()) for batch in batches]


def right(table: Table, ids: LocalIds, batch: Batch) -> bool:
    keys = zip(batch.process_pids, batch.process_starts, strict=True)
    return [*ids.names] == [table.names[name] for name in batch.names] and [*ids.processes] == [
        table.processes[key] for key in keys
    ]


def test_what_was_found_for_one_batch_is_known_for_the_next_of_another_generation() -> None:
    table, ids = Table(), LocalIds()
    asked = []
    batches = spooled(9, pids=[7, 8, 9])
    assert len({batch.generation for batch in batches}) == 9
    for batch in batches:
        ids = table.covering(ids, batch)
        asked.append(len(table.asked))
        assert right(table, ids, batch)
    assert asked == [2, 1, 1, 0, 0, 0, 0, 0, 0]


def test_ids_of_a_transaction_that_failed_are_forgotten() -> None:
    table = Table()
    first, second = spooled(2, pids=[7, 8])
    ids = table.covering(LocalIds(), first)
    table.covering(ids, second)
    table.processes.popitem()  # rolled back
    table.processes[99, 1] = 501  # then another writer has that id
    again = table.covering(ids, second)
    assert len(table.asked) == 1
    assert right(table, again, second)
    assert [*again.processes] == [502]


def test_what_is_remembered_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_ids, "MOST_SEEN", 5)
    table, ids = Table(), LocalIds()
    for batch in spooled(40, pids=[*range(1, 21)]):
        ids = table.covering(ids, batch)
        assert right(table, ids, batch)
        assert len(ids.seen.processes) <= 5


def test_processes_of_later_batches_are_asked_for_once_they_are_known() -> None:
    table, parser = Table(), Parser(header=HEADER.strip())
    first, second, third = (numbered(2, 2 * at, parser, pid=pid) for at, pid in enumerate((7, 8, 9)))
    ids = table.covering(LocalIds(), first)
    assert ids.cover(second)
    assert ids.cover(third)
    assert right(table, ids, third)
    fourth = numbered(2, 6, parser, pid=10)
    assert not ids.cover(fourth)
    assert right(table, table.covering(ids, fourth), fourth)
