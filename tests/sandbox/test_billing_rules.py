"""What is charged when, and for what: mixed baskets and rhythms, trials that end, updates that wait to be paid."""

import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.testing import SandboxServer, WebhookInbox

DAY = 86_400


@pytest.fixture
def once(client: stripe.StripeClient) -> str:
    """A price that is paid once: 5.00 for setting up."""
    made = client.v1.prices.create({"currency": "eur", "unit_amount": 500, "product_data": {"name": "Set-up"}})
    return made.id


def buy(client: stripe.StripeClient, box: SandboxServer, *prices: str, trial_days: int = 0) -> stripe.Subscription:
    """A subscription bought through Checkout."""
    given: stripe.params.checkout.SessionCreateParams = {
        "mode": "subscription",
        "line_items": [{"price": price, "quantity": 1} for price in prices],
        "success_url": "https://example.com/thanks",
    }
    if trial_days:
        given["subscription_data"] = {"trial_period_days": trial_days}
    session = client.v1.checkout.sessions.create(given)
    box.control.pay(session.id)
    paid = client.v1.checkout.sessions.retrieve(session.id)
    return client.v1.subscriptions.retrieve(str(paid.subscription), {"expand": ["latest_invoice"]})


def invoices(client: stripe.StripeClient, subscription: stripe.Subscription) -> list[stripe.Invoice]:
    """Those of a subscription, the newest first."""
    return client.v1.invoices.list({"subscription": subscription.id, "limit": 100}).data


def amounts(invoice: stripe.Invoice) -> list[int]:
    return [line.amount for line in invoice.lines.data]


@pytest.mark.parametrize(("trial_days", "first"), [(0, [2900, 500]), (7, [0, 500])])
def test_what_is_bought_once_is_on_the_first_invoice_only(
    client: stripe.StripeClient, box: SandboxServer, once: str, trial_days: int, first: list[int]
) -> None:
    """A plan and a one-time price make one item; the one-time price is charged at once, also in a trial."""
    row = buy(client, box, "price_pro", once, trial_days=trial_days)
    assert [item.price.id for item in row["items"].data] == ["price_pro"]
    (begun,) = invoices(client, row)
    assert (amounts(begun), begun.amount_paid) == (first, sum(first))
    parent = begun.lines.data[1].parent
    assert parent is not None
    assert parent.type == "invoice_item_details"
    box.control.renew(row.id)
    assert amounts(invoices(client, row)[0]) == [2900]


def test_only_what_has_run_out_is_renewed(client: stripe.StripeClient, box: SandboxServer) -> None:
    """With a month and a year on one subscription, the month's end renews and charges the month alone."""
    row = buy(client, box, "price_pro", "price_pro_yearly")
    ends = {item.price.id: item.current_period_end for item in row["items"].data}
    box.control.advance(ends["price_pro"] - box.control.clock().now + 1)
    renewed = client.v1.subscriptions.retrieve(row.id)
    assert amounts(invoices(client, row)[0]) == [2900]
    now = {item.price.id: item.current_period_end for item in renewed["items"].data}
    assert now["price_pro"] > ends["price_pro"]
    assert now["price_pro_yearly"] == ends["price_pro_yearly"]
    box.control.advance(ends["price_pro_yearly"] - box.control.clock().now + 1)
    newest = invoices(client, row)
    assert len(newest) == 13
    assert sorted(amounts(newest[0])) == [2900, 29000]


def test_currencies_are_not_mixed(client: stripe.StripeClient, box: SandboxServer) -> None:
    """Prices in two currencies are refused wherever they would meet."""
    dollars = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 100,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Dollars"},
        }
    ).id
    with pytest.raises(stripe.InvalidRequestError, match="mismatch in currency"):
        buy(client, box, "price_pro", dollars)
    customer = client.v1.customers.create({}).id
    both: stripe.params.SubscriptionCreateParams = {
        "customer": customer,
        "items": [{"price": "price_pro"}, {"price": dollars}],
    }
    with pytest.raises(stripe.InvalidRequestError, match="mismatch in currency"):
        client.v1.subscriptions.create(both)
    row = buy(client, box, "price_pro")
    with pytest.raises(stripe.InvalidRequestError, match="mismatch in currency"):
        client.v1.subscriptions.update(row.id, {"items": [{"price": dollars}]})


