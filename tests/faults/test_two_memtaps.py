"""Two memtaps where there may be one: the second refuses with a clear error, and the first notices nothing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from mariadb import Server

from .ingesting import ROWS, Ingest
from .numbered import Trace
from .oracle import judge
from .runs import Runs
from .watching import UNDER_TEST, under_test, watching

EVENTS = 8 * ROWS


def test_two_memtaps_on_one_file(trace: Trace, tmp_path: Path) -> None:
    runs = Runs("two memtaps, one DuckDB file")
    url = f"duckdb://{tmp_path}/store.duckdb"
    recording = trace.file(tmp_path / "trace.log", ROWS)
    with watching(tmp_path / "watching", trace, url, rate=1000) as memtap:
        memtap.until_printed()
        for chance in runs:
            time.sleep(chance.uniform(0, 0.2))
            command = chance.choice([["ingest", str(recording)], ["init"], ["serve", "--port", "0"]])
            done = subprocess.run(
                [*UNDER_TEST, *command, "--store", url],
                env=under_test(),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 1
            assert done.stderr.count("\n") == 1
            assert f"is in use by process {memtap.process.pid}" in done.stderr
        printed = memtap.quiet()
        memtap.until_stored(printed)
        memtap.stop()
    runs.judged(judge(url, trace, printed))


def test_two_memtaps_on_one_stream(hurt: Server, database: str, trace: Trace, tmp_path: Path) -> None:
    """Both read one recording: what one has stored the other one repeats, or one of them says that there are two."""
    runs = Runs("two memtaps, one stream")
    for chance in runs:
        name = f"{database}_{runs.done}"
        recording = trace.file(tmp_path / "trace.log", EVENTS)
        url = hurt.url(name)
        first = Ingest(recording, url).start()
        time.sleep(chance.uniform(0, 0.2))
        # Of other batches, so that a number of both does not mean the same.
        second = Ingest(recording, url, rows=chance.choice([ROWS, ROWS // 3, 2 * ROWS])).start()
        with first, second:  # whatever one says, the other is waited for
            for process in (first, second):
                _, said = process.communicate(timeout=120)
                assert process.returncode == 0 or b"stop one of them" in said, said.decode()
                assert said.count(b"\n") <= 1
        Ingest(recording, url).run()
        runs.judged(judge(url, trace, EVENTS))
        hurt.execute(f"DROP DATABASE {name}")
