"""A parser's local ids and the store's ids they stand for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memtap.native import Batch


def _no_ids() -> array[int]:
    return array("I")


@dataclass(frozen=True, slots=True)
class LocalIds:
    """`names[local]` and `processes[local]` are store ids. Never changed: a batch that needs more makes a longer
    copy, which takes this one's place when its transaction is committed, and is forgotten otherwise."""

    table: Sequence[bytes] = ()  # the parser's own table of names; another parser counts from 0 again
    names: array[int] = field(default_factory=_no_ids)
    processes: array[int] = field(default_factory=_no_ids)

    def covering(
        self,
        batch: Batch,
        name_ids: Callable[[Sequence[bytes]], Sequence[int]],
        process_ids: Callable[[Sequence[tuple[int, int]]], Sequence[int]],
    ) -> LocalIds:
        """These ids and those that `batch` needs besides; the callables find or make them in the store, the
        first from comms, the second from (pid, start_us)."""
        known = self if self.table is batch.names else LocalIds(batch.names)
        names, processes = known.names, known.processes
        if len(names) < batch.name_count:
            names = names + array("I", name_ids(batch.names[len(names) : batch.name_count]))
        if len(processes) < batch.process_count:
            new = slice(len(processes), batch.process_count)
            pairs = list(zip(batch.process_pids[new], batch.process_starts[new], strict=True))
            processes = processes + array("I", process_ids(pairs))
        return LocalIds(batch.names, names, processes)


@dataclass(slots=True)
class OpenStream:
    """What a writer knows of a stream it writes."""

    host_id: int
    ids: LocalIds = field(default_factory=LocalIds)
