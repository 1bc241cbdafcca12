"""What docs/sandbox.md says is so."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec

from stripe_sandbox.billing.cards import CARDS
from stripe_sandbox.testing import SandboxServer, WebhookInbox
from stripe_sandbox.webhooks.settings import DeliverySettings

GUIDE = Path(__file__).parents[2] / "docs" / "sandbox.md"


def test_the_ten_line_script_buys_and_a_signed_webhook_arrives(box: SandboxServer, inbox: WebhookInbox) -> None:
    """The script of the guide prints `active`, and `checkout.session.completed` arrives at a URL of ours."""
    script = re.search(r"test_docs.py. -->\n```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert script is not None
    code = script[1].replace("http://127.0.0.1:12111", box.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("active\n", "")
    box.control.flush()
    completed = [row for row in inbox.deliveries if row.event["type"] == "checkout.session.completed"]
    assert "v1=" in completed[0].signature


def test_every_route_setting_fault_and_card_is_documented(box: SandboxServer) -> None:
    """Nothing that can be called or set is missing from the guide's tables."""
    text = GUIDE.read_text()
    actions = {
        str(route.path).rsplit("/", 1)[-1] for route in box.app.routes if str(route.path).startswith("/_sandbox/")
    }
    assert len(actions) > 15
    names = actions | set(CARDS) | {field.name for field in msgspec.structs.fields(DeliverySettings)}
    assert sorted(name for name in names if f"`{name}`" not in text and f"/{name}" not in text) == []
