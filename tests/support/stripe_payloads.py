"""Webhooks as Stripe sends them, in both generations of shapes, and their signatures, made without the SDK."""

import hashlib
import hmac
import json
from typing import Any, Literal

Shape = Literal["before basil", "now"]
SHAPES: tuple[Shape, Shape] = ("before basil", "now")
API_VERSIONS = {"before basil": "2024-06-20", "now": "2026-10-28.endive"}

SECRET = "whsec_c2lnbmVkIGJ5IG5vYm9keSBlbHNl"
CREATED = 1_772_366_400
"""2026-03-01T12:00:00Z."""
PERIOD_END = 1_775_044_800
"""2026-04-01T12:00:00Z."""


def signed(body: bytes, *, at: int, secret: str = SECRET, scheme: str = "v1") -> str:
    """Answer a `Stripe-Signature` header."""
    return f"t={at},{scheme}={signature_of(body, at=at, secret=secret)}"


def signature_of(body: bytes, *, at: int, secret: str = SECRET) -> str:
    """Answer what Stripe puts after `v1=`: https://docs.stripe.com/webhooks#verify-manually."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def event(type_: str, object_: dict[str, Any], *, shape: Shape = "now", **changes: Any) -> bytes:
    """Answer the body of a webhook, with the whole envelope."""
    envelope: dict[str, Any] = {
        "id": "evt_1RqX2eLkdIwHu7ixbQZ8Wj3k",
        "object": "event",
        "api_version": API_VERSIONS[shape],
        "created": CREATED,
        "data": {"object": object_, "previous_attributes": {"status": "trialing"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_Zb2Q8yGkT0aF4m", "idempotency_key": "1f0c9f0e-2f3a-4a55-9d0c-8a2a4b6d5f11"},
        "type": type_,
    }
    return json.dumps({**envelope, **changes}, indent=2).encode()


def subscription(
    shape: Shape = "now", *, period_ends: tuple[int, ...] = (PERIOD_END,), **changes: Any
) -> dict[str, Any]:
    """Answer a subscription with one item for each period end."""
    period = {"current_period_start": CREATED, "current_period_end": min(period_ends, default=PERIOD_END)}
    fields: dict[str, Any] = {
        "id": "sub_1RqX2cLkdIwHu7ixT3vOaXyz",
        "object": "subscription",
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": CREATED,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": "charge_automatically",
        "created": CREATED,
        "currency": "usd",
        "customer": "cus_SlX0aBcDeFgHiJ",
        "default_payment_method": "pm_1RqX2bLkdIwHu7ixNn0QkEwR",
        "description": "Über die Maßen: 値段",
        "discounts": [],
        "items": {
            "object": "list",
            "data": [_item(shape, index, end) for index, end in enumerate(period_ends)],
            "has_more": False,
            "total_count": len(period_ends),
            "url": "/v1/subscription_items?subscription=sub_1RqX2cLkdIwHu7ixT3vOaXyz",
        },
        "latest_invoice": "in_1RqX2cLkdIwHu7ixM0nBvCxZ",
        "livemode": False,
        "metadata": {"account_id": "acct_000000000000000000000001", "tier": "pro"},
        "pause_collection": None,
        "start_date": CREATED - 86_400,
        "status": "active",
        "trial_end": None,
        **(period if shape == "before basil" else {"billing_mode": {"type": "flexible"}}),
    }
    return {**fields, **changes}


def _item(shape: Shape, index: int, period_end: int) -> dict[str, Any]:
    period = {} if shape == "before basil" else {"current_period_start": CREATED, "current_period_end": period_end}
    return {
        "id": f"si_SlX1aBcDeFgHi{index}",
        "object": "subscription_item",
        "created": CREATED,
        "discounts": [],
        "metadata": {},
        "price": {
            "id": f"price_1RqWzzLkdIwHu7ixPro0000{index}",
            "object": "price",
            "active": True,
            "billing_scheme": "per_unit",
            "currency": "usd",
            "metadata": {},
            "product": "prod_SlWx9aBcDeFgHi",
            "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
            "type": "recurring",
            "unit_amount": 2900,
            "unit_amount_decimal": "2900",
        },
        "quantity": 1,
        "subscription": "sub_1RqX2cLkdIwHu7ixT3vOaXyz",
        "tax_rates": [],
        **period,
    }


def checkout_session(**changes: Any) -> dict[str, Any]:
    """Answer a checkout session that completed with a payment."""
    fields: dict[str, Any] = {
        "id": "cs_test_a1" + "B2c3D4e5" * 7,
        "object": "checkout.session",
        "amount_total": 2900,
        "client_reference_id": "acct_000000000000000000000001",
        "created": CREATED - 60,
        "currency": "usd",
        "customer": "cus_SlX0aBcDeFgHiJ",
        "customer_details": {"email": "ada@example.com", "name": "Ada", "tax_ids": []},
        "expires_at": CREATED + 80_000,
        "invoice": "in_1RqX2cLkdIwHu7ixM0nBvCxZ",
        "livemode": False,
        "metadata": {"account_id": "acct_000000000000000000000001", "tier": "pro"},
        "mode": "subscription",
        "payment_status": "paid",
        "status": "complete",
        "subscription": "sub_1RqX2cLkdIwHu7ixT3vOaXyz",
        "url": None,
    }
    return {**fields, **changes}


def invoice(shape: Shape = "now", *, of: Any = "sub_1RqX2cLkdIwHu7ixT3vOaXyz", **changes: Any) -> dict[str, Any]:
    """Answer an invoice of a subscription, or with `of=None` a one-off invoice."""
    details = None if of is None else {"type": "subscription_details", "subscription_details": {"subscription": of}}
    fields: dict[str, Any] = {
        "id": "in_1RqX2cLkdIwHu7ixM0nBvCxZ",
        "object": "invoice",
        "amount_due": 2900,
        "attempt_count": 1,
        "billing_reason": "manual" if of is None else "subscription_cycle",
        "customer": "cus_SlX0aBcDeFgHiJ",
        "lines": {"object": "list", "data": [], "has_more": False, "url": "/v1/invoices/in_1/lines"},
        "metadata": {},
        "status": "open",
        **({"subscription": of} if shape == "before basil" else {"parent": details}),
    }
    return {**fields, **changes}


def customer(**changes: Any) -> dict[str, Any]:
    """Answer a customer."""
    fields: dict[str, Any] = {
        "id": "cus_SlX0aBcDeFgHiJ",
        "object": "customer",
        "created": CREATED,
        "email": "ada@example.com",
        "livemode": False,
        "metadata": {"account_id": "acct_000000000000000000000001"},
        "name": "Ada",
    }
    return {**fields, **changes}
