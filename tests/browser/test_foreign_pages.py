"""What a page of somebody else can make a real browser do to the sandbox: nothing."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from stripe_sandbox.testing import SandboxConfig, SandboxServer


@pytest.fixture
def box() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxConfig()) as server:
        yield server


@pytest.fixture
def hostile_port(box: SandboxServer) -> Iterator[int]:
    """A server whose one page posts to the sandbox, without saying where it comes from."""

    class Hostile(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            form = f"<form method=post action='{box.url}/control/reset'><button>Win a prize</button></form>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<meta name=referrer content=no-referrer>{form}".encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["the same host", "another host"])
def test_a_button_of_another_page_does_nothing(
    browser: Browser, box: SandboxServer, hostile_port: int, host: str
) -> None:
    """A form of a page on another port, or of another host, is refused with a page, and the world stays."""
    box.control.advance(5)
    page = browser.new_page()
    page.goto(f"http://{host}:{hostile_port}/")
    page.get_by_role("button", name="Win a prize").click()
    expect(page.get_by_text("Another web page may not do this")).to_be_visible()
    assert box.control.clock().offset_seconds == 5
    page.close()


def test_the_sandbox_s_own_button_does_what_it_says(browser: Browser, box: SandboxServer) -> None:
    """The same form on the sandbox's own page is not refused."""
    box.control.advance(5)
    page = browser.new_page()
    page.goto(box.url)
    page.get_by_text("Reset the sandbox").click()
    page.get_by_role("button", name="Reset everything").click()
    expect(page.get_by_text("The world is back at its beginning.")).to_be_visible()
    assert box.control.clock().offset_seconds == 0
    page.close()
