"""What the page itself says of its painting and its frames."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Browser, Page

FRAME_MS: Final = 1000 / 60
WATCH: Final = """
window.firstRow = null;
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask", buffered: true });
const look = () => {
  if (document.querySelector("memtap-processes .grid-body .grid-row [data-column=pid]")?.textContent) {
    window.firstRow = performance.now();
  } else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
FRAMES: Final = """async ([seconds, scroll]) => {
  const grid = document.querySelector("memtap-processes .grid");
  const gaps = [];
  window.longTasks.length = 0;
  let before = null;
  const end = performance.now() + seconds * 1000;
  await new Promise((done) => {
    const frame = (now) => {
      if (before !== null) gaps.push(now - before);
      before = now;
      if (scroll) grid.scrollTop = (grid.scrollTop + 40) % (grid.scrollHeight - grid.clientHeight);
      if (now < end) requestAnimationFrame(frame);
      else done();
    };
    requestAnimationFrame(frame);
  });
  return { gaps, longTasks: window.longTasks };
}"""


@dataclass(frozen=True)
class Paint:
    """Milliseconds from the navigation's start."""

    first_ms: float  # first contentful paint
    rows_ms: float  # the first process is in the table


@dataclass(frozen=True)
class Frames:
    seconds: float
    per_s: float
    late_part: float  # frames that came more than half a frame late, of all
    longest_ms: float
    long_tasks: int  # of 50 ms and more
    longest_task_ms: float


def paint(browser: Browser, address: str) -> Paint:
    """A browser that has never been here: nothing is in its cache."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    page.locator("memtap-processes .grid-body .grid-row").first.wait_for(timeout=120_000)
    page.wait_for_timeout(200)
    first = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    rows = page.evaluate("window.firstRow")
    context.close()
    return Paint(first, rows)


def frames(page: Page, seconds: float, *, scroll: bool) -> Frames:
    """Every frame of so many seconds."""
    began = time.monotonic()
    said: dict[str, Any] = page.evaluate(FRAMES, [seconds, scroll])
    took = time.monotonic() - began
    gaps, tasks = said["gaps"], said["longTasks"]
    return Frames(
        seconds=took,
        per_s=len(gaps) / (sum(gaps) / 1000),
        late_part=sum(gap > 1.5 * FRAME_MS for gap in gaps) / len(gaps),
        longest_ms=max(gaps),
        long_tasks=len(tasks),
        longest_task_ms=max(tasks, default=0.0),
    )
