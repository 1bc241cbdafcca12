"""Every object carries what the installed SDK's own types declare as always present.

The list is derived from those types, so it follows the SDK when it is upgraded.
"""

import inspect
import typing
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

import httpx
import pytest
import stripe

from stripe_sandbox.testing import SandboxServer, WebhookInbox

Json = dict[str, Any]


def always_present(kind: type[stripe.StripeObject]) -> Iterator[tuple[str, object]]:
    """The fields of an SDK type that may not be null, with their types.

    `Optional` marks those that may be null or absent; the names in lower case are Stripe's fields.
    """
    for name, hint in kind.__annotations__.items():
        if name.islower() and not name.startswith("_") and not is_nullable(hint):
            yield name, hint


def is_nullable(hint: object) -> bool:
    """A few annotations stand as text, where the SDK guards against names of its own fields."""
    if isinstance(hint, str):
        return hint.lstrip().startswith("Optional[")
    origin: object = get_origin(hint)
    return origin is Union and type(None) in get_args(hint)


def missing(kind: type[stripe.StripeObject], row: Json, where: str) -> list[str]:
    """What a JSON object lacks, in groups within it too."""
    lacks: list[str] = []
    for name, hint in always_present(kind):
        value = row.get(name)
        if value is None:
            lacks.append(f"{where}.{name}")
        elif isinstance(value, dict) and (inner := group_type(hint)) is not None:
            lacks.extend(missing(inner, typing.cast("Json", value), f"{where}.{name}"))
    lacks.extend(lacking_in_optional(kind, row, where))
    return lacks


def lacking_in_optional(kind: type[stripe.StripeObject], row: Json, where: str) -> Iterator[str]:
    """A nullable group that is there must be whole as well."""
    for name, hint in kind.__annotations__.items():
        value = row.get(name)
        origin: object = get_origin(hint)
        if origin is not Union or not isinstance(value, dict):
            continue
        groups = [inner for option in get_args(hint) if (inner := group_type(option)) is not None]
        if len(groups) == 1:
            yield from missing(groups[0], typing.cast("Json", value), f"{where}.{name}")


def group_type(hint: object) -> type[stripe.StripeObject] | None:
    if inspect.isclass(hint) and issubclass(hint, stripe.StripeObject):
        return hint if any(always_present(hint)) else None
    return None


def test_the_derivation_sees_what_it_should() -> None:
    """Fields known to be always present are derived, in groups too, and nullable ones are not."""
    names = dict(always_present(stripe.Subscription))
    assert {"id", "status", "items", "billing_mode", "start_date"} <= names.keys()
    assert not {"cancel_at", "trial_end"} & names.keys()
    lacks = missing(stripe.Subscription, {"id": "sub_1", "billing_mode": {}}, "subscription")
    assert {"subscription.status", "subscription.billing_mode.type"} <= set(lacks)
    assert "subscription.id" not in lacks


@pytest.fixture
def world(client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription) -> dict[str, Json]:
    """One object of each kind as plain JSON, from the API itself."""
    customer = str(subscription.customer)
    portal = client.v1.billing_portal.sessions.create(
        {
            "customer": customer,
            "flow_data": {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription.id}},
        }
    )
    endpoint = client.v1.webhook_endpoints.list().data[0]
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_800_000_000})
    box.control.pause(subscription.id)

    def get(path: str) -> Json:
        answer = httpx.get(f"{box.url}{path}", headers={"Authorization": f"Bearer {box.api_key}"})
        found: Json = answer.raise_for_status().json()
        return found

    session = get("/v1/checkout/sessions")["data"][0]
    found = get(f"/v1/subscriptions/{subscription.id}")
    invoice = get(f"/v1/invoices/{subscription.latest_invoice}")
    return {
        "customer": get(f"/v1/customers/{customer}"),
        "product": get("/v1/products")["data"][0],
        "price": get("/v1/prices/price_pro"),
        "session": session,
        "line_item": get(f"/v1/checkout/sessions/{session['id']}/line_items")["data"][0],
        "subscription": found,
        "item": found["items"]["data"][0],
        "plan": found["items"]["data"][0]["plan"],
        "invoice": invoice,
        "invoice_line": invoice["lines"]["data"][0],
        "payment_method": get(f"/v1/payment_methods/{subscription.default_payment_method}"),
        "portal": portal.to_dict(),
        "configuration": get("/v1/billing_portal/configurations")["data"][0],
        "endpoint": get(f"/v1/webhook_endpoints/{endpoint.id}"),
        "clock": get(f"/v1/test_helpers/test_clocks/{clock.id}"),
        "event": get("/v1/events?type=customer.subscription.updated")["data"][0],
    }


KINDS: dict[str, type[stripe.StripeObject]] = {
    "customer": stripe.Customer,
    "product": stripe.Product,
    "price": stripe.Price,
    "session": stripe.checkout.Session,
    "line_item": stripe.LineItem,
    "subscription": stripe.Subscription,
    "item": stripe.SubscriptionItem,
    "plan": stripe.Plan,
    "invoice": stripe.Invoice,
    "invoice_line": stripe.InvoiceLineItem,
    "payment_method": stripe.PaymentMethod,
    "portal": stripe.billing_portal.Session,
    "configuration": stripe.billing_portal.Configuration,
    "endpoint": stripe.WebhookEndpoint,
    "clock": stripe.test_helpers.TestClock,
}


def test_every_object_is_complete(world: dict[str, Json]) -> None:
    """No object the API answers lacks a field that its SDK type declares as always present."""
    lacks = [name for kind in KINDS for name in missing(KINDS[kind], world[kind], kind)]
    assert lacks == []


def test_no_object_has_fields_the_sdk_does_not_know(world: dict[str, Json]) -> None:
    """In the pinned version's shape no field stands that this version does not have."""
    strange = [f"{kind}.{name}" for kind in KINDS for name in world[kind] if name not in KINDS[kind].__annotations__]
    assert strange == []


def test_every_event_is_complete(world: dict[str, Json]) -> None:
    """The envelope has all its fields, and the object inside is as complete as the API's own."""
    event = world["event"]
    envelope = {"id", "object", "api_version", "created", "data", "livemode", "pending_webhooks", "request", "type"}
    assert event.keys() == envelope
    assert missing(stripe.Subscription, event["data"]["object"], "data.object") == []
    assert "previous_attributes" in event["data"]


def test_every_webhook_of_a_purchase_is_complete(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """Each webhook that a purchase sends carries a complete object of its kind."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
        }
    )
    box.control.pay(session.id)
    box.control.flush()
    by_object: dict[object, str] = {"checkout.session": "session"}
    objects = [event["data"]["object"] for event in inbox.events]
    lacks = [
        name
        for row in objects
        for name in missing(KINDS[by_object.get(row["object"], str(row["object"]))], row, row["object"])
    ]
    assert len(objects) == 8
    assert lacks == []


def test_id_forms(world: dict[str, Json]) -> None:
    """Ids have the prefixes and lengths that Stripe's have."""
    lengths = {
        "customer": ("cus_", 14),
        "product": ("prod_", 14),
        "item": ("si_", 14),
        "subscription": ("sub_1", 23),
        "invoice": ("in_1", 23),
        "event": ("evt_1", 23),
        "portal": ("bps_1", 23),
        "configuration": ("bpc_1", 23),
        "endpoint": ("we_1", 23),
        "session": ("cs_test_a1", 56),
    }
    for kind, (prefix, rest) in lengths.items():
        found = world[kind]["id"]
        assert found.startswith(prefix), kind
        assert len(found) == len(prefix) + rest, kind
