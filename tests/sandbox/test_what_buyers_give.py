"""What cannot be is refused where it comes in: an address, a currency, a portal's page for what it does not offer."""

from collections.abc import Callable
from typing import cast

import httpx
import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.testing import SandboxServer


def param_of(error: stripe.InvalidRequestError) -> str:
    """The parameter that a refusal names."""
    return cast("dict[str, dict[str, str]]", error.json_body)["error"]["param"]


@pytest.mark.parametrize("address", ["bad", "a" * 600 + "@example.com", "a\x00@example.com"])
def test_nobody_pays_under_an_address_that_is_none(
    client: stripe.StripeClient, box: SandboxServer, address: str
) -> None:
    """By the call and on the page, a wrong e-mail address makes no customer, and the session stays open."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "success_url": "https://example.com/",
            "line_items": [{"price": "price_pro", "quantity": 1}],
        }
    )
    with pytest.raises(ControlError, match=r"Invalid (email|string)"):
        box.control.pay(session.id, email=address)
    assert httpx.post(str(session.url), data={"card": "succeeds", "email": address}).status_code < 500
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert client.v1.customers.list().data == []


@pytest.mark.parametrize("currency", ["zzz", "euro", "€", ""])
def test_a_currency_that_is_none_is_refused(client: stripe.StripeClient, currency: str) -> None:
    """Only Stripe's currencies are taken, in either case."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.create({"currency": currency, "unit_amount": 1, "product_data": {"name": "A"}})
    assert param_of(caught.value) == "currency"
    made = client.v1.prices.create({"currency": "JPY", "unit_amount": 1, "product_data": {"name": "A"}})
    assert made.currency == "jpy"


def open_portal(raw: Callable[..., object], row: stripe.Subscription, kind: str, configuration: str) -> None:
    details: dict[str, object] = {"subscription": row.id}
    if kind == "subscription_update_confirm":
        details["items"] = [{"id": row["items"].data[0].id, "price": "price_enterprise"}]
    flow = {"type": kind, kind: details}
    given = {"customer": str(row.customer), "configuration": configuration, "flow_data": flow}
    raw("post", "/v1/billing_portal/sessions", **given)


@pytest.mark.parametrize(
    "kind", ["subscription_cancel", "subscription_pause", "subscription_update", "subscription_update_confirm"]
)
def test_a_flow_leads_somewhere(
    client: stripe.StripeClient,
    box: SandboxServer,
    raw: Callable[..., object],
    subscription: stripe.Subscription,
    kind: str,
) -> None:
    """A flow to what the configuration has off is a 400, as is one for a plan that has ended; others are made."""
    portal = client.v1.billing_portal.configurations.create({"features": {"invoice_history": {"enabled": True}}}).id
    feature = kind.removesuffix("_confirm")
    address = f"/v1/billing_portal/configurations/{portal}"
    raw("post", address, features={feature: {"enabled": False}})
    with pytest.raises(stripe.InvalidRequestError, match="disabled"):
        open_portal(raw, subscription, kind, portal)
    raw("post", address, features={feature: {"enabled": True}})
    open_portal(raw, subscription, kind, portal)
    box.control.cancel(subscription.id)
    with pytest.raises(stripe.InvalidRequestError, match="has ended") as caught:
        open_portal(raw, subscription, kind, portal)
    assert param_of(caught.value) == f"flow_data[{kind}][subscription]"
