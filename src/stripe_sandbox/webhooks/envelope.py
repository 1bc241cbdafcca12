"""The event on the wire, in the shape of any API version."""

from typing import Any, Final, cast

from stripe_sandbox.api import versions
from stripe_sandbox.resource import Resource

PENDING: Final = "pending"
SUCCEEDED: Final = "succeeded"
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


def thin(record: Resource, base_url: str) -> Resource:
    """The notification that a destination for thin events gets instead."""
    related: Resource = record["object"]
    return {
        "id": record["id"],
        "object": "v2.core.event",
        "type": f"v1.{record['type']}",
        "created": record["created"],
        "livemode": False,
        "reason": None,
        "related_object": {
            "id": related.get("id"),
            "type": related.get("object"),
            "url": f"{base_url}/v1/{related.get('object')}s/{related.get('id')}",
        },
    }


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
