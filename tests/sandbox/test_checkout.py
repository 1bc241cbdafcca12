"""Checkout sessions, by the official SDK over real HTTP."""

from collections.abc import Callable
from typing import cast

import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.testing import SandboxServer, WebhookInbox


def param_of(error: stripe.StripeError) -> str:
    """The parameter an error names; the SDK's own attribute for it is untyped."""
    body = cast("dict[str, dict[str, str]]", error.json_body)
    return body["error"]["param"]


def new_session(client: stripe.StripeClient, customer: str | None = None) -> stripe.checkout.Session:
    given: stripe.params.checkout.SessionCreateParams = {
        "mode": "subscription",
        "line_items": [{"price": "price_pro", "quantity": 2}],
        "success_url": "https://example.com/thanks?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://example.com/back",
        "client_reference_id": "acct_1",
        "metadata": {"account": "acct_1"},
        "subscription_data": {"metadata": {"account": "acct_1"}},
    }
    if customer is not None:
        given["customer"] = customer
    return client.v1.checkout.sessions.create(given)


def test_a_session_begins_open_with_an_address_and_no_subscription(client: stripe.StripeClient) -> None:
    """A new session is open and unpaid, has a page, and names no subscription before it is paid."""
    session = new_session(client)
    assert session.id.startswith("cs_test_a1")
    assert len(session.id) == len("cs_test_a1") + 56
    assert (session.status, session.payment_status, session.subscription) == ("open", "unpaid", None)
    assert session.amount_total == 5800
    assert str(session.url).endswith(f"/pay/{session.id}")


