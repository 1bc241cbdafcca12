"""Subscriptions and their items."""

from typing import Final

from stripe_sandbox.objects.catalogue import plan_of
from stripe_sandbox.resource import Resource, snapshot

ENDED: Final = frozenset({"canceled", "incomplete_expired"})
"""The states that nothing leads out of."""


def subscription(subscription_id: str, *, customer_id: str, currency: str, created: int, billing_mode: str) -> Resource:
    return {
        "id": subscription_id,
        "object": "subscription",
        **_billing(created),
        **_ending(),
        **_paying(),
        **_trial(),
        "application": None,
        "application_fee_percent": None,
        "billing_mode": _billing_mode(billing_mode, created),
        "created": created,
        "currency": currency,
        "customer": customer_id,
        "customer_account": None,
        "description": None,
        "items": {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": ""},
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "on_behalf_of": None,
        "start_date": created,
        "status": "incomplete",
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
    }


def _billing(created: int) -> Resource:
    return {
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": created,
        "billing_cycle_anchor_config": None,
        "billing_schedules": [],
        "billing_thresholds": None,
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "latest_invoice": None,
        "next_pending_invoice_item_invoice": None,
        "pending_invoice_item_interval": None,
        "pending_update": None,
        "schedule": None,
    }


def _ending() -> Resource:
    return {
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "feedback_option": None, "reason": None},
        "ended_at": None,
    }


def _paying() -> Resource:
    return {
        "collection_method": "charge_automatically",
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_setup_intent": None,
    }


def _trial() -> Resource:
    return {
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def _billing_mode(mode: str, created: int) -> Resource:
    if mode == "classic":
        return {"flexible": None, "type": "classic"}
    return {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": created}


def subscription_item(
    item_id: str,
    *,
    subscription_id: str,
    price: Resource,
    quantity: int,
    created: int,
    period: tuple[int, int],
) -> Resource:
    return {
        "id": item_id,
        "object": "subscription_item",
        "billed_until": period[1],
        "billing_thresholds": None,
        "created": created,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": snapshot(price),
        "quantity": quantity,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def set_items(row: Resource, items: list[Resource]) -> None:
    row["items"] = {
        "object": "list",
        "data": items,
        "has_more": False,
        "total_count": len(items),
        "url": f"/v1/subscription_items?subscription={row['id']}",
    }


def items_of(row: Resource) -> list[Resource]:
    items: list[Resource] = row["items"]["data"]
    return items


def period_of(row: Resource) -> tuple[int, int]:
    """Start and end of the running period; the earliest end where items differ, as Stripe advises."""
    items = items_of(row)
    return min(item["current_period_start"] for item in items), min(item["current_period_end"] for item in items)
