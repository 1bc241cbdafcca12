"""Opens each Stripe for the contract tests of the gateways: the scripted one, and ours over HTTP to the sandbox."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import httpx

from billing.identifiers import CustomerId, SessionId, SubscriptionId
from billing.ports import CheckoutGateway, CustomerGateway, PortalGateway, SubscriptionGateway
from billing.subscription import Status
from billing_memory import MemoryAlarm, MemoryClock, MemoryStripe
from billing_stripe import Patience, StripeGateway
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedPrice
from support.contracts import PRICE_ENTERPRISE, PRICE_PRO

SANDBOX = SandboxConfig(
    prices=(
        SeedPrice(name="pro", unit_amount=2900, price_id=PRICE_PRO),
        SeedPrice(name="enterprise", unit_amount=29000, price_id=PRICE_ENTERPRISE),
    )
)


class Gateways(CustomerGateway, CheckoutGateway, PortalGateway, SubscriptionGateway, Protocol):
    """Everything that is asked of Stripe."""


class Hand(Protocol):
    """What people do at Stripe, on its pages and in its Dashboard."""

    async def pay(self, session: SessionId) -> None:
        """Pay an open session."""
        ...

    async def delete_customer(self, customer: CustomerId) -> None:
        """Delete a customer."""
        ...

    async def fall_behind(self, subscription: SubscriptionId) -> None:
        """Let the payments of a subscription fail until Stripe gives up: it is unpaid."""
        ...

    async def cancel(self, subscription: SubscriptionId) -> None:
        """Cancel a subscription now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeUnderTest:
    """One Stripe: what is asked of it, who acts at it, and what time it is there."""

    ask: Gateways
    hand: Hand
    now: datetime


class MemoryHand:
    """Acts at the scripted Stripe."""

    def __init__(self, stripe: MemoryStripe) -> None:
        """Act at this one."""
        self._stripe = stripe

    async def pay(self, session: SessionId) -> None:
        """Pay an open session."""
        self._stripe.pay(session)

    async def delete_customer(self, customer: CustomerId) -> None:
        """Delete a customer."""
        self._stripe.delete_customer(customer)

    async def fall_behind(self, subscription: SubscriptionId) -> None:
        """Leave a subscription unpaid."""
        self._turn(subscription, Status.UNPAID)

    async def cancel(self, subscription: SubscriptionId) -> None:
        """Cancel a subscription now."""
        self._turn(subscription, Status.CANCELED)

    def _turn(self, subscription: SubscriptionId, status: Status) -> None:
        self._stripe.put_subscription(replace(self._stripe.subscriptions[subscription], status=status))


class SandboxHand:
    """Acts at the sandbox."""

    def __init__(self, sandbox: SandboxServer) -> None:
        """Act at this one."""
        self._sandbox = sandbox

    async def pay(self, session: SessionId) -> None:
        """Pay an open session."""
        self._sandbox.control.pay(session)

    async def delete_customer(self, customer: CustomerId) -> None:
        """Delete a customer."""
        key = {"Authorization": f"Bearer {self._sandbox.api_key}"}
        async with httpx.AsyncClient(base_url=self._sandbox.url, headers=key, trust_env=False) as http:
            (await http.delete(f"/v1/customers/{customer}")).raise_for_status()

    async def fall_behind(self, subscription: SubscriptionId) -> None:
        """Leave a subscription unpaid."""
        self._sandbox.control.fail_payment(subscription)
        self._sandbox.control.exhaust_retries(subscription, "unpaid")

    async def cancel(self, subscription: SubscriptionId) -> None:
        """Cancel a subscription now."""
        self._sandbox.control.cancel(subscription)


def stripe_in_memory() -> StripeUnderTest:
    """Give the scripted Stripe, empty."""
    clock = MemoryClock()
    stripe = MemoryStripe(clock)
    return StripeUnderTest(ask=stripe, hand=MemoryHand(stripe), now=clock.now())


@asynccontextmanager
async def stripe_over_http(sandbox: SandboxServer) -> AsyncGenerator[StripeUnderTest, None]:
    """Give our gateway to a sandbox, emptied."""
    sandbox.control.reset()
    gateway = StripeGateway(
        api_key=sandbox.api_key,
        api_base=sandbox.url,
        portal_return_url="https://shop.test/account",
        alarm=MemoryAlarm(),
        patience=Patience(retries=0),
    )
    try:
        now = datetime.fromtimestamp(sandbox.control.clock().now, UTC)
        yield StripeUnderTest(ask=gateway, hand=SandboxHand(sandbox), now=now)
    finally:
        await gateway.close()
