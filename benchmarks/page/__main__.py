"""Measures the dashboard in Chromium: python -m benchmarks.page [--processes N] [--rate N] [--quick] [--output FILE]"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks import machine
from benchmarks.page.measuring import WATCH, Frames, Paint, frames, paint
from benchmarks.page.traffic import Traffic, fifo
from tests.browser.dashboard import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.browser.product import started

PAINTS = 5
WATCHED_S = 20.0
SETTLED_MS = 5_000


def measure(folder: Path, *, processes: int, rate: int, quick: bool) -> dict[str, Any]:
    """A live memtap with so many processes and so many calls a second, and one page on it."""
    pipe = folder / "lines"
    with ExitStack() as stack:
        out = stack.enter_context(fifo(pipe))
        store = f"duckdb:///{folder}/memtap.duckdb"
        product = stack.enter_context(started("run", "--tap", f"file:{pipe}", "--store", store))
        stack.enter_context(Traffic(out, processes, rate))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.add_init_script(WATCH)
        page.goto(product.address)
        page.locator(f'memtap-processes .grid[aria-rowcount="{processes + 1}"]').wait_for(timeout=120_000)
        page.wait_for_timeout(SETTLED_MS)
        seconds = WATCHED_S / 4 if quick else WATCHED_S
        still, scrolling = (frames(page, seconds, scroll=scroll) for scroll in (False, True))
        page.close()
        paints = [paint(browser, product.address) for _ in range(2 if quick else PAINTS)]
        browser.close()
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine.describe(),
        "processes": processes,
        "calls_per_s": rate,
        "paints": [asdict(one) for one in paints],
        "live": asdict(still),
        "scrolling": asdict(scrolling),
    }


def told(results: dict[str, Any]) -> str:
    """For people."""
    paints = [Paint(**one) for one in results["paints"]]
    live, scrolling = Frames(**results["live"]), Frames(**results["scrolling"])
    frame = "{:.1f} frames/s, {:.1%} late, longest {:.0f} ms, {} tasks over 50 ms (longest {:.0f} ms)"
    of = lambda kind: frame.format(  # noqa: E731
        kind.per_s, kind.late_part, kind.longest_ms, kind.long_tasks, kind.longest_task_ms
    )
    return "\n".join(
        [
            f"{results['processes']:,} processes, {results['calls_per_s']:,} calls/s",
            f"first paint      {statistics.median(one.first_ms for one in paints):.0f} ms",
            f"first process    {statistics.median(one.rows_ms for one in paints):.0f} ms",
            f"live             {of(live)}",
            f"live, scrolling  {of(scrolling)}",
        ]
    )


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--processes", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=5_000, help="calls a second")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, help="where to keep the results as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), processes=options.processes, rate=options.rate, quick=options.quick)
    print(told(results))
    if options.output:
        options.output.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
