"""What Stripe does and the sandbox does not is refused in so many words where ignoring it would mislead."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import stripe

LINE = {"price": "price_pro", "quantity": 1}
COUPON = [{"coupon": "half"}]
SESSION: dict[str, Any] = {"mode": "subscription", "success_url": "https://example.com/", "line_items": [LINE]}


def param_of(error: stripe.InvalidRequestError) -> str:
    """The parameter that a refusal names."""
    return cast("dict[str, dict[str, str]]", error.json_body)["error"]["param"]


@pytest.mark.parametrize(
    ("path", "params", "param"),
    [
        ("subscriptions", {"collection_method": "send_invoice", "days_until_due": 5}, "collection_method"),
        ("subscriptions", {"days_until_due": 5}, "days_until_due"),
        ("subscriptions", {"discounts": COUPON}, "discounts"),
        ("subscriptions", {"items": [{**LINE, "discounts": COUPON}]}, "items[0][discounts]"),
        ("subscriptions", {"add_invoice_items": [LINE]}, "add_invoice_items"),
        ("subscriptions/{subscription}", {"collection_method": "send_invoice"}, "collection_method"),
        ("subscriptions/{subscription}", {"discounts": COUPON}, "discounts"),
        ("checkout/sessions", {**SESSION, "discounts": COUPON}, "discounts"),
        ("checkout/sessions", {**SESSION, "shipping_options": [{"shipping_rate": "shr_1"}]}, "shipping_options"),
        (
            "billing_portal/sessions",
            {
                "flow_data": {
                    "type": "subscription_cancel",
                    "subscription_cancel": {
                        "subscription": "{subscription}",
                        "retention": {"type": "coupon_offer", "coupon_offer": {"coupon": "half"}},
                    },
                }
            },
            "flow_data[subscription_cancel][retention]",
        ),
        (
            "billing_portal/sessions",
            {
                "flow_data": {
                    "type": "subscription_update_confirm",
                    "subscription_update_confirm": {
                        "subscription": "{subscription}",
                        "items": [{"id": "si_1", **LINE}],
                        "discounts": COUPON,
                    },
                }
            },
            "flow_data[subscription_update_confirm][discounts]",
        ),
    ],
)
def test_what_would_mislead_is_refused(
    raw: Callable[..., object], subscription: stripe.Subscription, path: str, params: dict[str, Any], param: str
) -> None:
    """Invoices by mail, coupons, extra charges and shipping are 400s that name the parameter and the sandbox."""
    given = dict(params)
    if path in {"subscriptions", "billing_portal/sessions"}:
        given["customer"] = str(subscription.customer)
    if path == "subscriptions":
        given.setdefault("items", [LINE])
    with pytest.raises(stripe.InvalidRequestError, match="The sandbox does not do this") as caught:
        raw("post", f"/v1/{path}".replace("{subscription}", subscription.id), **given)
    assert caught.value.http_status == 400
    assert param_of(caught.value) == param


def test_what_asks_for_nothing_is_taken(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """An empty list of discounts, and the way of charging that is done, are no news."""
    same = client.v1.subscriptions.update(
        subscription.id, {"discounts": "", "collection_method": "charge_automatically"}
    )
    assert (same.discounts, same.collection_method) == ([], "charge_automatically")
