"""The answers of Stripe's API as far as the gateway reads them. Objects that events carry too are in `objects`."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.json import Decoder

from billing.checkout import SessionState
from billing_stripe.objects import CustomerObject, Id, Reference, SubscriptionObject


class CheckoutSessionAnswer(Struct, frozen=True):
    """A checkout session, as an answer tells of it.

    Source: https://docs.stripe.com/api/checkout/sessions/object
    """

    id: Id
    status: SessionState
    url: str | None = None
    subscription: Reference | None = None


class PortalSessionAnswer(Struct, frozen=True):
    """A portal session.

    Source: https://docs.stripe.com/api/customer_portal/sessions/object
    """

    url: Annotated[str, Meta(min_length=1)]


class SubscriptionList(Struct, frozen=True):
    """A page of subscriptions, newest first."""

    data: tuple[SubscriptionObject, ...]
    has_more: bool


CUSTOMER = Decoder(CustomerObject)
CHECKOUT_SESSION = Decoder(CheckoutSessionAnswer)
PORTAL_SESSION = Decoder(PortalSessionAnswer)
SUBSCRIPTION = Decoder(SubscriptionObject)
SUBSCRIPTIONS = Decoder(SubscriptionList)
