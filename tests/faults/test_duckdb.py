"""A DuckDB file whose disk is full or fails while memtap watches, and memtap killed while it writes."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from mariadb import disk

from .case import fill
from .numbered import Trace
from .oracle import judge
from .runs import Runs
from .shim import Shim
from .watching import watching

RATE = 2000


def test_the_files_disk_is_full(trace: Trace, tmp_path: Path) -> None:
    """With the spool elsewhere: what DuckDB cannot take waits there."""
    runs = Runs("DuckDB's disk full")
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk(folder, 64):
        url = f"duckdb://{folder}/store.duckdb"
        with watching(tmp_path / "watching", trace, url, rate=RATE) as memtap:
            memtap.until_printed()
            memtap.until_stored(memtap.printed.whole)
            for chance in runs:
                fill(folder / "ballast", chance.choice([0, 4096, chance.randrange(1 << 20)]))
                memtap.until_printed(chance.randrange(300, 1500))
                (folder / "ballast").unlink()
                runs.ready_s.append(memtap.until_stored(memtap.printed.whole))
            printed = memtap.quiet()
            memtap.until_stored(printed)
            memtap.stop()
        runs.judged(judge(url, trace, printed))


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_the_files_disk_fails(operation: str, trace: Trace, shim: Shim, tmp_path: Path) -> None:
    runs = Runs(f"DuckDB's disk fails to {'write' if operation == 'write' else 'fsync'}")
    url = f"duckdb://{tmp_path}/store.duckdb"
    shim.watch("/store.duckdb")
    with watching(tmp_path / "watching", trace, url, rate=RATE, env=shim.env) as memtap:
        memtap.until_printed()
        memtap.until_stored(memtap.printed.whole)
        for chance in runs:
            times = chance.choice([0, 1, 2, 5])
            shim.arm(
                "fail",
                operation,
                after=chance.randrange(6),
                error=chance.choice([errno.EIO, errno.ENOSPC]),
                times=times,
            )
            memtap.until(lambda: shim.hits, "the disk fails")
            memtap.until_printed(chance.randrange(1000))
            shim.disarm()
            runs.ready_s.append(memtap.until_stored(memtap.printed.whole))
        printed = memtap.quiet()
        memtap.until_stored(printed)
        memtap.stop()
    runs.judged(judge(url, trace, printed))
