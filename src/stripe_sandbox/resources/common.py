"""What several resources do alike."""

from typing import Any

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World


def merge_metadata(row: Resource, changes: dict[str, str] | None) -> None:
    """Unset on None, drop the keys whose value is "", set the others."""
    if changes is None:
        row["metadata"] = {}
        return
    merged = {**row["metadata"], **changes}
    row["metadata"] = {key: value for key, value in merged.items() if value}


def fresh_metadata(params: dict[str, Any]) -> dict[str, str]:
    given: dict[str, str] | None = params.get("metadata")
    return {key: value for key, value in (given or {}).items() if value}


def assign(row: Resource, params: dict[str, Any], *names: str) -> None:
    """Copy the parameters that were given and mean the field of their own name."""
    for name in names:
        if name in params:
            row[name] = params[name]


def deleted(row: Resource) -> Resource:
    return {"id": row["id"], "object": row["object"], "deleted": True}


def live_customer(world: World, customer_id: str) -> Resource:
    """The customer a parameter names; a deleted one is refused as Stripe refuses it."""
    row = world.get("customer", customer_id, param="customer")
    if row.get("deleted"):
        raise ApiError(f"No such customer: '{customer_id}'", code="resource_missing", param="customer", status=400)
    return row
