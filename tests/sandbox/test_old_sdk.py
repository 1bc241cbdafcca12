"""An SDK of an older major version, in an environment of its own, against the same sandbox."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedPrice

VERSIONS = {"12.5.1": "2025-08-27.basil", "11.6.0": "2025-02-24.acacia"}
"""The newest release of each of these major versions, and the API version it is pinned to."""
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
old = stripe.api_version < "2025-03-31"
print(subscription.status, (subscription if old else item).current_period_end > 0, "current_period_end" in item)
invoice = client.invoices.retrieve(subscription.latest_invoice)
named = invoice.subscription if old else invoice.parent.subscription_details.subscription
print(named == subscription.id, "parent" in invoice)
ending = client.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
print(ending.cancel_at_period_end)
try:
    client.customers.retrieve("cus_none")
except stripe.InvalidRequestError as error:
    print(error.code)
print(len(list(client.events.list({"limit": 2}).auto_paging_iter())) > 2)
"""


@pytest.fixture(scope="module", params=VERSIONS)
def old_sdk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An SDK's version and a Python with it; skips where no package index can be reached."""
    version = str(request.param)
    home = tmp_path_factory.mktemp("old_sdk")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", f"stripe=={version}"]
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
        pytest.skip(f"stripe=={version} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    return version, python


def test_an_sdk_of_2025_buys_and_cancels(old_sdk: tuple[str, Path]) -> None:
    """With versions 12 (basil) and 11 (acacia) the flow works in their words, shapes and defaults."""
    version, python = old_sdk
    config = SandboxConfig(prices=(SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),))
    with SandboxServer(config) as box:
        with subprocess.Popen(
            [str(python), "-c", SCRIPT, box.url, box.api_key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline().split()
            assert first[:3] == [version, VERSIONS[version], "hosted"], process.communicate(timeout=20)
            box.control.pay(first[3])
            rest, errors = process.communicate("\n", timeout=20)
        assert (process.returncode, errors) == (0, "")
        new = str(VERSIONS[version] >= "2025-03-31")
        expected = [f"active True {new}", f"True {new}", "True", "resource_missing", "True"]
        assert rest.split("\n")[:5] == expected
