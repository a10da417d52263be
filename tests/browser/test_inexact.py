"""What calls were lost of is shown as such: "≈" before each sum they are missing from, and before no other figure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from counted import FIRST_US, WideCall
from playwright.sync_api import expect
from web import serving, stored_wide_at

from memtap.status import Reconciliation, Status
from memtap.stores.contract import Loss

from .conftest import Open
from .dashboard import Dashboard
from .product import Product

MINUTE_US = 60_000_000
MARK = "≈"
WHY = {
    "en": "≈ Calls were lost meanwhile: the sum is not exact",
    "es": "≈ Entretanto se perdieron llamadas: la suma no es exacta",
}
SUMS = ("balance", "requested", "released", "calls", "failed")
GONE = WideCall(11, b"gone before", start_us=10_000, time_us=FIRST_US, length=3 << 20, vm=8 << 20)
STAYS = WideCall(12, b"stays", start_us=20_000, time_us=FIRST_US, length=5 << 20, vm=9 << 20)
CALLS = [
    GONE,
    STAYS,
    replace(GONE, call="exit", time_us=FIRST_US + MINUTE_US),
    replace(STAYS, time_us=FIRST_US + 3 * MINUTE_US),
]
LOSS = Loss(FIRST_US + 2 * MINUTE_US, "tap", 7, "the tap says it lost them")
GAP = Loss(FIRST_US + 2 * MINUTE_US, "tap", 0, "the tap was away")  # how many events, nobody knows
RECONCILED = Reconciliation(FIRST_US + 4 * MINUTE_US, processes=215, new=1, differing=2, difference=-(3 << 20))


@pytest.fixture
def with_loss(tmp_path: Path, open_dashboard: Open) -> Iterator[Dashboard]:
    """One process that ended before calls were lost, and one that lived on."""
    with (
        stored_wide_at(f"duckdb://{tmp_path / 'lost.duckdb'}", CALLS, (LOSS, GAP)) as reader,
        serving() as serve,
    ):
        site = serve(reader, status=lambda: Status(reconciliation=RECONCILED))
        product = Product(None, site.settings.login_address())  # type: ignore[arg-type]
        dashboard = open_dashboard(product, query="ended=all&lang=en")
        dashboard.processes.rows.first.wait_for()
        yield dashboard
        assert dashboard.trouble() == []
        dashboard.page.goto("about:blank")  # it must not lose its server


def test_the_sums_of_a_process_that_a_loss_touched_are_marked_and_no_others(with_loss: Dashboard) -> None:
    expect(with_loss.processes.row("stays")).to_contain_text(MARK)
    rows = {row["process_name"]: row for row in with_loss.processes.everything()}
    touched, whole = rows["stays"], rows["gone before"]
    assert {key for key, value in touched.items() if value.startswith(MARK) and "title" not in key} == set(SUMS)
    assert touched["requested"] == "≈10.00"
    assert touched["requested title"] == f"10,485,760 bytes\n{WHY['en']}"
    assert touched["vm"] == "9.00"
    assert not any(MARK in value for value in whole.values())
    assert whole["requested"] == "3.00"


def test_totals_are_marked_and_say_why_in_both_languages(with_loss: Dashboard) -> None:
    for name in ("requested", "released", "balance", "calls", "failed"):
        expect(with_loss.figure(name).locator(".number")).to_contain_text(MARK)
    assert with_loss.exact_bytes("requested") == 13 << 20
    for name in ("processes", "rate", "losses"):
        expect(with_loss.figure(name)).not_to_contain_text(MARK)
    for language, why in WHY.items():
        with_loss.page.locator(f"button[lang={language}]").click()
        expect(with_loss.figure("calls")).to_have_attribute("title", why)
        cell = with_loss.processes.row("stays").locator('[data-column="calls"]')
        expect(cell).to_have_attribute("title", re.compile(f"\n{re.escape(why)}$"))


def test_the_selected_process_is_marked_too(with_loss: Dashboard) -> None:
    with_loss.processes.row("stays").click()
    detail = with_loss.page.locator("memtap-process")
    expect(detail.locator('[data-fact="balance"] dd')).to_contain_text(MARK)
    expect(detail.locator('[data-fact="vm"] dd')).not_to_contain_text(MARK)
    with_loss.processes.row("gone before").click()
    expect(detail.locator('[data-fact="balance"] dd')).to_have_text("3.00\u00a0MB")


def test_the_time_line_shows_when_it_was_and_where_it_was_lost(with_loss: Dashboard) -> None:
    key = with_loss.page.locator("memtap-timeline [data-kind=lost]")
    expect(key.locator(".value")).to_have_text("7 by the tap")
    calls = with_loss.page.locator("memtap-timeline [data-pane=calls]")
    expect(calls).to_have_attribute("aria-label", re.compile("1 spans with losses"))
    hatched = calls.locator("canvas").evaluate(
        PIXELS_OF, key.locator("svg").evaluate("svg => getComputedStyle(svg).color")
    )
    assert hatched > 50


PIXELS_OF = """(canvas, colour) => {
  const [red, green, blue] = colour.match(/\\d+/g).map(Number);
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    found += Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue) < 60;
  }
  return found;
}"""


def test_a_gap_is_told_beside_what_is_known_to_be_lost(with_loss: Dashboard) -> None:
    chip = with_loss.page.locator("memtap-header .chip", has_text="Losses")
    expect(chip.locator(".value")).to_have_text("7 lost + 1 gap")
    losses = with_loss.figure("losses")
    expect(losses.locator(".number")).to_have_text("≥7")
    expect(losses.locator(".note")).to_have_text("1 gap of unknown size")
    losses.get_by_role("button").click()
    expect(with_loss.page.locator("memtap-losses .gaps")).to_have_text("1 gap of unknown size")


def test_losses_are_read_in_full_in_a_header_of_one_row(with_loss: Dashboard) -> None:
    """Spanish words are longer, and a host's name may be."""
    page = with_loss.page
    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator("button[lang=es]").click()
    losses = page.locator("memtap-header [data-chip=losses] .value")
    expect(losses).to_have_text("7 perdidos + 1 hueco")
    page.locator("memtap-header [data-chip=host] .value").evaluate("host => { host.textContent = 'h'.repeat(64); }")
    assert losses.evaluate("shown => shown.scrollWidth <= shown.clientWidth")
    tops = page.locator("memtap-header .chip, memtap-header .live").evaluate_all(
        "all => all.filter((one) => !one.hidden).map((one) => one.getBoundingClientRect().top)"
    )
    assert len(tops) > 4 and max(tops) - min(tops) < 20  # px


def test_the_dialog_of_losses_says_how_proc_compared(with_loss: Dashboard) -> None:
    with_loss.figure("losses").get_by_role("button").click()
    line = with_loss.page.locator("memtap-losses p", has_text="/proc")
    expect(line).to_contain_text("/proc agrees for 212 of 214 processes, 3.00\u00a0MB off, healed; new: 1")


def test_without_a_loss_nothing_is_marked(dashboard: Dashboard) -> None:
    assert not any(MARK in value for row in dashboard.processes.everything() for value in row.values())
    expect(dashboard.page.locator("memtap-figures")).not_to_contain_text(MARK)
    dashboard.figure("losses").get_by_role("button").click()
    expect(dashboard.page.locator("memtap-losses dialog")).to_be_visible()
    expect(dashboard.page.locator("memtap-losses p", has_text="/proc")).to_have_count(0)
