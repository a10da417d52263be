"""Measures what the page's server bears: python -m benchmarks.load [--quick] [--only PART] [--stall SECONDS]
[--output FILE]"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.load import report

FILE = Path(__file__).parent / "results.json"
PROCESSES = 10_000
CLIENTS = 1000
STALLED = CLIENTS // 20
RATE = 50  # requests a second
PARTS = ("requests", "live", "stall", "ingest")
EPILOG = """
Writes benchmarks/load/results.json and, from that, the README's section, unless --quick. The clients are another
process, and nothing else should be busy: what the machine's load was is kept with the figures of each part. How much
the server grows does not depend on it, so that the ten minutes of `--only stall` may be any.
"""


class Subject:
    """The server that is measured."""

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load.server", folder, str(PROCESSES), str(CLIENTS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout and self._process.stdin
        self._said, self._told = self._process.stdout, self._process.stdin
        self.port = self._said.readline().strip()

    def tell(self, what: str, seconds: float) -> None:
        self._told.write(f"{what} {seconds}\n")
        self._told.flush()

    def hear(self) -> float:
        return float(self._said.readline())

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    @property
    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def close(self) -> None:
        self._told.close()
        self._process.wait(30)


@contextlib.contextmanager
def subject() -> Iterator[Subject]:
    with tempfile.TemporaryDirectory(prefix="memtap-load-") as folder:
        started = Subject(folder)
        try:
            yield started
        finally:
            started.close()


def clients(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load.clients", *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def answer(asked: subprocess.Popen[str]) -> dict[str, Any]:
    text, _ = asked.communicate()
    assert asked.returncode == 0
    found: dict[str, Any] = json.loads(text)
    return found


def delivery(server: Subject, seconds: float) -> dict[str, Any]:
    """1,000 pages listen, 50 of them deaf."""
    before = server.resident_bytes
    asked = clients("live", server.port, CLIENTS, STALLED, seconds)
    time.sleep(4 + CLIENTS / 300)  # until all are there
    cpu, begun, resident = server.cpu_seconds, time.perf_counter(), []
    while asked.poll() is None and time.perf_counter() - begun < seconds - 2:
        resident.append(server.resident_bytes)
        time.sleep(1)
    used = (server.cpu_seconds - cpu) / (time.perf_counter() - begun)
    found = answer(asked)
    third = max(1, len(resident) // 3)
    return found | {
        "cores": round(used, 3),
        "resident_before_bytes": before,
        "resident_bytes": max(resident),
        "grown_bytes": statistics.median_low(resident[-third:]) - statistics.median_low(resident[:third]),
        "seconds": seconds,
    }


def requests(server: Subject, seconds: float) -> dict[str, Any]:
    path = "/api/ObtenerProcesos"
    quiet = answer(clients("get", server.port, path, RATE, seconds))
    unchanged = answer(clients("get", server.port, path, RATE, seconds, "304"))
    server.tell("trickle", seconds + 2)
    time.sleep(1)
    changing = answer(clients("get", server.port, path, RATE, seconds))
    server.hear()
    return {"at rest": quiet, "304": unchanged, "while calls arrive": changing}


def ingest(server: Subject, seconds: float, repetitions: int) -> dict[str, Any]:
    """Calls a second without and with listeners, in turns."""
    alone: list[float] = []
    watched: list[float] = []
    for repetition in range(repetitions):
        for listening in (False, True) if repetition % 2 == 0 else (True, False):
            asked = clients("live", server.port, CLIENTS, STALLED, seconds + 1) if listening else None
            if asked:
                time.sleep(3 + CLIENTS / 300)
            server.tell("ingest", seconds)
            (watched if listening else alone).append(round(server.hear()))
            if asked:
                answer(asked)
    ratios = [one / other for one, other in zip(watched, alone, strict=True)]
    return {"alone": alone, "watched": watched, "ratio": round(statistics.median(ratios), 4), "seconds": seconds}


def measure(part: str, *, quick: bool, stall_s: float) -> dict[str, Any]:
    """One of PARTS, on a server of its own."""
    seconds = 5.0 if quick else 20.0
    begun = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "load": machine.describe()["load"],
        "realtime": os.sched_getscheduler(0) in (os.SCHED_RR, os.SCHED_FIFO),  # chrt: where others keep it busy
    }
    with subject() as server:
        if part == "requests":
            found = requests(server, seconds)
        elif part == "live":
            found = delivery(server, 3 * seconds)
        elif part == "stall":
            found = delivery(server, stall_s)
        else:
            found = ingest(server, seconds / 2, 1 if quick else 5)
    return found | begun


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__, epilog=EPILOG)
    parser.add_argument("--quick", action="store_true", help="for trying, not for quoting")
    parser.add_argument("--only", choices=PARTS, help="measure that part again, and keep the others' figures")
    parser.add_argument("--stall", type=float, default=600.0, metavar="SECONDS", help="how long the deaf stay")
    parser.add_argument("--output", type=Path, metavar="FILE", help="keep the results there")
    args = parser.parse_args()
    found: dict[str, Any] = json.loads(FILE.read_text()) if args.only else {}
    found |= {
        "machine": machine.describe(),
        "quick": args.quick,
        "processes": PROCESSES,
        "clients": CLIENTS,
        "stalled": STALLED,
        "rate": RATE,
    }
    for part in (args.only,) if args.only else PARTS:
        found[part] = measure(part, quick=args.quick, stall_s=10.0 if args.quick else args.stall)
    print("\n".join(report.section(found)))
    if args.output:
        args.output.write_text(json.dumps(found, indent=1) + "\n")
    elif not args.quick:
        FILE.write_text(json.dumps(found, indent=1) + "\n")
        report.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
