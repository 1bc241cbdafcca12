"""What the core needs of the world. Each method says what its implementer must do, and must raise, when.

Where the transaction is, the ports are set-wise: a unit of work takes the events of a batch, even when the batch is
one. All times are UTC and aware. Every method of a repository may raise `StoreUnavailable`; every method that calls
Stripe may raise `ProviderUnavailable` (retrying later may help) or `ProviderRefused` (it will not).
"""

from billing.ports.gateways import CheckoutGateway, CustomerGateway, PortalGateway, SubscriptionGateway
from billing.ports.repositories import Accounts, ApiKeys, CheckoutAttempts, Customers, FailedEvents, RereadQueue
from billing.ports.surroundings import Alarm, CheckoutWatch, Clock, Secrets
from billing.ports.transactions import (
    Answer,
    Changes,
    Claims,
    Decide,
    DecidedEvent,
    Loaded,
    Named,
    Reread,
    Transactions,
    UnitOfWork,
)
from billing.ports.webhooks import FailedEvent, Inbox, UndecodableEvent, WebhookReader

__all__ = [
    "Accounts",
    "Alarm",
    "Answer",
    "ApiKeys",
    "Changes",
    "CheckoutAttempts",
    "CheckoutGateway",
    "CheckoutWatch",
    "Claims",
    "Clock",
    "CustomerGateway",
    "Customers",
    "Decide",
    "DecidedEvent",
    "FailedEvent",
    "FailedEvents",
    "Inbox",
    "Loaded",
    "Named",
    "PortalGateway",
    "Reread",
    "RereadQueue",
    "Secrets",
    "SubscriptionGateway",
    "Transactions",
    "UndecodableEvent",
    "UnitOfWork",
    "WebhookReader",
]
