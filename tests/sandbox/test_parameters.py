"""Parameters: every name the SDK knows is known, values are checked, and what can be unset can be unset."""

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import stripe
from stripe.params import billing_portal, checkout, test_helpers

from stripe_sandbox.api.operation import Operation
from stripe_sandbox.api.params import Array, ChoiceOr, Clearable, Fields
from stripe_sandbox.resources.event_types import EVENT_TYPES
from stripe_sandbox.resources.routes import OPERATIONS

DECLARED: dict[str, object] = {
    "POST /v1/customers": stripe.params.CustomerCreateParams,
    "GET /v1/customers": stripe.params.CustomerListParams,
    "POST /v1/customers/{id}": stripe.params.CustomerUpdateParams,
    "POST /v1/products": stripe.params.ProductCreateParams,
    "GET /v1/products": stripe.params.ProductListParams,
    "POST /v1/products/{id}": stripe.params.ProductUpdateParams,
    "POST /v1/prices": stripe.params.PriceCreateParams,
    "GET /v1/prices": stripe.params.PriceListParams,
    "POST /v1/prices/{id}": stripe.params.PriceUpdateParams,
    "POST /v1/checkout/sessions": checkout.SessionCreateParams,
    "GET /v1/checkout/sessions": checkout.SessionListParams,
    "POST /v1/checkout/sessions/{id}": checkout.SessionUpdateParams,
    "GET /v1/checkout/sessions/{id}/line_items": checkout.SessionListLineItemsParams,
    "POST /v1/billing_portal/sessions": billing_portal.SessionCreateParams,
    "POST /v1/billing_portal/configurations": billing_portal.ConfigurationCreateParams,
    "GET /v1/billing_portal/configurations": billing_portal.ConfigurationListParams,
    "POST /v1/billing_portal/configurations/{id}": billing_portal.ConfigurationUpdateParams,
    "POST /v1/subscriptions": stripe.params.SubscriptionCreateParams,
    "GET /v1/subscriptions": stripe.params.SubscriptionListParams,
    "POST /v1/subscriptions/{id}": stripe.params.SubscriptionUpdateParams,
    "DELETE /v1/subscriptions/{id}": stripe.params.SubscriptionCancelParams,
    "POST /v1/subscriptions/{id}/pause": stripe.params.SubscriptionPauseParams,
    "POST /v1/subscriptions/{id}/resume": stripe.params.SubscriptionResumeParams,
    "GET /v1/invoices": stripe.params.InvoiceListParams,
    "GET /v1/invoices/{id}/lines": stripe.params.InvoiceListLinesParams,
    "POST /v1/invoices/{id}/pay": stripe.params.InvoicePayParams,
    "POST /v1/invoices/{id}/void": stripe.params.InvoiceVoidInvoiceParams,
    "GET /v1/payment_methods": stripe.params.PaymentMethodListParams,
    "GET /v1/events": stripe.params.EventListParams,
    "POST /v1/webhook_endpoints": stripe.params.WebhookEndpointCreateParams,
    "GET /v1/webhook_endpoints": stripe.params.WebhookEndpointListParams,
    "POST /v1/webhook_endpoints/{id}": stripe.params.WebhookEndpointUpdateParams,
    "POST /v1/test_helpers/test_clocks": test_helpers.TestClockCreateParams,
    "GET /v1/test_helpers/test_clocks": test_helpers.TestClockListParams,
    "POST /v1/test_helpers/test_clocks/{id}/advance": test_helpers.TestClockAdvanceParams,
}
"""The SDK's own lists; reading one object and deleting it take no parameters but `expand`."""
OPTIONS = frozenset(stripe.RequestOptions.__annotations__) | {"headers"}
"""What the SDK's older calls take beside parameters."""


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def group_in(check: object) -> Fields | None:
    """The named parameters within a check, through arrays and what may be unset."""
    if isinstance(check, Fields):
        return check
    return group_in(check.inner) if isinstance(check, (Array, Clearable, ChoiceOr)) else None


def inner_type(hint: object, around: type) -> type | None:
    """The SDK's type of a nested group, which its annotations name as text."""
    names = vars(sys.modules[around.__module__])
    found = (names.get(word) for word in re.findall(r"\w+Params\w+", str(hint)))
    return next((kind for kind in found if isinstance(kind, type)), None)


def unknown(fields: Fields, declared: Any, where: str = "") -> Iterator[str]:
    """The SDK's names that a group of the sandbox's parameters lacks, in the groups within it too."""
    for name, hint in declared.__annotations__.items():
        if name in OPTIONS and not where:
            continue
        if name not in fields.checks:
            yield where + name
            continue
        inner, kind = group_in(fields.checks[name]), inner_type(hint, declared)
        if inner is not None and kind is not None:
            yield from unknown(inner, kind, f"{where}{name}.")


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_every_parameter_of_the_sdk_is_known(operation: Operation) -> None:
    """What the pinned SDK can send is taken, ignored, or refused for what it is; never as unknown."""
    declared = DECLARED.get(name_of(operation))
    if declared is None:
        assert operation.params.checks.keys() == {"expand"}
    else:
        assert list(unknown(operation.params, declared)) == []


