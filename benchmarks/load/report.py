"""Puts the figures into the README, between its `load` marks: python -m benchmarks.load.report"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.section import write as put

ROOT = Path(__file__).parents[2]
TIMED = {"pages": "live", "storing": "ingest", "requests": "requests"}


def section(found: dict[str, Any]) -> Iterator[str]:
    """Lines of Markdown."""
    live, stall, asked, ingest = (found[part] for part in ("live", "stall", "requests", "ingest"))
    machine = found["machine"]
    pages, deaf = found["clients"], found["stalled"]
    asking = f"{found['processes']:,} processes; {found['rate']} requests/s"
    yield f"{pages:,} pages that listen, {deaf} of them deaf; {asking}:"
    yield ""
    yield "| what | measured | goal |"
    yield "|---|---:|---:|"
    yield f"| a snapshot's way to a page, p50 / p99 | {live['p50_ms']:.0f} / {live['p99_ms']:.0f} ms | 250 ms |"
    yield f"| CPU of the whole server | {live['cores']:.2f} cores | 1 core |"
    resident = max(live["resident_bytes"], stall["resident_bytes"]) / 1e6
    yield f"| its memory | {resident:.0f} MB | 300 MB |"
    yield f"| growth in {stall['seconds'] / 60:.0f} min with deaf pages | {stall['grown_bytes'] / 1e6:+.1f} MB | none |"
    yield f"| calls stored meanwhile, of those without pages | {ingest['ratio']:.1%} | 95% |"
    for what, goal in (("at rest", "20 ms"), ("while calls arrive", "20 ms"), ("304", "2 ms")):
        one = asked[what]
        yield f"| `/api/ObtenerProcesos`, {what}, p50 / p99 | {one['p50_ms']:.1f} / {one['p99_ms']:.1f} ms | {goal} |"
    yield ""
    at = "; ".join(f"{what} {_circumstances(found[part])}" for what, part in TIMED.items())
    yield (
        f"Measured on {machine['cpu']}, {machine['cores']} cores, by `make load` at a load by others of: {at}; "
        "all figures are in [benchmarks/load/results.json](benchmarks/load/results.json)."
    )


def _circumstances(part: dict[str, Any]) -> str:
    return f"{part['load']}{', at real-time priority' if part['realtime'] else ''} ({part['date'].split()[0]})"


def write(found: dict[str, Any], root: Path = ROOT) -> None:
    put(root / "README.md", "load", section(found))


if __name__ == "__main__":
    write(json.loads((Path(__file__).parent / "results.json").read_text()))
