"""axe-core over a page as it stands: every rule of WCAG 2.2, levels A and AA, and what axe calls best practice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

AXE: Final = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text()
TAGS: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RUN: Final = """async ([tags, scope]) => {
  const { violations } = await axe.run(scope ?? document, { preload: false, runOnly: { type: "tag", values: tags } });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, any, all }) => `${id}: ${help}: ${target.join(" ")}: ${[...any, ...all][0]?.message ?? ""}`));
}"""


def violations(page: Page, scope: str | None = None) -> list[str]:
    """What axe finds wrong with what is shown now, one line each; none, if all is well."""
    # Not a script tag: the page's policy forbids it, as it should.
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    settle(page)
    found: list[Any] = page.evaluate(RUN, [TAGS, scope])
    return found


def settle(page: Page) -> None:
    """Wait for transitions to end: colours on their way have no contrast of their own."""
    page.evaluate(
        "Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1)"
        ".map((a) => a.finished.catch(() => {})))"
    )