def test_the_derivation_sees_what_is_missing() -> None:
    """A name that is not declared by the sandbox is found, at the top and within."""
    lacks = list(unknown(Fields({"shipping": Fields({"name": str})}), stripe.params.CustomerCreateParams))
    assert {"email", "shipping.address"} <= set(lacks)


def test_every_event_type_of_the_sdk_can_be_asked_for() -> None:
    """The names an endpoint can enable are those of the pinned SDK."""
    declared = str(stripe.params.WebhookEndpointCreateParams.__annotations__["enabled_events"])
    assert set(re.findall(r"'([a-z0-9_]+\.[a-z0-9_.]+)'", declared)) == EVENT_TYPES


@pytest.mark.parametrize(
    ("path", "params", "param"),
    [
        ("/v1/customers", {"email": "nonsense"}, "email"),
        ("/v1/checkout/sessions", {"success_url": "nonsense", "mode": "setup"}, "success_url"),
        ("/v1/checkout/sessions", {"success_url": "https://x.test/", "mode": "setup", "locale": "xx"}, "locale"),
        ("/v1/prices", {"currency": "eur", "tiers_mode": "graduated"}, "tiers_mode"),
        ("/v1/products/{product}", {"default_price": "price_none"}, "default_price"),
        ("/v1/products/{product}", {"default_price": "price_enterprise"}, "default_price"),
    ],
)
def test_values_that_cannot_be_are_refused(
    client: stripe.StripeClient, raw: Callable[..., object], path: str, params: dict[str, str], param: str
) -> None:
    """An address without a scheme, a mail without an at, a tongue nobody speaks, and tiers are 400s with their name."""
    product = str(client.v1.prices.retrieve("price_pro").product)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        raw("post", path.replace("{product}", product), **params)
    body = cast("dict[str, dict[str, str]]", caught.value.json_body)
    assert (caught.value.http_status, body["error"]["param"]) == (400, param)


def test_what_was_set_can_be_unset(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """An empty string takes back metadata, a default card, a headline."""
    session = client.v1.checkout.sessions.list().data[0].id
    for given, left in (({"a": "1", "b": "2"}, {"a": "1", "b": "2"}), ({"a": ""}, {"b": "2"})):
        changed = client.v1.checkout.sessions.update(session, {"metadata": given})
        assert changed.metadata is not None
        assert changed.metadata.to_dict() == left
    emptied = client.v1.checkout.sessions.update(session, {"metadata": ""})
    assert emptied.metadata is not None
    assert emptied.metadata.to_dict() == {}
    assert (
        client.v1.subscriptions.update(subscription.id, {"default_payment_method": ""}).default_payment_method is None
    )
    (portal,) = client.v1.billing_portal.configurations.list().data
    for headline, shown in (("Ours", "Ours"), ("", None)):
        changed_portal = client.v1.billing_portal.configurations.update(
            portal.id, {"business_profile": {"headline": headline}}
        )
        assert changed_portal.business_profile.headline == shown


def test_lists_within_an_object_page_as_well(client: stripe.StripeClient) -> None:
    """A session's line items and an invoice's lines take limits and cursors, and refuse one that is none."""
    prices = ("price_pro", "price_enterprise", "price_pro_yearly")
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": price, "quantity": 1} for price in prices],
            "success_url": "https://example.com/thanks",
        }
    )
    items = client.v1.checkout.sessions.line_items
    first = items.list(session.id, {"limit": 2})
    assert ([row.price.id for row in first.data if row.price], first.has_more) == (list(prices[:2]), True)
    assert [row.price.id for row in first.auto_paging_iter() if row.price] == list(prices)
    after = items.list(session.id, {"starting_after": first.data[0].id})
    assert [row.price.id for row in after.data if row.price] == list(prices[1:])
    before = items.list(session.id, {"ending_before": first.data[1].id})
    assert [row.price.id for row in before.data if row.price] == [prices[0]]
    with pytest.raises(stripe.InvalidRequestError, match="No such line item"):
        items.list(session.id, {"starting_after": "li_none"})


def test_the_lines_of_an_invoice_page(client: stripe.StripeClient, subscription: stripe.Subscription) -> None:
    """An unknown cursor is refused there, too."""
    invoice = str(subscription.latest_invoice)
    (line,) = client.v1.invoices.line_items.list(invoice, {"limit": 1}).data
    assert client.v1.invoices.line_items.list(invoice, {"starting_after": line.id}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such line item"):
        client.v1.invoices.line_items.list(invoice, {"starting_after": "il_none"})
