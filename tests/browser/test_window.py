"""A window of the time line: everything below follows it, is counted independently, and goes back to now."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Download, expect

from memtap.names import display

from .conftest import Open
from .dashboard import Dashboard, whole
from .plain_count import PlainCount
from .product import Product
from .test_numbers import legend

FIRST_S, LAST_S = 1, 4  # of the recording: what is brushed


NONE = "\N{EN DASH}"  # where there is no figure


class Sums(NamedTuple):
    requested: int
    released: int
    calls: int


@pytest.fixture
def window(counted: PlainCount) -> tuple[int, int]:
    first = min(call[3] for call in counted.calls) // 1_000_000
    return first + FIRST_S, first + LAST_S


def sums_in(counted: PlainCount, window: tuple[int, int]) -> dict[int, Sums]:
    """By pid, of the calls in [from, to) seconds."""
    sums: dict[int, Sums] = defaultdict(lambda: Sums(0, 0, 0))
    for kind, pid, _, time_us, length in counted.calls:
        if window[0] <= time_us // 1_000_000 < window[1]:
            before = sums[pid]
            released = kind == "munmap"
            sums[pid] = Sums(
                before.requested + (0 if released else length), before.released + released * length, before.calls + 1
            )
    return dict(sums)


def brush(dashboard: Dashboard, window: tuple[int, int]) -> None:
    """Drag with the mouse from one second to another: where they are is read from the chart's own axis."""
    place = dashboard.page.locator("memtap-timeline .u-over").first
    box = place.bounding_box()
    assert box is not None
    # The time line begins with the recording's first second and ends with its last.
    seconds = dashboard.page.evaluate("document.querySelector('memtap-timeline').columns.second")
    first, last = seconds[0], seconds[-1]
    xs = [box["x"] + (second - first) / (last - first) * box["width"] for second in window]
    y = box["y"] + box["height"] / 2
    dashboard.page.mouse.move(xs[0] + 1, y)
    dashboard.page.mouse.down()
    dashboard.page.mouse.move((xs[0] + xs[1]) / 2, y)
    dashboard.page.mouse.move(xs[1] - 1, y)
    dashboard.page.mouse.up()


def chosen(dashboard: Dashboard) -> tuple[int, int]:
    query = parse_qs(urlsplit(dashboard.page.url).query)
    return int(query["from"][0]), int(query["to"][0])