def test_paying_completes_the_session(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A paid session is complete without an address; its subscription is active and carries its metadata."""
    session = new_session(client)
    assert box.control.pay(session.id, email="ada@example.com").outcome == "paid"
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details is not None
    assert paid.customer_details.email == "ada@example.com"
    subscription = client.v1.subscriptions.retrieve(str(paid.subscription))
    assert (subscription.status, subscription.customer) == ("active", paid.customer)
    assert subscription.metadata.to_dict() == {"account": "acct_1"}
    assert subscription["items"].data[0].quantity == 2


def test_a_paid_session_tells_its_story(client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox) -> None:
    """A purchase emits the customer, the subscription, its paid invoice and the completed session."""
    session = new_session(client)
    box.control.set_delivery(concurrency=1)
    box.control.pay(session.id)
    box.control.flush()
    assert inbox.types == [
        "customer.created",
        "payment_method.attached",
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_succeeded",
        "checkout.session.completed",
    ]
    assert {event["created"] for event in inbox.events}.issubset(
        {inbox.events[0]["created"], inbox.events[0]["created"] + 1}
    )


@pytest.mark.parametrize("card", ["declined", "insufficient_funds"])
def test_a_refused_card_leaves_the_session_open(client: stripe.StripeClient, box: SandboxServer, card: str) -> None:
    """After a declined card the session is open still, nothing was created, and another card can pay."""
    session = new_session(client)
    assert box.control.pay(session.id, card).outcome == "declined"
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert client.v1.subscriptions.list().data == []
    assert box.control.pay(session.id).outcome == "paid"


def test_authentication_can_wait_fail_and_complete(client: stripe.StripeClient, box: SandboxServer) -> None:
    """The 3-D Secure card pays only once its owner has authenticated."""
    session = new_session(client)
    control = box.control
    assert control.pay(session.id, "authentication", authentication="pending").outcome == ("authentication_required")
    assert control.pay(session.id, "authentication", authentication="fails").outcome == "declined"
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert control.pay(session.id, "authentication").outcome == "paid"


def test_a_session_cannot_be_paid_twice(client: stripe.StripeClient, box: SandboxServer) -> None:
    """The second payment of one session is refused and makes no second subscription."""
    session = new_session(client)
    box.control.pay(session.id)
    with pytest.raises(ControlError, match="complete"):
        box.control.pay(session.id)
    assert len(client.v1.subscriptions.list().data) == 1


def test_an_open_session_can_be_expired_and_then_not_paid(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """An expired session has no address, says so by webhook, and cannot be paid."""
    session = new_session(client)
    expired = client.v1.checkout.sessions.expire(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(ControlError, match="expired"):
        box.control.pay(session.id)
    box.control.flush()
    assert inbox.types[-1] == "checkout.session.expired"


def test_a_completed_session_cannot_be_expired(client: stripe.StripeClient, box: SandboxServer) -> None:
    """Expiring a purchase is a 400, as at Stripe."""
    session = new_session(client)
    box.control.pay(session.id)
    with pytest.raises(stripe.InvalidRequestError, match="status of complete"):
        client.v1.checkout.sessions.expire(session.id)


def test_a_session_expires_with_time(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A session that nobody pays is expired when its 24 hours are over, and not before."""
    session = new_session(client)
    box.control.advance(23 * 3_600)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    box.control.advance(2 * 3_600)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"


def test_expires_at_is_right_by_the_callers_clock_after_ours_has_moved(
    client: stripe.StripeClient, box: SandboxServer
) -> None:
    """A caller whose clock is the real one can still ask for an hour after the sandbox's was advanced."""
    box.control.advance(40 * 24 * 3_600)
    given: stripe.params.checkout.SessionCreateParams = {
        "mode": "subscription",
        "line_items": [{"price": "price_pro", "quantity": 1}],
        "success_url": "https://example.com/thanks",
        "expires_at": box.control.clock().wall + 3_600,
    }
    session = client.v1.checkout.sessions.create(given)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    box.control.advance(3_700)
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create({**given, "expires_at": box.control.clock().wall + 60})
    assert param_of(caught.value) == "expires_at"


def test_line_items_are_listed_and_expanded(client: stripe.StripeClient) -> None:
    """What is bought can be listed, and comes with the session when asked for by `expand`."""
    session = new_session(client)
    assert "line_items" not in session.to_dict()
    listed = client.v1.checkout.sessions.line_items.list(session.id)
    expanded = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items.data.price.product"]})
    assert expanded.line_items is not None
    item = expanded.line_items.data[0]
    assert [item.id] == [row.id for row in listed.data]
    assert item.price is not None
    assert isinstance(item.price.product, stripe.Product)
    assert item.price.product.name == "Pro"


def test_sessions_are_listed_by_customer_and_status(client: stripe.StripeClient, box: SandboxServer) -> None:
    """One customer's open session is found among others."""
    customer = client.v1.customers.create({"email": "ada@example.com"})
    wanted = new_session(client, customer.id)
    done = new_session(client, customer.id)
    new_session(client)
    box.control.pay(done.id)
    found = client.v1.checkout.sessions.list({"customer": customer.id, "status": "open"})
    assert [row.id for row in found.data] == [wanted.id]


def test_a_trial_asks_for_no_payment(client: stripe.StripeClient, box: SandboxServer) -> None:
    """With a trial the session needs no payment and the subscription is trialing until its end."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
            "subscription_data": {"trial_period_days": 7},
        }
    )
    box.control.pay(session.id)
    paid = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    assert paid.payment_status == "no_payment_required"
    assert isinstance(paid.subscription, stripe.Subscription)
    assert paid.subscription.status == "trialing"
    assert paid.subscription.trial_end == paid.subscription["items"].data[0].current_period_end


@pytest.mark.parametrize(
    ("outcome", "payment_status", "subscription_status"),
    [("succeeded", "paid", "active"), ("failed", "unpaid", "past_due")],
)
def test_a_bank_debit_is_confirmed_days_later(  # noqa: PLR0917  # fixtures and the table's columns
    client: stripe.StripeClient,
    box: SandboxServer,
    inbox: WebhookInbox,
    outcome: str,
    payment_status: str,
    subscription_status: str,
) -> None:
    """A delayed payment completes the session unpaid; the bank's answer settles it and is told."""
    session = new_session(client)
    box.control.pay(session.id, "delayed")
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    box.control.settle(session.id, succeeds=outcome == "succeeded")
    box.control.flush()
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == payment_status
    assert client.v1.subscriptions.retrieve(str(done.subscription)).status == subscription_status
    assert f"checkout.session.async_payment_{outcome}" in inbox.types


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"ui_mode": "hosted"}, "ui_mode"),
        ({"mode": "rent"}, "mode"),
        ({"success_urll": "x"}, "success_urll"),
        ({"line_items": [{"price": "price_pro", "quantity": 1, "colour": "red"}]}, "line_items[0][colour]"),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]"),
        ({"line_items": [{"price": "price_pro", "quantity": 0}]}, "line_items[0][quantity]"),
        ({"customer": "cus_none"}, "customer"),
        ({"subscription_data": {"trial_period_days": "soon"}}, "subscription_data[trial_period_days]"),
    ],
)
def test_what_stripe_refuses_is_refused_by_name(
    raw: Callable[..., object], changes: dict[str, object], param: str
) -> None:
    """Unknown parameters, values of old versions and things that do not exist are 400s that name the parameter."""
    given = {
        "mode": "subscription",
        "line_items": [{"price": "price_pro", "quantity": 1}],
        "success_url": "https://example.com/thanks",
        **changes,
    }
    with pytest.raises(stripe.InvalidRequestError) as caught:
        raw("post", "/v1/checkout/sessions", **given)
    assert (caught.value.http_status, param_of(caught.value)) == (400, param)


@pytest.mark.parametrize("card", ["succeeds", "declined", "authentication", "delayed"])
def test_a_deleted_customer_cannot_pay(client: stripe.StripeClient, box: SandboxServer, card: str) -> None:
    """Once its customer is deleted, a session refuses every card with a sentence and stays open."""
    customer = client.v1.customers.create({"email": "ada@example.com"})
    session = new_session(client, customer.id)
    client.v1.customers.delete(customer.id)
    with pytest.raises(ControlError, match=f"The customer {customer.id} .* was deleted") as refused:
        box.control.pay(session.id, card)
    assert refused.value.status == 400
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert client.v1.subscriptions.list().data == []
