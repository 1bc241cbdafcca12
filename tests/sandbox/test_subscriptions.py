"""Subscriptions: what the API does to them and what befalls them, and the events that tell of it."""

import typing
from collections.abc import Callable

import pytest
import stripe

from stripe_sandbox.control.client import Control, ControlError
from stripe_sandbox.testing import SandboxServer, WebhookInbox

Act = Callable[[Control, str], object]


def give_up_as_unpaid(control: Control, subscription: str) -> object:
    return control.exhaust_retries(subscription, "unpaid")


def give_up_as_past_due(control: Control, subscription: str) -> object:
    return control.exhaust_retries(subscription, "past_due")


def types_of(box: SandboxServer, inbox: WebhookInbox) -> list[str]:
    box.control.flush()
    return sorted(inbox.types)


@pytest.mark.parametrize(
    ("acts", "status", "told"),
    [
        (
            [Control.renew],
            "active",
            ["customer.subscription.updated", "invoice.created", "invoice.paid", "invoice.payment_succeeded"],
        ),
        (
            [Control.fail_payment],
            "past_due",
            ["customer.subscription.updated", "invoice.created", "invoice.payment_failed"],
        ),
        ([Control.fail_payment, Control.recover], "active", ["invoice.paid", "invoice.payment_failed"]),
        ([Control.exhaust_retries], "canceled", ["customer.subscription.deleted", "invoice.payment_failed"]),
        (
            [give_up_as_unpaid],
            "unpaid",
            ["customer.subscription.updated", "invoice.payment_failed"],
        ),
        ([give_up_as_past_due], "past_due", ["invoice.payment_failed"]),
        (
            [give_up_as_unpaid, Control.recover],
            "active",
            ["invoice.paid"],
        ),
        ([Control.pause], "paused", ["customer.subscription.paused", "customer.subscription.updated"]),
        (
            [Control.pause, Control.resume],
            "active",
            ["customer.subscription.resumed", "customer.subscription.updated", "invoice.paid"],
        ),
        ([Control.cancel], "canceled", ["customer.subscription.deleted"]),
    ],
)
def test_what_befalls_a_subscription(  # noqa: PLR0917  # fixtures and the table's columns
    client: stripe.StripeClient,
    box: SandboxServer,
    inbox: WebhookInbox,
    subscription: stripe.Subscription,
    acts: list[Act],
    status: str,
    told: list[str],
) -> None:
    """Each control call leaves the subscription in its status and tells it by the events Stripe sends."""
    for act in acts:
        act(box.control, subscription.id)
    assert client.v1.subscriptions.retrieve(subscription.id).status == status
    assert set(told) <= set(types_of(box, inbox))


