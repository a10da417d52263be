"""One Chromium for this folder; a product over a real recording; and pages that are held to good behaviour."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from memtap.taps.replay import BUNDLED, lines_of

from .dashboard import CHROMIUM, CHROMIUM_ARGUMENTS, Dashboard
from .plain_count import PlainCount, count
from .product import Product, Tapped, ingest, started

RECORDED_LINES = 30_000  # of the recording: about 300 processes

Start = Callable[..., Product]
Open = Callable[..., Dashboard]

expect.set_options(timeout=30_000)  # ms; nothing is claimed about speed


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first lines of a real capture of a whole host."""
    path = tmp_path_factory.mktemp("recording") / "host.log"
    path.write_bytes(b"".join(lines_of(BUNDLED)[:RECORDED_LINES]))
    return path


@pytest.fixture(scope="package")
def counted(recording: Path) -> PlainCount:
    return count(recording.read_bytes())


@pytest.fixture(scope="package")
def served(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """`memtap serve` over what `memtap ingest` made of the recording."""
    url = ingest(recording, tmp_path_factory.mktemp("store"))
    with started("serve", "--store", url) as product:
        yield product


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts memtap; whatever still runs in the end is stopped."""
    with ExitStack() as running:
        yield lambda *arguments, **options: running.enter_context(started(*arguments, **options))


@pytest.fixture
def tapped(tmp_path: Path, start: Start) -> Iterator[Tapped]:
    """`memtap run` on a pipe, and the pipe's other end."""
    pipe = tmp_path / "lines"
    os.mkfifo(pipe)
    store = f"duckdb:///{tmp_path / 'live.duckdb'}"
    # Both ways, so that opening it waits for nobody.
    with os.fdopen(os.open(pipe, os.O_RDWR), "wb", buffering=0) as lines:
        yield Tapped(start("run", "--tap", f"file:{pipe}", "--store", store), lines, store)


@pytest.fixture
def open_dashboard(browser: Browser, start: Start) -> Iterator[Open]:
    """Opens dashboards. In the end none of them may have erred, broken the CSP or asked another host.

    They are closed before what `start` has started: to lose the connection is a test of its own."""
    opened: list[Dashboard] = []

    def open_it(product: Product, **options: Any) -> Dashboard:
        dashboard = Dashboard(browser, product, **options)
        opened.append(dashboard)
        return dashboard

    yield open_it
    trouble = [line for dashboard in opened for line in dashboard.trouble()]
    for dashboard in opened:
        dashboard.context.close()
    assert trouble == []


@pytest.fixture
def dashboard(served: Product, open_dashboard: Open) -> Dashboard:
    """The recording's dashboard, with its rows there."""
    dashboard = open_dashboard(served)
    dashboard.processes.rows.first.wait_for()
    dashboard.calls.rows.first.wait_for()
    return dashboard
