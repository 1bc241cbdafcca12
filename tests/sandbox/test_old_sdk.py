"""An SDK of an older major version, in an environment of its own, against the same sandbox."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedPrice

VERSION = "12.5.1"
INSTALL_SECONDS = 120
SCRIPT = """
import sys
import stripe

client = stripe.StripeClient(sys.argv[2], base_addresses={"api": sys.argv[1]})
customer = client.customers.create({"email": "ada@example.com"}, {"idempotency_key": "k"})
session = client.checkout.sessions.create(
    {
        "mode": "subscription",
        "ui_mode": "hosted",
        "customer": customer.id,
        "line_items": [{"price": "price_pro", "quantity": 1}],
        "success_url": "https://example.com/thanks",
    }
)
print(stripe.VERSION, stripe.api_version, session.ui_mode, session.id)
input()
subscription = client.subscriptions.list({"customer": customer.id}).data[0]
item = subscription["items"].data[0]
print(subscription.status, subscription.billing_mode.type, item.current_period_end > 0)
ending = client.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
print(ending.cancel_at_period_end)
try:
    client.customers.retrieve("cus_none")
except stripe.InvalidRequestError as error:
    print(error.code)
print(len(list(client.events.list({"limit": 2}).auto_paging_iter())) > 2)
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the old SDK in it; skips where no package index can be reached."""
    home = tmp_path_factory.mktemp("old_sdk")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", f"stripe=={VERSION}"]
    # A constraint on this environment's own SDK is not meant for the old one's.
    unconstrained = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    try:
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--retries", "1", "--timeout", "10"],
            env=unconstrained,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("stripe could not be installed in time: no package index within reach")
    if done.returncode != 0:
        pytest.skip(f"stripe=={VERSION} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    return python


def test_an_sdk_of_2025_buys_and_cancels(old_python: Path) -> None:
    """With version 12 (basil) the flow works in that version's words, shapes and defaults."""
    config = SandboxConfig(prices=(SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),))
    with SandboxServer(config) as box:
        with subprocess.Popen(
            [str(old_python), "-c", SCRIPT, box.url, box.api_key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline().split()
            assert first[:3] == [VERSION, "2025-08-27.basil", "hosted"], process.communicate(timeout=20)
            box.control.pay(first[3])
            rest, errors = process.communicate("\n", timeout=20)
        assert (process.returncode, errors) == (0, "")
        assert rest.split("\n")[:4] == ["active classic True", "True", "resource_missing", "True"]
