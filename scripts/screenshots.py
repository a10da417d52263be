#!/usr/bin/env python3
"""Takes the README's pictures: the dashboard of `memtap run` on this machine, light and dark, into docs/.

make screenshots                    what this machine does in 20 seconds
make screenshots ARGS="--tap replay --seconds 12"
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

DOCS = Path(__file__).parents[1] / "docs"
CHROMIUM = "/usr/bin/chromium"
# Without these Chromium, as root, does not start, and looks for its maker's hosts.
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
LOOKS = {"dashboard-light.png": "light", "dashboard-dark.png": "dark"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tap", default="auto", help="see memtap run --help (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="how long to tap before (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = f"duckdb://{folder}/screenshots.duckdb"
        command = [sys.executable, "-P", "-m", "memtap", "run", "--tap", options.tap, "--store", store]
        memtap = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
        try:
            address = memtap.stdout.readline().strip() if memtap.stdout else ""
            if not address:
                sys.exit("memtap run has ended before it answered; it has said why")
            time.sleep(options.seconds)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
                for name, scheme in LOOKS.items():
                    print(photograph(browser, address, name, scheme))
                browser.close()
        finally:
            memtap.terminate()
            memtap.wait()


def photograph(browser: Browser, address: str, name: str, scheme: str) -> Path:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2,
        locale="en-GB",
        viewport={"width": 1400, "height": 900},
    )
    page = context.new_page()
    page.goto(address)
    page.locator("memtap-processes [role=grid] .grid-body [role=row]").first.wait_for()
    page.wait_for_timeout(3000)  # some live updates, so that what is drawn has settled
    DOCS.mkdir(exist_ok=True)
    path = DOCS / name
    page.screenshot(path=path)
    context.close()
    return path


if __name__ == "__main__":
    main()
