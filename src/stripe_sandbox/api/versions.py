"""Stripe's API versions: which there are, and how an object looked before each change.

Objects are kept in the newest shape. Each change below takes an object back over one release, as Stripe's
own version gates do: https://docs.stripe.com/changelog.
"""

import re
from collections.abc import Callable
from typing import Any, Final, cast

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import Resource, is_list, part, snapshot

ACACIA: Final = "2024-09-30.acacia"
BASIL: Final = "2025-03-31.basil"
CLOVER: Final = "2025-09-30.clover"
DAHLIA: Final = "2026-03-25.dahlia"
ENDIVE: Final = "2026-09-30.endive"

_VERSION: Final = re.compile(r"^\d{4}-\d{2}-\d{2}(?:\.([a-z]+))?$")
_RELEASES: Final = {
    "acacia": ("2024-09-30", "2024-10-28", "2024-11-20", "2024-12-18", "2025-01-27", "2025-02-24"),
    "basil": ("2025-03-31", "2025-04-30", "2025-05-28", "2025-06-30", "2025-07-30", "2025-08-27"),
    "clover": ("2025-09-30", "2025-10-29", "2025-11-17", "2025-12-15", "2026-01-28", "2026-02-25"),
    "dahlia": ("2026-03-25", "2026-04-22", "2026-05-27", "2026-06-24", "2026-07-29", "2026-08-26"),
    "endive": ("2026-09-30", "2026-10-28"),
}
"""By major release; before acacia, versions were dates alone."""


def check(version: str) -> str:
    """The version itself, or Stripe's refusal of one that never was."""
    match = _VERSION.match(version)
    if match is None or not _plausible(version, match[1]):
        raise ApiError(f"Invalid Stripe API version: {version}")
    return version


def _plausible(version: str, name: str | None) -> bool:
    date = version[:10]
    if name is None:
        return date < _RELEASES["acacia"][0]
    if date > _RELEASES["endive"][-1]:
        # A release from after this was written: newer SDKs must not be shut out, and get the newest shape.
        return True
    return name == "preview" or date in _RELEASES.get(name, ())


def default_billing_mode(version: str) -> str:
    """Flexible billing is the default for subscriptions made through clover and later."""
    return "flexible" if version >= CLOVER else "classic"


def render(resource: Resource, version: str) -> Resource:
    """The object in the shape of a version; the object itself where that is the newest."""
    if version >= ENDIVE:
        return resource
    copy = snapshot(resource)
    _walk(copy, [change for since, change in _CHANGES if version < since])
    return copy


def _walk(value: Any, changes: list[Callable[[Resource], None]]) -> None:
    if isinstance(value, dict):
        resource = cast("Resource", value)
        for child in resource.values():
            _walk(child, changes)
        if "object" in resource:
            for change in changes:
                change(resource)
    elif is_list(value):
        for child in value:
            _walk(child, changes)


def _before_endive(row: Resource) -> None:
    if row["object"] == "subscription":
        row.pop("status_details", None)


def _before_dahlia(row: Resource) -> None:
    old = {"hosted_page": "hosted", "embedded_page": "embedded", "elements": "custom"}
    if row["object"] == "checkout.session" and row.get("ui_mode") in old:
        row["ui_mode"] = old[row["ui_mode"]]


def _before_basil(row: Resource) -> None:
    match row["object"]:
        case "subscription":
            _subscription_before_basil(row)
        case "invoice":
            _invoice_before_basil(row)
        case "line_item":
            _line_before_basil(row)
        case _:
            pass


def _subscription_before_basil(row: Resource) -> None:
    """The period stood on the subscription, with the plan and quantity of its only item."""
    items: list[Resource] = part(row, "items").get("data") or []
    if not all("current_period_end" in item for item in items) or not items:
        # A hand-made event may hold anything.
        return
    row["current_period_start"] = min(item.get("current_period_start", 0) for item in items)
    row["current_period_end"] = min(item["current_period_end"] for item in items)
    row["discount"] = None
    single = items[0] if len(items) == 1 else None
    row["plan"] = single.get("plan") if single else None
    row["quantity"] = single.get("quantity") if single else None
    for name in ("billing_mode", "billing_schedules", "managed_payments"):
        row.pop(name, None)
    for item in items:
        for name in ("billed_until", "current_period_start", "current_period_end"):
            item.pop(name, None)


def _invoice_before_basil(row: Resource) -> None:
    details = part(row, "parent", "subscription_details")
    row["subscription"] = details.get("subscription")
    row.pop("parent", None)
    row["subscription_details"] = {"metadata": details.get("metadata")} if details else None
    row["paid"] = row.get("status") == "paid"
    row["paid_out_of_band"] = False
    row["charge"] = row["payment_intent"] = row["quote"] = row["tax"] = None
    row["discount"] = None
    row["total_tax_amounts"] = row.pop("total_taxes", [])
    row.pop("amount_overpaid", None)


def _line_before_basil(row: Resource) -> None:
    pricing = part(row, "pricing", "price_details")
    parent = part(row, "parent", "subscription_item_details")
    row.pop("parent", None)
    row["type"] = "subscription" if parent else "invoiceitem"
    # All of the price that a line of today still tells; its rhythm is not among it.
    row["price"] = {
        "id": pricing.get("price"),
        "object": "price",
        "billing_scheme": "per_unit",
        "currency": row.get("currency"),
        "product": pricing.get("product"),
        "unit_amount_decimal": part(row, "pricing").get("unit_amount_decimal"),
    }
    row.pop("pricing", None)
    row["subscription_item"] = parent.get("subscription_item")
    row["proration"] = parent.get("proration", False)
    row["tax_amounts"] = row.pop("taxes", [])


_CHANGES: Final[tuple[tuple[str, Callable[[Resource], None]], ...]] = (
    (ENDIVE, _before_endive),
    (DAHLIA, _before_dahlia),
    (BASIL, _before_basil),
)