def test_classic_billing_has_one_rhythm(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A month and a year on one subscription need flexible billing."""
    customer = client.v1.customers.create({}).id
    given: stripe.params.SubscriptionCreateParams = {
        "customer": customer,
        "items": [{"price": "price_pro"}, {"price": "price_pro_yearly"}],
    }
    with pytest.raises(stripe.InvalidRequestError, match="mismatch in interval"):
        client.v1.subscriptions.create({**given, "billing_mode": {"type": "classic"}})
    box.control.change_card(customer, "succeeds")
    assert client.v1.subscriptions.create(given).status == "active"


def test_a_trial_that_ends_now_is_charged(client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox) -> None:
    """`trial_end=now` begins a paid period from now: an invoice, a charge, and one update to tell of it."""
    row = buy(client, box, "price_pro", trial_days=7)
    box.control.flush()
    inbox.clear()
    ended = client.v1.subscriptions.update(row.id, {"trial_end": "now", "metadata": {"a": "b"}})
    assert (ended.status, ended.metadata["a"]) == ("active", "b")
    newest, _ = invoices(client, row)
    assert (newest.status, newest.amount_paid) == ("paid", 2900)
    item = ended["items"].data[0]
    assert item.current_period_start == ended.trial_end == ended.billing_cycle_anchor
    box.control.flush()
    assert inbox.types.count("customer.subscription.updated") == 1


def test_one_update_is_one_event(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """Another price and a planned end in one request are told in one event, with what both were before."""
    item = subscription["items"].data[0].id
    client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item, "price": "price_enterprise"}], "cancel_at_period_end": True}
    )
    box.control.flush()
    (event,) = inbox.events
    previous = event["data"]["previous_attributes"]
    assert previous["cancel_at_period_end"] is False
    assert previous["items"]["data"][0]["price"]["id"] == "price_pro"


def test_prorations_name_their_invoice_and_what_changed(
    client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """An invoice drawn up at once is named by its lines, and items that stay as they are make none."""
    client.v1.subscriptions.update(
        subscription.id, {"items": [{"price": "price_enterprise"}], "proration_behavior": "always_invoice"}
    )
    newest = invoices(client, subscription)[0]
    assert {line.invoice for line in newest.lines.data} == {newest.id}
    (line,) = newest.lines.data
    assert line.amount == pytest.approx(9900, abs=1)


def test_an_invoice_is_paid_out_of_band_only_when_it_says_so(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """`paid_out_of_band=false` charges the card; its refusal is a 402, an attempt, and an event; `true` pays."""
    box.control.change_card(str(subscription.customer), "fails_later")
    box.control.fail_payment(subscription.id)
    (still_open,) = client.v1.invoices.list({"subscription": subscription.id, "status": "open"}).data
    box.control.flush()
    inbox.clear()
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.invoices.pay(still_open.id, {"paid_out_of_band": False}, {"idempotency_key": "k"})
    tried = client.v1.invoices.retrieve(still_open.id)
    assert (tried.attempt_count, tried.status) == (still_open.attempt_count + 1, "open")
    assert tried.next_payment_attempt == still_open.next_payment_attempt
    box.control.flush()
    assert sorted(inbox.types) == ["invoice.payment_failed", "invoice.updated"]
    assert client.v1.invoices.pay(still_open.id, {"paid_out_of_band": True}).status == "paid"
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_another_card_can_pay_an_invoice(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """`payment_method` charges that card; a stranger's is refused."""
    good = str(subscription.default_payment_method)
    box.control.change_card(str(subscription.customer), "fails_later")
    box.control.fail_payment(subscription.id)
    (still_open,) = client.v1.invoices.list({"subscription": subscription.id, "status": "open"}).data
    stranger = buy(client, box, "price_pro")
    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method"):
        client.v1.invoices.pay(still_open.id, {"payment_method": str(stranger.default_payment_method)})
    assert client.v1.invoices.pay(still_open.id, {"payment_method": good}).status == "paid"


def test_nobody_pays_for_a_customer_that_is_gone(client: stripe.StripeClient, box: SandboxServer) -> None:
    """When a test clock is deleted with its customers, their open sessions make no new customer."""
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_900_000_000}).id
    customer = client.v1.customers.create({"test_clock": clock}).id
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer,
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
        }
    )
    client.v1.test_helpers.test_clocks.delete(clock)
    with pytest.raises(ControlError):
        box.control.pay(session.id)
    assert client.v1.customers.list().data == []


