"""A running sandbox, a receiver of its webhooks, and the official SDK pointed at it."""

from collections.abc import Callable, Iterator

import pytest
import stripe

from stripe_sandbox.pytest_plugin import stripe_sandbox, stripe_sandbox_server
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedEndpoint, SeedPrice, WebhookInbox

__all__ = ["stripe_sandbox", "stripe_sandbox_server"]

SECRET = "whsec_test"


@pytest.fixture(autouse=True, scope="session")
def quiet_sdk() -> None:
    """The SDK's telemetry writes a file below the home directory, which is no business of a test."""
    stripe.enable_telemetry = False


@pytest.fixture(scope="session")
def session_inbox() -> Iterator[WebhookInbox]:
    with WebhookInbox() as inbox:
        yield inbox


@pytest.fixture(scope="session")
def stripe_sandbox_config(session_inbox: WebhookInbox) -> SandboxConfig:
    return SandboxConfig(
        prices=(
            SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),
            SeedPrice(name="enterprise", unit_amount=9900, price_id="price_enterprise"),
            SeedPrice(name="pro_yearly", unit_amount=29000, price_id="price_pro_yearly", interval="year"),
        ),
        endpoints=(SeedEndpoint(url=session_inbox.url, secret=SECRET),),
        delivery={"backoff_base_seconds": 0.05},
    )


@pytest.fixture
def box(stripe_sandbox: SandboxServer, inbox: WebhookInbox) -> SandboxServer:
    """The sandbox, as new."""
    inbox.clear()
    return stripe_sandbox


@pytest.fixture
def inbox(session_inbox: WebhookInbox, stripe_sandbox: SandboxServer) -> WebhookInbox:
    """Where the sandbox's webhooks arrive; empty."""
    session_inbox.clear()
    return session_inbox


@pytest.fixture
def client(box: SandboxServer) -> stripe.StripeClient:
    return stripe.StripeClient(box.api_key, base_addresses={"api": box.url})


@pytest.fixture
def raw(client: stripe.StripeClient) -> Callable[..., object]:
    """The SDK's `raw_request`, for what its types would not let through."""
    # The SDK leaves its parameters untyped.
    return client.raw_request  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@pytest.fixture
def subscription(client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox) -> stripe.Subscription:
    """A customer's active subscription to `price_pro`, its own webhooks already delivered and forgotten."""
    customer = client.v1.customers.create({"email": "ada@example.com"})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
            "subscription_data": {"metadata": {"account": "acct_1"}},
        }
    )
    box.control.pay(session.id)
    box.control.flush()
    inbox.clear()
    paid = client.v1.checkout.sessions.retrieve(session.id)
    return client.v1.subscriptions.retrieve(str(paid.subscription))
