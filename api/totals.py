"""Sums over all processes, and each one's share of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtap.api.encoding import exact, exact_all
from memtap.api.history import whole_seconds
from memtap.api.moment import failed_of
from memtap.api.processes import share
from memtap.names import display
from memtap.stores.contract import ProcessRow, Totals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtap.api.moment import Moment


def totals(moment: Moment, *, from_us: int | None = None, to_us: int | None = None) -> dict[str, object]:
    """Of a window, widened to whole seconds, or since the beginning; most requested first."""
    if from_us is None and to_us is None:
        rows = sorted(moment.processes, key=lambda row: row.requested, reverse=True)
        return {
            "window": {"from_us": None, "to_us": None},
            "totals": totals_object(moment.totals, moment.failed, moment.exactness.everywhere),
            "shares": _shares(rows, moment.requested_all),
        }
    last_us = moment.totals.last_us or 0
    from_us, to_us = whole_seconds(from_us or 0, last_us + 1 if to_us is None else to_us)
    rows = moment.reader.window(from_us, to_us)
    summed = _sum(rows)
    return {
        "window": {"from_us": from_us, "to_us": to_us},
        "totals": totals_object(summed, failed_of(rows), moment.exactness.within(from_us, to_us - 1)),
        "shares": _shares(rows, summed.requested),
    }


def totals_object(known: Totals, failed: int | None, exact_sums: bool) -> dict[str, object]:
    """`failed` is None where no tap has said what came of calls; `exact_sums`: no loss has touched them."""
    return {
        "requested": exact(known.requested),
        "released": exact(known.released),
        "requests": known.requests,
        "releases": known.releases,
        "failed": failed,
        "exact": exact_sums,
        "processes": known.processes,
        "first_us": known.first_us,
        "last_us": known.last_us,
    }


def _sum(rows: Sequence[ProcessRow]) -> Totals:
    return Totals(
        requested=sum(row.requested for row in rows),
        released=sum(row.released for row in rows),
        requests=sum(row.requests for row in rows),
        releases=sum(row.releases for row in rows),
        processes=len(rows),
        first_us=None,  # a window's sums know whole seconds only
        last_us=None,
    )


def _shares(rows: Sequence[ProcessRow], requested_all: int) -> dict[str, Sequence[object]]:
    return {
        "id": [row.id for row in rows],
        "pid": [row.pid for row in rows],
        "process_name": [display(row.name) for row in rows],
        "requested": exact_all(row.requested for row in rows),
        "released": exact_all(row.released for row in rows),
        "share": [share(row.requested, requested_all) for row in rows],
    }
