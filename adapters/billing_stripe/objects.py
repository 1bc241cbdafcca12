"""Stripe's objects as far as they matter here, in every shape that Stripe still sends.

A webhook's payload has the shape of its endpoint's API version, an answer that of the pinned one: both are read by
the same Structs. Fields that are not named are skipped, enumerations are plain text, ids come plain or expanded.
What is named is checked: an id is 1 to 255 printable ASCII characters, a time is whole seconds since 1970 that a
`datetime` can hold. Everything else is a `msgspec.ValidationError`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct, ValidationError

from billing.identifiers import AccountId, CustomerId, PriceId, SubscriptionId
from billing.subscription import Snapshot, Status

ID_LENGTH_MAX = 255
"""Source: https://docs.stripe.com/upgrades#what-changes-does-stripe-consider-to-be-backwards-compatible"""

Id = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX, pattern=r"^[!-~]+\Z")]
Timestamp = Annotated[int, Meta(ge=0, le=253_402_300_799)]
"""Seconds since 1970, up to the end of the year 9999."""


class Expanded(Struct, frozen=True):
    """An object where its id could have stood."""

    id: Id


Reference = Id | Expanded


class Metadata(Struct, frozen=True):
    """The metadata that checkout leaves on what it makes. Other applications' objects have other metadata."""

    account_id: str | None = None
    tier: str | None = None


class SubscriptionItem(Struct, frozen=True):
    """What is subscribed. Since 2025-03-31.basil the period is the item's."""

    price: Reference | None = None
    current_period_end: Timestamp | None = None


class SubscriptionItems(Struct, frozen=True):
    """The list of items, as Stripe wraps lists."""

    data: tuple[SubscriptionItem, ...] = ()


class SubscriptionObject(Struct, frozen=True):
    """A subscription.

    Source: https://docs.stripe.com/api/subscriptions/object
    """

    id: Id
    customer: Reference | None
    """Another product may bill a `customer_account` in a customer's place; ours always have a customer."""
    status: str
    created: Timestamp
    cancel_at_period_end: bool | None = None
    cancel_at: Timestamp | None = None
    current_period_end: Timestamp | None = None
    """Only before 2025-03-31.basil."""
    items: SubscriptionItems | None = None
    metadata: Metadata | None = None


class CheckoutSessionObject(Struct, frozen=True):
    """A checkout session, as an event tells of it.

    Source: https://docs.stripe.com/api/checkout/sessions/object
    """

    id: Id
    mode: str
    payment_status: str | None = None
    subscription: Reference | None = None
    customer: Reference | None = None
    metadata: Metadata | None = None


class SubscriptionDetails(Struct, frozen=True):
    """Which subscription an invoice belongs to, since 2025-03-31.basil."""

    subscription: Reference | None = None


class InvoiceParent(Struct, frozen=True):
    """What made an invoice; without `subscription_details` it was something else (a quote, a person)."""

    subscription_details: SubscriptionDetails | None = None


class InvoiceObject(Struct, frozen=True):
    """An invoice.

    Source: https://docs.stripe.com/api/invoices/object
    """

    id: Id
    customer: Reference | None = None
    subscription: Reference | None = None
    """Only before 2025-03-31.basil."""
    parent: InvoiceParent | None = None


class CustomerObject(Struct, frozen=True):
    """A customer, deleted or not."""

    id: Id


def snapshot_of(subscription: SubscriptionObject) -> Snapshot:
    """Boil a subscription of either generation down to what the core knows of one.

    Raises `msgspec.ValidationError` for one without a customer, which is not ours.
    """
    if subscription.customer is None:
        raise ValidationError("a subscription without a customer")
    items = subscription.items.data if subscription.items else ()
    period_end = _period_end(subscription, items)
    return Snapshot(
        subscription=SubscriptionId(subscription.id),
        customer=CustomerId(id_of(subscription.customer)),
        status=Status.parse(subscription.status),
        prices=tuple(PriceId(id_of(item.price)) for item in items if item.price is not None),
        period_end=None if period_end is None else moment(period_end),
        cancel_at_period_end=_cancels_at(period_end, subscription),
        # Not `start_date`, which may be dated back: the later subscription is the one that was made later.
        started_at=moment(subscription.created),
        account=account_claimed(subscription.metadata.account_id if subscription.metadata else None),
    )


def _period_end(subscription: SubscriptionObject, items: Iterable[SubscriptionItem]) -> int | None:
    ends = [item.current_period_end for item in items if item.current_period_end is not None]
    return min(ends, default=subscription.current_period_end)


def _cancels_at(period_end: int | None, subscription: SubscriptionObject) -> bool:
    """Whether it ends with its period: flexible billing sets `cancel_at` and leaves the flag false."""
    if subscription.cancel_at_period_end:
        return True
    return subscription.cancel_at is not None and period_end is not None and subscription.cancel_at <= period_end


def subscription_of(invoice: InvoiceObject) -> SubscriptionId | None:
    """Answer which subscription an invoice of either generation belongs to; `None` for a one-off invoice."""
    details = invoice.parent.subscription_details if invoice.parent else None
    reference = details.subscription if details and details.subscription else invoice.subscription
    return None if reference is None else SubscriptionId(id_of(reference))


def account_claimed(text: str | None) -> AccountId | None:
    """Read the account that an object names. What cannot be an id of ours names nobody, and is no error."""
    if text and len(text) <= ID_LENGTH_MAX and text.isascii() and text.isprintable():
        return AccountId(text)
    return None


def id_of(reference: Reference) -> str:
    """Answer the id, whether it came plain or expanded."""
    return reference.id if isinstance(reference, Expanded) else reference


def moment(seconds: int) -> datetime:
    """Answer a time of Stripe's as an aware one, UTC."""
    return datetime.fromtimestamp(seconds, UTC)
