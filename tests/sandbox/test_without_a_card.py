"""A subscription made by the API for a customer who has nothing to pay with."""

from typing import Literal

import pytest
import stripe

from stripe_sandbox.testing import SandboxServer

Behaviour = Literal["allow_incomplete", "error_if_incomplete", "pending_if_incomplete"]


@pytest.mark.parametrize("behaviour", ["allow_incomplete", "error_if_incomplete", "pending_if_incomplete"])
def test_without_a_card_nothing_is_sold(client: stripe.StripeClient, box: SandboxServer, behaviour: Behaviour) -> None:
    """Where an amount is due at once and there is no card, the answer is Stripe's 400, and nothing is made."""
    customer = client.v1.customers.create({}).id
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source") as caught:
        client.v1.subscriptions.create(
            {"customer": customer, "items": [{"price": "price_pro"}], "payment_behavior": behaviour}
        )
    assert (caught.value.http_status, caught.value.code) == (400, "resource_missing")
    assert client.v1.subscriptions.list({"status": "all"}).data == []
    box.control.change_card(customer, "succeeds")
    assert client.v1.subscriptions.create({"customer": customer, "items": [{"price": "price_pro"}]}).status == "active"


def test_without_a_card_a_trial_begins(client: stripe.StripeClient) -> None:
    """Nothing is due at first, so no card is asked for."""
    customer = client.v1.customers.create({}).id
    made = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": "price_pro"}], "trial_period_days": 7}
    )
    assert made.status == "trialing"
