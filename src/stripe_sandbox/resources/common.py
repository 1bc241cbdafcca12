"""What several resources do alike."""

from typing import Any, Final

from stripe_sandbox.api.errors import ApiError, no_such
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World

_LOCALES: Final = (
    "auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hi-IN hr hu id it ja ko lt lv ms mt nb nl pl pt "
    "pt-BR ro ru sk sl sv th tr vi zh zh-HK zh-TW"
)
LOCALES: Final = tuple(_LOCALES.split())
"""The languages of Stripe's pages; the sandbox's speak English."""
MOST_QUANTITY: Final = 999_999
_LONGEST_TRIAL_DAYS: Final = 730


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
        raise no_such("customer", customer_id, param="customer")
    return row


def own_method(
    world: World, method_id: str | None, customer_id: str, *, param: str = "default_payment_method"
) -> str | None:
    """The payment method a parameter names, which must be the customer's own; None stays None."""
    if method_id is None:
        return None
    if world.get("payment_method", method_id, param=param)["customer"] != customer_id:
        raise ApiError(
            f"The customer does not have a payment method with the ID {method_id}. The payment method must be "
            "attached to the customer.",
            code="resource_missing",
            param=param,
        )
    return method_id


def trial_until(end: int, now: int, *, param: str = "trial_end") -> int:
    """The end of a trial, which must lie ahead, and within two years."""
    if end <= now:
        raise ApiError("Invalid timestamp: must be an integer Unix timestamp in the future.", param=param)
    if end > now + (_LONGEST_TRIAL_DAYS + 1) * DAY_SECONDS:
        raise ApiError(f"A trial can last up to {_LONGEST_TRIAL_DAYS} days.", param=param)
    return end
