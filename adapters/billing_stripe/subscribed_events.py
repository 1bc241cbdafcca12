"""Every event type that Stripe shall send, why, and how its object is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec import Raw, Struct, ValidationError
from msgspec.json import Decoder

from billing.errors import UnknownTier
from billing.events import (
    CheckoutClosed,
    CheckoutCompleted,
    CustomerDeleted,
    Event,
    PaymentFailed,
    SubscriptionChanged,
    SubscriptionEnded,
    Unhandled,
)
from billing.identifiers import CustomerId, SessionId, SubscriptionId
from billing.plans import Tier
from billing_stripe.objects import (
    CheckoutSessionObject,
    CustomerObject,
    InvoiceObject,
    SubscriptionObject,
    account_claimed,
    id_of,
    snapshot_of,
    subscription_of,
)

ObjectT = TypeVar("ObjectT")


class EventData(Struct, Generic[ObjectT], frozen=True):
    """An event's `data`: the object as it was when the event happened."""

    object: ObjectT


_SUBSCRIPTION = Decoder(EventData[SubscriptionObject])
_SESSION = Decoder(EventData[CheckoutSessionObject])
_INVOICE = Decoder(EventData[InvoiceObject])
_CUSTOMER = Decoder(EventData[CustomerObject])

_NOT_A_SUBSCRIPTIONS_CHECKOUT = Unhandled(reason="not a subscription's checkout")
_WITHOUT_A_CUSTOMER = Unhandled(reason="without a customer")
"""Another application's: it bills an account in a customer's place, or lets checkout do without one."""


def _subscription_changed(data: Raw) -> Event:
    subscription = _SUBSCRIPTION.decode(data).object
    if subscription.customer is None:
        return _WITHOUT_A_CUSTOMER
    return SubscriptionChanged(snapshot=snapshot_of(subscription))


def _subscription_ended(data: Raw) -> Event:
    subscription = _SUBSCRIPTION.decode(data).object
    if subscription.customer is None:
        return _WITHOUT_A_CUSTOMER
    return SubscriptionEnded(snapshot=snapshot_of(subscription))


def _checkout_completed(data: Raw) -> Event:
    session = _SESSION.decode(data).object
    foreign = _why_not_ours(session)
    if foreign is None and session.payment_status not in ("paid", "no_payment_required"):
        # A delayed payment method: whether it is paid is told by one of the asynchronous events.
        return Unhandled(reason="not paid yet")
    return foreign or _bought(session)


def _checkout_paid_later(data: Raw) -> Event:
    session = _SESSION.decode(data).object
    return _why_not_ours(session) or _bought(session)


def _why_not_ours(session: CheckoutSessionObject) -> Unhandled | None:
    if session.mode != "subscription":
        return _NOT_A_SUBSCRIPTIONS_CHECKOUT
    return _WITHOUT_A_CUSTOMER if session.customer is None else None


def _bought(session: CheckoutSessionObject) -> Event:
    if session.subscription is None or session.customer is None:
        raise ValidationError("a paid subscription's checkout without a subscription")
    metadata = session.metadata
    return CheckoutCompleted(
        session=SessionId(session.id),
        subscription=SubscriptionId(id_of(session.subscription)),
        customer=CustomerId(id_of(session.customer)),
        # Not `client_reference_id`: whoever opens a payment link chooses that.
        account=account_claimed(metadata.account_id if metadata else None),
        tier=_tier_sold(metadata.tier if metadata else None),
    )


def _tier_sold(slug: str | None) -> Tier:
    try:
        return Tier.parse(slug or "")
    except UnknownTier:
        # An unknown never grants: the re-read that a purchase asks for finds the tier in the price.
        return Tier.FREE


def _checkout_closed(data: Raw) -> Event:
    session = _SESSION.decode(data).object
    return _why_not_ours(session) or CheckoutClosed(session=SessionId(session.id))


def _payment_failed(data: Raw) -> Event:
    invoice = _INVOICE.decode(data).object
    subscription = subscription_of(invoice)
    if subscription is None:
        return Unhandled(reason="a one-off invoice")
    if invoice.customer is None:
        # Another application bills an account instead of a customer; ours always have a customer.
        return Unhandled(reason="an invoice without a customer")
    return PaymentFailed(subscription=subscription, customer=CustomerId(id_of(invoice.customer)))


def _customer_deleted(data: Raw) -> Event:
    return CustomerDeleted(customer=CustomerId(_CUSTOMER.decode(data).object.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribedEvent:
    """One event type that the webhook endpoint asks Stripe for."""

    reason: str
    read: Callable[[Raw], Event]
    """Reads the event's `data`. Raises `msgspec.MsgspecError` if its object makes no sense."""


SUBSCRIBED_EVENTS: Mapping[str, SubscribedEvent] = {
    "checkout.session.completed": SubscribedEvent(
        reason="somebody bought: the fastest word of it, and the only one that names the checkout",
        read=_checkout_completed,
    ),
    "checkout.session.async_payment_succeeded": SubscribedEvent(
        reason="a checkout paid by a delayed method (a bank debit) is paid at last",
        read=_checkout_paid_later,
    ),
    "checkout.session.async_payment_failed": SubscribedEvent(
        reason="a checkout by a delayed method will not be paid: the account may start another",
        read=_checkout_closed,
    ),
    "checkout.session.expired": SubscribedEvent(
        reason="a checkout was left: the account may start another",
        read=_checkout_closed,
    ),
    "customer.subscription.created": SubscribedEvent(
        reason="subscriptions are also made without a checkout, for the enterprise tier always",
        read=_subscription_changed,
    ),
    "customer.subscription.updated": SubscribedEvent(
        reason="renewals, recoveries, cancellations at period end and changes of the plan",
        read=_subscription_changed,
    ),
    "customer.subscription.paused": SubscribedEvent(
        reason="a trial that ends without a payment method says this; a pause takes the access away",
        read=_subscription_changed,
    ),
    "customer.subscription.resumed": SubscribedEvent(
        reason="a paused subscription grants access again",
        read=_subscription_changed,
    ),
    "customer.subscription.deleted": SubscribedEvent(
        reason="a subscription has ended; no other event says so",
        read=_subscription_ended,
    ),
    "invoice.payment_failed": SubscribedEvent(
        reason="a renewal was not paid: past due, told once for every attempt",
        read=_payment_failed,
    ),
    "customer.deleted": SubscribedEvent(
        reason="Stripe cancels all subscriptions of a deleted customer, and does not know the customer any more",
        read=_customer_deleted,
    ),
}
"""What the endpoint at Stripe is to be subscribed to; every other type is acknowledged and ignored.

Left out on purpose: `customer.subscription.trial_will_end` and `.pending_update_applied|expired` say nothing that
`.updated` does not; `invoice.paid` neither, since the subscription follows it; `invoice.created` delays finalisation
by up to 72 hours while it is not acknowledged (https://docs.stripe.com/billing/subscriptions/webhooks).
"""
