"""Every operation of the API, by method and path."""

from typing import Final

from stripe_sandbox.api.operation import Operation
from stripe_sandbox.resources import (
    checkout_sessions,
    customers,
    events,
    invoices,
    payment_methods,
    portal,
    prices,
    products,
    subscriptions,
    test_clocks,
    webhook_endpoints,
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    *customers.OPERATIONS,
    *products.OPERATIONS,
    *prices.OPERATIONS,
    *checkout_sessions.OPERATIONS,
    *portal.OPERATIONS,
    *subscriptions.OPERATIONS,
    *invoices.OPERATIONS,
    *payment_methods.OPERATIONS,
    *events.OPERATIONS,
    *webhook_endpoints.OPERATIONS,
    *test_clocks.OPERATIONS,
)
_ID: Final = "{id}"
_NOT_IDS: Final = frozenset({"", "create_preview", "search", "upcoming"})
"""What stands in an id's place in addresses of Stripe's that are not here; an id is never empty."""


def _by_shape() -> dict[tuple[str, int], list[tuple[list[str], Operation]]]:
    shapes: dict[tuple[str, int], list[tuple[list[str], Operation]]] = {}
    for entry in OPERATIONS:
        parts = entry.path.split("/")
        shapes.setdefault((entry.method, len(parts)), []).append((parts, entry))
    return shapes


_SHAPES: Final = _by_shape()


def route(method: str, path: str, version: str) -> tuple[Operation, str] | None:
    """The operation a request addresses and the id in its path; None where this API version has none."""
    given = path.split("/")
    for parts, entry in _SHAPES.get((method, len(given)), ()):
        if entry.since <= version and all(part in (_ID, word) for part, word in zip(parts, given, strict=True)):
            target = given[parts.index(_ID)] if _ID in parts else None
            if target in _NOT_IDS:
                return None
            return entry, "" if target is None else target.replace("%2F", "/")
    return None
