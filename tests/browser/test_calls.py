"""The list of calls: newest first, by process, kind and size, to any depth."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from memtap.names import display

from .conftest import Open, Start
from .dashboard import Dashboard, Grid, whole
from .plain_count import PlainCount
from .product import Product, ingest

Shown = list[tuple[str, int, str, int]]


def test_the_newest_calls_come_first(dashboard: Dashboard, counted: PlainCount) -> None:
    assert shown(dashboard.calls, 100) == expected(counted)[:100]


def test_older_calls_follow_page_by_page_without_a_gap(dashboard: Dashboard, counted: PlainCount) -> None:
    older = dashboard.page.get_by_role("button", name="Older calls")
    for pages in (2, 3, 4):
        older.click()
        expect(dashboard.calls.element).to_have_attribute("aria-rowcount", str(pages * 100 + 1))
    assert shown(dashboard.calls, 400) == expected(counted)[:400]


def test_scrolling_to_the_end_brings_older_calls(dashboard: Dashboard) -> None:
    dashboard.calls.element.hover()
    dashboard.calls.element.evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
    expect(dashboard.calls.element).to_have_attribute("aria-rowcount", "201")
    newest = dashboard.page.get_by_role("button", name="Newest calls")
    newest.click()
    expect(newest).to_be_hidden()


def test_choosing_a_process_shows_its_calls_alone(dashboard: Dashboard, counted: PlainCount) -> None:
    first = dashboard.processes.in_sight()[0]
    pid = int(first["pid"])
    dashboard.processes.row(first["pid"]).click()
    expect(dashboard.page.locator(".of-process")).to_have_text(re.compile(rf"{pid}"))
    dashboard.calls.rows.first.wait_for()
    assert shown(dashboard.calls, 100) == expected(counted, pid)[:100]
    expect(dashboard.page.locator("memtap-timeline .of")).to_have_text(re.compile(rf"· {pid}$"))


def test_the_chosen_process_is_in_the_address(dashboard: Dashboard, served: Product, open_dashboard: Open) -> None:
    dashboard.processes.rows.nth(2).click()
    expect(dashboard.page).to_have_url(re.compile(r"process=\d+"))
    chip = dashboard.page.locator(".of-process")
    expect(chip).to_contain_text("·")
    colleague = open_dashboard(served, query=dashboard.page.url.partition("?")[2])
    expect(colleague.page.locator(".of-process")).to_have_text(chip.text_content() or "nothing")
    dashboard.page.go_back()
    expect(chip).to_be_hidden()


def test_calls_are_filtered_by_kind_and_size(dashboard: Dashboard, counted: PlainCount) -> None:
    dashboard.page.get_by_label("Kind of call").select_option("munmap")
    dashboard.page.get_by_label("Least length").select_option("1048576")
    wanted = [call for call in expected(counted) if call[0] == "munmap" and call[3] >= 2**20]
    expect(dashboard.calls.rows.first).to_contain_text(f"{wanted[0][3]:,}")
    expect(dashboard.calls.element.locator("[data-kind=requested]")).to_have_count(0)
    assert shown(dashboard.calls, 100) == wanted[:100]


def test_a_filter_that_nothing_passes_says_so(dashboard: Dashboard, open_dashboard: Open, served: Product) -> None:
    none = open_dashboard(served, query="min=9000000000000")
    expect(none.page.locator("memtap-calls .placeholder")).to_have_text("No call matches.")


def test_a_long_search_says_how_far_it_has_come_and_goes_on(
    recording: Path, tmp_path: Path, start: Start, open_dashboard: Open
) -> None:
    """Two thirds of the calls are looked through at a time, where a real search ends after a million."""
    store = ingest(recording, tmp_path, shorter={"memtap.stores.duckdb.folding.MOST_CALLS": 1000})
    most = 2 * recording.read_bytes().count(b"\n") // 3
    few = dict.fromkeys((f"memtap.stores.duckdb.reader.{name}_CALLS" for name in ("FIRST", "MOST")), most)
    page = open_dashboard(start("serve", "--store", store, shorter=few), query="min=9000000000000").page
    calls = page.locator("memtap-calls")
    expect(calls.locator(".placeholder")).to_have_text("No call matches so far.")
    expect(calls.locator(".panel-foot")).to_contain_text("0 shown, searched back to ")
    page.get_by_role("button", name="Search further back").click()
    expect(calls.locator(".placeholder")).to_have_text("No call matches.")
    expect(calls.locator(".panel-foot")).to_contain_text("0 calls, that is all")


def expected(counted: PlainCount, pid: int | None = None) -> Shown:
    return [(kind, pid, display(name), length) for kind, pid, name, _, length in counted.newest_first(pid)]


def shown(calls: Grid, count: int) -> Shown:
    return [(row["call"], int(row["pid"]), row["process_name"], whole(row["length"])) for row in calls.first(count)]
