"""One table of every operation, driven by the official SDK's synchronous and asynchronous client alike."""

import asyncio
import operator
from typing import Any, NamedTuple, cast

import httpx
import pytest
import stripe

from stripe_sandbox.resources.routes import OPERATIONS
from stripe_sandbox.testing import SandboxServer

Ids = dict[str, str]
CHECKOUT = {
    "mode": "subscription",
    "line_items": [{"price": "price_pro", "quantity": 1}],
    "success_url": "https://example.com/thanks",
}


class Use(NamedTuple):
    """How the SDK calls an operation: its service, its method, and the arguments, with `$names` for ids."""

    operation: str
    service: str
    method: str
    arguments: tuple[object, ...] = ()
    answers: str = "list"
    """The `object` of the answer."""


USES = (
    Use("POST /v1/customers", "customers", "create", ({"name": "Ada"},), "customer"),
    Use("GET /v1/customers", "customers", "list"),
    Use("GET /v1/customers/{id}", "customers", "retrieve", ("$customer",), "customer"),
    Use("POST /v1/customers/{id}", "customers", "update", ("$customer", {"name": "Eve"}), "customer"),
    Use("DELETE /v1/customers/{id}", "customers", "delete", ("$customer",), "customer"),
    Use("POST /v1/products", "products", "create", ({"name": "Pro"},), "product"),
    Use("GET /v1/products", "products", "list"),
    Use("GET /v1/products/{id}", "products", "retrieve", ("$product",), "product"),
    Use("POST /v1/products/{id}", "products", "update", ("$product", {"name": "Max"}), "product"),
    Use("DELETE /v1/products/{id}", "products", "delete", ("$product",), "product"),
    Use(
        "POST /v1/prices",
        "prices",
        "create",
        ({"currency": "eur", "unit_amount": 5, "product_data": {"name": "Once"}},),
        "price",
    ),
    Use("GET /v1/prices", "prices", "list"),
    Use("GET /v1/prices/{id}", "prices", "retrieve", ("price_pro",), "price"),
    Use("POST /v1/prices/{id}", "prices", "update", ("price_pro", {"nickname": "x"}), "price"),
    Use("POST /v1/checkout/sessions", "checkout.sessions", "create", (CHECKOUT,), "checkout.session"),
    Use("GET /v1/checkout/sessions", "checkout.sessions", "list"),
    Use(
        "GET /v1/checkout/sessions/{id}",
        "checkout.sessions",
        "retrieve",
        ("$session",),
        "checkout.session",
    ),
    Use(
        "POST /v1/checkout/sessions/{id}",
        "checkout.sessions",
        "update",
        ("$session", {"metadata": {"a": "b"}}),
        "checkout.session",
    ),
    Use(
        "POST /v1/checkout/sessions/{id}/expire",
        "checkout.sessions",
        "expire",
        ("$session",),
        "checkout.session",
    ),
    Use(
        "GET /v1/checkout/sessions/{id}/line_items",
        "checkout.sessions.line_items",
        "list",
        ("$session",),
    ),
    Use(
        "POST /v1/billing_portal/sessions",
        "billing_portal.sessions",
        "create",
        ({"customer": "$customer"},),
        "billing_portal.session",
    ),
    Use(
        "POST /v1/billing_portal/configurations",
        "billing_portal.configurations",
        "create",
        ({"features": {"invoice_history": {"enabled": True}}},),
        "billing_portal.configuration",
    ),
    Use("GET /v1/billing_portal/configurations", "billing_portal.configurations", "list"),
    Use(
        "GET /v1/billing_portal/configurations/{id}",
        "billing_portal.configurations",
        "retrieve",
        ("$configuration",),
        "billing_portal.configuration",
    ),
    Use(
        "POST /v1/billing_portal/configurations/{id}",
        "billing_portal.configurations",
        "update",
        ("$configuration", {"name": "Ours"}),
        "billing_portal.configuration",
    ),
    Use(
        "POST /v1/subscriptions",
        "subscriptions",
        "create",
        ({"customer": "$customer", "items": [{"price": "price_pro"}], "payment_behavior": "default_incomplete"},),
        "subscription",
    ),
    Use("GET /v1/subscriptions", "subscriptions", "list"),
    Use("GET /v1/subscriptions/{id}", "subscriptions", "retrieve", ("$subscription",), "subscription"),
    Use(
        "POST /v1/subscriptions/{id}",
        "subscriptions",
        "update",
        ("$subscription", {"cancel_at_period_end": True}),
        "subscription",
    ),
    Use("DELETE /v1/subscriptions/{id}", "subscriptions", "cancel", ("$subscription",), "subscription"),
    Use(
        "POST /v1/subscriptions/{id}/pause",
        "subscriptions",
        "pause",
        ("$subscription", {"type": "subscription"}),
        "subscription",
    ),
    Use("POST /v1/subscriptions/{id}/resume", "subscriptions", "resume", ("$paused",), "subscription"),
    Use("GET /v1/invoices", "invoices", "list"),
    Use("GET /v1/invoices/{id}", "invoices", "retrieve", ("$open",), "invoice"),
    Use("GET /v1/invoices/{id}/lines", "invoices.line_items", "list", ("$open",)),
    Use(
        "POST /v1/invoices/{id}/pay",
        "invoices",
        "pay",
        ("$open", {"paid_out_of_band": True}),
        "invoice",
    ),
    Use("POST /v1/invoices/{id}/void", "invoices", "void_invoice", ("$doubtful",), "invoice"),
    Use("GET /v1/payment_methods", "payment_methods", "list", ({"customer": "$customer"},)),
    Use("GET /v1/payment_methods/{id}", "payment_methods", "retrieve", ("$method",), "payment_method"),
    Use("GET /v1/events", "events", "list"),
    Use("GET /v1/events/{id}", "events", "retrieve", ("$event",), "event"),
    Use(
        "POST /v1/webhook_endpoints",
        "webhook_endpoints",
        "create",
        ({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]},),
        "webhook_endpoint",
    ),
    Use("GET /v1/webhook_endpoints", "webhook_endpoints", "list"),
    Use(
        "GET /v1/webhook_endpoints/{id}",
        "webhook_endpoints",
        "retrieve",
        ("$endpoint",),
        "webhook_endpoint",
    ),
    Use(
        "POST /v1/webhook_endpoints/{id}",
        "webhook_endpoints",
        "update",
        ("$endpoint", {"disabled": True}),
        "webhook_endpoint",
    ),
    Use(
        "DELETE /v1/webhook_endpoints/{id}",
        "webhook_endpoints",
        "delete",
        ("$endpoint",),
        "webhook_endpoint",
    ),
    Use(
        "POST /v1/test_helpers/test_clocks",
        "test_helpers.test_clocks",
        "create",
        ({"frozen_time": 1_900_000_000},),
        "test_helpers.test_clock",
    ),
    Use("GET /v1/test_helpers/test_clocks", "test_helpers.test_clocks", "list"),
    Use(
        "GET /v1/test_helpers/test_clocks/{id}",
        "test_helpers.test_clocks",
        "retrieve",
        ("$clock",),
        "test_helpers.test_clock",
    ),
    Use(
        "DELETE /v1/test_helpers/test_clocks/{id}",
        "test_helpers.test_clocks",
        "delete",
        ("$clock",),
        "test_helpers.test_clock",
    ),
    Use(
        "POST /v1/test_helpers/test_clocks/{id}/advance",
        "test_helpers.test_clocks",
        "advance",
        ("$clock", {"frozen_time": 1_900_000_060}),
        "test_helpers.test_clock",
    ),
)


