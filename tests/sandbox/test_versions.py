"""The shapes of Stripe's API versions, in answers and in webhooks."""

import re
from collections.abc import Callable
from typing import Final

import pytest
import stripe

from stripe_sandbox.resource import Resource
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedPrice, WebhookInbox

OLD: Final = "2024-06-20"
BASIL: Final = "2025-03-31.basil"
CLOVER: Final = "2025-09-30.clover"
DAHLIA: Final = "2026-03-25.dahlia"
ENDIVE: Final = "2026-10-28.endive"


def object_of(inbox: WebhookInbox, event_type: str) -> Resource:
    (event,) = [event for event in inbox.events if event["type"] == event_type]
    found: Resource = event["data"]["object"]
    return found


@pytest.mark.parametrize("version", [OLD, "2024-12-18.acacia"])
def test_before_basil_the_period_stands_on_the_subscription(
    box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription, version: str
) -> None:
    """Old events have `current_period_end` on the subscription and `subscription` on the invoice."""
    box.control.set_delivery(api_version=version)
    box.control.renew(subscription.id)
    box.control.flush()
    assert {event["api_version"] for event in inbox.events} == {version}
    row = object_of(inbox, "customer.subscription.updated")
    assert row["current_period_end"] > subscription["items"].data[0].current_period_end
    assert "current_period_end" not in row["items"]["data"][0]
    invoice = object_of(inbox, "invoice.paid")
    assert (invoice["subscription"], invoice["paid"]) == (subscription.id, True)
    assert "parent" not in invoice
    assert invoice["lines"]["data"][0]["price"]["id"] == "price_pro"


