"""What `memtap tap` prints can be sent, kept and stored later, to the same totals as if it had been stored at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from ..native.plain2 import read
from ..pipeline.store_contents import everything, query
from .test_truth import ready, workload

__all__ = ["workload"]

MEMTAP = [sys.executable, "-P", "-m", "memtap"]
TOTALS = "SELECT pid, start_us, requested, released, requests, releases, failed FROM processes ORDER BY pid, start_us"


def test_a_recorded_stream_gives_identical_totals(workload: Path, tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.log"
    with recorded.open("wb") as file:
        tap = subprocess.Popen([*MEMTAP, "tap", "--tap", "bpftrace"], stdout=file, stderr=subprocess.PIPE)
        while not recorded.stat().st_size:
            assert tap.poll() is None
            time.sleep(0.1)
        process = ready(workload, "2")
        process.communicate(timeout=60)
        time.sleep(1)
        tap.send_signal(signal.SIGINT)
        _, errors = tap.communicate(timeout=60)
    assert tap.returncode == 0, errors.decode()
    data = recorded.read_bytes()
    header = data.partition(b"\n")[0]
    assert header.startswith(b"memtap: format=2, tap=bpftrace, ")

    first, second = f"duckdb://{tmp_path}/first.duckdb", f"duckdb://{tmp_path}/second.duckdb"
    outcomes = []
    for store, source in ((first, str(recorded)), (second, "-")):
        done = subprocess.run(
            [*MEMTAP, "ingest", source, "--store", store, "--json"], input=data, capture_output=True, check=True
        )
        outcomes.append(json.loads(done.stdout))
    counts = ("lines", "events", "stored", "rejected", "notices", "lost")
    assert [outcomes[0][name] for name in counts] == [outcomes[1][name] for name in counts]
    assert outcomes[0]["rejected"] == 0
    assert everything(first) == everything(second)

    sums: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for event in read(data, header)[0]:
        total, change = sums[event.pid, event.start // 10_000_000 * 10_000], event.length - event.freed
        if event.errno:
            total[4] += 1
        elif event.call in ("munmap", "shmdt"):
            total[1], total[3] = total[1] + event.freed, total[3] + 1
        elif event.call not in ("fork", "exec", "exit", "proc"):
            total[0 if change >= 0 else 1] += abs(change)
            total[2 if change >= 0 else 3] += 1
    assert query(first, TOTALS) == sorted((*who, *total) for who, total in sums.items())
    assert sums, os.fspath(recorded)
