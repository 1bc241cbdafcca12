"""A cancellation that is planned for the end of the period stays there when the period moves."""

from typing import Literal

import pytest
import stripe

from stripe_sandbox.testing import SandboxServer

DAY = 86_400
Style = Literal["flag", "cancel_at"]


def period_end(row: stripe.Subscription) -> int:
    return int(row["items"].data[0].current_period_end)


@pytest.mark.parametrize("style", ["flag", "cancel_at"])
@pytest.mark.parametrize("to", ["price_pro_yearly", "price_pro"])
def test_a_planned_end_moves_with_the_billing_interval(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription, style: Style, to: str
) -> None:
    """From months to years and back, who pays for a period keeps it to its end, and is not renewed after it."""
    item = subscription["items"].data[0].id
    other = "price_pro" if to == "price_pro_yearly" else "price_pro_yearly"
    client.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": other}]})
    box.control.cancel_at_period_end(subscription.id, style=style)
    moved = client.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": to}]})
    assert (moved.cancel_at, moved.cancel_at_period_end) == (period_end(moved), style == "flag")
    box.control.advance(period_end(moved) - box.control.clock().now - 60)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    box.control.advance(120)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_the_interval_and_the_end_change_in_one_call(
    client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """An update that plans the end and changes the interval plans the end of the new period."""
    item = subscription["items"].data[0].id
    moved = client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item, "price": "price_pro_yearly"}], "cancel_at_period_end": True}
    )
    assert moved.cancel_at == period_end(moved) > period_end(subscription)


def test_an_end_on_a_date_of_its_own_stays(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """A `cancel_at` that is no period's end is a date, and remains one."""
    end = period_end(subscription) - DAY
    client.v1.subscriptions.update(subscription.id, {"cancel_at": end})
    item = subscription["items"].data[0].id
    moved = client.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": "price_pro_yearly"}]})
    assert moved.cancel_at == end


def test_a_planned_end_moves_with_the_trial(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A trial that is lengthened, and one that is ended now, take the planned end along."""
    customer = client.v1.customers.create({}).id
    box.control.change_card(customer, "succeeds")
    made = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": "price_pro"}], "trial_period_days": 7}
    )
    client.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    longer = client.v1.subscriptions.update(made.id, {"trial_end": period_end(made) + 9 * DAY})
    assert longer.cancel_at == period_end(longer) == period_end(made) + 9 * DAY
    begun = client.v1.subscriptions.update(made.id, {"trial_end": "now"})
    assert (begun.status, begun.cancel_at) == ("active", period_end(begun))


def test_an_end_can_be_planned_at_the_beginning(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A subscription can be made with its end, by flag or by date, but not by both."""
    customer = client.v1.customers.create({}).id
    box.control.change_card(customer, "succeeds")
    given: stripe.params.SubscriptionCreateParams = {"customer": customer, "items": [{"price": "price_pro"}]}
    flagged = client.v1.subscriptions.create({**given, "cancel_at_period_end": True})
    assert (flagged.status, flagged.cancel_at, flagged.cancel_at_period_end) == ("active", period_end(flagged), True)
    end = period_end(flagged) + DAY
    dated = client.v1.subscriptions.create({**given, "cancel_at": end})
    assert (dated.cancel_at, dated.cancel_at_period_end) == (end, False)
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        client.v1.subscriptions.create({**given, "cancel_at": end, "cancel_at_period_end": True})
