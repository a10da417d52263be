"""One process's calls by call and kind of mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtap.api.encoding import exact_all
from memtap.api.processes import known_process
from memtap.stores.contract import CallFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memtap.api.moment import Moment
    from memtap.stores.contract import CallRow

CALLS_READ = 20_000  # the newest: a process may have made millions
_LIVES = ("fork", "exec", "exit", "proc")  # no memory is asked for
_RELEASES = ("munmap", "shmdt")


@dataclass(slots=True)
class Sums:
    """Of calls of one name and kind. Bytes and calls."""

    requested: int = 0
    released: int = 0
    requests: int = 0
    releases: int = 0
    failed: int = 0

    def add(self, call: CallRow) -> None:
        """As the ledger counts it: what was granted, where a tap has said so."""
        if call.errno:
            self.failed += 1
        elif call.call in _RELEASES:
            self.releases += 1
            self.released += call.length if call.freed is None else call.freed
        elif (grown := call.length - (call.freed or 0)) < 0:
            self.releases += 1
            self.released -= grown
        else:
            self.requests += 1
            self.requested += grown


def process_kinds(
    moment: Moment, *, process_id: int, from_us: int | None = None, to_us: int | None = None
) -> dict[str, object]:
    """Of its newest CALLS_READ calls in the window; `complete`: there are no more. Raises Problem 404."""
    known_process(moment, process_id)
    where = CallFilter(process_id=process_id, from_us=from_us, to_us=to_us)
    rows = moment.reader.calls(where, limit=CALLS_READ + 1)
    sums = summed(rows[:CALLS_READ])
    return {
        "complete": len(rows) <= CALLS_READ,
        "since_us": rows[:CALLS_READ][-1].time_us if rows else None,
        "columns": {
            "call": [call for call, _ in sums],
            "kind": [kind for _, kind in sums],
            "requested": exact_all(one.requested for one in sums.values()),
            "released": exact_all(one.released for one in sums.values()),
            "requests": [one.requests for one in sums.values()],
            "releases": [one.releases for one in sums.values()],
            "failed": [one.failed for one in sums.values()],
        },
    }


def summed(rows: Iterable[CallRow]) -> dict[tuple[str, str | None], Sums]:
    """By call and kind, most requested first."""
    sums: dict[tuple[str, str | None], Sums] = {}
    for row in rows:
        if row.call not in _LIVES:
            sums.setdefault((row.call, row.kind), Sums()).add(row)
    return dict(sorted(sums.items(), key=lambda item: (-item[1].requested, -item[1].released)))
