"""Webhooks: what arrives, how it is signed, when it is tried again, and how it goes wrong on demand."""

import time
from collections.abc import Callable
from itertools import pairwise

import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.resource import Resource
from stripe_sandbox.testing import SandboxServer, WebhookInbox
from support.stripe_webhooks import SECRET, change_something, signed_by


def test_the_sdk_constructs_the_event(client: stripe.StripeClient, inbox: WebhookInbox) -> None:
    """A delivery passes the SDK's own signature check and becomes an Event with a full envelope."""
    product = client.v1.products.create({"name": "Pro"}, {"idempotency_key": "k-1"})
    (delivery,) = inbox.wait_for(1)
    event = stripe.Webhook.construct_event(delivery.body, delivery.signature, SECRET)
    assert (event.type, event.livemode, event.api_version) == ("product.created", False, stripe.api_version)
    assert event.id.startswith("evt_1")
    assert event.request is not None
    assert event.request.idempotency_key == "k-1"
    assert str(event.request.id).startswith("req_")
    assert event.data.object["id"] == product.id


def test_an_update_shows_what_was_before(client: stripe.StripeClient, inbox: WebhookInbox) -> None:
    """`previous_attributes` holds the changed fields alone, of groups only the changed part."""
    customer = client.v1.customers.create({"name": "Ada", "metadata": {"a": "1", "b": "2"}})
    client.v1.customers.update(customer.id, {"name": "Bob", "metadata": {"a": "3", "c": "4"}})
    inbox.wait_for(2)
    (event,) = [event for event in inbox.events if event["type"] == "customer.updated"]
    assert event["data"]["previous_attributes"] == {"name": "Ada", "metadata": {"a": "1", "c": None}}


