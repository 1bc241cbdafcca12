"""What goes wrong is said, and half a request does nothing."""

import asyncio
import logging
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest
import stripe

from stripe_sandbox.mount import MOST_BODY_BYTES
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.testing import SandboxConfig, SandboxServer

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def defect(box: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox with an error in it that nobody foresaw."""

    def fail(seconds: int) -> int:
        raise ZeroDivisionError(f"{seconds} over nothing")

    monkeypatch.setattr(box.app.state.sandbox, "advance", fail)


@pytest.mark.usefixtures("defect")
def test_what_nobody_foresaw_is_told_and_logged(box: SandboxServer, caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen error is JSON to a program, a page to a browser, and a traceback in the log."""
    with caplog.at_level(logging.ERROR):
        told = httpx.post(f"{box.url}/_sandbox/clock/advance", json={"seconds": 7})
        shown = httpx.post(f"{box.url}/control/clock", data={"step": "day"})
    assert (told.status_code, told.json()["error"]["type"]) == (500, "api_error")
    assert "ZeroDivisionError: 7 over nothing" in told.json()["error"]["message"]
    assert (shown.status_code, "ZeroDivisionError" in shown.text, "<h1>" in shown.text) == (500, True, True)
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


@pytest.mark.anyio
async def test_time_goes_on_after_a_defect(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """When passing time fails it is logged, once for the same error over and over, and tried again."""
    sandbox = Sandbox(SandboxConfig())
    passed = asyncio.Event()
    failures = iter(range(3))

    def pass_time() -> int:
        if next(failures, None) is not None:
            raise ZeroDivisionError("over nothing")
        passed.set()
        return 0

    monkeypatch.setattr(sandbox, "pass_time", pass_time)
    async with sandbox.running():
        await asyncio.wait_for(passed.wait(), 20)
    assert [record.getMessage() for record in caplog.records] == ["Time could not pass"]


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/control/reset", 405), ("/a/b/c", 404)])
def test_a_browser_that_is_lost_sees_a_page(box: SandboxServer, path: str, status: int) -> None:
    """Addresses that nobody can open are explained by a page with a way back; programs get JSON."""
    shown = httpx.get(box.url + path, headers=BROWSER)
    assert (shown.status_code, "Go to the control room" in shown.text) == (status, True)


@pytest.mark.parametrize("path", ["/nothing", "/_sandbox/nothing"])
def test_a_program_that_is_lost_gets_json(box: SandboxServer, path: str) -> None:
    """An unknown address is a 404 in JSON for a program, below `/_sandbox` for anybody; it says what there is."""
    headers = BROWSER if path.startswith("/_sandbox") else {}
    told = httpx.get(box.url + path, headers=headers)
    assert (told.status_code, told.json()["error"]["message"][:32]) == (404, f"There is nothing at GET {path}"[:32])
    assert all(place in told.text for place in ("/v1", "/_sandbox", "pages"))


def test_a_wrong_field_is_named(box: SandboxServer) -> None:
    """The refusal of a control call says which field is wrong."""
    told = httpx.post(f"{box.url}/_sandbox/clock/advance", json={"seconds": "soon"})
    assert told.status_code == 400
    assert "Expected `int" in told.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/customers", "/_sandbox/clock/advance"])
def test_half_a_request_does_nothing(box: SandboxServer, path: str) -> None:
    """A POST that is cut off in its body is not carried out."""
    half = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {box.api_key}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname=half"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(box.url).port or 0)) as connection:
        connection.sendall(half.encode())
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert httpx.get(f"{box.url}/v1/customers", auth=(box.api_key, "")).json()["data"] == []
    assert box.control.clock().offset_seconds == 0


def test_a_body_without_end_is_refused(box: SandboxServer) -> None:
    """A body above the limit is a 413 in Stripe's form, and is not kept."""
    told = httpx.post(
        f"{box.url}/v1/customers", content=b"name=" + b"x" * (MOST_BODY_BYTES + 1), auth=(box.api_key, "")
    )
    assert (told.status_code, "larger than" in told.json()["error"]["message"]) == (413, True)


def test_an_id_is_unquoted(client: stripe.StripeClient) -> None:
    """The SDK quotes an id of one's own in the path; it names the same product."""
    made = client.v1.products.create({"id": "gold:1é", "name": "Gold"})
    assert client.v1.products.retrieve(made.id).name == "Gold"
    client.v1.products.create({"id": "a/b", "name": "Slash"})
    assert client.v1.products.retrieve("a/b").name == "Slash"
