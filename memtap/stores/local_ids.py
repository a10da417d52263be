"""A parser's local ids and the store's ids they stand for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memtap.native import Batch

Identity = tuple[int, int]
"""Of a process of a host and boot: pid, start_us."""
Facts = tuple[int | None, int | None, int | None]
"""Of a process: uid, cgroup, the parent's pid; None where no tap has said."""


def _no_ids() -> array[int]:
    return array("I")


@dataclass(frozen=True, slots=True)
class LocalIds:
    """`names[local]` and `processes[local]` are store ids. Never changed: a batch that needs more makes a longer
    copy, which takes this one's place when its transaction is committed, and is forgotten otherwise."""

    generation: int = 0  # of the batches that they are of; another one counts from 0 again
    names: array[int] = field(default_factory=_no_ids)
    processes: array[int] = field(default_factory=_no_ids)

    def covering(
        self,
        batch: Batch,
        name_ids: Callable[[Sequence[bytes]], Sequence[int]],
        process_ids: Callable[[Mapping[Identity, Facts]], Mapping[Identity, int]],
    ) -> LocalIds:
        """These ids and those that `batch` needs besides; the callables find or make them in the store, in
        order of appearance."""
        known = self if self.generation == batch.generation else LocalIds(batch.generation)
        names, processes = known.names, known.processes
        if len(names) < batch.name_count:
            names = names + array("I", name_ids(batch.names[len(names) : batch.name_count]))
        if len(processes) < batch.process_count:
            new = slice(len(processes), batch.process_count)
            identities = list(zip(batch.process_pids[new], batch.process_starts[new], strict=True))
            # Lines that muddle pids and starts can make two local processes of one identity.
            found = process_ids(dict(zip(identities, _facts(batch, new), strict=True)))
            processes = processes + array("I", (found[identity] for identity in identities))
        return LocalIds(batch.generation, names, processes)


def _facts(batch: Batch, new: slice) -> list[Facts]:
    if not batch.wide:
        return [(None, None, None)] * (new.stop - new.start)
    # A cgroup or a parent of 0 is one that the tap cannot tell; a uid of 0 is root.
    return [(uid, cgroup or None, parent or None) for uid, cgroup, parent in batch.process_facts[new]]


@dataclass(slots=True)
class OpenStream:
    """What a writer knows of a stream it writes."""

    host_id: int
    ids: LocalIds = field(default_factory=LocalIds)
