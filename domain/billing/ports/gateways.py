"""What is asked of Stripe."""

from collections.abc import Sequence
from typing import Protocol

from billing.accounts import Customer
from billing.checkout import CheckoutAttempt, CheckoutSession
from billing.identifiers import CustomerId, SessionId, SubscriptionId
from billing.subscription import Snapshot


class CustomerGateway(Protocol):
    """Customers at Stripe."""

    async def create_customer(self, customer: Customer) -> CustomerId:
        """Create it under its idempotency key, so that a repetition answers the same customer.

        Must raise `KeySpent` if Stripe repeats a failure that it has stored under the key, or refuses the key for
        other parameters.
        """
        ...


class CheckoutGateway(Protocol):
    """Checkout sessions at Stripe."""

    async def create_session(self, attempt: CheckoutAttempt) -> CheckoutSession:
        """Open a session under the attempt's idempotency key, with exactly the attempt's parameters.

        Must raise `CustomerMissing` if Stripe has deleted the customer, `KeySpent` as for customers.
        """
        ...

    async def session(self, session: SessionId) -> CheckoutSession | None:
        """Answer what became of a session; `None` if Stripe does not know it."""
        ...

    async def expire_session(self, session: SessionId) -> None:
        """Close an open session; must raise `SessionNotOpen` if it is complete or expired."""
        ...


class PortalGateway(Protocol):
    """Stripe's Customer Portal."""

    async def open_portal(self, customer: CustomerId) -> str:
        """Answer an address for this customer, a bearer credential for some minutes: never logged or kept.

        Must raise `CustomerMissing` if Stripe has deleted the customer.
        """
        ...


class SubscriptionGateway(Protocol):
    """Subscriptions at Stripe, as they are now."""

    async def subscription(self, subscription: SubscriptionId) -> Snapshot | None:
        """Fetch it; `None` if Stripe does not know it (or it is another mode's)."""
        ...

    async def live_subscriptions(self, customer: CustomerId) -> Sequence[Snapshot]:
        """List those of a customer that are live; empty if Stripe has deleted the customer."""
        ...
