"""Calls, newest first, a page at a time."""

from __future__ import annotations

from errno import errorcode
from typing import TYPE_CHECKING, Any

from memtap.api.parameters import cursor_text
from memtap.api.problems import Problem
from memtap.names import display
from memtap.stores.contract import CallFilter, CallRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtap.api.moment import Moment

PAGE = 100  # calls, unless asked for another number

Cursor = tuple[int, int]  # time in microseconds, id


def select_calls(
    *,
    limit: int | None = None,
    before: Cursor | None = None,
    after: Cursor | None = None,
    process_name: bytes | None = None,
    **conditions: Any,
) -> tuple[CallFilter, Cursor | None, Cursor | None, int | None]:
    """What the parameters of a query for calls mean. Raises Problem for those that exclude each other."""
    if before is not None and after is not None:
        raise Problem(
            400,
            "before and after exclude each other",
            parameter="after",
            value=cursor_text(*after),
            allowed="only one of before, after",
        )
    return CallFilter(name=process_name, **conditions), before, after, limit


def calls(moment: Moment, **values: Any) -> dict[str, object]:
    """A page. `older` leads to what came before it, `newer` to what came since; null: nothing there.

    A search for what is rare ends where it has looked at enough: the page is not full then, `searched_us` says back to
    when all calls were looked at, and `older` goes on from there.
    """
    where, before, after, limit = select_calls(**values)
    limit = limit or PAGE
    # One more than asked for tells whether there is an older page.
    found = moment.reader.search(where, before=before, after=after, limit=limit + 1)
    page, full = found.rows[:limit], len(found.rows) > limit
    newest = _cursor(page[0]) if page else after
    oldest = _cursor(page[-1]) if page else None
    if not full and found.more:
        older: Cursor | None = found.more
    else:  # the call that `after` names is itself older than this page
        older = oldest if full or after is not None else None
    return {
        "count": len(page),
        "columns": call_columns(page),
        "older": cursor_text(*older) if older else None,
        "newer": cursor_text(*newest) if newest else None,
        "searched_us": found.more[0] if not full and found.more else None,
    }


def call_columns(rows: Sequence[CallRow]) -> dict[str, Sequence[object]]:
    return {
        "id": [row.id for row in rows],
        "time_us": [row.time_us for row in rows],
        "process_id": [row.process_id for row in rows],
        "pid": [row.pid for row in rows],
        "process_name": [display(row.name) for row in rows],
        "call": [row.call for row in rows],
        "length": [row.length for row in rows],
        "freed": [row.freed for row in rows],
        "errno": [row.errno for row in rows],
        "error": [error_name(row.errno) for row in rows],
        "kind": [row.kind for row in rows],
        "vm": [row.vm for row in rows],
    }


def error_name(number: int | None) -> str | None:
    """What errno(3) calls it; None where the call was granted, or nobody said what came of it."""
    return errorcode.get(number, f"errno {number}") if number else None


def _cursor(row: CallRow) -> Cursor:
    return row.time_us, row.id
