"""The official SDK's asynchronous client, and many requests at once."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import stripe

from stripe_sandbox.testing import SandboxServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def async_client(box: SandboxServer) -> AsyncIterator[stripe.StripeClient]:
    http = stripe.HTTPXClient(timeout=httpx.Timeout(8, connect=3))
    yield stripe.StripeClient(box.api_key, http_client=http, max_network_retries=2, base_addresses={"api": box.url})
    await http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


@pytest.mark.anyio
async def test_the_whole_flow_asynchronously(async_client: stripe.StripeClient, box: SandboxServer) -> None:
    """Customer, checkout, subscription, portal and events work through the async client."""
    customer = await async_client.v1.customers.create_async({"email": "ada@example.com"})
    session = await async_client.v1.checkout.sessions.create_async(
        {
            "mode": "subscription",
            "customer": customer.id,
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
        },
        {"idempotency_key": "k"},
    )
    await asyncio.to_thread(box.control.pay, session.id)
    (subscription,) = (await async_client.v1.subscriptions.list_async({"customer": customer.id})).data
    assert subscription.status == "active"
    updated = await async_client.v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})
    assert updated.cancel_at_period_end is True
    portal = await async_client.v1.billing_portal.sessions.create_async({"customer": customer.id})
    assert portal.url.startswith(box.url)
    assert (await async_client.v1.subscriptions.cancel_async(subscription.id)).status == "canceled"
    events = await async_client.v1.events.list_async({"type": "customer.subscription.deleted"})
    assert len([event async for event in events.auto_paging_iter()]) == 1


@pytest.mark.anyio
async def test_twenty_requests_with_one_key_make_one_customer(async_client: stripe.StripeClient) -> None:
    """Concurrent requests under one key all answer the same customer."""
    made = await asyncio.gather(
        *(async_client.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "k"}) for _ in range(20))
    )
    assert len({customer.id for customer in made}) == 1
    assert len((await async_client.v1.customers.list_async()).data) == 1
