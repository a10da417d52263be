"""A window brushed while calls arrive: it is what was seen at the press of the button, counted independently."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from waiting import wait_until

from .conftest import Open
from .dashboard import Dashboard, whole
from .plain_count import PlainCount, count
from .product import Tapped, line
from .test_numbers import legend
from .test_window import Sums, chosen, sums_in

PAUSE_S = 0.05  # between two lines
SEEN_S = 7  # of the time line, before it is brushed
BRUSHED = (0.3, 0.7)  # of the plot's width
PIXEL_S = 0.1  # more than a pixel is wide
NAMES = ("ada", "grace", "edsger", "barbara", "donald")


class Feeder(threading.Thread):
    """Writes a line of a call made now, again and again, until it is told to stop."""

    def __init__(self, tapped: Tapped) -> None:
        super().__init__()
        self._lines = tapped.lines
        self._written: list[bytes] = []
        self._enough = threading.Event()

    def run(self) -> None:
        for number in itertools.count():
            if self._enough.wait(PAUSE_S):
                return
            which = number * number % len(NAMES)  # some call more often than others
            call = "munmap" if number % 3 == 2 else "mmap2"
            written = line(70_001 + which, NAMES[which], 4096 * (1 + number % 89), call)
            self._lines.write(written)
            self._written.append(written)

    def counted(self) -> PlainCount:
        return count(b"".join(self._written))

    def stop(self) -> None:
        self._enough.set()
        self.join()


@pytest.fixture
def fed(tapped: Tapped) -> Iterator[Feeder]:
    feeder = Feeder(tapped)
    feeder.start()
    yield feeder
    feeder.stop()


def test_a_window_brushed_while_calls_arrive_is_counted_and_left_for_now(
    fed: Feeder, tapped: Tapped, open_dashboard: Open
) -> None:
    dashboard = open_dashboard(tapped.product)
    page = dashboard.page

    def enough_is_seen() -> bool:
        return len(seconds_drawn(dashboard)) >= SEEN_S

    wait_until(enough_is_seen)
    brushed = brush_slowly(dashboard)
    window = chosen(dashboard)
    assert -PIXEL_S < brushed[0] - window[0] < 1 + PIXEL_S
    assert -PIXEL_S < window[1] - brushed[1] < 1 + PIXEL_S
    expect(page.locator(".window-bar .window")).to_be_visible()
    sums = sums_in(fed.counted(), window)
    assert len(sums) > 1

    def the_table_is_of_the_window() -> bool:
        return table(dashboard) == sums

    wait_until(the_table_is_of_the_window)
    requested = {pid: process.requested for pid, process in sums.items() if process.requested}

    def the_shares_are_of_the_window() -> bool:
        return {int(pid): exact for _, pid, exact, _ in legend(dashboard)} == requested

    wait_until(the_shares_are_of_the_window)
    wanted = [
        (kind, pid, length)
        for kind, pid, _, time_us, length in fed.counted().newest_first()
        if window[0] <= time_us // 1_000_000 < window[1]
    ]

    def the_calls_are_of_the_window() -> bool:
        shown = dashboard.calls.first(len(wanted))
        return [(row["call"], int(row["pid"]), whole(row["length"])) for row in shown] == wanted

    wait_until(the_calls_are_of_the_window)
    assert dashboard.calls.row_count == len(wanted)
    # Calls went on arriving, and the window is still what it was.
    before = dashboard.number("calls")

    def more_has_come() -> bool:
        return dashboard.number("calls") > before

    wait_until(more_has_come)
    assert table(dashboard) == sums

    page.get_by_role("button", name="Back to live").click()
    shown_until = seconds_drawn(dashboard)[-1]

    def the_time_line_moves() -> bool:
        return seconds_drawn(dashboard)[-1] > shown_until + 1

    wait_until(the_time_line_moves)
    fed.stop()
    tapped.lines.write(line(70_099, "latest", 4096))
    expect(dashboard.processes.row("latest")).to_be_visible()
    expect(dashboard.calls.row("latest")).to_be_visible()
    everything = fed.counted()
    expect(dashboard.figure("calls").locator(".number")).to_have_text(f"{len(everything.calls) + 1:,}")
    assert dashboard.exact_bytes("requested") == everything.requested + 4096
    assert dashboard.exact_bytes("released") == everything.released
    shown = table(dashboard)
    del shown[70_099]
    assert shown == sums_in(everything, (0, 2**40))


def brush_slowly(dashboard: Dashboard) -> tuple[float, float]:
    """Hold the button down while more seconds pass; the seconds at which these places were at the press."""
    page = dashboard.page
    page.locator("memtap-timeline").scroll_into_view_if_needed()
    box = page.locator("memtap-timeline .u-over").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    xs = [box["x"] + part * box["width"] for part in BRUSHED]
    page.mouse.move(xs[0], y)
    page.mouse.down()
    drawn = seconds_drawn(dashboard)
    page.mouse.move(sum(xs) / 2, y)
    told = dashboard.number("calls")

    def seconds_have_passed() -> bool:
        return dashboard.number("calls") > told + 3 / PAUSE_S / 2

    wait_until(seconds_have_passed)
    assert seconds_drawn(dashboard) == drawn
    page.mouse.move(xs[1], y)
    page.mouse.up()
    first, last = (drawn[0] + part * (drawn[-1] - drawn[0]) for part in BRUSHED)
    return first, last


def seconds_drawn(dashboard: Dashboard) -> list[int]:
    read: list[int] = dashboard.page.evaluate("document.querySelector('memtap-timeline').columns?.second ?? []")
    return read


def table(dashboard: Dashboard) -> dict[int, Sums]:
    return {
        int(row["pid"]): Sums(whole(row["requested title"]), whole(row["released title"]), whole(row["calls"]))
        for row in dashboard.processes.everything()
    }
