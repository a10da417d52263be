"""WCAG 2.2 AA as axe-core sees it: in every state, theme and language, and with the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from counted import FIRST_US, some_wide_calls
from playwright.sync_api import expect
from web import serving, stored_wide_at

from memtap.status import PipelineStatus, Reconciliation, SpoolStatus, Status, TapStatus
from memtap.stores.contract import Loss

from .accessibility import violations
from .conftest import Open, Start
from .dashboard import Dashboard
from .product import Product, ingest, started
from .wide_trace import wide_trace

LINES = 6_000  # of the recording
THEMES = ("light", "dark")
# What a rule says of colours it says in any language, and what it says of words in any colour.
THEME_AND_LANGUAGE = pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "es")])
LOSSES = (
    Loss(FIRST_US + 5_000_000, "tap", 7, "the tap says it lost them", since_us=FIRST_US + 2_000_000),
    Loss(FIRST_US + 9_000_000, "ring", 0, "nobody knows how many"),
)
RECONCILED = Reconciliation(
    FIRST_US, processes=215, new=1, differing=2, difference=-(3 << 20), largest=((11, "python3", -(3 << 20)),)
)
PIPELINE = PipelineStatus(lost={"tap": 7}, rejected=1, samples=(b"mmap2: PID=7, process=<img src=x>\x1b[31m",))
# What memtap says of itself, and the banner that tells it.
TROUBLES = {
    "recording": (Status(tap=TapStatus("replay", "ended", recording=True, message="host.log")), "recording"),
    "restarting": (
        Status(tap=TapStatus("bpftrace", "restarting", message="it died", restarts=3, stderr=("ERROR: killed",))),
        "restarting",
    ),
    "ended": (Status(tap=TapStatus("file", "ended", message="end of file")), "ended"),
    "away": (
        Status(
            tap=TapStatus("bpftrace", "running"),
            pipeline=replace(PIPELINE, store_error="Connection refused"),
            reconciliation=RECONCILED,
            spool=SpoolStatus(state="spooling", path="/spool", batches=3, bytes=4096, limit=1 << 30),
        ),
        "away",
    ),
}


@pytest.fixture(scope="module")
def wide_served(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    path = tmp_path_factory.mktemp("wide") / "wide.log"
    path.write_bytes(wide_trace(b"".join(recording.read_bytes().splitlines(keepends=True)[:LINES])))
    with started("serve", "--store", ingest(path, tmp_path_factory.mktemp("store"))) as product:
        yield product


@THEME_AND_LANGUAGE
def test_no_state_of_the_page_breaks_a_rule(
    theme: str, language: str, wide_served: Product, open_dashboard: Open
) -> None:
    """One page walked through its states: a new one for each would cost minutes."""
    dashboard = open_dashboard(wide_served, query=f"ended=all&lang={language}", color_scheme=theme)
    page = dashboard.page
    dashboard.processes.rows.first.wait_for()
    dashboard.calls.rows.first.wait_for()
    page.locator(".legend li").first.wait_for()
    found = {"usual": violations(page)}

    page.locator("[data-value=treemap]").click()
    page.locator(".tile").first.wait_for()
    found["treemap"] = violations(page, "memtap-shares")

    dashboard.processes.rows.nth(1).click()
    page.locator(".kinds-bar").wait_for()
    found["process"] = violations(page)

    page.locator(".choose-columns").click()
    found["columns"] = violations(page)
    page.keyboard.press("Escape")
    page.locator("memtap-timeline .popover button").first.click()
    found["times"] = violations(page)
    page.locator(".times button").click()
    page.locator(".window-bar .window").wait_for()
    found["window"] = violations(page, "memtap-timeline")

    page.locator("memtap-processes [data-mode=compare]").click()
    page.locator("memtap-compare .placeholder, memtap-compare .grid-body .grid-row").first.wait_for()
    found["compare"] = violations(page)

    page.locator(".chip button").first.click()
    page.locator("memtap-state dialog").wait_for()
    found["state"] = violations(page)
    page.keyboard.press("Escape")
    page.locator(".chip button").last.click()
    page.locator("memtap-losses dialog").wait_for()
    found["losses"] = violations(page)
    page.keyboard.press("Escape")
    page.locator("memtap-notes summary").click()
    found["notes"] = violations(page, "memtap-notes")
    assert {state: lines for state, lines in found.items() if lines} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_the_small_page_breaks_no_rule(theme: str, wide_served: Product, open_dashboard: Open) -> None:
    dashboard = open_dashboard(
        wide_served, query="ended=all&mode=compare", color_scheme=theme, viewport={"width": 360, "height": 740}
    )
    page = dashboard.page
    page.locator("memtap-compare .grid-body .grid-row").first.wait_for()
    page.locator(".legend li").first.wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_an_empty_and_a_disconnected_page_break_no_rule(
    theme: str, tmp_path: Path, start: Start, open_dashboard: Open
) -> None:
    trace = tmp_path / "empty.log"
    trace.write_bytes(b"")
    product = start("serve", "--store", ingest(trace, tmp_path))
    dashboard = open_dashboard(product, color_scheme=theme)
    expect(dashboard.page.get_by_role("heading", name="This store holds no calls.")).to_be_visible()
    assert violations(dashboard.page) == []
    product.stop()
    expect(dashboard.banner("lost")).to_be_visible()
    assert violations(dashboard.page) == []
    dashboard.server_goes = True


@THEME_AND_LANGUAGE
def test_no_trouble_that_the_page_tells_of_breaks_a_rule(
    theme: str, language: str, tmp_path: Path, open_dashboard: Open
) -> None:
    """A recording, a tap that restarts, a store that is away, losses, and the token's end."""
    now = Status()
    with (
        stored_wide_at(f"duckdb://{tmp_path / 'lost.duckdb'}", some_wide_calls(300), LOSSES) as reader,
        serving() as serve,
    ):
        site = serve(reader, status=lambda: now)
        product = Product(None, site.settings.login_address())  # type: ignore[arg-type]
        dashboard = open_dashboard(product, query=f"ended=all&lang={language}", color_scheme=theme)
        page = dashboard.page
        dashboard.processes.rows.first.wait_for()
        found = {}
        for state, (status, banner) in TROUBLES.items():
            now = status
            expect(dashboard.banner(banner)).to_be_visible()
            found[state] = violations(page)
        page.locator(".chip button").first.click()
        page.locator("memtap-state dialog").wait_for()
        found["state"] = violations(page)
        page.keyboard.press("Escape")
        dashboard.figure("losses").get_by_role("button").click()
        expect(page.locator("memtap-losses tbody tr")).to_have_count(len(LOSSES))
        expect(page.locator("memtap-losses .samples li")).to_have_count(1)
        found["losses"] = violations(page)
        page.keyboard.press("Escape")

        dashboard.context.clear_cookies()
        page.evaluate("import('/lib/feed.js').then(({ feed }) => feed.live.connect())")
        expect(dashboard.banner("locked")).to_be_visible()
        found["signed out"] = violations(page)
        dashboard.banner("locked").get_by_role("link").click()
        page.locator("input[type=password]").wait_for()
        found["login"] = violations(page)
        dashboard.server_goes = True
        assert dashboard.trouble() == []
        page.goto("about:blank")  # it must not lose its server
    assert {state: lines for state, lines in found.items() if lines} == {}


