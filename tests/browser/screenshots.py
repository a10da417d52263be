"""The README's screenshots, from the real product: `python -m tests.browser.screenshots [TAP]` in the root folder.

Writes docs/dashboard-light.png and docs/dashboard-dark.png: what the tap (auto, where none is named) has seen after a
minute and a half, so that the time line has something to tell.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from .dashboard import CHROMIUM, CHROMIUM_ARGUMENTS, Dashboard
from .product import started

DOCS = Path(__file__).resolve().parents[2] / "docs"
TAPPED_S = 90
SETTLED_MS = 2_500
VIEW = "shares=name"
WINDOW = {"width": 1400, "height": 1300}  # calls are in sight


def main(tap: str = "auto") -> int:
    """Exit status: 1 where the page erred."""
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        started("run", "--tap", tap, "--store", f"duckdb:///{folder}/memtap.duckdb") as product,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        pages = {
            theme: Dashboard(browser, product, query=VIEW, color_scheme=theme, viewport=WINDOW, device_scale_factor=1.5)
            for theme in ("light", "dark")
        }
        pages["light"].page.wait_for_timeout(TAPPED_S * 1000)
        for theme, dashboard in pages.items():
            dashboard.page.bring_to_front()
            dashboard.page.wait_for_timeout(SETTLED_MS)
            dashboard.page.screenshot(path=DOCS / f"dashboard-{theme}.png")
            print(DOCS / f"dashboard-{theme}.png")
            if trouble := dashboard.trouble():
                print("\n".join(trouble), file=sys.stderr)
                return 1
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