def test_previous_attributes_follow_the_shape(
    box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """What a renewal changed is the subscription's period before basil, and its items' since."""
    end = subscription["items"].data[0].current_period_end
    previous: list[Resource] = []
    for version in (OLD, ENDIVE):
        inbox.clear()
        box.control.set_delivery(api_version=version)
        box.control.renew(subscription.id)
        box.control.flush()
        (event,) = [event for event in inbox.events if event["type"] == "customer.subscription.updated"]
        previous.append(event["data"]["previous_attributes"])
    assert previous[0]["current_period_end"] == end
    assert "items" not in previous[0]
    assert "current_period_end" not in previous[1]
    assert previous[1]["items"]["data"][0]["current_period_end"] > end


@pytest.mark.parametrize("version", [BASIL, CLOVER, DAHLIA, ENDIVE])
def test_since_basil_the_period_stands_on_the_items(
    box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription, version: str
) -> None:
    """New events have the period on each item and the subscription in the invoice's parent."""
    box.control.set_delivery(api_version=version)
    box.control.renew(subscription.id)
    box.control.flush()
    row = object_of(inbox, "customer.subscription.updated")
    assert "current_period_end" not in row
    assert row["items"]["data"][0]["current_period_end"] > 0
    invoice = object_of(inbox, "invoice.paid")
    assert invoice["parent"]["subscription_details"]["subscription"] == subscription.id
    assert "subscription" not in invoice


def test_each_endpoint_gets_its_own_version(
    client: stripe.StripeClient, raw: Callable[..., object], inbox: WebhookInbox
) -> None:
    """A second endpoint with an older version gets the same event in the older shape."""
    made = client.v1.webhook_endpoints.create(
        {"url": inbox.url, "enabled_events": ["product.created"], "api_version": BASIL}
    )
    assert made.api_version == BASIL
    client.v1.products.create({"name": "Pro"})
    inbox.wait_for(2)
    assert {event["api_version"] for event in inbox.events} == {BASIL, ENDIVE}
    with pytest.raises(stripe.InvalidRequestError):
        raw("post", "/v1/webhook_endpoints", url="http://x", enabled_events=["*"], api_version=BASIL[:-1])


@pytest.mark.parametrize(
    ("version", "ui_mode", "refused"),
    [(CLOVER, "hosted", "hosted_page"), (DAHLIA, "hosted_page", "hosted"), (ENDIVE, "hosted_page", "hosted")],
)
def test_ui_mode_is_named_as_the_version_names_it(
    client: stripe.StripeClient, version: str, ui_mode: str, refused: str
) -> None:
    """Each version has its word for the hosted page, answers with it, and refuses the other's."""
    given: stripe.params.checkout.SessionCreateParams = {
        "mode": "subscription",
        "line_items": [{"price": "price_pro", "quantity": 1}],
        "success_url": "https://example.com/thanks",
    }
    session = client.v1.checkout.sessions.create({**given, "ui_mode": ui_mode}, {"stripe_version": version})
    assert session.ui_mode == ui_mode
    with pytest.raises(stripe.InvalidRequestError, match="ui_mode"):
        client.v1.checkout.sessions.create({**given, "ui_mode": refused}, {"stripe_version": version})


@pytest.mark.parametrize(("version", "mode"), [(BASIL, "classic"), (CLOVER, "flexible"), (ENDIVE, "flexible")])
def test_flexible_billing_is_the_default_since_clover(
    client: stripe.StripeClient, box: SandboxServer, version: str, mode: str
) -> None:
    """The version of the request that made the session decides the billing mode."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
        },
        {"stripe_version": version},
    )
    box.control.pay(session.id)
    (made,) = client.v1.subscriptions.list().data
    assert made.billing_mode.type == mode


def test_a_paused_subscription_explains_itself_since_endive(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """`status_details` is there in endive and not before; the status is `paused` in both."""
    box.control.pause(subscription.id)
    new = client.v1.subscriptions.retrieve(subscription.id)
    old = client.v1.subscriptions.retrieve(subscription.id, {}, {"stripe_version": DAHLIA})
    assert (new.status, old.status) == ("paused", "paused")
    assert "status_details" in new.to_dict()
    assert "status_details" not in old.to_dict()


def test_every_version_the_sdk_knows_is_accepted(client: stripe.StripeClient) -> None:
    """The versions that the SDK's types list are those the sandbox takes, from 2011 to the newest."""
    declared = str(stripe.params.WebhookEndpointCreateParams.__annotations__["api_version"])
    named = re.findall(r"\d{4}-\d\d-\d\d(?:\.[a-z]+)?", declared)
    versions = [version for version in named if not version.endswith(".dashboard")]
    assert {ENDIVE, "2011-01-01"} <= set(versions)
    for version in versions:
        client.v1.customers.list({"limit": 1}, {"stripe_version": version})


@pytest.mark.parametrize("asked", [OLD, ENDIVE])
@pytest.mark.parametrize("account", [OLD, ENDIVE])
def test_events_are_listed_in_the_shape_of_their_own_version(account: str, asked: str) -> None:
    """`/v1/events` shows each event as it was made, whatever version the request asks for."""
    config = SandboxConfig(prices=(SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),), api_version=account)
    with SandboxServer(config) as box:
        client = stripe.StripeClient(box.api_key, base_addresses={"api": box.url}, stripe_version=asked)
        session = client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": "price_pro", "quantity": 1}],
                "success_url": "https://example.com/thanks",
            }
        )
        box.control.pay(session.id)
        (listed,) = client.v1.events.list({"type": "invoice.paid"}).data
        (one,) = client.v1.events.list({"types": ["invoice.paid"]}).data
        assert client.v1.events.retrieve(listed.id).to_dict() == listed.to_dict() == one.to_dict()
    invoice = listed.to_dict()["data"]["object"]
    old = account == OLD
    assert (listed.api_version, "subscription" in invoice, "parent" in invoice) == (account, old, not old)
    if old:
        assert str(invoice["subscription"]).startswith("sub_")
        assert invoice["lines"]["data"][0]["price"]["id"] == "price_pro"


def test_what_is_expanded_has_the_versions_shape(
    client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """An old request expands old fields, and the objects within are as old as the one around them."""
    invoice = client.v1.invoices.retrieve(
        str(subscription.latest_invoice), {"expand": ["subscription.latest_invoice"]}, {"stripe_version": OLD}
    ).to_dict()
    assert invoice["subscription"]["current_period_end"] == subscription["items"].data[0].current_period_end
    assert invoice["subscription"]["latest_invoice"]["subscription"] == subscription.id
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.invoices.retrieve(str(subscription.latest_invoice), {"expand": ["subscription"]})


def test_only_type_takes_a_wildcard(client: stripe.StripeClient) -> None:
    """`type=product.*` matches; in `types[]` a star is a name like another, and no event has it."""
    client.v1.products.create({"name": "Pro"})
    assert len(client.v1.events.list({"type": "product.*"}).data) == 1
    assert client.v1.events.list({"types": ["product.*"]}).data == []