def test_a_window_is_chosen_and_left_by_keyboard(wide_served: Product, open_dashboard: Open) -> None:
    dashboard = open_dashboard(wide_served, query="ended=all")
    page = dashboard.page
    dashboard.processes.rows.first.wait_for()
    page.get_by_role("group", name="Time line", exact=True).focus()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+|to=\d+.*from=\d+"))
    expect(page.locator(".window-bar .window")).to_contain_text("Window: ")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile(r"from="))
    expect(page.locator(".window-bar .hint")).to_be_visible()


def test_the_focus_is_never_lost_and_always_seen(wide_served: Product, open_dashboard: Open) -> None:
    """From the address to the end with Tab alone: each stop is in sight and drawn around."""
    dashboard: Dashboard = open_dashboard(wide_served, query="ended=all")
    page = dashboard.page
    dashboard.processes.rows.first.wait_for()
    stops = 0
    for _ in range(120):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
              const element = document.activeElement;
              if (element === document.body) return null;
              const { top, bottom, left, right } = element.getBoundingClientRect();
              const style = getComputedStyle(element);
              const grid = element.matches(".grid");
              return {
                what: element.outerHTML.slice(0, 80),
                inSight: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
                drawn: grid || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0),
              };
            }"""
        )
        if stop is None:
            break
        stops += 1
        assert stop["inSight"] and stop["drawn"], stop["what"]
    assert 30 < stops < 120


def test_the_selected_process_never_covers_the_row_that_the_keyboard_is_at(
    wide_served: Product, open_dashboard: Open
) -> None:
    dashboard = open_dashboard(wide_served, query="ended=all", viewport={"width": 1400, "height": 640})
    page = dashboard.page
    dashboard.processes.rows.first.click()
    expect(page.locator("memtap-process .detail")).to_be_visible()
    dashboard.processes.element.focus()
    for _ in range(14):
        page.keyboard.press("ArrowDown")
        seen = page.locator("memtap-processes .grid-row.active").evaluate(
            """row => {
              const { left, top, height } = row.getBoundingClientRect();
              return row.contains(document.elementFromPoint(left + 40, top + height / 2));
            }"""
        )
        assert seen
