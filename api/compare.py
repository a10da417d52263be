"""Two moments, or two windows, side by side: what grew, shrank, appeared, ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from memtap.api.encoding import exact, exact_or_null
from memtap.api.history import SECOND_US, whole_seconds
from memtap.api.problems import Problem
from memtap.names import display

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memtap.api.moment import Moment
    from memtap.api.parameters import Span
    from memtap.stores.contract import ProcessRow

State = Literal["grew", "shrank", "appeared", "ended", "unknown", "same"]
STATES: tuple[State, ...] = ("grew", "shrank", "appeared", "ended", "unknown", "same")
Of = Literal["balance", "vm"]  # of moments


@dataclass(slots=True)
class Change:
    """Of one process. Bytes; None: it was not there, as its state says, or nobody knows."""

    row: ProcessRow
    before: int | None
    after: int | None
    state: State

    @property
    def change(self) -> int | None:
        """None: nobody knows."""
        if (self.before is None and self.state != "appeared") or (self.after is None and self.state != "ended"):
            return None
        return (self.after or 0) - (self.before or 0)


def compare(
    moment: Moment, *, at: Span, other: Span | None = None, of: Of | None = None, limit: int = 1000
) -> dict[str, object]:
    """Moments: each process's balance, or vm, at the beginning of their seconds. Windows: what each requested in them.

    Without `with`, a moment is compared with now, and a window with the one that follows it and is as long.
    """
    first, second = _order(at, other or _default(moment, at))
    shown_of: Literal["balance", "vm", "requested"] = of or "balance"
    if first[1] is None or second[1] is None:
        changes = list((_held if of == "vm" else _moments)(moment, first[0], second[0]))
        spans: list[Span] = [(first[0], None), (second[0], None)]
    elif of is not None:
        raise Problem(
            400,
            "windows are compared by what was requested in them",
            parameter="of",
            value=of,
            allowed="none of it with windows; balance or vm with moments",
        )
    else:
        one, two = whole_seconds(first[0], first[1]), whole_seconds(second[0], second[1])
        changes = list(_windows(moment, one, two))
        shown_of, spans = "requested", [one, two]
    states = Counter(change.state for change in changes)
    moved = sorted((change for change in changes if change.state != "same"), key=_most_first)
    shown = moved[:limit]
    known = [change for change in changes if change.change is not None]
    before, after = (sum(getattr(change, side) or 0 for change in known) for side in ("before", "after"))
    exactness = moment.exactness
    return {
        "of": shown_of,
        "at": {"from_us": spans[0][0], "to_us": spans[0][1]},
        "with": {"from_us": spans[1][0], "to_us": spans[1][1]},
        "totals": {"before": exact(before), "after": exact(after), "change": exact(after - before)},
        "states": {state: states[state] for state in STATES},
        "count": len(shown),
        "columns": {
            "id": [change.row.id for change in shown],
            "pid": [change.row.pid for change in shown],
            "process_name": [display(change.row.name) for change in shown],
            "state": [change.state for change in shown],
            "before": [exact_or_null(change.before) for change in shown],
            "after": [exact_or_null(change.after) for change in shown],
            "change": [exact_or_null(change.change) for change in shown],
            # The kernel's own count is no sum that calls could be missing from.
            "exact": [of == "vm" or exactness.of(change.row) for change in shown],
            "first_us": [change.row.first_us for change in shown],
            "ended_us": [change.row.ended_us for change in shown],
        },
    }


def _most_first(change: Change) -> tuple[int, int]:
    return -abs(change.change or 0), change.row.id


def _default(moment: Moment, at: Span) -> Span:
    if at[1] is not None:
        return at[1], 2 * at[1] - at[0]
    now_us = max(at[0], moment.totals.last_us or 0)
    return (now_us // SECOND_US + 1) * SECOND_US, None


def _order(at: Span, other: Span) -> tuple[Span, Span]:
    if (at[1] is None) != (other[1] is None):
        raise Problem(
            400,
            "a moment cannot be compared with a window",
            parameter="with",
            value=_text(other),
            allowed=f"a {'moment' if at[1] is None else 'window'}, as `at` is one",
        )
    if other[0] < at[0]:
        raise Problem(
            400,
            "`with` is before `at`",
            parameter="with",
            value=_text(other),
            allowed=f"{at[0]} or later",
        )
    if at[1] is None:
        return (at[0] // SECOND_US * SECOND_US, None), (other[0] // SECOND_US * SECOND_US, None)
    return at, other


def _text(span: Span) -> str:
    return str(span[0]) if span[1] is None else f"{span[0]}-{span[1]}"


def _moments(moment: Moment, at_us: int, with_us: int) -> Iterator[Change]:
    """Each balance as of now, less what has come since: so rollups that retention dropped are not missed."""
    end_us = max(with_us, moment.totals.last_us or 0) + 1
    since_at, since_with = (_balances(moment.reader.window(us, end_us)) for us in (at_us, with_us))
    for row in moment.processes:
        before = row.balance - since_at.get(row.id, 0) if _lived(row, at_us) else None
        after = row.balance - since_with.get(row.id, 0) if _lived(row, with_us) else None
        if before is not None or after is not None:
            yield Change(row, before, after, _state(before, after))


def _held(moment: Moment, at_us: int, with_us: int) -> Iterator[Change]:
    """The kernel's own count at each process's latest call before, as far as that is known."""
    first, second = (moment.reader.held_at(us) for us in (at_us, with_us))
    for row in moment.processes:
        was_there, is_there = row.id in first, row.id in second
        if was_there or is_there:
            before, after = first.get(row.id), second.get(row.id)
            yield Change(row, before, after, _state_held(before, after, was_there=was_there, is_there=is_there))


def _state_held(before: int | None, after: int | None, *, was_there: bool, is_there: bool) -> State:
    if not was_there:
        return "appeared"
    if not is_there:
        return "ended"
    return "unknown" if before is None or after is None else _state(before, after)


def _balances(rows: Iterable[ProcessRow]) -> dict[int, int]:
    return {row.id: row.balance for row in rows}


def _lived(row: ProcessRow, at_us: int) -> bool:
    return row.first_us < at_us and (row.ended_us is None or row.ended_us >= at_us)


def _windows(moment: Moment, one: tuple[int, int], two: tuple[int, int]) -> Iterator[Change]:
    read = [moment.reader.window(*window) for window in (one, two)]
    rows = {row.id: row for window in read for row in window}
    before, after = map(_requested, read)
    for number, row in rows.items():
        was = None if row.first_us >= one[1] else before.get(number, 0)
        now = None if row.ended_us is not None and row.ended_us < two[0] else after.get(number, 0)
        if was is not None or now is not None:
            yield Change(row, was, now, _state(was, now))


def _requested(rows: Sequence[ProcessRow]) -> dict[int, int]:
    return {row.id: row.requested for row in rows}


def _state(before: int | None, after: int | None) -> State:
    if before is None:
        return "appeared"
    if after is None:
        return "ended"
    return "same" if before == after else "grew" if after > before else "shrank"