def test_a_paused_subscription_is_not_charged(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """Renewing what is paused is refused, and no invoice comes of it."""
    box.control.pause(subscription.id)
    for act in (box.control.renew, box.control.fail_payment):
        with pytest.raises(ControlError, match="paused cannot be renewed"):
            act(subscription.id)
    assert len(invoices(client, subscription)) == 1


def test_what_expired_before_its_first_payment_cannot_be_told_to_end(
    client: stripe.StripeClient, box: SandboxServer
) -> None:
    """`incomplete_expired` is an end like another."""
    customer = client.v1.customers.create({}).id
    row = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": "price_pro"}], "payment_behavior": "default_incomplete"}
    )
    box.control.advance(DAY)
    assert client.v1.subscriptions.retrieve(row.id).status == "incomplete_expired"
    with pytest.raises(ControlError, match="has ended"):
        box.control.cancel_at_period_end(row.id)


def test_nobody_goes_on_charging_for_what_was_cancelled(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """The open invoice of a cancelled subscription stays open and is tried no more."""
    box.control.fail_payment(subscription.id)
    client.v1.subscriptions.cancel(subscription.id)
    (still_open,) = client.v1.invoices.list({"subscription": subscription.id, "status": "open"}).data
    assert (still_open.auto_advance, still_open.next_payment_attempt) == (False, None)


@pytest.fixture
def waiting(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription, inbox: WebhookInbox
) -> stripe.Subscription:
    """An upgrade that waits for its payment."""
    box.control.change_card(str(subscription.customer), "fails_later")
    row = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": subscription["items"].data[0].id, "price": "price_enterprise"}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
        },
    )
    assert row.pending_update is not None
    assert row["items"].data[0].price.id == "price_pro"
    box.control.flush()
    inbox.clear()
    return row


def test_an_update_that_waits_is_made_when_it_is_paid(
    client: stripe.StripeClient, box: SandboxServer, waiting: stripe.Subscription, inbox: WebhookInbox
) -> None:
    """Paying the invoice applies the pending update and tells of it."""
    client.v1.invoices.pay(str(waiting.latest_invoice), {"paid_out_of_band": True})
    row = client.v1.subscriptions.retrieve(waiting.id)
    assert (row.pending_update, row["items"].data[0].price.id) == (None, "price_enterprise")
    box.control.flush()
    told = {"customer.subscription.pending_update_applied", "customer.subscription.updated"}
    assert told <= set(inbox.types)


def test_an_update_that_waits_in_vain_is_dropped(
    client: stripe.StripeClient, box: SandboxServer, waiting: stripe.Subscription, inbox: WebhookInbox
) -> None:
    """After 23 hours the pending update is gone, its invoice void, and an event tells of it."""
    box.control.advance(DAY)
    row = client.v1.subscriptions.retrieve(waiting.id)
    assert (row.status, row.pending_update, row["items"].data[0].price.id) == ("active", None, "price_pro")
    assert client.v1.invoices.retrieve(str(waiting.latest_invoice)).status == "void"
    box.control.flush()
    assert "customer.subscription.pending_update_expired" in inbox.types


def test_an_update_that_may_wait_takes_no_other_change(
    client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """`pending_if_incomplete` goes with what can wait only, as with Stripe."""
    with pytest.raises(stripe.InvalidRequestError, match=r"pending_if_incomplete.*metadata"):
        client.v1.subscriptions.update(
            subscription.id, {"payment_behavior": "pending_if_incomplete", "metadata": {"a": "b"}}
        )


def test_an_inactive_price_is_not_sold(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """Neither a new subscription nor an update takes a price that was made inactive; who has it keeps it."""
    client.v1.prices.update("price_enterprise", {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        client.v1.subscriptions.create(
            {"customer": str(subscription.customer), "items": [{"price": "price_enterprise"}]}
        )
    item = subscription["items"].data[0].id
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        client.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": "price_enterprise"}]})
    client.v1.prices.update("price_pro", {"active": False, "nickname": "old"})
    kept = client.v1.subscriptions.update(
        subscription.id, {"items": [{"id": item, "price": "price_pro", "quantity": 2}]}
    )
    assert (kept["items"].data[0].quantity, kept["items"].data[0].price.nickname) == (2, "old")


def test_a_changed_price_is_shown_where_it_is_sold(
    client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """A subscription shows its price as it now is."""
    client.v1.prices.update("price_pro", {"nickname": "new"})
    (item,) = client.v1.subscriptions.retrieve(subscription.id)["items"].data
    assert (item.price.nickname, item.plan.nickname) == ("new", "new")
