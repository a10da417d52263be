"""The `memtap` command as whole processes: their time from start to end, and their peak of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks import installed
from benchmarks.tally import Wrong
from benchmarks.traces import Trace

LAUNCH = Path(__file__).with_name("launch.py")
TIMEOUT_S = 300  # none takes a tenth of it on a quiet machine, but for --long


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    cpu_seconds: float
    peak_bytes: int  # resident
    outcome: dict[str, Any]


def memtap(
    folder: Path, *arguments: str, stdin: IO[bytes] | None = None, timeout_s: float = TIMEOUT_S
) -> tuple[dict[str, Any], bytes]:
    """Run it to its end. What it took, and what it printed."""
    result = folder / "launched.json"
    command = [sys.executable, "-IS", str(LAUNCH), str(result), installed.command(), *arguments]
    done = subprocess.run(
        command, stdin=stdin or subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
    )
    took = json.loads(result.read_text()) if done.returncode == 0 else {"status": done.returncode}
    if took["status"]:
        raise Wrong(f"memtap {arguments[0]}: status {took['status']}: {done.stderr.decode(errors='replace')[-500:]}")
    return took, done.stdout


def init(folder: Path, store: str) -> None:
    memtap(folder, "init", "--store", store)


def ingest(trace: Trace, store: str, folder: Path, *options: str) -> Run:
    """`memtap ingest --json` of a file; its own count of lines and calls is checked."""
    took, out = memtap(folder, "ingest", str(trace.path), "--store", store, "--json", *options)
    return _checked(took, out, trace, 1)


def ingest_again(trace: Trace, times: int, store: str, folder: Path) -> Run:
    """The trace `times` times over, through standard input."""
    cat = subprocess.Popen(["cat", *[trace.path] * times], stdout=subprocess.PIPE)
    try:
        took, out = memtap(
            folder, "ingest", "-", "--store", store, "--json", stdin=cat.stdout, timeout_s=TIMEOUT_S * times
        )
    finally:
        cat.kill()
        cat.communicate()
    return _checked(took, out, trace, times)


def _checked(took: dict[str, Any], out: bytes, trace: Trace, times: int) -> Run:
    outcome = json.loads(out)
    lines, events = trace.lines * times, trace.tally.found().events * times
    if (outcome["lines"], outcome["stored"], outcome["rejected"]) != (lines, events, 0):
        raise Wrong(f"memtap ingest: {outcome}, of {lines} lines with {events} calls")
    return Run(took["seconds"], took["cpu_seconds"], took["peak_bytes"], outcome)
