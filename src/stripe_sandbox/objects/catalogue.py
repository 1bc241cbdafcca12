"""Products, prices and the plan that a price is shown as on a subscription's item."""

from stripe_sandbox.resource import Resource


def product(product_id: str, *, name: str, created: int) -> Resource:
    return {
        "id": product_id,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": created,
        "url": None,
    }


def price(
    price_id: str, *, product_id: str, currency: str, unit_amount: int, recurring: Resource | None, created: int
) -> Resource:
    return {
        "id": price_id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product_id,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time" if recurring is None else "recurring",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
    }


def recurring(*, interval: str, interval_count: int = 1, trial_period_days: int | None = None) -> Resource:
    return {
        "interval": interval,
        "interval_count": interval_count,
        "meter": None,
        "trial_period_days": trial_period_days,
        "usage_type": "licensed",
    }


def plan_of(price_row: Resource) -> Resource:
    """The deprecated twin of a recurring price, which subscription items still carry."""
    rhythm = price_row["recurring"]
    return {
        "id": price_row["id"],
        "object": "plan",
        "active": price_row["active"],
        "amount": price_row["unit_amount"],
        "amount_decimal": price_row["unit_amount_decimal"],
        "billing_scheme": price_row["billing_scheme"],
        "created": price_row["created"],
        "currency": price_row["currency"],
        "interval": rhythm["interval"],
        "interval_count": rhythm["interval_count"],
        "livemode": False,
        "metadata": price_row["metadata"],
        "meter": None,
        "nickname": price_row["nickname"],
        "product": price_row["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": rhythm["trial_period_days"],
        "usage_type": rhythm["usage_type"],
    }
