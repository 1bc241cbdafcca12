"""What Stripe's webhooks mean here: a small closed union. Every match over it ends in `assert_never`."""

from dataclasses import dataclass
from datetime import datetime

from billing.identifiers import AccountId, CustomerId, EventId, SessionId, SubscriptionId
from billing.plans import Tier
from billing.subscription import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionChanged:
    """`customer.subscription.created`, `.updated`, `.paused`, `.resumed`: a snapshot of a subscription."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEnded:
    """`customer.subscription.deleted`: the last snapshot of a subscription."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutCompleted:
    """`checkout.session.completed`, or `.async_payment_succeeded`: paid, or nothing to pay."""

    session: SessionId
    subscription: SubscriptionId
    customer: CustomerId
    account: AccountId | None
    """The account that the session's metadata names: a claim. Its `client_reference_id` is none, since whoever opens a
    payment link may choose that."""
    tier: Tier
    """The tier sold, from the session's metadata; free where the metadata does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutClosed:
    """`checkout.session.expired` or `.async_payment_failed`: nobody will buy with this session any more."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed:
    """`invoice.payment_failed` of a subscription's invoice."""

    subscription: SubscriptionId
    customer: CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDeleted:
    """`customer.deleted`: Stripe cancels all of the customer's subscriptions at once."""

    customer: CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhandled:
    """Any event with nothing in it for us: remembered, so that its duplicates are known, and ignored."""

    reason: str


Event = (
    SubscriptionChanged
    | SubscriptionEnded
    | CheckoutCompleted
    | CheckoutClosed
    | PaymentFailed
    | CustomerDeleted
    | Unhandled
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A verified webhook: which event it is, when Stripe says it happened, what it means, what it said."""

    id: EventId
    type: str
    created: datetime
    """Whole seconds, UTC. Several events share one, and their order within it means nothing."""
    event: Event
    payload: bytes
    """The body as it was signed."""
