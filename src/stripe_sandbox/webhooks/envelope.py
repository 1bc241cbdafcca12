"""The event on the wire, in the shape of any API version."""

from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import quote

from stripe_sandbox.api import versions
from stripe_sandbox.resource import Resource

PENDING: Final = "pending"
SUCCEEDED: Final = "succeeded"
_PATHS: Final = {
    "billing_portal.configuration": "billing_portal/configurations",
    "checkout.session": "checkout/sessions",
    "customer": "customers",
    "invoice": "invoices",
    "payment_method": "payment_methods",
    "price": "prices",
    "product": "products",
    "subscription": "subscriptions",
    "test_helpers.test_clock": "test_helpers/test_clocks",
}
"""Where objects of a kind are fetched."""
FAILED: Final = "failed"


def envelope(record: Resource, version: str) -> Resource:
    """A snapshot event as `GET /v1/events` and webhooks show it."""
    data: Resource = {"object": versions.render(record["object"], version)}
    if record["previous"] is not None:
        before = versions.render({**record["object"], **record["previous"]}, version)
        data["previous_attributes"] = _difference(before, data["object"])
    return {
        "id": record["id"],
        "object": "event",
        "api_version": version,
        "created": record["created"],
        "data": data,
        "livemode": False,
        "pending_webhooks": len(undelivered(record)),
        "request": record["request"],
        "type": record["type"],
    }


def thin(record: Resource) -> Resource:
    """The notification that a destination for thin events gets: https://docs.stripe.com/api/v2/core/events/object."""
    request: Resource = record["request"]
    return {
        "id": record["id"],
        "object": "v2.core.event",
        "type": f"v1.{record['type']}",
        "created": f"{datetime.fromtimestamp(record['created'], UTC):%Y-%m-%dT%H:%M:%S}.000Z",
        "livemode": False,
        "context": None,
        "reason": None if request["id"] is None else {"type": "request", "request": request},
        "related_object": _related(record["object"]),
    }


def _related(resource: Resource) -> Resource | None:
    """Where the object can be fetched; nothing for what has no address of its own."""
    kind, key = resource.get("object"), resource.get("id")
    if not isinstance(kind, str) or not isinstance(key, str) or kind not in _PATHS:
        return None
    return {"id": key, "type": kind, "url": f"/v1/{_PATHS[kind]}/{quote(key, safe='')}"}


def undelivered(record: Resource) -> list[str]:
    """The endpoints that have not acknowledged the event."""
    deliveries: dict[str, str] = record["deliveries"]
    return [endpoint for endpoint, state in deliveries.items() if state != SUCCEEDED]


def _difference(before: Resource, after: Resource) -> Resource:
    """What `previous_attributes` shows: changed fields' old values, of groups only the changed part."""
    previous: Resource = {}
    for key, old in before.items():
        new: Any = after.get(key)
        if old == new and key in after:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and "object" not in old:
            previous[key] = _difference(cast("Resource", old), cast("Resource", new))
        elif isinstance(old, dict) and isinstance(new, dict):
            previous[key] = {name: value for name, value in cast("Resource", old).items() if name == "data"}
        else:
            previous[key] = old
    previous.update({key: None for key in after if key not in before})
    return previous
