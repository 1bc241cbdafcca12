"""Buying a subscription, by the official SDK over real HTTP."""

import stripe

from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedPrice


def test_a_paid_session_becomes_an_active_subscription() -> None:
    """A session that is paid completes, names its subscription, and the subscription is active."""
    config = SandboxConfig(prices=(SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),))
    with SandboxServer(config) as box:
        client = stripe.StripeClient(box.api_key, base_addresses={"api": box.url})
        session = client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": "price_pro", "quantity": 1}],
                "success_url": "https://example.com/thanks",
            }
        )
        assert box.control.pay(session.id).outcome == "paid"
        paid = client.v1.checkout.sessions.retrieve(session.id)
        assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
        assert client.v1.subscriptions.retrieve(str(paid.subscription)).status == "active"
