"""How the tests of the stores write calls and read sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from counted import (
    STREAM,
    Call,
    batches,
)

from memtap.stores.contract import (
    CallFilter,
    Stream,
    Writer,
)

Query = Callable[..., list[tuple[Any, ...]]]
EVERYTHING = CallFilter()


def write_all(writer: Writer, calls: Sequence[Call], stream: Stream = STREAM, rows: int = 1000) -> int:
    cursor = writer.open_stream(stream)
    for batch in batches(calls, rows=rows, start=cursor):
        assert writer.write(cursor.stream_no, batch)
    return cursor.stream_no


def sums(rows: list[Any]) -> dict[int, tuple[int, ...]]:
    return {row.pid: (row.requested, row.released, row.requests, row.releases) for row in rows}
