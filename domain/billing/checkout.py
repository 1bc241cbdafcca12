"""An attempt to buy: the reservation that makes one open checkout session per account."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.identifiers import AccountId, AttemptId, CustomerId, PriceId, SessionId, SubscriptionId
from billing.plans import Tier

SESSION_LIFETIME = timedelta(hours=23)
"""How long a session stays open. Stripe allows 30 minutes to 24 hours and remembers idempotency keys for at least
24 hours, so that a retry within a session's life always meets its first answer."""

SLOWEST_PAYMENT = timedelta(days=14)
"""How long a delayed payment, such as a bank debit, may take after its session is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where Stripe's pages send the person back to."""

    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutAttempt:
    """A reservation, unique per account, and everything that goes into Stripe's request.

    A retry under the same idempotency key must repeat the request to the letter: hence prices, addresses and
    `expires_at` are kept here instead of being asked for again.
    """

    id: AttemptId
    account: AccountId
    customer: CustomerId
    tier: Tier
    price: PriceId
    addresses: Addresses
    created_at: datetime
    expires_at: datetime
    session: SessionId | None = None
    """`None` until Stripe has answered."""

    @property
    def idempotency_key(self) -> str:
        """The key that makes Stripe open this session once."""
        return f"checkout-{self.id}"


class SessionState(StrEnum):
    """Where a checkout session is.

    Source: https://docs.stripe.com/api/checkout/sessions/object
    """

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSession:
    """What Stripe says of a checkout session."""

    id: SessionId
    state: SessionState
    url: str | None
    """Where to pay; only while it is open."""
    subscription: SubscriptionId | None
    """What was bought; only when it is complete."""
