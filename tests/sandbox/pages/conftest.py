"""A sandbox with something to buy, somebody who visits its pages, and hostile names everywhere."""

from collections.abc import Callable, Iterator

import pytest
import stripe

from stripe_sandbox.testing import SandboxServer
from support.html_forms import Visitor

SHOP = "http://shop.test"
HOSTILE = "<script>alert('x')</script>\"&"
Sell = Callable[..., stripe.checkout.Session]


@pytest.fixture
def visitor(box: SandboxServer) -> Iterator[Visitor]:
    visiting = Visitor(box.url)
    yield visiting
    visiting.close()


@pytest.fixture
def sell(client: stripe.StripeClient) -> Sell:
    """Open a checkout session for a price, by default one pro."""

    def open_session(price: str = "price_pro", quantity: int = 1, **further: object) -> stripe.checkout.Session:
        params: dict[str, object] = {
            "mode": "subscription",
            "line_items": [{"price": price, "quantity": quantity}],
            "success_url": f"{SHOP}/thanks?session={{CHECKOUT_SESSION_ID}}",
            "cancel_url": f"{SHOP}/plans",
            **further,
        }
        # The parameters are put together from parts, which the SDK's precise type cannot follow.
        return client.v1.checkout.sessions.create(params)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    return open_session


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return client.v1.customers.create({"email": "ada@shop.test", "name": "Ada"})


@pytest.fixture
def subscription(
    box: SandboxServer, client: stripe.StripeClient, sell: Sell, customer: stripe.Customer
) -> stripe.Subscription:
    """Ada's running pro plan."""
    box.control.pay(sell(customer=customer.id).id)
    return client.v1.subscriptions.list({"customer": customer.id}).data[0]


@pytest.fixture
def portal_address(client: stripe.StripeClient, subscription: stripe.Subscription) -> str:
    """Ada's portal."""
    params: stripe.params.billing_portal.SessionCreateParams = {
        "customer": str(subscription.customer),
        "return_url": f"{SHOP}/account",
    }
    return client.v1.billing_portal.sessions.create(params).url
