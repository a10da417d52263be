"""Columns as CSV, for whoever asks for it by `format=csv` or an Accept header."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from memtap import csv_text
from memtap.api.calls import call_columns, select_calls
from memtap.api.problems import Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from memtap.api.snapshots import Snapshots
    from memtap.stores.contract import CallFilter

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
PAGE = 5000  # calls at once: half a megabyte of text
AT_ONCE = 8  # downloads of calls under way


def wants_csv(format_: object, accept: str) -> bool:
    """`format` decides; without it, whether the client names CSV and likes it no less than JSON."""
    if format_ is not None:
        return format_ == "csv"
    weights = dict(map(_weight, accept.lower().split(",")))
    return weights.get("text/csv", 0.0) > 0 and weights["text/csv"] >= weights.get("application/json", 0.0)


def _weight(choice: str) -> tuple[str, float]:
    media_type, *parameters = (part.strip() for part in choice.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media_type, float(parameter[2:])
            except ValueError:
                return media_type, 0.0
    return media_type, 1.0


def csv_table(columns: dict[str, Sequence[object]]) -> bytes:
    return csv_text.table(columns).encode()


def disposition(name: str) -> str:
    return f'attachment; filename="{name}.csv"'


class CallDownloads:
    """Calls of any number, page by page: never more than one page of each download in memory."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._running = 0

    def response(self, values: dict[str, object]) -> StreamingResponse:
        """Raises Problem where too many are under way."""
        where, before, after, limit = select_calls(**values)  # type: ignore[arg-type]
        if self._running >= AT_ONCE:
            raise Problem(
                503,
                "too many downloads are under way",
                allowed=f"{AT_ONCE} at once",
                headers={"Retry-After": "5"},
            )
        headers = {"Content-Disposition": disposition("calls"), "Vary": "Accept", "Cache-Control": "private, no-cache"}
        return StreamingResponse(self._text(where, before, after, limit), headers=headers, media_type=MEDIA_TYPE)

    async def _text(
        self,
        where: CallFilter,
        before: tuple[int, int] | None,
        after: tuple[int, int] | None,
        limit: int | None,
    ) -> AsyncIterator[bytes]:
        self._running += 1
        try:
            left, first = limit, True
            while left is None or left > 0:
                page = PAGE if left is None else min(left, PAGE)
                read = partial(self._page, where, before, after, page, first)
                text, count, before = await self._snapshots.in_thread(read)
                if text:  # a search that has found nothing yet goes on
                    yield text
                if before is None:
                    return
                left, first = None if left is None else left - count, False
        finally:
            self._running -= 1

    def _page(
        self,
        where: CallFilter,
        before: tuple[int, int] | None,
        after: tuple[int, int] | None,
        limit: int,
        header: bool,
    ) -> tuple[bytes, int, tuple[int, int] | None]:
        found = self._snapshots.reader.search(where, before=before, after=after, limit=limit)
        rows = found.rows
        oldest = (rows[-1].time_us, rows[-1].id) if len(rows) == limit else found.more
        return csv_text.table(call_columns(rows), header=header).encode(), len(rows), oldest
