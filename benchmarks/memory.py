"""Peak of resident memory of `memtap ingest`: of more lines, and of a storm of processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command import ingest, ingest_again, init
from benchmarks.traces import Trace, storm, write_format1, write_format2

MB = 1_000_000
MOST = 200 * MB
MOST_IN_A_STORM = 400 * MB


@dataclass(frozen=True, slots=True)
class Peak:
    what: str
    peak_bytes: int
    goal_bytes: int

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def growth(short: Trace, whole: Trace, folder: Path, *, long: bool) -> list[Peak]:
    """The same store fed with more and more lines. `long`: ten times `whole`, too."""
    peaks = [_peak(trace, "null://", folder, f"{trace.lines:,} lines into null://") for trace in (short, whole)]
    peaks += [_into_duckdb(trace, folder, f"{trace.lines:,} lines into DuckDB") for trace in (short, whole)]
    if long:
        run = ingest_again(whole, 10, "null://", folder)
        peaks.append(Peak(f"{10 * whole.lines:,} lines into null://", run.peak_bytes, MOST))
        peaks.append(_into_duckdb(whole, folder, f"{10 * whole.lines:,} lines into DuckDB", times=10))
    return peaks


def storms(processes: int, folder: Path) -> list[Peak]:
    """Format 1 does not say that a process ended; format 2 does, and its ended processes can be let go of."""
    peaks = []
    for number in (1, 2):
        path = folder / f"storm-{number}.log"
        if number == 1:
            trace = write_format1(path, storm(processes))
        else:
            trace = write_format2(path, storm(processes), hexadecimal=True)
        what = f"storm of {processes:,} processes, format {number}, into null://"
        peaks.append(_peak(trace, "null://", folder, what, MOST_IN_A_STORM))
        path.unlink()
    return peaks


def _peak(trace: Trace, store: str, folder: Path, what: str, goal: int = MOST) -> Peak:
    return Peak(what, ingest(trace, store, folder).peak_bytes, goal)


def _into_duckdb(trace: Trace, folder: Path, what: str, *, times: int = 1) -> Peak:
    path = folder / "memory.duckdb"
    store = f"duckdb:///{path}"
    init(folder, store)
    try:
        if times == 1:
            return _peak(trace, store, folder, what)
        return Peak(what, ingest_again(trace, times, store, folder).peak_bytes, MOST)
    finally:
        path.unlink()