def test_only_a_2xx_counts_and_each_attempt_is_signed_anew(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """3xx, 4xx and 5xx are tried again with back-off until a 2xx; every attempt has a fresh signature."""
    inbox.answer_next(302, 404, 500)
    box.control.set_delivery(backoff_base_seconds=0.4)
    change_something(client)
    deliveries = inbox.wait_for(4)
    assert len({delivery.signature for delivery in deliveries}) >= 3
    assert all(signed_by(delivery, SECRET) for delivery in deliveries)
    assert len({delivery.event["id"] for delivery in deliveries}) == 1
    box.control.flush()
    attempts = box.control.deliveries()
    assert [(row.attempt, row.status) for row in attempts] == [(1, 302), (2, 404), (3, 500), (4, 200)]
    waits = [later.at - sooner.at for sooner, later in pairwise(attempts)]
    assert [wait >= 0.4 * 2**index for index, wait in enumerate(waits)] == [True] * 3


def test_after_the_last_retry_an_event_stays_undelivered(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """An event that nobody took is listed by `delivery_success=false`, and can be sent again by hand."""
    inbox.answer_next(500, 500, 500)
    box.control.set_delivery(max_retries=2, backoff_base_seconds=0.02)
    change_something(client)
    counts = box.control.flush()
    assert (counts.succeeded, counts.failed, counts.pending) == (0, 1, 0)
    change_something(client)
    box.control.flush()
    (missed,) = client.v1.events.list({"delivery_success": False}).data
    assert missed.pending_webhooks == 1
    assert len(client.v1.events.list({"delivery_success": True}).data) == 1
    assert box.control.resend(missed.id) == 1
    box.control.flush()
    assert client.v1.events.list({"delivery_success": False}).data == []
    assert inbox.deliveries[-1].event["id"] == missed.id


def test_an_endpoint_nobody_answers_at_is_retried(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A refused connection is an attempt without a status, and is tried again."""
    client.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/none", "enabled_events": ["product.created"]})
    box.control.set_delivery(max_retries=1, backoff_base_seconds=0.02)
    change_something(client)
    assert box.control.flush().failed == 1
    failed = [row for row in box.control.deliveries() if row.url.endswith("/none")]
    assert [(row.attempt, row.status) for row in failed] == [(1, None), (2, None)]
    assert failed[0].error is not None


def test_an_endpoint_gets_what_it_asked_for(
    client: stripe.StripeClient, raw: Callable[..., object], box: SandboxServer, inbox: WebhookInbox
) -> None:
    """`enabled_events` chooses, and a disabled or deleted endpoint gets nothing; a name that is none is refused."""
    (seeded,) = client.v1.webhook_endpoints.list().data
    for none in ("customer.*", "checkout.sessions.completed"):
        with pytest.raises(stripe.InvalidRequestError, match="there is no event type"):
            raw("post", f"/v1/webhook_endpoints/{seeded.id}", enabled_events=[none])
    client.v1.webhook_endpoints.update(seeded.id, {"enabled_events": ["customer.created"]})
    change_something(client)
    client.v1.customers.create({})
    box.control.flush()
    assert inbox.types == ["customer.created"]
    client.v1.webhook_endpoints.update(seeded.id, {"disabled": True})
    client.v1.customers.create({})
    assert client.v1.webhook_endpoints.delete(seeded.id).deleted is True
    client.v1.customers.create({})
    box.control.flush()
    assert inbox.types == ["customer.created"]


def test_a_made_endpoint_shows_its_secret_once(client: stripe.StripeClient, inbox: WebhookInbox) -> None:
    """The secret of a new endpoint stands in the first answer only, and signs what it gets."""
    made = client.v1.webhook_endpoints.create({"url": inbox.url, "enabled_events": ["product.created"]})
    assert str(made.secret).startswith("whsec_")
    assert "secret" not in client.v1.webhook_endpoints.retrieve(made.id).to_dict()
    change_something(client)
    deliveries = inbox.wait_for(2)
    assert sorted(signed_by(delivery, str(made.secret)) for delivery in deliveries) == [False, True]


def test_a_rolled_secret_signs_beside_the_old_one_for_a_while(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """After a roll both secrets verify; when the old one's time is over, only the new one does."""
    (endpoint,) = client.v1.webhook_endpoints.list().data
    new = box.control.roll_secret(endpoint.id, old_lives_seconds=1)
    change_something(client)
    (both,) = inbox.wait_for(1)
    assert both.signature.count("v1=") == 2
    assert (signed_by(both, SECRET), signed_by(both, new)) == (True, True)
    time.sleep(1.1)
    change_something(client)
    only_new = inbox.wait_for(2)[1]
    assert (signed_by(only_new, SECRET), signed_by(only_new, new)) == (False, True)


def test_the_clock_of_the_world_does_not_age_signatures(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """Events of an advanced world are dated there, and signed with the real time the receiver checks."""
    box.control.advance(90 * 24 * 3_600)
    change_something(client)
    (delivery,) = inbox.wait_for(1)
    assert signed_by(delivery, SECRET)
    assert delivery.event["created"] > time.time() + 89 * 24 * 3_600


def test_a_hand_made_event_is_delivered_and_kept(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """`emit` sends anything, with its own time and past, and `/v1/events` knows it."""
    made = box.control.emit(
        "customer.subscription.updated",
        {"id": "sub_x", "object": "subscription", "status": "from_the_future", "items": {"data": []}},
        created=box.control.clock().now - 1,
        previous_attributes={"status": "active"},
    )
    (delivery,) = inbox.wait_for(1)
    assert delivery.event["data"]["previous_attributes"] == {"status": "active"}
    assert client.v1.events.retrieve(made["id"]).data.object["status"] == "from_the_future"


def test_settings_that_make_no_sense_are_refused(box: SandboxServer) -> None:
    """An unknown setting or a share above one is a 400, and nothing changes."""
    before = box.control.delivery()
    for wrong in ({"colour": "red"}, {"drop": 2}, {"duplicate": 0}):
        with pytest.raises(ControlError):
            box.control.set_delivery(**wrong)
    assert box.control.delivery() == before


def test_events_are_listed_by_type_and_time_oldest_last(client: stripe.StripeClient, box: SandboxServer) -> None:
    """Events of chosen types are listed newest first; `ending_before` walks them oldest first."""
    change_something(client, 3)
    client.v1.customers.create({})
    listed = client.v1.events.list({"types": ["product.created"]}).data
    assert [event.data.object["name"] for event in listed] == ["Product 2", "Product 1", "Product 0"]
    walked = client.v1.events.list({"type": "product.*", "ending_before": listed[2].id, "limit": 1})
    assert [event.data.object["name"] for event in walked.auto_paging_iter()] == ["Product 1", "Product 2"]
    box.control.advance(31 * 24 * 3_600)
    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.list({"type": "a", "types": ["b"]})


@pytest.mark.parametrize("version", ["2024-06-20", "2026-10-28.endive"])
@pytest.mark.parametrize(
    "resource",
    [
        {"object": "subscription"},
        {"object": "subscription", "items": None},
        {"object": "subscription", "items": {"data": [{"object": "subscription_item"}]}},
        {"object": "invoice", "lines": {"data": [{"object": "line_item"}]}},
        {"object": "checkout.session", "ui_mode": 7},
    ],
)
def test_hand_made_objects_may_lack_anything(
    box: SandboxServer, inbox: WebhookInbox, resource: Resource, version: str
) -> None:
    """A hand-made event with hardly anything in it is delivered in every shape."""
    box.control.set_delivery(api_version=version)
    box.control.emit("customer.subscription.updated", resource, previous_attributes={"status": "active"})
    assert box.control.flush().succeeded == 1
    assert inbox.events[0]["api_version"] == version


def test_an_endpoint_with_an_impossible_address_harms_no_other(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """A URL that cannot be resolved at all is a failed attempt; other endpoints get their events."""
    client.v1.webhook_endpoints.create({"url": f"http://{'a' * 70}.invalid/", "enabled_events": ["*"]})
    box.control.set_delivery(max_retries=0)
    change_something(client)
    counts = box.control.flush()
    assert (counts.succeeded, counts.failed) == (1, 1)
    assert len(inbox.deliveries) == 1
