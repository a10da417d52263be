"""What the page shows is what the lines say, counted independently."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from playwright.sync_api import expect

from memtap.host import memory_bytes
from memtap.names import display

from .dashboard import Dashboard, decimal, whole
from .plain_count import PlainCount

MB = 2**20
ROUNDED = 0.005001  # two decimals are shown


def test_the_totals_are_those_of_the_lines(dashboard: Dashboard, counted: PlainCount) -> None:
    assert dashboard.exact_bytes("requested") == counted.requested
    assert dashboard.exact_bytes("released") == counted.released
    assert dashboard.exact_bytes("balance") == counted.requested - counted.released
    assert dashboard.number("calls") == len(counted.calls)
    assert dashboard.number("processes") == len(counted.processes)
    assert dashboard.number("losses") == 0
    mmap, munmap = dashboard.figure("calls").locator(".note").inner_text().split("\n")
    assert whole(mmap) == sum(process.requests for process in counted.processes.values())
    assert whole(munmap) == sum(process.releases for process in counted.processes.values())


def test_every_process_is_in_the_table_with_its_own_numbers(dashboard: Dashboard, counted: PlainCount) -> None:
    rows = dashboard.processes.everything()
    assert {int(row["pid"]) for row in rows} == counted.processes.keys()
    assert len(rows) == dashboard.processes.row_count == len(counted.processes)
    for row in rows:
        process = counted.processes[int(row["pid"])]
        assert row["process_name"] == display(process.name)
        assert whole(row["balance title"]) == process.balance
        assert whole(row["requested title"]) == process.requested
        assert whole(row["released title"]) == process.released
        assert decimal(row["balance"]) == pytest.approx(process.balance / MB, abs=ROUNDED)
        assert decimal(row["requested"]) == pytest.approx(process.requested / MB, abs=ROUNDED)
        assert decimal(row["percentage"]) == pytest.approx(process.balance / memory_bytes() * 100, abs=ROUNDED)
        assert whole(row["calls"]) == process.requests + process.releases


def test_processes_come_with_the_most_memory_first(dashboard: Dashboard, counted: PlainCount) -> None:
    held = [whole(row["balance title"]) for row in dashboard.processes.everything()]
    assert held == sorted((process.balance for process in counted.processes.values()), reverse=True)


def test_the_pie_is_of_what_every_process_requested(dashboard: Dashboard, counted: PlainCount) -> None:
    requested = {pid: process.requested for pid, process in counted.processes.items()}
    slices = legend(dashboard)
    assert 2 <= len(slices) <= 12
    *biggest, others = slices
    for name, pid, exact, part in biggest:
        assert name == display(counted.processes[int(pid)].name)
        assert exact == requested[int(pid)]
        assert part == pytest.approx(exact / counted.requested * 100, abs=0.0501)
    assert [exact for _, _, exact, _ in biggest] == sorted(requested.values(), reverse=True)[: len(biggest)]
    assert others[0] == f"other ({len(requested) - len(biggest):,})"
    assert sum(exact for _, _, exact, _ in slices) == counted.requested
    expect(dashboard.page.locator(".pie path")).to_have_count(len(slices))


def test_the_pie_by_name_takes_processes_of_one_name_together(dashboard: Dashboard, counted: PlainCount) -> None:
    by_name: dict[str, int] = defaultdict(int)
    for process in counted.processes.values():
        by_name[display(process.name)] += process.requested
    dashboard.page.get_by_role("button", name="name", exact=True).click()
    expect(dashboard.page.locator(".legend .pid").first).to_contain_text("\N{MULTIPLICATION SIGN}")
    *biggest, _ = legend(dashboard)
    assert [(name, exact) for name, _, exact, _ in biggest] == sorted(
        by_name.items(), key=lambda item: item[1], reverse=True
    )[: len(biggest)]


def test_the_time_line_says_the_highest_second(dashboard: Dashboard, counted: PlainCount) -> None:
    seconds: dict[int, int] = defaultdict(int)
    for kind, _, _, time_us, length in counted.calls:
        if kind == "mmap2":
            seconds[time_us // 1_000_000] += length
    peak = max(seconds.values()) / 2**30
    chart = dashboard.page.locator("memtap-timeline [data-pane=flow]")
    expect(chart).to_have_attribute("aria-label", re.compile(rf"most {peak:.2f} GB requested"))
    expect(chart.locator("canvas")).to_be_visible()


def legend(dashboard: Dashboard) -> list[tuple[str, str, int, float]]:
    """(name, pid, bytes, percent) of each slice."""
    dashboard.page.locator(".legend li").first.wait_for()
    read = dashboard.page.locator(".legend li").evaluate_all(
        """items => items.map((item) => ["name", "pid", "bytes", "part"]
             .map((part) => item.querySelector(`.${part}`))
             .map((part, at) => (at === 2 ? part.title : part.textContent)))"""
    )
    return [(name, pid, whole(exact), decimal(part.rstrip("%\u00a0"))) for name, pid, exact, part in read]
