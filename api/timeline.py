"""Activity in a window, in steps so wide that it fits a chart, with what was lost meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memtap.api.encoding import printable
from memtap.api.exactness import lost_span
from memtap.api.history import SECOND_US, held_columns, history_columns, steps, window_or_last_hour

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtap.api.moment import Moment
    from memtap.stores.contract import Loss

POINTS = 1000

# What a clock's face can be divided into. Beyond a day: whole days.
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


def step_for(from_us: int, to_us: int, points: int) -> int:
    """The shortest step, in seconds, with which [from_us, to_us) has at most `points` of them."""
    fitting = (step for step in STEPS_S if count_of(from_us, to_us, step) <= points)
    if (step := next(fitting, None)) is not None:
        return step
    day = STEPS_S[-1]
    days = -(-(to_us - from_us) // (points * day * SECOND_US))
    while count_of(from_us, to_us, days * day) > points:
        days += 1
    return days * day


def count_of(from_us: int, to_us: int, step: int) -> int:
    """How many steps [from_us, to_us) touches."""
    return -(-to_us // (step * SECOND_US)) - from_us // (step * SECOND_US)


def timeline(
    moment: Moment,
    *,
    from_us: int | None = None,
    to_us: int | None = None,
    points: int = POINTS,
    process_id: int | None = None,
) -> dict[str, object]:
    """Of all processes or of one, which says what it held, too; absent bounds mean the last hour there is."""
    from_us, to_us = window_or_last_hour(moment, from_us, to_us)
    step = step_for(from_us, to_us, points)
    step_us = step * SECOND_US
    from_us, to_us = from_us // step_us * step_us, -(-to_us // step_us) * step_us
    rows = steps(moment.reader, process_id, from_us, to_us, step)
    columns = history_columns(rows, knows_failed=moment.failed is not None)
    if process_id is not None:
        held = moment.reader.held(process_id, from_us, to_us, step=step)
        columns |= held_columns([row.second for row in rows], held)
    return {
        "window": {"from_us": from_us, "to_us": to_us},
        "step": step,
        "columns": columns,
        "losses": _loss_columns(joined(moment.losses, from_us, to_us, step_us)),
    }


@dataclass(slots=True)
class LossSpan:
    """Losses of one cause with less than a step between them."""

    from_us: int
    to_us: int  # inclusive
    cause: str
    events: int
    losses: int
    detail: str


def joined(losses: Iterable[Loss], from_us: int, to_us: int, near_us: int) -> list[LossSpan]:
    """What was lost in [from_us, to_us), in order of time; a chart cannot show more than its steps."""
    out: list[LossSpan] = []
    newest: dict[str, LossSpan] = {}
    for first_us, loss in sorted(((lost_span(loss)[0], loss) for loss in losses), key=lambda pair: pair[0]):
        if first_us >= to_us or loss.time_us < from_us:
            continue
        before = newest.get(loss.cause)
        if before is not None and first_us <= before.to_us + near_us:
            before.to_us = max(before.to_us, loss.time_us)
            before.events += loss.events
            before.losses += 1
            before.detail = loss.detail
        else:
            newest[loss.cause] = span = LossSpan(first_us, loss.time_us, loss.cause, loss.events, 1, loss.detail)
            out.append(span)
    return out


def _loss_columns(spans: Sequence[LossSpan]) -> dict[str, Sequence[object]]:
    return {
        "from_us": [span.from_us for span in spans],
        "to_us": [span.to_us for span in spans],
        "cause": [span.cause for span in spans],
        "events": [span.events for span in spans],
        "losses": [span.losses for span in spans],
        "detail": [printable(span.detail) for span in spans],
    }
