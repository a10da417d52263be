"""The page follows: calls as they arrive, a recording named as such, a connection lost and found."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from counted import HEADER, WideCall
from playwright.sync_api import expect

from .conftest import Open, Start
from .dashboard import Dashboard
from .product import Tapped, line


def test_an_empty_store_says_that_nothing_has_come_yet(tapped: Tapped, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    expect(dashboard.page.get_by_role("heading", name="No call has arrived yet")).to_be_visible()
    expect(dashboard.processes.component).to_be_hidden()


def test_calls_appear_while_they_arrive(tapped: Tapped, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    tapped.lines.write(line(70_001, "early", 3 * 2**20))
    expect(dashboard.processes.row("early")).to_contain_text("3.00")
    expect(dashboard.figure("calls").locator(".number")).to_have_text("1")

    tapped.lines.write(line(70_002, "late", 5 * 2**20) + line(70_001, "early", 2**20, "munmap"))
    expect(dashboard.calls.row("late")).to_contain_text("5,242,880")
    expect(dashboard.processes.row("early")).to_contain_text("2.00")
    expect(dashboard.figure("calls").locator(".number")).to_have_text("3")
    expect(dashboard.figure("processes").locator(".number")).to_have_text("2")
    expect(dashboard.page.locator(".legend li")).to_have_count(2)
    assert [row["call"] for row in dashboard.calls.in_sight()] == ["munmap", "mmap2", "mmap2"]


def test_what_calls_came_to_appears_with_the_first_tap_that_says_it(tapped: Tapped, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    now_us = time.time_ns() // 1000
    granted = WideCall(70_001, b"lucky", now_us, 3 * 2**20, kind="anonymous", vm=50 * 2**20)
    refused = WideCall(70_002, b"unlucky", now_us + 1, 2**40, errno=12, kind="reserved", vm=7 * 2**20)
    tapped.lines.write(HEADER + granted.line)
    expect(dashboard.figure("failed").locator(".number")).to_have_text("0")
    expect(dashboard.figure("failed").locator(".note")).to_have_text("none has failed")
    expect(dashboard.processes.row("lucky")).to_contain_text("50.00")

    tapped.lines.write(refused.line)
    expect(dashboard.calls.row("unlucky")).to_contain_text("ENOMEM")
    expect(dashboard.figure("failed").locator(".number")).to_have_text("1")
    expect(dashboard.figure("failed").locator(".note")).to_have_text("ENOMEM · unlucky")
    assert [(row["call"], row["what"], row["error"], row["vm"]) for row in dashboard.calls.in_sight()] == [
        ("mmap", "reserved", "ENOMEM", "7.00"),
        ("mmap", "anonymous", "granted", "50.00"),
    ]


def test_a_window_stands_still_while_calls_arrive_and_live_catches_up(tapped: Tapped, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    page = dashboard.page
    tapped.lines.write(line(70_001, "before", 4096))
    expect(dashboard.processes.row("before")).to_be_visible()
    page.get_by_role("button", name="Exact times…").click()
    page.get_by_role("button", name="Show this window").click()  # the last minute
    expect(page.locator(".window-bar .window")).to_contain_text("(1\u00a0min)")
    expect(dashboard.processes.row("before")).to_be_visible()
    page.wait_for_timeout(1100)  # what comes now is after the window's last second
    tapped.lines.write(line(70_002, "after", 4096))
    expect(dashboard.figure("calls").locator(".number")).to_have_text("2")
    page.reload()
    expect(dashboard.processes.row("before")).to_be_visible()
    assert dashboard.processes.row_count == 1
    page.get_by_role("button", name="Back to live").click()
    expect(dashboard.processes.row("after")).to_be_visible()
    expect(dashboard.calls.row("after")).to_be_visible()


def test_the_state_of_tap_and_store_is_told_in_full(tapped: Tapped, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    tapped.lines.write(line(70_001, "early", 4096))
    expect(dashboard.processes.row("early")).to_be_visible()
    dashboard.page.locator(".chip", has_text="Tap").get_by_role("button").press("Enter")
    dialog = dashboard.page.get_by_role("dialog", name="State")
    expect(dialog).to_contain_text("file · running")
    expect(dialog).to_contain_text("live.duckdb")
    dashboard.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_paused_calls_stand_still_and_resume_with_everything(tapped: Tapped, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    tapped.lines.write(line(70_001, "before", 4096))
    expect(dashboard.calls.row("before")).to_be_visible()
    dashboard.page.get_by_role("button", name="Pause").click()
    tapped.lines.write(line(70_002, "meanwhile", 4096))
    expect(dashboard.processes.row("meanwhile")).to_be_visible()
    tapped.lines.write(line(70_003, "later", 4096))
    expect(dashboard.processes.row("later")).to_be_visible()
    expect(dashboard.calls.rows).to_have_count(1)
    dashboard.page.get_by_role("button", name="Resume").click()
    expect(dashboard.calls.row("meanwhile")).to_be_visible()


def test_rejected_lines_are_counted_and_shown_as_text(tapped: Tapped, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    tapped.lines.write(line(70_001, "whole", 4096) + b"mmap2: PID=7, process=<img src=x>\x1b[31m\n")
    expect(dashboard.figure("losses").locator(".note")).to_contain_text("1 rejected of 2")
    dashboard.page.get_by_role("button", name="Details").click()
    dialog = dashboard.page.get_by_role("dialog", name="Losses and rejected lines")
    expect(dialog.locator(".identity")).to_have_text("2 emitted = 1 stored + 1 rejected + 0 lost")
    expect(dialog.locator(".samples")).to_have_text(r"mmap2: PID=7, process=<img src=x>\x1b[31m")
    dashboard.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_recording_is_called_a_recording(tmp_path: Path, start: Start, open_dashboard: Open) -> None:
    store = f"duckdb:///{tmp_path / 'replay.duckdb'}"
    dashboard = open_dashboard(start("run", "--tap", "replay", "--store", store))
    expect(dashboard.banner("recording")).to_contain_text("This is a recording, not this machine: ")
    expect(dashboard.processes.rows.first).to_be_visible()


def test_a_lost_connection_is_told_and_found_again(tapped: Tapped, start: Start, open_dashboard: Open) -> None:
    dashboard = open_dashboard(tapped.product)
    tapped.lines.write(line(70_001, "kept", 4096))
    expect(dashboard.processes.row("kept")).to_be_visible()
    tapped.product.stop(signal.SIGINT)
    expect(dashboard.banner("lost")).to_contain_text("The connection to memtap is lost. What you see is from")
    expect(dashboard.page.locator(".live")).to_have_text("Disconnected")
    expect(dashboard.processes.row("kept")).to_be_visible()
    start("serve", "--store", tapped.store, port=tapped.product.port)
    # No click, which waits until the button is there: the page tries by itself, too, and may have been first.
    dashboard.banner("lost").locator("button").dispatch_event("click")
    expect(dashboard.page.locator(".live")).to_have_text("Live")
    expect(dashboard.banner("lost")).to_be_hidden()
    forgive_refused_connections(dashboard)


def test_a_session_that_is_no_longer_good_shows_the_way_back_in(
    tapped: Tapped, start: Start, open_dashboard: Open
) -> None:
    dashboard = open_dashboard(tapped.product)
    tapped.lines.write(line(70_001, "kept", 4096))
    expect(dashboard.processes.row("kept")).to_be_visible()
    dashboard.context.clear_cookies()
    tapped.product.stop()
    again = start("serve", "--store", tapped.store, port=tapped.product.port)
    expect(dashboard.banner("locked")).to_be_visible(timeout=30_000)
    dashboard.banner("locked").get_by_role("link", name="Enter the token").click()
    dashboard.page.get_by_label("Token").fill(again.address.partition("token=")[2])
    dashboard.page.get_by_role("button").click()
    expect(dashboard.processes.row("kept")).to_be_visible()
    forgive_refused_connections(dashboard)


def forgive_refused_connections(dashboard: Dashboard) -> None:
    """The browser itself writes these down while nobody answers, or the answer is 401."""
    dashboard.server_goes = True
