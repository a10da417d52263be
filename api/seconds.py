"""The loss identity second by second: emitted = stored + rejected + lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtap.api.history import MOST_STEPS, SECOND_US, window_or_last_hour
from memtap.api.problems import Problem

if TYPE_CHECKING:
    from memtap.api.moment import Moment


def seconds(moment: Moment, *, from_us: int | None = None, to_us: int | None = None) -> dict[str, object]:
    """Of whole seconds in [from_us, to_us); absent bounds mean the last hour there is."""
    from_us, to_us = window_or_last_hour(moment, from_us, to_us)
    if to_us - from_us > MOST_STEPS * SECOND_US:
        raise Problem(
            400,
            "window too long",
            parameter="from_us",
            value=str(from_us),
            allowed=f"at most {MOST_STEPS} seconds before to_us",
        )
    rows = moment.reader.seconds(from_us, to_us)
    causes = sorted({cause for row in rows for cause in row.lost})
    return {
        "window": {"from_us": from_us, "to_us": to_us},
        "columns": {
            "second": [row.second for row in rows],
            "emitted": [row.emitted for row in rows],
            "stored": [row.stored for row in rows],
            "rejected": [row.rejected for row in rows],
            "lost": [sum(row.lost.values()) for row in rows],
        },
        "lost": {cause: [row.lost.get(cause, 0) for row in rows] for cause in causes},
    }
