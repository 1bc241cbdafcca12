"""Webhooks that go wrong on demand."""

from datetime import datetime

import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedEndpoint, WebhookInbox
from support.stripe_webhooks import SECRET, change_something, signed_by


def test_duplicates_are_the_same_event_again(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """`duplicate` sends each event so many times, with one id."""
    box.control.set_delivery(duplicate=3)
    change_something(client)
    box.control.flush()
    assert len(inbox.deliveries) == 3
    assert len({event["id"] for event in inbox.events}) == 1


def test_two_event_objects_can_tell_of_one_change(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """`double_events` makes two events with ids of their own for one change."""
    box.control.set_delivery(double_events=True)
    change_something(client)
    box.control.flush()
    first, second = inbox.events
    assert first["id"] != second["id"]
    assert first["data"] == second["data"]
    assert len(client.v1.events.list().data) == 2


def test_reordering_shuffles_within_groups(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """With `reorder` every event arrives, in another order than it happened."""
    box.control.set_delivery(reorder=6, concurrency=1)
    change_something(client, 6)
    box.control.flush()
    arrived = [event["data"]["object"]["name"] for event in inbox.events]
    assert sorted(arrived) == [f"Product {number}" for number in range(6)]
    assert arrived != sorted(arrived)


def test_a_small_group_does_not_wait_for_ever(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """A group that does not fill is delivered after a moment."""
    box.control.set_delivery(reorder=50)
    change_something(client, 2)
    inbox.wait_for(2)


def test_delay_holds_back_what_it_names(client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox) -> None:
    """A delayed type comes after a later one that is not delayed; `flush` does not wait for the delay."""
    box.control.set_delivery(delay_seconds=60, types=["product.created"])
    change_something(client)
    client.v1.customers.create({})
    inbox.wait_for(1)
    box.control.flush()
    assert inbox.types == ["customer.created", "product.created"]


def test_dropped_events_never_come_and_stay_listed(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """`drop` loses deliveries for good, and Stripe's list of undelivered events has them."""
    box.control.set_delivery(drop=1, types=["product.*"])
    change_something(client, 2)
    client.v1.customers.create({})
    assert box.control.flush().failed == 2
    assert inbox.types == ["customer.created"]
    missed = client.v1.events.list({"delivery_success": False, "types": ["product.created", "price.created"]})
    assert len(missed.data) == 2


def test_ties_give_events_one_and_the_same_second(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """With `ties` the time of events stands still while the world's moves on."""
    box.control.set_delivery(ties=True)
    change_something(client)
    box.control.advance(10)
    change_something(client)
    box.control.flush()
    assert len({event["created"] for event in inbox.events}) == 1
    box.control.set_delivery(ties=False)
    change_something(client)
    box.control.flush()
    assert len({event["created"] for event in inbox.events}) == 2


@pytest.mark.parametrize("setting", ["bad_signature", "stale_signature"])
def test_wrong_signatures_heal_by_retry(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox, setting: str
) -> None:
    """A forged or an old signature is refused by the SDK; once switched off, the retry is well signed."""
    inbox.answer_next(400)
    box.control.set_delivery(**{setting: True}, backoff_base_seconds=0.3)
    change_something(client)
    (wrong,) = inbox.wait_for(1)
    box.control.set_delivery(**{setting: False})
    assert not signed_by(wrong, SECRET)
    assert signed_by(wrong, SECRET, tolerance_seconds=None) is (setting == "stale_signature")
    assert signed_by(inbox.wait_for(2)[1], SECRET)


def test_thin_payloads_and_the_other_mode(client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox) -> None:
    """`thin` sends v2 notifications, `livemode` claims the other mode."""
    box.control.set_delivery(thin=True)
    change_something(client)
    box.control.flush()
    box.control.set_delivery(thin=False, livemode=True)
    change_something(client)
    box.control.flush()
    thin, live = inbox.events
    assert (thin["object"], "data" in thin) == ("v2.core.event", False)
    assert (live["livemode"], live["data"]["object"]["livemode"]) == (True, True)


def test_pausing_holds_and_resuming_delivers(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """While paused nothing goes out and `flush` returns at once; afterwards all of it comes."""
    box.control.set_delivery(paused=True)
    change_something(client, 3)
    counts = box.control.flush()
    assert (counts.pending, counts.held, inbox.deliveries) == (3, 3, [])
    box.control.set_delivery(paused=False)
    assert box.control.flush().succeeded == 3


def test_the_sdk_reads_a_thin_notification(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """The SDK parses it: a time as RFC 3339, the request behind it, and a path where the object is."""
    box.control.set_delivery(thin=True)
    made = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "thin-1"})
    (delivery,) = inbox.wait_for(1)
    told = client.parse_event_notification(delivery.body, delivery.signature, SECRET)
    assert told.type == "v1.customer.created"
    assert datetime.fromisoformat(told.created).timestamp() == made.created
    assert told.reason is not None
    assert told.reason.request is not None
    assert told.reason.request.idempotency_key == "thin-1"
    assert delivery.event["related_object"] == {"id": made.id, "type": "customer", "url": f"/v1/customers/{made.id}"}


def test_what_a_thin_notification_names_can_be_fetched(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """Each kind's path leads to the object; what has no address of its own names none."""
    box.control.set_delivery(thin=True)
    box.control.renew(subscription.id)
    box.control.change_card(str(subscription.customer), "succeeds")
    change_something(client)
    client.v1.prices.create({"currency": "eur", "unit_amount": 1, "product_data": {"name": "x"}})
    client.v1.test_helpers.test_clocks.create({"frozen_time": 1_800_000_000})
    client.v1.billing_portal.sessions.create({"customer": str(subscription.customer)})
    client.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}})
    session = client.v1.checkout.sessions.list().data[0]
    box.control.emit("checkout.session.expired", {"id": session.id, "object": "checkout.session"})
    box.control.flush()
    named = {event["type"]: event["related_object"] for event in inbox.events}
    assert {kind for kind, related in named.items() if related is None} == {"v1.billing_portal.session.created"}
    kinds = {related["type"] for related in named.values() if related}
    assert len(kinds) == 9
    for related in filter(None, named.values()):
        # The SDK leaves its parameters untyped.
        found = client.raw_request("get", related["url"])  # pyright: ignore[reportUnknownMemberType]
        assert f'"{related["id"]}"' in str(found.body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicate": 101},
        {"reorder": 1_001},
        {"max_retries": 1001},
        {"delay_seconds": 1e9},
        {"timeout_seconds": 1e9},
        {"api_version": "banana"},
    ],
    ids=str,
)
def test_disorder_has_its_limits(box: SandboxServer, wrong: dict[str, object]) -> None:
    """A number that would fill the memory, and a version that never was, are refused, and nothing changes."""
    before = box.control.delivery()
    with pytest.raises(ControlError) as refused:
        box.control.set_delivery(**wrong)
    assert refused.value.status == 400
    assert box.control.delivery() == before


def test_a_late_retry_waits_no_longer_than_the_longest(box: SandboxServer) -> None:
    """The wait doubles up to its cap, however often it was tried: it does not overflow."""
    settings = box.control.delivery()
    assert settings.backoff_seconds(1_100) == settings.backoff_cap_seconds


def test_disorder_is_the_same_again_under_a_seed() -> None:
    """With `random_seed` a reset begins the disorder anew, too: the same events are dropped."""
    with WebhookInbox() as inbox:
        endpoints = (SeedEndpoint(url=inbox.url, secret=SECRET),)
        with SandboxServer(SandboxConfig(random_seed=7, endpoints=endpoints, delivery={"drop": 0.5})) as box:
            client = stripe.StripeClient(box.api_key, base_addresses={"api": box.url})
            arrived: list[list[str]] = []
            for _ in range(2):
                change_something(client, 8)
                box.control.flush()
                arrived.append(sorted(event["data"]["object"]["name"] for event in inbox.events))
                inbox.clear()
                box.control.reset()
    assert arrived[0] == arrived[1]
    assert 0 < len(arrived[0]) < 8
