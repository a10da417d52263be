"""memtap as its users start it: commands in processes of their own, on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

TOKEN = "the-token-of-the-browser-tests"
STOP_S = 20  # far more than memtap promises: a test fails, it does not hang
MEMTAP = (sys.executable, "-P", "-m", "memtap")
SHORTENED = (sys.executable, "-P", str(Path(__file__).parents[1] / "faults" / "under_test.py"))


@dataclass
class Product:
    """A running memtap; `address` ends with its token."""

    process: subprocess.Popen[str]
    address: str

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait for its end."""
        self.process.send_signal(number)
        self.process.communicate(timeout=STOP_S)


class Tapped(NamedTuple):
    product: Product
    lines: BinaryIO  # what is written here is tapped
    store: str


def line(pid: int, name: str, length: int, call: str = "mmap2") -> bytes:
    """Of format 1, of a call made now."""
    return f"{call}: PID={pid}, process={name}, time={time.time_ns() // 1000}, length={length}\n".encode()


def ingest(trace: Path, folder: Path, *, shorter: dict[str, object] | None = None) -> str:
    """Store a trace in a new DuckDB file; its URL. `shorter`: see `started`."""
    url = f"duckdb:///{folder / 'memtap.duckdb'}"
    subprocess.run(
        [*(SHORTENED if shorter else MEMTAP), "ingest", str(trace), "--store", url, "--json"],
        check=True,
        capture_output=True,
        env={**os.environ, "SHORTER": json.dumps(shorter or {})},
    )
    return url


@contextmanager
def started(
    command: str, *arguments: str, port: int = 0, shorter: dict[str, object] | None = None
) -> Iterator[Product]:
    """`memtap serve` or `memtap run`, from its first answer to its end. `shorter`: what a test cannot wait for."""
    process = subprocess.Popen(
        [*(SHORTENED if shorter else MEMTAP), command, "--port", str(port), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MEMTAP_TOKEN": TOKEN, "SHORTER": json.dumps(shorter or {})},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=.+", address):
            process.kill()
            raise AssertionError(f"memtap {command} did not start: {address!r} {process.communicate()[1]}")
        yield Product(process, address)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=STOP_S)
