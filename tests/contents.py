"""All that a MySQL store's tables hold, to compare two stores."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from memtap.stores.contract import Store

READ = (
    "SELECT * FROM calls ORDER BY id",
    "SELECT * FROM rollup_1s ORDER BY second, process_id",
    "SELECT * FROM rollup_1m ORDER BY second, process_id",
    "SELECT * FROM rollup_1h ORDER BY second, process_id",
    "SELECT * FROM account_1s ORDER BY second, stream_no",
    "SELECT * FROM processes ORDER BY id",
    "SELECT * FROM losses ORDER BY stream_no, batch_no, position",
    "SELECT * FROM MemoryCalls ORDER BY id",
)


def everything(store: Store, *also: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows by statement, those of other statements besides."""
    with closing(store.reader()) as reader:
        return {sql: reader._rows(sql) for sql in (*READ, *also)}  # type: ignore[attr-defined]
