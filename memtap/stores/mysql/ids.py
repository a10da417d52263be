"""The store's ids of names and processes: found, or made in a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from memtap.stores.conditions import marks
from memtap.stores.local_ids import Facts, Identity, NewProcess, OpenStream
from memtap.stores.mysql import statements as sql
from memtap.stores.mysql.session import Session

AT_ONCE = 1000  # values in one statement's list
SPARE = 4  # batches with as many new processes

Key = TypeVar("Key")


def take_ids(session: Session, what: str, count: int) -> int:
    """The first of `count` new ids. Other writers wait for the end of this transaction; names go before processes."""
    first = int(session.rows(sql.NEXT_ID, [what])[0][0])
    session.run(sql.TAKE_IDS, [count, what])
    return first


def name_ids(session: Session, comms: Sequence[bytes]) -> list[int]:
    found: dict[bytes, int] = {}

    def look_up(wanted: Sequence[bytes]) -> None:
        for some in slices(wanted):
            rows = session.rows(f"SELECT comm, id FROM names WHERE comm IN ({marks(some)})", some)  # noqa: S608
            found.update((bytes(comm), number) for comm, number in rows)

    def make(new: Sequence[bytes], first: int) -> None:
        for at in range(0, len(new), AT_ONCE):
            some = new[at : at + AT_ONCE]
            values = [value for number, comm in enumerate(some, first + at) for value in (number, comm)]
            session.run(f"INSERT INTO names VALUES {', '.join(['(?, ?)'] * len(some))}", values)  # noqa: S608

    _find_or_make(session, "name", comms, found, look_up, make)
    return [found[comm] for comm in comms]


def process_ids(
    session: Session, stream: OpenStream, processes: Mapping[Identity, Facts], new: list[NewProcess]
) -> dict[Identity, int]:
    """Those that are `new` have an id, and are made with their sums; at once where others make some, too. Numbers only,
    so the statements are written here: a storm of processes has thousands in a batch."""
    found: dict[Identity, int] = {}

    def look_up(wanted: Sequence[Identity]) -> None:
        if stream.others == "none":
            return
        for some in slices([pid for pid, _ in wanted]):
            pids = ",".join(map(str, some))
            rows = session.rows(
                f"SELECT pid, start_us, id FROM processes WHERE host_id = {int(stream.host_id)} AND pid IN ({pids})"  # noqa: S608
            )
            found.update(((pid, start), number) for pid, start, number in rows)
        for identity in stream.reserved.keys() & processes:
            if identity in found:
                stream.reserved.pop(identity)
            else:
                found[identity] = stream.reserved[identity]
                new.append(NewProcess(found[identity], identity, processes[identity]))
        new.sort()

    def make(wanted: Sequence[Identity], first: int) -> None:
        reserved = [NewProcess(number, identity, processes[identity]) for number, identity in enumerate(wanted, first)]
        if stream.others == "met":
            rows = sql.new_processes(stream.host_id, reserved, {}, wide=False)
            session.run_values(sql.make_processes(wide=False), "", rows)
        else:
            new.extend(reserved)

    if stream.others == "none" and len(processes) <= len(stream.spare):  # nobody is asked
        make(list(processes), stream.spare.start)
        stream.spare = stream.spare[len(processes) :]
        return {each.identity: each.number for each in new}
    _find_or_make(session, "process", list(processes), found, look_up, make)
    return found


def take_spare(session: Session, stream: OpenStream, wanted: int) -> None:
    """Ids for the new processes of some batches, where they are this stream's alone. In a transaction of its own."""
    if stream.others == "none" and len(stream.spare) < wanted:
        first = take_ids(session, "process", SPARE * wanted)
        session.commit()
        stream.spare = range(first, first + SPARE * wanted)


def _find_or_make(
    session: Session,
    what: str,
    keys: Sequence[Key],
    found: dict[Key, int],
    look_up: Callable[[Sequence[Key]], None],
    make: Callable[[Sequence[Key], int], None],
) -> None:
    """Fill `found` with an id for each key, in order of appearance where they are new."""
    if what != "process":  # most names are there already, and nobody needs to wait; a new process is new to all
        look_up(keys)
        if all(key in found for key in keys):
            return
    session.rows(sql.NEXT_ID, [what])  # from here no other writer makes any: look, then make
    look_up(keys)
    new = [key for key in keys if key not in found]
    if new:
        first = take_ids(session, what, len(new))
        make(new, first)
        found.update((key, number) for number, key in enumerate(new, first))


def slices(values: Sequence[Key]) -> Iterator[Sequence[Key]]:
    return (values[at : at + AT_ONCE] for at in range(0, len(values), AT_ONCE))