def test_everything_follows_a_brushed_window_and_goes_back_to_now(
    dashboard: Dashboard, counted: PlainCount, window: tuple[int, int]
) -> None:
    page = dashboard.page
    brush(dashboard, window)
    expect(page).to_have_url(re.compile("from="))
    assert chosen(dashboard) == window
    sums = sums_in(counted, window)
    expect(dashboard.processes.element).to_have_attribute("aria-rowcount", str(len(sums) + 1))

    rows = {int(row["pid"]): row for row in dashboard.processes.everything()}
    assert {
        pid: Sums(whole(row["requested title"]), whole(row["released title"]), whole(row["calls"]))
        for pid, row in rows.items()
    } == sums

    requested = sum(process.requested for process in sums.values())
    expect(page.locator("memtap-shares .explanation").first).to_contain_text(f"{len(sums):,} processes requested in ")
    slices = legend(dashboard)
    assert sum(exact for _, _, exact, _ in slices) == requested
    assert slices[0][2] == max(process.requested for process in sums.values())

    newest = [call for call in counted.newest_first() if window[0] <= call[3] // 1_000_000 < window[1]][:100]
    shown = [(row["call"], int(row["pid"]), whole(row["length"])) for row in dashboard.calls.first(100)]
    assert shown == [(kind, pid, length) for kind, pid, _, _, length in newest]

    page.get_by_role("button", name="Back to live").click()
    expect(dashboard.processes.element).to_have_attribute("aria-rowcount", str(len(counted.processes) + 1))
    expect(page).not_to_have_url(re.compile("from="))
    page.go_back()
    expect(page).to_have_url(re.compile("from="))
    expect(dashboard.processes.element).to_have_attribute("aria-rowcount", str(len(sums) + 1))


def test_exact_times_choose_a_window_without_a_mouse(
    dashboard: Dashboard, counted: PlainCount, window: tuple[int, int]
) -> None:
    page = dashboard.page
    page.get_by_role("button", name="Exact times…").press("Enter")
    first, last = (page.get_by_role("textbox", name=name) for name in ("From", "Until"))
    expect(first).to_be_focused()
    local = [page.evaluate(LOCAL, second) for second in window]
    last.fill(local[0])
    first.fill(local[1])
    page.get_by_role("button", name="Show this window").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The end must come after the beginning.")
    first.fill(local[0])
    last.fill(local[1])
    page.get_by_role("button", name="Show this window").press("Enter")
    expect(page.locator(".window-bar .window")).to_contain_text("(3 s)")
    assert chosen(dashboard) == window
    rows = len(sums_in(counted, window)) + 1
    expect(dashboard.processes.element).to_have_attribute("aria-rowcount", str(rows))


LOCAL = """second => {
  const date = new Date(second * 1000);
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}"""


def test_a_view_is_one_request_to_the_time_line(dashboard: Dashboard, window: tuple[int, int]) -> None:
    """Nothing changes in the store: a brush asks for no time line, another width for one."""
    page = dashboard.page
    before = asked_for(dashboard, "timeline")
    brush(dashboard, window)
    expect(page.locator(".window-bar .window")).to_be_visible()
    dashboard.processes.rows.first.wait_for()
    page.get_by_label("Width of the time line").last.select_option("1440")
    expect(page).to_have_url(re.compile("minutes=1440"))
    page.wait_for_timeout(500)
    aged = 2  # an answer of a moment ago is asked for again
    assert len(asked_for(dashboard, "timeline")) <= len(before) + 2 + aged


def asked_for(dashboard: Dashboard, resource: str) -> list[str]:
    return [url for url in dashboard.requests if f"/api/v1/{resource}?" in url]


def test_two_moments_are_compared_as_the_lines_say(
    served: Product, open_dashboard: Open, counted: PlainCount, window: tuple[int, int]
) -> None:
    query = f"mode=compare&from={window[0]}&to={window[1]}"
    dashboard = open_dashboard(served, query=query)
    table = dashboard.grid("memtap-compare")
    table.rows.first.wait_for()
    before, after = (balances(counted, second) for second in window)
    expected = {}
    for pid in after:
        change = after[pid] - before.get(pid, 0)
        state = "appeared" if pid not in before else "grew" if change > 0 else "shrank" if change < 0 else None
        if state:
            expected[pid] = (state, before.get(pid), after[pid], change)
    shown = {}
    for row in table.everything():
        if "ended" not in row["state"]:
            held = [None if row[key] == NONE else whole(row[f"{key} title"]) for key in ("before", "after", "change")]
            shown[int(row["pid"])] = (row["state"].split()[1], *held)
    assert shown == expected
    states = Counter(state for state, *_ in expected.values())
    for state in ("grew", "shrank", "appeared"):
        button = dashboard.page.locator(f"memtap-compare button[data-state={state}]")
        expect(button).to_contain_text(f"{state} {states[state]:,}")
    dashboard.page.locator("memtap-compare button[data-state=grew]").click()
    expect(table.element).to_have_attribute("aria-rowcount", str(states["grew"] + 1))


def balances(counted: PlainCount, second: int) -> dict[int, int]:
    """Of each process that was seen before this second."""
    held: dict[int, int] = {}
    for kind, pid, _, time_us, length in counted.calls:
        if time_us // 1_000_000 < second:
            held[pid] = held.get(pid, 0) + (-length if kind == "munmap" else length)
    return held


def test_the_csv_of_processes_is_what_is_shown(dashboard: Dashboard, counted: PlainCount) -> None:
    page = dashboard.page
    page.get_by_label("Find name or PID").fill("python3")
    wanted = {pid: process for pid, process in counted.processes.items() if b"python3" in process.name}
    expect(dashboard.processes.element).to_have_attribute("aria-rowcount", str(len(wanted) + 1))
    with page.expect_download() as waiting:
        page.locator("memtap-processes .tools").get_by_role("button", name="CSV").click()
    rows = read(waiting.value)
    assert [int(row["pid"]) for row in rows] == [int(row["pid"]) for row in dashboard.processes.everything()]
    for row in rows:
        process = wanted[int(row["pid"])]
        assert row["process_name"] == display(process.name)
        assert int(row["balance_bytes"]) == process.balance
        assert int(row["requested_bytes"]) == process.requested
        assert int(row["calls"]) == process.requests + process.releases


def test_the_csv_of_calls_is_all_that_pass_the_filters(
    dashboard: Dashboard, counted: PlainCount, window: tuple[int, int]
) -> None:
    brush(dashboard, window)
    expect(dashboard.page).to_have_url(re.compile("from="))
    dashboard.page.get_by_label("Kind of call").select_option("munmap")
    expect(dashboard.page.locator("memtap-calls a", has_text="CSV")).to_have_attribute(
        "href", re.compile("call=munmap")
    )
    with dashboard.page.expect_download() as waiting:
        dashboard.page.locator("memtap-calls a", has_text="CSV").click()
    rows = read(waiting.value)
    wanted = [
        (pid, time_us, length)
        for kind, pid, _, time_us, length in counted.newest_first()
        if kind == "munmap" and window[0] <= time_us // 1_000_000 < window[1]
    ]
    assert len(rows) == len(wanted) > 100
    assert [(int(row["pid"]), int(row["time_us"]), int(row["length"])) for row in rows] == wanted


def read(download: Download) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path(download.path()).read_text(), newline="")))


def test_columns_are_chosen_and_stay_in_the_address(
    dashboard: Dashboard, served: Product, open_dashboard: Open
) -> None:
    page = dashboard.page
    page.get_by_role("button", name="Columns").click()
    sheet = page.get_by_role("dialog", name="Columns of the table")
    expect(sheet.get_by_label("VM")).to_be_disabled()  # format 1 does not say it
    sheet.get_by_label("Released").uncheck()
    expect(dashboard.processes.header("Released")).to_be_hidden()
    page.keyboard.press("Escape")
    colleague = open_dashboard(served, query=page.url.partition("?")[2])
    colleague.processes.rows.first.wait_for()
    expect(colleague.processes.header("Released")).to_be_hidden()
    expect(colleague.processes.header("Requested")).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    sheet.get_by_role("button", name="The usual ones").click()
    expect(dashboard.processes.header("Released")).to_be_visible()
    expect(page).not_to_have_url(re.compile("columns="))


def test_the_treemap_is_of_the_same_slices(dashboard: Dashboard) -> None:
    slices = legend(dashboard)
    dashboard.page.get_by_role("button", name="Treemap").click()
    tiles = dashboard.page.locator(".tile")
    expect(tiles).to_have_count(len(slices))
    areas = tiles.evaluate_all("tiles => tiles.map((tile) => tile.offsetWidth * tile.offsetHeight)")
    place = dashboard.page.locator(".treemap").evaluate("map => map.clientWidth * map.clientHeight")
    for area, (_, _, _, part) in zip(areas, slices, strict=True):
        assert area / place == pytest.approx(part / 100, abs=0.02)  # less the gaps between them
    assert legend(dashboard) == slices
