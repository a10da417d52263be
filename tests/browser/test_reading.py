"""The page for its readers: languages, themes, keyboard, small and large screens."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .conftest import Open
from .dashboard import MINUS, Dashboard
from .plain_count import PlainCount
from .product import Product


def test_english_and_spanish_switch_and_stay_in_the_address(dashboard: Dashboard, counted: PlainCount) -> None:
    page = dashboard.page
    calls = dashboard.figure("calls")
    expect(calls.locator("dt")).to_have_text("Calls")
    expect(calls.locator(".number")).to_have_text(f"{len(counted.calls):,}")
    page.get_by_role("button", name="Español").click()
    expect(calls.locator("dt")).to_have_text("Llamadas")
    expect(calls.locator(".number")).to_have_text(f"{len(counted.calls):,}".replace(",", "."))
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page).to_have_url(re.compile(r"lang=es"))
    page.reload()
    expect(page.get_by_role("heading", name="Procesos", exact=True)).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Processes", exact=True)).to_be_visible()


def test_a_spanish_browser_gets_spanish(served: Product, open_dashboard: Open) -> None:
    dashboard = open_dashboard(served, locale="es-MX")
    expect(dashboard.page.locator(".live")).to_have_text("En vivo")
    expect(dashboard.page.get_by_role("heading", name="Reparto")).to_be_visible()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_switched(system: str, served: Product, open_dashboard: Open) -> None:
    dashboard = open_dashboard(served, color_scheme=system)
    other = {"light": "dark", "dark": "light"}[system]
    page = dashboard.page
    before = page.evaluate("getComputedStyle(document.body).color")
    page.get_by_role("button", name=f"{other.capitalize()} theme").click()
    expect(page).to_have_url(re.compile(f"theme={other}"))
    assert page.evaluate("getComputedStyle(document.body).color") != before
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", other)


def test_a_process_is_found_and_chosen_by_keyboard_alone(dashboard: Dashboard, counted: PlainCount) -> None:
    page = dashboard.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the processes")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):  # past the switch between table and comparison
        page.keyboard.press("Tab")
    expect(page.get_by_label("Find name or PID")).to_be_focused()
    page.keyboard.type("cc1")
    wanted = sum(process.name == b"cc1" for process in counted.processes.values())
    expect(dashboard.processes.element).to_have_attribute("aria-rowcount", str(wanted + 1))
    for _ in range(4):  # past which processes, columns, CSV
        page.keyboard.press("Tab")
    expect(dashboard.processes.element).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = dashboard.processes.in_sight()[1]
    page.keyboard.press("Enter")
    expect(page.locator(".of-process")).to_have_text(re.compile(f"cc1 · {second['pid']}"))
    page.keyboard.press("Escape")
    expect(page.locator(".of-process")).to_be_hidden()


def test_the_end_of_the_table_is_reached_by_one_key(dashboard: Dashboard, counted: PlainCount) -> None:
    least = min(process.balance for process in counted.processes.values())
    dashboard.processes.element.focus()
    dashboard.page.keyboard.press("End")
    last = dashboard.processes.element.locator(f'[aria-rowindex="{len(counted.processes) + 1}"]')
    expect(last).to_be_in_viewport()
    expect(last.locator("[data-column=balance]")).to_have_attribute("title", f"{least:,} bytes".replace("-", MINUS))
    expect(dashboard.processes.element).to_have_attribute("aria-activedescendant", re.compile("grid-"))


def test_columns_sort_both_ways(dashboard: Dashboard, counted: PlainCount) -> None:
    header = dashboard.processes.header("PID")
    header.get_by_role("button").press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    pids = sorted(counted.processes)
    assert [int(row["pid"]) for row in dashboard.processes.first(20)] == pids[:20]
    header.get_by_role("button").press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    assert [int(row["pid"]) for row in dashboard.processes.first(20)] == pids[:-21:-1]


@pytest.mark.parametrize("width", [360, 768, 1400, 2560, 3840])
def test_the_page_fits_every_width(width: int, served: Product, open_dashboard: Open) -> None:
    dashboard = open_dashboard(served, viewport={"width": width, "height": 900})
    dashboard.processes.rows.first.wait_for()
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") <= width


def test_only_the_rows_in_sight_exist(dashboard: Dashboard, counted: PlainCount) -> None:
    assert dashboard.processes.row_count == len(counted.processes)
    assert dashboard.processes.rows.count() < 60 < len(counted.processes)


def test_everything_that_acts_has_a_name(dashboard: Dashboard) -> None:
    unnamed = dashboard.page.locator("button, select, input, a, [role=grid]").evaluate_all(
        """elements => elements.filter((element) => element.checkVisibility() && !element.textContent.trim()
             && !element.getAttribute("aria-label") && !element.labels?.length).map((element) => element.outerHTML)"""
    )
    assert unnamed == []
