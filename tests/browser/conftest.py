"""A real browser: Debian's Chromium, driven by Playwright; the tests are skipped where there is none."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from support.browser import WAIT_MILLISECONDS, Scheme, Watched, open_window

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module: while Playwright runs, its event loop is in the way of asynchronous tests."""
    if (chromium := shutil.which("chromium")) is None:
        pytest.skip("there is no `chromium` on the PATH; on Debian: apt-get install chromium")
    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        yield launched
        launched.close()


@pytest.fixture
def scheme() -> Scheme:
    """Override by parametrizing: the colours that the person prefers."""
    return "light"


@pytest.fixture
def width() -> int:
    """Override by parametrizing: how many pixels wide the window is."""
    return 1280


@pytest.fixture
def watched(browser: Browser, scheme: Scheme, width: int) -> Iterator[Watched]:
    """A fresh window; at the end nothing must have gone wrong in it, and nobody else been asked for anything."""
    window = open_window(browser, width=width, scheme=scheme)
    yield window
    window.page.context.close()
    assert window.complaints == []
    assert window.hosts <= {"127.0.0.1"}
