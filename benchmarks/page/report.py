"""Puts the results into the README, between its `page` marks: python -m benchmarks.page.report"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Final

from benchmarks.page.measuring import Frames, Paint
from benchmarks.section import write as put

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = Path(__file__).parent / "results.json"


def told(results: dict[str, Any]) -> str:
    """For the terminal."""
    first, rows = paints(results)
    return "\n".join(
        [
            f"{results['processes']:,} processes, {results['calls_per_s']:,} calls/s",
            f"first paint      {first:.0f} ms",
            f"first process    {rows:.0f} ms",
            f"live             {_frames(Frames(**results['live']))}",
            f"live, scrolling  {_frames(Frames(**results['scrolling']))}",
        ]
    )


def section(results: dict[str, Any]) -> str:
    """Markdown."""
    first, rows = paints(results)
    live, scrolling = Frames(**results["live"]), Frames(**results["scrolling"])
    machine = results["machine"]
    return (
        f"The page over {results['processes']:,} processes that make {results['calls_per_s']:,} calls a second: first "
        f"paint after {first / 1000:.2f} s,\nthe first process in its table after {rows / 1000:.1f} s; live at "
        f"{live.per_s:.0f} frames a second, {scrolling.per_s:.0f} while the table is scrolled.\nIn Debian's Chromium "
        f"without a GPU, which shared {machine['cores']} cores with memtap, its tap and a load of {machine['load']}, "
        f"{results['at'][:10]}, by\n`python -m benchmarks.page`; all figures are in "
        "[benchmarks/page/results.json](benchmarks/page/results.json)."
    )


def paints(results: dict[str, Any]) -> tuple[float, float]:
    """Medians in milliseconds: first paint, first process."""
    taken = [Paint(**one) for one in results["paints"]]
    return statistics.median(one.first_ms for one in taken), statistics.median(one.rows_ms for one in taken)


def _frames(kind: Frames) -> str:
    return (
        f"{kind.per_s:.1f} frames/s, {kind.late_part:.1%} late, longest {kind.longest_ms:.0f} ms, "
        f"{kind.long_tasks} tasks over 50 ms (longest {kind.longest_task_ms:.0f} ms)"
    )


def write(root: Path = ROOT) -> None:
    """The README's section from the results."""
    put(root / "README.md", "page", [section(json.loads(RESULTS.read_text()))])


if __name__ == "__main__":
    write()
