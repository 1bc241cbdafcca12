"""A window of a real browser, and an eye on what goes wrong in it."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request

Scheme: TypeAlias = Literal["light", "dark"]
WAIT_MILLISECONDS = 30_000
HEIGHT = 900


# No slots: Playwright keeps a note of its own on the owner of each listener.
@dataclass
class Watched:
    """A window, and all that a careful developer would see go wrong in it."""

    page: Page
    complaints: list[str] = field(default_factory=list[str])
    hosts: set[str | None] = field(default_factory=set[str | None])

    def overflow(self) -> int:
        """Answer by how many pixels the page is wider than its window."""
        wider: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return max(wider, 0)

    def hear(self, message: ConsoleMessage) -> None:
        """Keep what the console complains of."""
        # Chromium logs every answer of 400 and above; those are asserted where they are meant.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def fail(self, error: Error) -> None:
        """Keep an error that a script did not catch."""
        self.complaints.append(str(error))

    def note(self, request: Request) -> None:
        """Keep whom a page asks for anything."""
        parts = urlsplit(request.url)
        if parts.scheme != "data":
            self.hosts.add(parts.hostname)


def open_window(browser: Browser, *, width: int, scheme: Scheme) -> Watched:
    """Open a fresh window of this width, for somebody who prefers these colours."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
    context.set_default_timeout(WAIT_MILLISECONDS)
    window = Watched(context.new_page())
    window.page.on("console", window.hear)
    window.page.on("pageerror", window.fail)
    context.on("request", window.note)
    return window
