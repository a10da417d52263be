"""What format 2 knows is on the page, as its lines say it; of format 1 nothing is made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from waiting import wait_until

from memtap.names import display

from ..native.plain2 import Event
from .conftest import Open
from .dashboard import Dashboard, decimal, whole
from .product import Product, ingest, started
from .wide_trace import ERRNOS, WideCount, wide_count, wide_trace

MB = 2**20
NONE = "\N{EN DASH}"
ROUNDED = 0.005001  # two decimals are shown
LINES = 8_000  # of the recording
LIFE = {"fork": "process begins", "exec": "new program", "exit": "process ends", "proc": "seen in /proc"}
Shown = tuple[str, int, str, str, int | None, str, int]


@pytest.fixture(scope="module")
def trace(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wide") / "wide.log"
    path.write_bytes(wide_trace(b"".join(recording.read_bytes().splitlines(keepends=True)[:LINES])))
    return path


@pytest.fixture(scope="module")
def wide(trace: Path) -> WideCount:
    return wide_count(trace.read_bytes())


@pytest.fixture(scope="module")
def served_wide(trace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with started("serve", "--store", ingest(trace, tmp_path_factory.mktemp("store"))) as product:
        yield product


@pytest.fixture
def page_of_2(served_wide: Product, open_dashboard: Open) -> Dashboard:
    dashboard = open_dashboard(served_wide, query="ended=all")
    dashboard.processes.rows.first.wait_for()
    dashboard.calls.rows.first.wait_for()
    return dashboard


def test_the_totals_count_what_was_granted_and_what_failed(page_of_2: Dashboard, wide: WideCount) -> None:
    processes = wide.processes.values()
    assert page_of_2.exact_bytes("requested") == sum(process.requested for process in processes)
    assert page_of_2.exact_bytes("released") == sum(process.released for process in processes)
    assert page_of_2.number("failed") == sum(process.failed for process in processes) > 0
    assert page_of_2.number("processes") == len(processes)
    assert page_of_2.number("calls") == sum(event.errno == 0 and event.call not in LIFE for event in wide.events)
    latest = next(event for event in wide.newest_first() if event.errno)
    card = page_of_2.figure("failed")
    expect(card.locator(".note")).to_have_text(f"{ERRNOS[latest.errno]} · {display(latest.comm)}")
    tooltip = f"Latest: {latest.call} of {latest.length:,} bytes by {display(latest.comm)} · {latest.pid}: "
    expect(card).to_have_attribute("title", re.compile(re.escape(tooltip + ERRNOS[latest.errno])))


def test_held_vm_and_resident_stand_side_by_side_for_every_process(page_of_2: Dashboard, wide: WideCount) -> None:
    rows = page_of_2.processes.everything()
    assert {int(row["pid"]) for row in rows} == wide.processes.keys()
    for row in rows:
        process = wide.processes[int(row["pid"])]
        assert row["process_name"] == display(process.name)
        assert whole(row["balance title"]) == process.balance
        assert whole(row["vm title"]) == process.vm
        assert whole(row["resident title"]) == process.resident
        assert decimal(row["vm"]) == pytest.approx(process.vm / MB, abs=ROUNDED)
        assert decimal(row["resident"]) == pytest.approx(process.resident / MB, abs=ROUNDED)
        assert whole(row["failed"]) == process.failed


def test_the_header_says_which_number_is_whose(page_of_2: Dashboard) -> None:
    for column, words in [("Balance", "An account"), ("VM", "The kernel's own number"), ("Resident", "in RAM")]:
        button = page_of_2.processes.header(column).get_by_role("button")
        expect(button).to_have_attribute("title", re.compile(words))
    page_of_2.page.get_by_text("What the figures mean").click()
    for term in ("vm", "resident", "failed", "what"):
        expect(page_of_2.page.locator(f"memtap-notes [data-term={term}]")).to_be_visible()


@pytest.mark.parametrize(("column", "key"), [("VM", "vm"), ("Resident", "resident"), ("Failed", "failed")])
def test_the_new_columns_sort_most_first(page_of_2: Dashboard, wide: WideCount, column: str, key: str) -> None:
    header = page_of_2.processes.header(column)
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    shown = [whole(row["failed" if key == "failed" else f"{key} title"]) for row in page_of_2.processes.first(25)]
    assert shown == sorted((getattr(process, key) for process in wide.processes.values()), reverse=True)[:25]


def test_calls_say_what_was_mapped_and_what_came_of_it(page_of_2: Dashboard, wide: WideCount) -> None:
    older = page_of_2.page.get_by_role("button", name="Older calls")
    older.click()
    expect(page_of_2.calls.element).to_have_attribute("aria-rowcount", "201")
    assert shown(page_of_2, 200) == [expected(event) for event in wide.newest_first()[:200]]


def test_failed_calls_stand_out_and_can_be_shown_alone(page_of_2: Dashboard, wide: WideCount) -> None:
    page_of_2.figure("failed").get_by_role("button", name="Show them").click()
    expect(page_of_2.page).to_have_url(re.compile("failed=true"))
    expect(page_of_2.page.get_by_label("Result of the call")).to_have_value("true")
    expect(page_of_2.calls.rows.first).to_have_class(re.compile("failed"))
    failed = [event for event in wide.newest_first() if event.errno]
    # The rows before may begin with one that failed, too; they go while the others are asked for.
    wanted = [expected(event) for event in failed[:100]]
    wait_until(lambda: shown(page_of_2, 100) == wanted)
    assert {row["error title"] for row in page_of_2.calls.first(100)} == {
        f"Not granted: error {event.errno}" for event in failed[:100]
    }
    page_of_2.page.get_by_label("Result of the call").select_option("")
    expect(page_of_2.page).not_to_have_url(re.compile("failed=true"))
    assert shown(page_of_2, 100) == [expected(event) for event in wide.newest_first()[:100]]


def test_calls_are_filtered_by_every_kind(page_of_2: Dashboard, wide: WideCount) -> None:
    for call in ("mmap", "mremap", "brk", "fork", "exit", "proc"):
        page_of_2.page.get_by_label("Kind of call").select_option(call)
        wanted = [event for event in wide.newest_first() if event.call == call]
        expect(page_of_2.calls.element).to_have_attribute("aria-rowcount", str(min(100, len(wanted)) + 1))
        expect(page_of_2.calls.element.locator("[data-column=call]").first).to_have_text(call)
        assert shown(page_of_2, 20) == [expected(event) for event in wanted[:20]]


def test_a_chosen_process_has_its_facts_below_the_table(page_of_2: Dashboard, wide: WideCount) -> None:
    ended = next(pid for pid, process in wide.processes.items() if process.ended and process.parent is not None)
    running = next(pid for pid, process in wide.processes.items() if not process.ended)
    for pid in (ended, running):
        process = wide.processes[pid]
        page_of_2.page.get_by_label("Find name or PID").fill(str(pid))
        page_of_2.processes.row(str(pid)).click()
        strip = page_of_2.page.locator("memtap-process")
        expect(strip.get_by_role("heading")).to_have_text(f"{display(process.name)} · {pid}")
        for fact, value in [("balance", process.balance), ("vm", process.vm), ("resident", process.resident)]:
            tooltip = strip.locator(f"[data-fact={fact}] dd").get_attribute("title")
            assert whole(tooltip or "") == value
        held = [size.replace(" ", "\N{NO-BREAK SPACE}") for size in (in_short(process.vm), in_short(process.resident))]
        for kind, size in zip(("vm", "resident"), held, strict=True):
            expect(page_of_2.page.locator(f"memtap-timeline [data-kind={kind}] .value")).to_have_text(size)
        expect(strip.locator("[data-fact=user] dd")).to_be_visible()
        expect(strip.locator("[data-fact=cgroup] dd")).to_contain_text(str(process.cgroup))
        expect(strip.locator("[data-fact=failed] dd")).to_have_text(str(process.failed))
        expect(strip.locator("[data-fact=ended_us]")).to_be_visible(visible=process.ended)
        parent = strip.locator("[data-fact=parent]")
        expect(parent).to_be_visible(visible=process.parent is not None)
        if process.parent is not None:
            expect(parent.locator("dd")).to_have_text(str(process.parent))
    page_of_2.page.get_by_role("button", name="Select no process").click()
    expect(page_of_2.page.locator("memtap-process")).to_be_hidden()


def test_choosing_a_row_does_not_move_the_rows(page_of_2: Dashboard) -> None:
    row = page_of_2.processes.rows.nth(3)
    before = row.bounding_box()
    row.click()
    expect(page_of_2.page.locator("memtap-process .detail")).to_be_in_viewport()
    assert row.bounding_box() == before


def test_nothing_is_shown_that_format_1_does_not_know(dashboard: Dashboard) -> None:
    for column in ("VM", "Resident", "Failed"):
        expect(dashboard.processes.header(column)).to_be_hidden()
    for column in ("What", "Result", "VM"):
        expect(dashboard.calls.header(column)).to_be_hidden()
    expect(dashboard.figure("failed")).to_be_hidden()
    for choice in ("Result of the call", "Kind of mapping"):
        expect(dashboard.page.get_by_label(choice)).to_be_hidden()
    dashboard.processes.rows.first.click()
    facts = dashboard.page.locator("memtap-process [data-fact]:visible")
    known = ["balance", "requested", "share", "first_us", "last_us"]
    expect(facts).to_have_count(len(known))
    assert facts.evaluate_all("facts => facts.map((fact) => fact.dataset.fact)") == known


@pytest.mark.parametrize("width", [360, 768, 1180, 1400, 1920, 3840])
def test_wide_tables_fit_every_width(width: int, served_wide: Product, open_dashboard: Open) -> None:
    dashboard = open_dashboard(served_wide, viewport={"width": width, "height": 900})
    dashboard.processes.rows.first.click()
    expect(dashboard.page.locator("memtap-process .detail")).to_be_visible()
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") <= width
    if width >= 768:
        assert dashboard.calls.element.evaluate("grid => grid.scrollWidth - grid.clientWidth") == 0
    if width >= 1400:
        for table in (dashboard.processes, dashboard.calls):
            assert table.element.evaluate("grid => grid.scrollWidth - grid.clientWidth") == 0


def in_short(size: int) -> str:
    """Of less than 1000 MB: three digits and the unit."""
    value, unit = (size / 1024, "KB") if size < 1000 * 1024 else (size / MB, "MB")
    return f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"


def shown(dashboard: Dashboard, count: int) -> list[Shown]:
    """(call, pid, name, what, bytes, result, vm in bytes) of the first calls."""
    return [
        (
            row["call"],
            int(row["pid"]),
            row["process_name"],
            row["what"],
            whole(row["length"]) if row["length"] else None,
            row["error"],
            whole(row["vm title"]),
        )
        for row in dashboard.calls.first(count)
    ]


def expected(event: Event) -> Shown:
    life = LIFE.get(event.call)
    released = event.errno == 0 and (event.call == "munmap" or event.freed > event.length)
    return (
        event.call,
        event.pid,
        display(event.comm),
        life or ("" if event.kind == "none" else event.kind),
        None if life else event.freed if released else event.length,
        ERRNOS[event.errno] if event.errno else "" if life else "granted",
        event.vm,
    )


def test_two_moments_are_compared_by_what_the_kernel_counted(
    served_wide: Product, open_dashboard: Open, wide: WideCount
) -> None:
    seconds = {event.time_us // 1_000_000 for event in wide.events}
    window = (min(seconds) + 1, max(seconds) + 1)
    dashboard = open_dashboard(served_wide, query=f"mode=compare&from={window[0]}&to={window[1]}")
    table = dashboard.grid("memtap-compare")
    table.rows.first.wait_for()
    dashboard.page.locator("memtap-compare").get_by_role("button", name="VM", exact=True).click()
    expect(dashboard.page).to_have_url(re.compile("held=vm"))
    before, after = (vm_at(wide, second * 1_000_000) for second in window)
    expected = {}
    for pid in before.keys() | after.keys():
        was, now = before.get(pid), after.get(pid)
        state = "appeared" if was is None else "ended" if now is None else "grew" if now > was else "shrank"
        if was != now:
            expected[pid] = (state, was, now, (now or 0) - (was or 0))
    expect(table.element).to_have_attribute("aria-rowcount", str(len(expected) + 1))
    shown = {}
    for row in table.everything():
        held = [None if row[key] == NONE else whole(row[f"{key} title"]) for key in ("before", "after", "change")]
        shown[int(row["pid"])] = (row["state"].split()[1], *held)
    assert shown == expected
    assert {state for state, *_ in expected.values()} >= {"grew", "appeared", "ended"}


def vm_at(wide: WideCount, moment_us: int) -> dict[int, int]:
    """By pid, as of its latest call before, of those that had not ended before."""
    vm: dict[int, tuple[int, int]] = {}
    for event in wide.events:
        if event.time_us < moment_us and event.time_us >= vm.get(event.pid, (0, 0))[0]:
            vm[event.pid] = event.time_us, event.vm
    ended = {event.pid for event in wide.events if event.call == "exit" and event.time_us < moment_us}
    return {pid: held for pid, (_, held) in vm.items() if pid not in ended}
