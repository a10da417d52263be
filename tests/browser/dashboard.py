"""The page as its readers see it: text, roles, keys. And everything it must not do, collected meanwhile."""

from __future__ import annotations

import re
from typing import Any, Final

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response

from .product import Product

CHROMIUM: Final = "/usr/bin/chromium"
# Without these Chromium looks for its maker's hosts.
CHROMIUM_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MINUS: Final = "\N{MINUS SIGN}"  # as wide as a figure: what the page writes
# Rows are drawn on the scroll event, which comes before the next frame but one.
SCROLL: Final = """(grid, top) => new Promise((drawn) => {
  grid.scrollTop = top;
  requestAnimationFrame(() => requestAnimationFrame(drawn));
})"""
WATCH_VIOLATIONS: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


class Dashboard:
    """A browser window of its own on the dashboard of `product`, with the token's cookie."""

    def __init__(self, browser: Browser, product: Product, *, query: str = "", **options: Any) -> None:
        settings: dict[str, Any] = {"locale": "en-GB", "viewport": {"width": 1400, "height": 900}, **options}
        self.context = browser.new_context(**settings)
        self.product = product
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.failures: list[Response] = []  # of the server, which says in each what is wrong
        self.server_goes = False  # the browser says of each request that is not answered that it is not
        self.page: Page = self.context.new_page()
        self.page.add_init_script(WATCH_VIOLATIONS)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        self.page.on("request", self._note)
        self.page.on("response", self._keep_failure)
        if query:
            # The page is loaded once, and not for the token and again for the query.
            self.context.request.get(product.address, max_redirects=0)
            self.page.goto(f"{product.origin}/?{query}")
        else:
            self.page.goto(product.address)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)

    def _keep_failure(self, response: Response) -> None:
        if response.status >= 500:
            self.failures.append(response)

    def trouble(self) -> list[str]:
        """Console errors with what the server said, CSP violations, and strange origins asked; none, if all is well."""
        violations = self.page.evaluate("window.violations ?? []")
        strangers = [url for url in self.requests if not url.startswith((f"{self.product.origin}/", "data:"))]
        unexpected = [error for error in self.errors if not (self.server_goes and "Failed to load resource" in error)]
        if unexpected:
            unexpected += [f"{response.url}: {response.text()}" for response in self.failures]
        return [*unexpected, *violations, *strangers]

    # what is on it

    def figure(self, name: str) -> Locator:
        return self.page.locator(f'[data-figure="{name}"]')

    def number(self, name: str) -> int:
        """A figure's whole number."""
        return whole(self.figure(name).locator(".number").inner_text())

    def exact_bytes(self, name: str) -> int:
        """A figure's bytes, to the byte, from its tooltip."""
        return whole(self.figure(name).get_attribute("title") or "")

    @property
    def processes(self) -> Grid:
        return Grid(self.page.locator("memtap-processes"))

    @property
    def calls(self) -> Grid:
        return Grid(self.page.locator("memtap-calls"))

    def grid(self, component: str) -> Grid:
        return Grid(self.page.locator(component))

    def banner(self, name: str) -> Locator:
        return self.page.locator(f'[data-banner="{name}"]')


class Grid:
    """One of the page's tables."""

    def __init__(self, component: Locator) -> None:
        self.component = component
        self.element = component.get_by_role("grid")
        self.rows = self.element.locator(".grid-body [role=row]")

    @property
    def row_count(self) -> int:
        """How many rows it has, in sight or not."""
        return int(self.element.get_attribute("aria-rowcount") or 1) - 1

    def header(self, column: str) -> Locator:
        return self.element.get_by_role("columnheader", name=column, exact=True)

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text).first

    def in_sight(self) -> list[dict[str, str]]:
        """The rows that exist now, top first: text by column."""
        return sorted(self._read(), key=lambda row: int(row["#"]))

    def everything(self) -> list[dict[str, str]]:
        """Every row, read by scrolling from top to bottom."""
        return self.first(self.row_count)

    def first(self, count: int) -> list[dict[str, str]]:
        """The first `count` rows, or all where there are fewer, read by scrolling down from the top."""
        seen: dict[str, dict[str, str]] = {}
        top = 0
        while True:
            self.element.evaluate(SCROLL, top)
            seen |= {row["#"]: row for row in self._read()}
            height = self.element.evaluate("grid => grid.scrollHeight - grid.clientHeight")
            if top >= height or len(seen) >= count:
                return [seen[at] for at in sorted(seen, key=int)][:count]
            top += 450  # less than what is drawn: rows above and below the sight exist too

    def _read(self) -> list[dict[str, str]]:
        return list(
            self.rows.evaluate_all(
                """rows => rows.map((row) => ({
                     "#": row.getAttribute("aria-rowindex"),
                     ...Object.fromEntries([...row.children].flatMap((cell) => [
                       [cell.dataset.column, cell.textContent],
                       [`${cell.dataset.column} title`, cell.title],
                     ])),
                   }))"""
            )
        )


def whole(text: str) -> int:
    """The integer in a text that is grouped for people: "1,234 bytes"."""
    return int(re.sub(r"[^\d-]", "", text.replace(MINUS, "-")))


def decimal(text: str) -> float:
    """An English figure: "1,234.50"."""
    return float(text.replace(",", "").replace(MINUS, "-"))
