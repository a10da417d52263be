"""Events known not to have arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtap.api.encoding import printable

if TYPE_CHECKING:
    from memtap.api.moment import Moment


def losses(moment: Moment) -> dict[str, object]:
    """The newest 1,000, newest first."""
    rows = moment.reader.losses()
    return {
        "columns": {
            "time_us": [row.time_us for row in rows],
            "cause": [row.cause for row in rows],
            "events": [row.events for row in rows],
            "detail": [printable(row.detail) for row in rows],
        }
    }
