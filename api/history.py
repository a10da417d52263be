"""Activity second by second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtap.api.encoding import exact_all
from memtap.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtap.api.moment import Moment

SECOND_US = 1_000_000
HOUR_S = 3600
LONGEST_S = 86_400  # of one answer: a day of seconds is about 3 MB


def history(moment: Moment, *, from_us: int | None = None, to_us: int | None = None) -> dict[str, object]:
    """All processes in [from_us, to_us), whole seconds; absent bounds mean the last hour there is."""
    if to_us is None:
        to_us = (moment.totals.last_us or 0) + 1
    if from_us is None:
        from_us = max(0, to_us - HOUR_S * SECOND_US)
    from_us, to_us = whole_seconds(from_us, to_us)
    if to_us - from_us > LONGEST_S * SECOND_US:
        raise Problem(
            400,
            "window too long",
            parameter="from_us",
            value=str(from_us),
            allowed=f"at most {LONGEST_S} seconds before to_us",
        )
    return {
        "window": {"from_us": from_us, "to_us": to_us},
        "columns": history_columns(moment.reader.history(None, from_us, to_us)),
    }


def history_columns(rows: Sequence[tuple[int, int, int, int, int]]) -> dict[str, Sequence[object]]:
    return {
        "second": [row[0] for row in rows],
        "requested": exact_all(row[1] for row in rows),
        "released": exact_all(row[2] for row in rows),
        "requests": [row[3] for row in rows],
        "releases": [row[4] for row in rows],
    }


def held_columns(
    seconds: Iterable[int], rows: Sequence[tuple[int, int | None, int | None]]
) -> dict[str, Sequence[object]]:
    """What a process held at the end of each of `seconds`; None where no tap has said."""
    held = {second: (vm, resident) for second, vm, resident in rows}
    known = [held.get(second, (None, None)) for second in seconds]
    return {"vm": [vm for vm, _ in known], "resident": [resident for _, resident in known]}


def whole_seconds(from_us: int, to_us: int) -> tuple[int, int]:
    """The window widened to whole seconds, which is what rollups know. Raises Problem for an empty one."""
    if from_us >= to_us:
        raise Problem(
            400,
            "the window is empty",
            parameter="from_us",
            value=str(from_us),
            allowed=f"less than to_us, which is {to_us}",
        )
    return from_us // SECOND_US * SECOND_US, -(-to_us // SECOND_US) * SECOND_US
