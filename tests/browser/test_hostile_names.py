"""A process may call itself anything; the page shows it as text."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from memtap.frontend import ROOT
from memtap.names import display

from .conftest import Open, Start
from .dashboard import Dashboard
from .plain_count import PlainCount, count
from .product import Product, ingest

HOSTILE_CAPTURE = Path(__file__).parents[1] / "data" / "hostile-names.log"
# 15 bytes are all a name has; longer markup is spread over several in the hope that it is put together again.
MARKUP = (
    b"<img src=x>",
    b"<b onclick=a>",
    b'"><script>',
    b"alert(1)//",
    b"</script>",
    b"<svg/onload=a>",
    b"'-alert(1)-'",
    b"{{7*7}}${7*7}",
    b"javascript:a",
    b"__proto__",
    b"constructor",
    b"&lt;b&gt;&amp;",
    b"=1+1",
    b"\xe2\x80\xaetxt.exe",
    b"line\rreturn",
    b"\x1b[2J\x1b[31m",
    b"\xff\xfe\xfd",
    b"a\\nb",
    b"caf\xc3\xa9 \xe6\xbc\xa2",
    b"",
)
EXECUTED = "window.executed"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The capture of a process that renames itself in every bad way, and names that are markup."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.log"
    lines = [
        b"mmap2: PID=%d, process=%s, time=%d, length=%d\n" % (50_000 + at, name, 1_795_411_590_000_000 + at, 2**20)
        for at, name in enumerate(MARKUP)
    ]
    path.write_bytes(HOSTILE_CAPTURE.read_bytes() + b"".join(lines))
    return path


@pytest.fixture(scope="module")
def hostile(trace: Path) -> PlainCount:
    return count(trace.read_bytes())


@pytest.fixture
def hostile_dashboard(trace: Path, tmp_path: Path, start: Start, open_dashboard: Open) -> Dashboard:
    dashboard = open_dashboard(start("serve", "--store", ingest(trace, tmp_path)))
    dashboard.processes.rows.first.wait_for()
    dashboard.calls.rows.first.wait_for()
    return dashboard


def test_every_name_is_shown_as_text(hostile_dashboard: Dashboard, hostile: PlainCount) -> None:
    shown = {int(row["pid"]): row["process_name"] for row in hostile_dashboard.processes.everything()}
    wanted = {pid: display(process.name) or "(no name)" for pid, process in hostile.processes.items()}
    assert shown == wanted
    assert {display(name) for name in MARKUP if name} <= set(shown.values())


def test_no_name_becomes_an_element(hostile_dashboard: Dashboard) -> None:
    page = hostile_dashboard.page
    for place in ("memtap-processes", "memtap-calls", "memtap-shares"):
        assert page.locator(f"{place} :is(img, script, b, iframe, a:not(.button), [onclick], [onload])").count() == 0
    assert page.evaluate("document.scripts.length") == 1  # the page's own module


def test_the_numbers_of_the_hostile_capture_are_exact(hostile_dashboard: Dashboard, hostile: PlainCount) -> None:
    assert hostile_dashboard.number("calls") == len(hostile.calls)
    assert hostile_dashboard.exact_bytes("requested") == hostile.requested
    assert hostile.rejected > 0
    expect(hostile_dashboard.figure("losses").locator(".note")).to_contain_text(f"{hostile.rejected} rejected")


def test_choosing_and_finding_hostile_names_executes_nothing(hostile_dashboard: Dashboard) -> None:
    page = hostile_dashboard.page
    page.get_by_role("button", name="name", exact=True).click()
    page.get_by_label("Find name or PID").fill("<svg/onload=a>")
    expect(hostile_dashboard.processes.element).to_have_attribute("aria-rowcount", "2")
    hostile_dashboard.processes.row("<svg/onload=a>").click()
    expect(page.locator(".of-process")).to_contain_text("<svg/onload=a> · 50005")
    expect(page.locator("memtap-timeline .of")).to_have_text("<svg/onload=a> · 50005")


def test_tiles_and_the_comparison_show_hostile_names_as_text(hostile_dashboard: Dashboard) -> None:
    page = hostile_dashboard.page
    page.get_by_role("button", name="Treemap").click()
    page.get_by_role("button", name="name", exact=True).click()
    expect(page.locator(".tile").first).to_be_visible()
    page.locator("memtap-processes [data-mode=compare]").click()
    table = hostile_dashboard.grid("memtap-compare")
    expect(table.row("<img src=x>")).to_be_visible()
    for place in ("memtap-compare", "memtap-shares"):
        assert page.locator(f"{place} :is(img, script, b, iframe, a, [onclick], [onload])").count() == 0
    assert page.evaluate(EXECUTED) is None


def test_a_file_of_what_is_shown_holds_no_formula(hostile_dashboard: Dashboard, hostile: PlainCount) -> None:
    with hostile_dashboard.page.expect_download() as waiting:
        hostile_dashboard.processes.component.get_by_role("button", name="CSV").click()
    text = Path(waiting.value.path()).read_text()
    names = {int(row["pid"]): row["process_name"] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert names.keys() == hostile.processes.keys()
    assert "'=1+1" in names.values()
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in names.values())
    wanted = {display(process.name) for process in hostile.processes.values()}
    assert {name.removeprefix("'") for name in names.values()} == {name.removeprefix("'") for name in wanted}


def test_hostile_addresses_execute_nothing(served: Product, open_dashboard: Open) -> None:
    hostile = "%22%3E%3Cimg%20src%3Dx%20onerror%3D%22window.executed%3D1%22%3E"
    keys = re.findall(r"^  (\w+): (?:oneOf|like)", (ROOT / "lib" / "view.js").read_text(), re.M)
    assert len(keys) > 20
    dashboard = open_dashboard(served, query="&".join(f"{key}={hostile}" for key in keys))
    # Only what is sought may be any text; of the others, what cannot be is as if it were not there.
    expect(dashboard.page.locator("memtap-processes .placeholder")).to_have_text(
        "No process matches. Change the filter above."
    )
    assert dashboard.page.evaluate(EXECUTED) is None
    assert dashboard.page.locator("img").count() == 0


def test_the_policy_stops_what_slips_through(dashboard: Dashboard) -> None:
    dashboard.page.evaluate(
        f"""() => {{
          const script = document.createElement("script");
          script.textContent = {json.dumps(f"{EXECUTED} = 1")};
          document.body.append(script);
        }}"""
    )
    assert dashboard.page.evaluate(EXECUTED) is None
    assert dashboard.trouble() != []
    dashboard.errors.clear()
    dashboard.page.evaluate("window.violations.length = 0")
