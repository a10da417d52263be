"""A parser's local ids and the store's ids they stand for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

if TYPE_CHECKING:
    from memtap.native import Batch

Key = TypeVar("Key")
Identity = tuple[int, int]
"""Of a process of a host and boot: pid, start_us."""
Facts = tuple[int | None, int | None, int | None]
"""Of a process: uid, cgroup, the parent's pid; None where no tap has said."""
NO_FACTS: Facts = (None, None, None)


def _no_ids() -> array[int]:
    return array("I")


MOST_SEEN = 65_536  # names, or processes: what a store's ids of them are remembered for


class Pids:
    """A set of pids, a bit each: half a megabyte holds all that a kernel has."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def __contains__(self, pid: int) -> bool:
        at = pid >> 3
        return at < len(self._bits) and bool(self._bits[at] >> (pid & 7) & 1)

    def add(self, pids: Iterable[int]) -> None:
        for pid in pids:
            at = pid >> 3
            if at >= len(self._bits):
                self._bits.extend(bytes(at + 1 - len(self._bits)))
            self._bits[at] |= 1 << (pid & 7)


class NewProcess(NamedTuple):
    """One that has its id, and is yet to be made."""

    number: int  # the store's id
    identity: Identity
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Seen:
    """Ids that are committed, whatever the generation: each batch out of a spool is of one of its own."""

    names: dict[bytes, int] = field(default_factory=dict)
    processes: dict[Identity, int] = field(default_factory=dict)

    def add(self, ids: LocalIds) -> None:
        _add(self.names, ids.comms, ids.names)
        _add(self.processes, zip(ids.pids, ids.starts, strict=False), ids.processes)


def _add(known: dict[Key, int], keys: Iterable[Key], numbers: Sequence[int]) -> None:
    if len(known) + len(numbers) > MOST_SEEN:
        known.clear()
    if len(numbers) <= MOST_SEEN:
        known.update(zip(keys, numbers, strict=False))


@dataclass(frozen=True, slots=True)
class LocalIds:
    """`names[local]` and `processes[local]` are store ids. Never changed: a batch that needs more makes a longer
    copy, which takes this one's place when its transaction is committed, and is forgotten otherwise."""

    generation: int = 0  # of the batches that they are of; another one counts from 0 again
    names: array[int] = field(default_factory=_no_ids)
    processes: array[int] = field(default_factory=_no_ids)
    comms: Sequence[bytes] = ()  # of the generation's batches, which may know more by now, as they may of these
    pids: Sequence[int] = ()
    starts: Sequence[int] = ()
    seen: _Seen = field(default_factory=_Seen)
    new: Sequence[NewProcess] = ()  # of the batch that they were made for, ascending
    reserved_before: bool = False  # whether any of `new` is also new to a batch before it

    def cover(self, batch: Batch) -> bool:
        """Whether these are all that `batch` needs."""
        return (
            self.generation == batch.generation
            and len(self.names) >= batch.name_count
            and len(self.processes) >= batch.process_count
        )

    def covering(
        self,
        batch: Batch,
        name_ids: Callable[[Sequence[bytes]], Sequence[int]],
        process_ids: Callable[[Mapping[Identity, Facts]], Mapping[Identity, int]],
        *,
        alone: bool = False,
    ) -> LocalIds:
        """These ids and those that `batch` needs besides; the callables find or make them in the store, in
        order of appearance. Processes of batches that are sealed already, too, unless `alone`: these then ask for
        nothing, in no transaction of their own."""
        names, processes, seen = self.names, self.processes, self.seen
        if self.generation != batch.generation:
            seen.add(self)
            names, processes = _no_ids(), _no_ids()
        if len(names) < batch.name_count:
            comms = batch.names[len(names) : batch.name_count]
            of_names = {comm: seen.names[comm] for comm in comms if comm in seen.names}
            if unseen := [comm for comm in comms if comm not in of_names]:
                of_names.update(zip(unseen, name_ids(unseen), strict=True))
            names = names + array("I", (of_names[comm] for comm in comms))
        if len(processes) < batch.process_count:
            known = batch.process_count
            if not alone:
                known = min(map(len, (batch.process_pids, batch.process_starts, *_told_of(batch))))
            new = slice(len(processes), known)
            identities = list(zip(batch.process_pids[new], batch.process_starts[new], strict=True))
            # Lines that muddle pids and starts can make two local processes of one identity.
            facts = dict(zip(identities, _facts(batch, new), strict=True))
            of_processes = {each: seen.processes[each] for each in facts if each in seen.processes}
            if len(of_processes) < len(facts):
                of_processes.update(process_ids({each: facts[each] for each in facts if each not in of_processes}))
            processes = processes + array("I", (of_processes[identity] for identity in identities))
        lists = batch.names, batch.process_pids, batch.process_starts
        return LocalIds(batch.generation, names, processes, *lists, seen)


def _told_of(batch: Batch) -> Sequence[Sequence[tuple[int, int, int]]]:
    return (batch.process_facts,) if batch.wide else ()


def _facts(batch: Batch, new: slice) -> list[Facts]:
    if not batch.wide:
        return [NO_FACTS] * (new.stop - new.start)
    # A cgroup or a parent of 0 is one that the tap cannot tell; a uid of 0 is root.
    return [(uid, cgroup or None, parent or None) for uid, cgroup, parent in batch.process_facts[new]]


@dataclass(slots=True)
class OpenStream:
    """What a writer knows of a stream it writes."""

    host_id: int
    others: Literal["none", "maybe", "met"] = "maybe"  # who make processes of this host, too
    ids: LocalIds = field(default_factory=LocalIds)
    reserved: dict[Identity, int] = field(default_factory=dict)  # for processes that are yet to be made
    spare: range = range(0)  # ids that are taken, for processes that are yet to be met
