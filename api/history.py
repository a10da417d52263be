"""Activity step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from memtap.api.encoding import exact_all
from memtap.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtap.api.moment import Moment
    from memtap.stores.contract import Reader

SECOND_US = 1_000_000
HOUR_S = 3600
MOST_STEPS = 86_400  # of one answer: a day of seconds is about 3 MB


class Step(NamedTuple):
    """What happened from `second` on. Bytes and calls."""

    second: int  # since the epoch
    requested: int
    released: int
    requests: int
    releases: int
    failed: int | None = None


def history(
    moment: Moment,
    *,
    from_us: int | None = None,
    to_us: int | None = None,
    step: int = 1,
    process_id: int | None = None,
) -> dict[str, object]:
    """All processes in [from_us, to_us), whole steps; absent bounds mean the last hour there is."""
    from_us, to_us = window_or_last_hour(moment, from_us, to_us)
    step_us = step * SECOND_US
    from_us, to_us = from_us // step_us * step_us, -(-to_us // step_us) * step_us
    if to_us - from_us > MOST_STEPS * step_us:
        raise Problem(
            400,
            "window too long",
            parameter="from_us",
            value=str(from_us),
            allowed=f"at most {MOST_STEPS * step} seconds before to_us, or a longer step",
        )
    return {
        "window": {"from_us": from_us, "to_us": to_us},
        "step": step,
        "columns": history_columns(
            steps(moment.reader, process_id, from_us, to_us, step), knows_failed=moment.failed is not None
        ),
    }


def steps(reader: Reader, process_id: int | None, from_us: int, to_us: int, step: int) -> list[Step]:
    """Of [from_us, to_us), which are multiples of `step` seconds; those without a call are left out."""
    return [Step(*row) for row in reader.history(process_id, from_us, to_us, step=step)]


def history_columns(rows: Sequence[Step], *, knows_failed: bool) -> dict[str, Sequence[object]]:
    """`knows_failed`: a tap has said what came of calls."""
    return {
        "second": [row.second for row in rows],
        "requested": exact_all(row.requested for row in rows),
        "released": exact_all(row.released for row in rows),
        "requests": [row.requests for row in rows],
        "releases": [row.releases for row in rows],
        "failed": [row.failed if knows_failed else None for row in rows],
    }


def held_columns(
    seconds: Iterable[int], rows: Sequence[tuple[int, int | None, int | None]]
) -> dict[str, Sequence[object]]:
    """What a process held at the end of each of `seconds`; None where no tap has said."""
    held = {second: (vm, resident) for second, vm, resident in rows}
    known = [held.get(second, (None, None)) for second in seconds]
    return {"vm": [vm for vm, _ in known], "resident": [resident for _, resident in known]}


def window_or_last_hour(moment: Moment, from_us: int | None, to_us: int | None) -> tuple[int, int]:
    """The window widened to whole seconds; an absent end is the newest call's, an absent beginning an hour before."""
    if to_us is None:
        to_us = (moment.totals.last_us or 0) + 1
    if from_us is None:
        from_us = max(0, to_us - HOUR_S * SECOND_US)
    return whole_seconds(from_us, to_us)


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