IN_ORDER = sorted(USES, key=lambda use: (use.operation.startswith("DELETE"), use.answers == "customer"))
"""What is deleted last is there for all the others; a customer takes its subscriptions along."""


@pytest.fixture
def ids(client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription) -> Ids:
    """A world in which every operation finds something to work on."""
    customer = str(subscription.customer)
    method = str(subscription.default_payment_method)
    paused = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": "price_pro"}], "default_payment_method": method}
    )
    box.control.pause(paused.id)
    unpaid: stripe.params.SubscriptionCreateParams = {
        "customer": client.v1.customers.create({}).id,
        "items": [{"price": "price_pro"}],
        "payment_behavior": "default_incomplete",
    }
    doubtful, open_ = (str(client.v1.subscriptions.create(unpaid).latest_invoice) for _ in range(2))
    return {
        "clock": client.v1.test_helpers.test_clocks.create({"frozen_time": 1_900_000_000}).id,
        "configuration": client.v1.billing_portal.configurations.list().data[0].id,
        "customer": customer,
        "doubtful": doubtful,
        "endpoint": client.v1.webhook_endpoints.list().data[0].id,
        "event": client.v1.events.list().data[0].id,
        "method": method,
        "open": open_,
        "paused": paused.id,
        "product": client.v1.products.create({"name": "Empty"}).id,
        "session": client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": "price_pro", "quantity": 1}],
                "success_url": "https://example.com/thanks",
            }
        ).id,
        "subscription": subscription.id,
    }


def test_the_table_is_whole() -> None:
    """Every operation of the sandbox stands in the table once."""
    assert sorted(use.operation for use in USES) == sorted(f"{entry.method} {entry.path}" for entry in OPERATIONS)


def filled(value: Any, ids: Ids) -> Any:
    """The value with ids in the place of their names."""
    if isinstance(value, str) and value.startswith("$"):
        return ids[value[1:]]
    if isinstance(value, dict):
        return {name: filled(child, ids) for name, child in cast("dict[str, Any]", value).items()}
    return value


def call(client: stripe.StripeClient, use: Use, ids: Ids, *, suffix: str = "") -> Any:
    service = operator.attrgetter(use.service)(client.v1)
    return getattr(service, use.method + suffix)(*(filled(value, ids) for value in use.arguments))


def check(answer: Any, use: Use, ids: Ids) -> None:
    """The SDK made the right kind of object of the answer, and of the one that was asked for."""
    assert (use.operation, answer.object) == (use.operation, use.answers)
    if use.answers != "list" and use.arguments and isinstance(use.arguments[0], str):
        assert answer.id == filled(use.arguments[0], ids)


def test_by_the_synchronous_client(client: stripe.StripeClient, ids: Ids) -> None:
    """The SDK reaches each operation and understands its answer."""
    for use in IN_ORDER:
        check(call(client, use, ids), use, ids)


def test_by_the_asynchronous_client(box: SandboxServer, ids: Ids) -> None:
    """So does its asynchronous twin."""

    async def ask_all() -> None:
        http = stripe.HTTPXClient(timeout=httpx.Timeout(8, connect=3))
        client = stripe.StripeClient(box.api_key, http_client=http, base_addresses={"api": box.url})
        try:
            for use in IN_ORDER:
                check(await call(client, use, ids, suffix="_async"), use, ids)
        finally:
            await http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    asyncio.run(ask_all())
