"""Measures the dashboard in Chromium: python -m benchmarks.page [--processes N] [--rate N] [--quick] [--output FILE]

A whole run writes benchmarks/page/results.json and, from that, the README's section; any other is shown only, unless
--output says where to keep it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks import machine
from benchmarks.page import report
from benchmarks.page.measuring import WATCH, frames, paint
from benchmarks.page.traffic import Traffic, fifo
from tests.browser.dashboard import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.browser.product import started

PROCESSES = 10_000
RATE = 5_000  # calls a second
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


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--rate", type=int, default=RATE, help="calls a second")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, help="where to keep the results as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), processes=options.processes, rate=options.rate, quick=options.quick)
    print(report.told(results))
    whole = not options.quick and (options.processes, options.rate) == (PROCESSES, RATE)
    if output := options.output or (report.RESULTS if whole else None):
        output.write_text(json.dumps(results, indent=2) + "\n")
    if whole and not options.output:
        report.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