def test_a_renewal_moves_the_period(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """The new period begins where the old one ended, and the event shows what the items were before."""
    end = subscription["items"].data[0].current_period_end
    box.control.renew(subscription.id)
    item = client.v1.subscriptions.retrieve(subscription.id)["items"].data[0]
    assert item.current_period_start == end
    assert item.current_period_end > end
    box.control.flush()
    (event,) = [event for event in inbox.events if event["type"] == "customer.subscription.updated"]
    assert event["data"]["previous_attributes"]["items"]["data"][0]["current_period_end"] == end


def test_a_card_that_fails_later_fails_the_next_renewal(client: stripe.StripeClient, box: SandboxServer) -> None:
    """`fails_later` buys, and the renewal's charge makes the subscription past due."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
        }
    )
    assert box.control.pay(session.id, "fails_later").outcome == "paid"
    (subscription,) = client.v1.subscriptions.list().data
    assert box.control.renew(subscription.id)["status"] == "past_due"
    box.control.change_card(str(subscription.customer), "succeeds")
    assert box.control.renew(subscription.id)["status"] == "active"


def test_an_ended_subscription_stays_ended(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """Nothing renews, recovers, resumes or updates a canceled subscription."""
    client.v1.subscriptions.cancel(subscription.id)
    for act in (Control.renew, Control.recover, Control.resume, Control.cancel_at_period_end):
        with pytest.raises(ControlError):
            act(box.control, subscription.id)
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.cancel(subscription.id)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_the_flag_and_cancel_at_are_two_ways_to_end_with_the_period(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """Flexible billing's portal sets `cancel_at` alone; the API's flag sets both; either can be taken back."""
    end = subscription["items"].data[0].current_period_end
    portal_way = box.control.cancel_at_period_end(subscription.id)
    assert (portal_way["cancel_at_period_end"], portal_way["cancel_at"]) == (False, end)
    kept = box.control.cancel_at_period_end(subscription.id, value=False)
    assert (kept["cancel_at"], kept["canceled_at"], kept["cancellation_details"]["reason"]) == (None, None, None)
    flagged = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (flagged.cancel_at_period_end, flagged.cancel_at) == (True, end)
    box.control.advance(32 * 24 * 3_600)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_classic_billing_sets_the_flag_in_the_portal(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A subscription in classic mode, the default of older API versions, is cancelled by the flag."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
            "subscription_data": {"billing_mode": {"type": "classic"}},
        }
    )
    box.control.pay(session.id)
    (subscription,) = client.v1.subscriptions.list().data
    assert subscription.billing_mode.type == "classic"
    ending = box.control.cancel_at_period_end(subscription.id)
    assert ending["cancel_at_period_end"] is True


def test_a_price_is_changed_with_prorations_on_the_next_invoice(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """An upgrade takes effect at once; its credit and charge stand on the invoice of the renewal."""
    item = subscription["items"].data[0]
    changed = client.v1.subscriptions.update(subscription.id, {"items": [{"id": item.id, "price": "price_enterprise"}]})
    assert [row.price.id for row in changed["items"].data] == ["price_enterprise"]
    assert changed.latest_invoice == subscription.latest_invoice
    box.control.renew(subscription.id)
    renewed = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})
    assert isinstance(renewed.latest_invoice, stripe.Invoice)
    amounts = [line.amount for line in renewed.latest_invoice.lines.data]
    assert amounts == [-2900, 9900, 9900]


def test_another_rhythm_begins_a_new_period_and_is_billed_at_once(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """From month to year the period is a year from now, and an invoice is paid on the spot."""
    before = subscription["items"].data[0].current_period_end
    changed = box.control.change_price(subscription.id, "price_pro_yearly")
    assert changed["items"]["data"][0]["current_period_end"] > before + 300 * 24 * 3_600
    invoices = client.v1.invoices.list({"subscription": subscription.id})
    assert [invoice.billing_reason for invoice in invoices.data] == ["subscription_update", "subscription_create"]
    assert {invoice.status for invoice in invoices.data} == {"paid"}


@pytest.mark.parametrize(
    ("behaviour", "status", "price"),
    [("allow_incomplete", "past_due", "price_enterprise"), ("pending_if_incomplete", "active", "price_pro")],
)
def test_an_upgrade_whose_charge_fails(  # noqa: PLR0917  # fixtures and the table's columns
    client: stripe.StripeClient,
    box: SandboxServer,
    raw: Callable[..., object],
    subscription: stripe.Subscription,
    behaviour: str,
    status: str,
    price: str,
) -> None:
    """A refused upgrade invoice makes the subscription past due, or waits and leaves it active."""
    box.control.change_card(str(subscription.customer), "fails_later")
    raw(
        "post",
        f"/v1/subscriptions/{subscription.id}",
        items=[{"id": subscription["items"].data[0].id, "price": "price_enterprise"}],
        payment_behavior=behaviour,
        proration_behavior="always_invoice",
    )
    found = client.v1.subscriptions.retrieve(subscription.id)
    assert (found.status, found["items"].data[0].price.id) == (status, price)
    assert (found.pending_update is not None) is (behaviour == "pending_if_incomplete")


def test_error_if_incomplete_is_a_card_error(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """With `error_if_incomplete` a refused upgrade raises the SDK's CardError and changes nothing."""
    box.control.change_card(str(subscription.customer), "fails_later")
    with pytest.raises(stripe.CardError) as caught:
        client.v1.subscriptions.update(
            subscription.id,
            {
                "items": [{"id": subscription["items"].data[0].id, "price": "price_enterprise"}],
                "payment_behavior": "error_if_incomplete",
                "proration_behavior": "always_invoice",
            },
        )
    assert caught.value.code == "card_declined"
    assert client.v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == "price_pro"


def test_quantity_and_metadata_are_updated(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """Metadata is merged, an empty value unsets its key, and the quantity of an item changes."""
    item = subscription["items"].data[0]
    client.v1.subscriptions.update(subscription.id, {"metadata": {"colour": "red"}})
    changed = client.v1.subscriptions.update(
        subscription.id, {"metadata": {"account": "", "size": "l"}, "items": [{"id": item.id, "quantity": 5}]}
    )
    assert changed.metadata.to_dict() == {"colour": "red", "size": "l"}
    assert changed["items"].data[0].quantity == 5


def test_pause_and_resume_by_the_api(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """The pause endpoint makes `paused` a status with its reason; resuming begins a new period."""
    paused = client.v1.subscriptions.pause(subscription.id)
    assert paused.status == "paused"
    assert paused.status_details is not None
    assert paused.status_details.paused.subscription.type == "pause_requested"
    assert client.v1.subscriptions.resume(subscription.id).status == "active"


def test_pausing_is_unknown_before_endive(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """A request in an older API version finds no pause endpoint."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.subscriptions.pause(subscription.id, {}, {"stripe_version": "2026-03-25.dahlia"})
    assert caught.value.http_status == 404


def test_paused_collection_leaves_the_status_alone(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """With `pause_collection` renewals are voided and the subscription stays active."""
    client.v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})
    box.control.renew(subscription.id)
    found = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})
    assert isinstance(found.latest_invoice, stripe.Invoice)
    assert (found.status, found.latest_invoice.status) == ("active", "void")
    cleared = client.v1.subscriptions.update(subscription.id, {"pause_collection": ""})
    assert cleared.pause_collection is None


def test_without_checkout_an_unpaid_subscription_is_incomplete(client: stripe.StripeClient, box: SandboxServer) -> None:
    """The API's own creation with `default_incomplete` waits 23 hours for its first payment."""
    customer = client.v1.customers.create({"email": "ada@example.com"})
    made = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": "price_pro"}], "payment_behavior": "default_incomplete"}
    )
    assert made.status == "incomplete"
    box.control.advance(24 * 3_600)
    assert client.v1.subscriptions.retrieve(made.id).status == "incomplete_expired"


def test_lists_leave_canceled_ones_out_unless_asked(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """Without a status the canceled are left out; `all` and `canceled` show them."""
    box.control.cancel(subscription.id)
    assert client.v1.subscriptions.list().data == []
    for status in ("all", "canceled", "ended"):
        found = client.v1.subscriptions.list({"status": status, "customer": str(subscription.customer)})
        assert [row.id for row in found.data] == [subscription.id]


def test_deleting_a_customer_ends_its_subscriptions(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """A deleted customer answers `deleted`, its subscriptions are canceled, and both are told."""
    customer = str(subscription.customer)
    assert client.v1.customers.delete(customer).deleted is True
    assert client.v1.customers.retrieve(customer).deleted is True
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert types_of(box, inbox) == ["customer.deleted", "customer.subscription.deleted"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing_portal.sessions.create({"customer": customer})
    assert caught.value.code == "resource_missing"


def test_items_are_added_and_removed(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """A second price becomes a second item, the same price twice is refused, and the last item stays."""
    first = subscription["items"].data[0].id
    two = client.v1.subscriptions.update(subscription.id, {"items": [{"price": "price_enterprise"}]})
    assert [item.price.id for item in two["items"].data] == ["price_pro", "price_enterprise"]
    with pytest.raises(stripe.InvalidRequestError, match="same plan"):
        client.v1.subscriptions.update(subscription.id, {"items": [{"price": "price_pro"}]})
    one = client.v1.subscriptions.update(subscription.id, {"items": [{"id": first, "deleted": True}]})
    (left,) = one["items"].data
    for wrong in ({"id": left.id, "deleted": True}, {"id": "si_none", "quantity": 2}):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.subscriptions.update(
                subscription.id, {"items": [typing.cast("stripe.params.SubscriptionUpdateParamsItem", wrong)]}
            )


def test_cancel_at_takes_a_time_and_a_word(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """`cancel_at` is a moment or the period's end by name; empty takes it back; with the flag it is refused."""
    end = subscription["items"].data[0].current_period_end
    named = client.v1.subscriptions.update(subscription.id, {"cancel_at": "min_period_end"})
    assert (named.cancel_at, named.cancel_at_period_end) == (end, False)
    assert client.v1.subscriptions.update(subscription.id, {"cancel_at": end - 60}).cancel_at == end - 60
    assert client.v1.subscriptions.update(subscription.id, {"cancel_at": ""}).cancel_at is None
    with pytest.raises(stripe.InvalidRequestError, match="only specify one"):
        client.v1.subscriptions.update(subscription.id, {"cancel_at": end, "cancel_at_period_end": True})


def test_a_trial_is_moved_and_ended(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A trial made by the API can be lengthened, and ended now: without a card its first charge fails."""
    customer = client.v1.customers.create({})
    now = box.control.clock().now
    made = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": "price_pro"}], "trial_period_days": 7}
    )
    longer = client.v1.subscriptions.update(made.id, {"trial_end": now + 20 * 86_400})
    assert (longer.status, longer.trial_end) == ("trialing", now + 20 * 86_400)
    assert client.v1.subscriptions.update(made.id, {"trial_end": "now"}).status == "past_due"


def test_creation_follows_the_card_and_the_behaviour(client: stripe.StripeClient, box: SandboxServer) -> None:
    """With a good card a subscription is active at once; with a bad one it is incomplete or a CardError."""
    customer = client.v1.customers.create({})
    box.control.change_card(customer.id, "succeeds")
    given: stripe.params.SubscriptionCreateParams = {
        "customer": customer.id,
        "items": [{"price": "price_pro", "quantity": 2}],
    }
    assert client.v1.subscriptions.create(given).status == "active"
    box.control.change_card(customer.id, "fails_later")
    assert client.v1.subscriptions.create(given).status == "incomplete"
    with pytest.raises(stripe.CardError):
        client.v1.subscriptions.create({**given, "payment_behavior": "error_if_incomplete"})
