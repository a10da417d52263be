"""The README's screenshots, from the real product: `python -m tests.browser.screenshots` in the root folder.

Writes docs/dashboard-light.png and docs/dashboard-dark.png: what memtap shows of a recorded workload after a minute and
a half, as it would be at this moment. The recording is a tap's own lines in format 2, of two minutes of compilations,
sorting, a cache, a leak, Node.js and a program that asks for more than it may have; nothing of this machine is in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from memtap.taps.replay import command

from .dashboard import CHROMIUM, CHROMIUM_ARGUMENTS, Dashboard
from .product import Product, started

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECORDING = Path(__file__).parent / "recordings" / "demo.log.gz"
RECORDED_S = 90
SETTLED_MS = 2_500
MOST_BYTES = 400_000
WINDOW = {"width": 1400, "height": 1240}
VIEWS = {"light": "shares=name&ended=all", "dark": "shares=name&shape=treemap&of=requested&ended=all"}


def main() -> int:
    """Exit status: 1 where the page erred, or a picture is too large."""
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, replayed(Path(folder)) as product, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        pages = {
            theme: Dashboard(
                browser, product, query=query, color_scheme=theme, viewport=WINDOW, device_scale_factor=1.25
            )
            for theme, query in VIEWS.items()
        }
        pages["light"].page.wait_for_timeout(RECORDED_S * 1000)
        choose_most(pages["dark"])
        trouble = [line for theme, dashboard in pages.items() for line in taken(theme, dashboard)]
        browser.close()
    print("\n".join(trouble), file=sys.stderr, end="\n" if trouble else "")
    return 1 if trouble else 0


@contextmanager
def replayed(folder: Path) -> Iterator[Product]:
    """`memtap run` on a pipe into which the recording comes at its own pace."""
    pipe = folder / "lines"
    os.mkfifo(pipe)
    with (
        os.fdopen(os.open(pipe, os.O_RDWR), "wb") as lines,
        started("run", "--tap", f"file:{pipe}", "--store", f"duckdb:///{folder}/memtap.duckdb") as product,
    ):
        replay = subprocess.Popen(command(str(RECORDING)), stdout=lines)
        try:
            yield product
        finally:
            replay.terminate()
            replay.wait()


def choose_most(dashboard: Dashboard) -> None:
    """The process that holds most, as a reader would choose it."""
    dashboard.page.bring_to_front()
    dashboard.processes.rows.first.click()
    dashboard.page.mouse.move(0, 0)


def taken(theme: str, dashboard: Dashboard) -> list[str]:
    """Take the picture; what is wrong with it or the page."""
    picture = DOCS / f"dashboard-{theme}.png"
    dashboard.page.bring_to_front()
    dashboard.page.wait_for_timeout(SETTLED_MS)
    dashboard.page.screenshot(path=picture)
    size = picture.stat().st_size
    print(f"{picture}: {size:,} bytes")
    return dashboard.trouble() + ([f"{picture}: at most {MOST_BYTES:,} bytes"] if size > MOST_BYTES else [])


if __name__ == "__main__":
    sys.exit(main())
