"""Calls, newest first, a page at a time."""

from __future__ import annotations

from errno import errorcode
from typing import TYPE_CHECKING

from memtap.api.parameters import cursor_text
from memtap.api.problems import Problem
from memtap.names import display
from memtap.stores.contract import CallFilter, CallRow

if TYPE_CHECKING:
    from memtap.api.moment import Moment


def calls(
    moment: Moment,
    *,
    limit: int = 100,
    before: tuple[int, int] | None = None,
    after: tuple[int, int] | None = None,
    process_name: bytes | None = None,
    pid: int | None = None,
    process_id: int | None = None,
    call: str | None = None,
    failed: bool | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    kind: str | None = None,
    errno: int | None = None,
) -> dict[str, object]:
    """A page. `older` leads to what came before it, `newer` to what came since; null: nothing there."""
    if before is not None and after is not None:
        raise Problem(
            400,
            "before and after exclude each other",
            parameter="after",
            value=cursor_text(*after),
            allowed="only one of before, after",
        )
    where = CallFilter(
        process_id=process_id,
        pid=pid,
        name=process_name,
        call=call,
        failed=failed,
        from_us=from_us,
        to_us=to_us,
        min_length=min_length,
        max_length=max_length,
        kind=kind,
        errno=errno,
    )
    # One more than asked for tells whether there is an older page.
    rows = moment.reader.calls(where, before=before, after=after, limit=limit + 1)
    page, more = rows[:limit], len(rows) > limit
    newest = _cursor(page[0]) if page else after
    oldest = _cursor(page[-1]) if page else None
    return {
        "count": len(page),
        "columns": {
            "id": [row.id for row in page],
            "time_us": [row.time_us for row in page],
            "process_id": [row.process_id for row in page],
            "pid": [row.pid for row in page],
            "process_name": [display(row.name) for row in page],
            "call": [row.call for row in page],
            "length": [row.length for row in page],
            "freed": [row.freed for row in page],
            "errno": [row.errno for row in page],
            "error": [error_name(row.errno) for row in page],
            "kind": [row.kind for row in page],
            "vm": [row.vm for row in page],
        },
        # The call that `after` names is itself older than this page.
        "older": cursor_text(*oldest) if oldest and (more or after is not None) else None,
        "newer": cursor_text(*newest) if newest else None,
    }


def error_name(number: int | None) -> str | None:
    """What errno(3) calls it; None where the call was granted, or nobody said what came of it."""
    return errorcode.get(number, f"errno {number}") if number else None


def _cursor(row: CallRow) -> tuple[int, int]:
    return row.time_us, row.id
