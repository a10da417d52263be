"""`memtap ingest` of a recording, under test."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from .watching import UNDER_TEST, under_test

ROWS = 300  # a batch
# Of DuckDB: several parts, filled while the recording is read.
SHORTER = {
    "memtap.stores.duckdb.folding.MOST_ACTIVITY": 1000,
    "memtap.stores.duckdb.folding.UNREAD": 1,
    "memtap.stores.duckdb.parts.CALLS": 1000,
}


class Ingest:
    """`memtap ingest` of one recording into one store, as often as it takes."""

    def __init__(self, recording: Path, url: str, env: dict[str, str] | None = None, rows: int = ROWS) -> None:
        self._command = [*UNDER_TEST, "ingest", str(recording), "--store", url]
        self._env = under_test({**SHORTER, "memtap.commands.ingest.FILE_ROWS": rows}, env)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def run(self) -> float:
        """To its end; how long it took."""
        begun = time.monotonic()
        with self.start() as process:
            _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
        return time.monotonic() - begun
