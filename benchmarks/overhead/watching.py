"""memtap as an observer: `memtap run` as users start it, with a store and without."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import urllib.request
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin

import duckdb

from benchmarks import installed
from benchmarks.overhead.observers import STOP_S, Account, CannotWatch
from benchmarks.overhead.processes import await_polling, child, cpu_seconds, peak_bytes
from benchmarks.tally import Wrong
from memtap.native import CALLS

CALLS_BY_PID = """
    SELECT pid, count(*) FROM events JOIN processes ON processes.id = events.process_id
    WHERE call IN (SELECT unnest(?)) GROUP BY pid
"""


class Memtap:
    """`memtap run --tap TAP`; `store` is "duckdb", a new file each time, or "null"."""

    def __init__(self, name: str, folder: Path, *, tap: str, store: str) -> None:
        self.name = name
        self._file = folder / "overhead.duckdb" if store == "duckdb" else None
        self._command = [installed.command(), "run", "--tap", tap, "--port", "0", "--store"]
        self._token = secrets.token_urlsafe()
        self._command.append(f"duckdb:///{self._file}" if self._file else "null://")

    def start(self) -> None:
        self._remove()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "MEMTAP_TOKEN": self._token},
        )
        assert self._process.stdout
        self._address = self._process.stdout.readline().strip()
        if not self._address:
            raise CannotWatch(" ".join(self._process.communicate()[1][-500:].split()))
        self._tracer = child(self._process.pid, "bpftrace")
        await_polling(self._tracer, "bpftrace")

    def cpu_seconds(self) -> tuple[float, float]:
        return cpu_seconds(self._tracer), cpu_seconds(self._process.pid)

    def stop(self, pids: Collection[int]) -> Account:
        status = self._status()
        peak = peak_bytes(self._process.pid)
        self._process.send_signal(signal.SIGINT)
        _, errors = self._process.communicate(timeout=STOP_S)
        if self._process.returncode:
            raise Wrong(f"{self.name}: status {self._process.returncode}: {errors[-500:]}")
        account, pipeline = status["account"], status["pipeline"]
        notes = {"lost": account["lost"], "restarts": status["tap"]["restarts"], "batches": pipeline["batches"]}
        return Account(self._stored(pids), sum(account["lost"].values()), peak, notes)

    def _status(self) -> dict[str, Any]:
        url = urljoin(self._address, "/api/v1/status")
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return cast("dict[str, Any]", json.load(answer))

    def _stored(self, pids: Collection[int]) -> dict[int, int] | None:
        if not self._file:
            return None
        codes = [CALLS.index(call) for call in ("mmap", "mmap2", "munmap")]
        with duckdb.connect(str(self._file), read_only=True) as connection:
            found = dict(connection.execute(CALLS_BY_PID, [codes]).fetchall())
        self._remove()
        return {pid: found.get(pid, 0) for pid in pids}

    def _remove(self) -> None:
        if self._file:
            for path in self._file.parent.glob(f"{self._file.name}*"):
                path.unlink()
