"""What docs/sandbox.md says is so."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import stripe

from stripe_sandbox.api.faults import Fault, Kind
from stripe_sandbox.billing.cards import CARDS
from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.control.client import Control
from stripe_sandbox.resources.routes import OPERATIONS
from stripe_sandbox.testing import SandboxServer, WebhookInbox
from stripe_sandbox.webhooks.settings import DeliverySettings

GUIDE = Path(__file__).parents[2] / "docs" / "sandbox.md"
SPOKEN = {
    "": "list",
    "billing_portal/sessions": "portal sessions",
    "billing_portal/configurations": "portal configurations",
    "checkout/sessions": "checkout sessions",
    "test_helpers/test_clocks": "test clocks",
    "line_items": "line items",
}
BUTTONS = {
    "/control/clock": "/clock/advance",
    "/control/delivery/restore": "/delivery",
    "/control/faults/clear": "/faults",
    "/control/subscriptions/{subscription_id:str}/{action:str}": "/subscriptions/{}",
}
"""The buttons whose address is not that of their call."""


@pytest.fixture
def guide() -> str:
    return GUIDE.read_text()


@pytest.fixture
def documented_command(guide: str) -> Iterator[tuple[str, WebhookInbox]]:
    """The first command of the guide, running, on a free port and telling an inbox; answers its address."""
    command = re.search(r"^\$ (stripe-sandbox .*)$", guide, re.MULTILINE)
    assert command is not None
    with WebhookInbox() as inbox:
        words = shlex.split(command[1].replace("http://127.0.0.1:8000/webhooks/stripe", inbox.url))
        process = subprocess.Popen(
            [sys.executable, "-m", "stripe_sandbox", "--port", "0", *words[1:]], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            ready = next((line for line in process.stdout if line.startswith("Ready on ")), "")
            found = re.search(r"http://\S+", ready)
            assert found is not None
            yield found[0], inbox
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_the_guide_s_command_and_its_ten_lines_deliver_a_signed_event(
    guide: str, documented_command: tuple[str, WebhookInbox]
) -> None:
    """The script prints `active`, and the SDK takes the `checkout.session.completed` that the URL receives."""
    address, inbox = documented_command
    script = re.search(r"test_docs.py. -->\n```python\n(.*?)```", guide, re.DOTALL)
    assert script is not None
    code = script[1].replace("http://127.0.0.1:12111", address)
    assert len([line for line in code.splitlines() if line]) == 10
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("active\n", "")
    control = Control(address)
    control.flush()
    control.close()
    events = [stripe.Webhook.construct_event(row.body, row.signature, "whsec_dev") for row in inbox.deliveries]
    assert "checkout.session.completed" in [event.type for event in events]


def test_every_setting_fault_card_and_field_is_documented(guide: str) -> None:
    """Nothing that can be set is missing from the guide's tables."""
    names = {
        *CARDS,
        *get_args(Kind),
        *(field.name for field in msgspec.structs.fields(DeliverySettings)),
        *(field.name for field in msgspec.structs.fields(Fault)),
        *(name for name in SandboxConfig.__dataclass_fields__ if f"--{name.replace('_', '-')}" not in guide),
    } - {"prices", "endpoints"}
    assert sorted(name for name in names if f"`{name}`" not in guide) == []


def documented_calls(guide: str) -> set[tuple[str, str]]:
    """The guide's table of control calls, as methods and paths whose ids are empty."""
    rows = re.findall(r"^\| (`(?:GET|PUT|POST|DELETE|\.\.\.).*?) \|", guide, re.MULTILINE)
    found: set[tuple[str, str]] = set()
    methods: list[str] = []
    for row in rows:
        methods = re.findall(r"\b(GET|PUT|POST|DELETE)\b", row) or methods
        for path in re.findall(r"(?:/_sandbox|\.\.\.)(/[^\s`?]+)", row):
            full = f"/subscriptions/{{id}}{path}" if "..." in row else path
            found |= {(method, re.sub(r"\{.*?\}", "{}", full)) for method in methods}
    return found


def calls(box: SandboxServer, prefix: str) -> set[tuple[str, str]]:
    """What can be called below a path, as methods and paths with empty ids."""
    return {
        (str(method), re.sub(r"\{.*?\}", "{}", str(route.path).removeprefix("/_sandbox")))
        for route in box.app.routes
        if str(route.path).startswith(prefix)
        for handler in getattr(route, "route_handlers", ())
        for method in handler.http_methods
        if method != "OPTIONS"
    }


def test_the_documented_calls_are_those_that_are_there(guide: str, box: SandboxServer) -> None:
    """Each call has its line, with its method, and each line has its call."""
    assert documented_calls(guide) == calls(box, "/_sandbox")


def test_every_button_has_a_call(guide: str, box: SandboxServer) -> None:
    """What a button of the control room posts, a documented call does."""
    known = {path for method, path in documented_calls(guide) if method != "GET"}
    pressed = {str(route.path) for route in box.app.routes if str(route.path).startswith("/control/")}
    assert len(pressed) >= 12
    missing: set[str] = set()
    for address in pressed:
        call = BUTTONS.get(address, re.sub(r"\{.*?\}", "{}", address.removeprefix("/control")))
        if not any(path == call or (call == "/subscriptions/{}" and path.startswith(call)) for path in known):
            missing.add(address)
    assert missing == set()


def test_the_table_of_operations_is_complete(guide: str) -> None:
    """Each operation of the API is named in the row of its resource."""
    rows = dict(re.findall(r"^\| ([a-z ]+) \| ((?:create|retrieve).*) \|$", guide, re.MULTILINE))
    verbs = {("GET", True): "retrieve", ("POST", False): "create", ("POST", True): "update", ("GET", False): "list"}
    missing: list[str] = []
    for entry in OPERATIONS:
        path, _, action = entry.path.removeprefix("/v1/").partition("/{id}")
        name = SPOKEN.get(path, path.replace("_", " "))
        action = action.removeprefix("/")
        if not action and entry.method == "DELETE":
            action = "cancel" if name == "subscriptions" else "delete"
        verb = SPOKEN.get(action, action) if action else verbs[entry.method, "{id}" in entry.path]
        if not re.search(rf"\b{verb}\b", rows.get(name, "")):
            missing.append(f"{name}: {verb}")
    assert missing == []
