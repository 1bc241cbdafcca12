"""What the contract tests of the stores share: the ports of one store, and things to put into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from billing.accounts import Account, ApiKey
from billing.checkout import Addresses, CheckoutAttempt
from billing.events import Delivery, Event, SubscriptionChanged, Unhandled
from billing.idempotency import Alert, Outcome
from billing.identifiers import (
    AccountId,
    ApiKeyId,
    AttemptId,
    CustomerId,
    EventId,
    KeyHash,
    PriceId,
    SessionId,
    SubscriptionId,
)
from billing.plans import Catalogue, Plan, Tier
from billing.ports import (
    Accounts,
    ApiKeys,
    Changes,
    CheckoutAttempts,
    Claims,
    Customers,
    DecidedEvent,
    FailedEvent,
    FailedEvents,
    Loaded,
    RereadQueue,
    Transactions,
)
from billing.subscription import Snapshot, Status, Subscription
from billing_memory import NOON

MINUTE = timedelta(minutes=1)
PRICE_PRO = PriceId("price_pro")
PRICE_ENTERPRISE = PriceId("price_enterprise")
ADDRESSES = Addresses(success_url="https://shop.test/thanks", cancel_url="https://shop.test/plans")
CATALOGUE = Catalogue.of(
    [
        Plan(tier=Tier.PRO, prices=(PRICE_PRO,), sold_online=True),
        # Two tiers are sold, so that two checkouts of one account can want different things.
        Plan(tier=Tier.ENTERPRISE, prices=(PRICE_ENTERPRISE,), sold_online=True),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    """A failed event as the store keeps it."""

    failed: FailedEvent
    attempts: int


class Behind(Protocol):
    """What a store holds that no port answers, for tests to look at."""

    async def events(self) -> frozenset[EventId]:
        """Answer the ids of all decided events."""
        ...

    async def failed_events(self) -> Mapping[EventId, KeptEvent]:
        """Answer all failed events."""
        ...

    async def alerts(self) -> Mapping[Alert, int]:
        """Answer how often each kind of alert was raised; those never raised are not in it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All ports of one store."""

    transactions: Transactions
    failed_events: FailedEvents
    reread_queue: RereadQueue
    attempts: CheckoutAttempts
    customers: Customers
    accounts: Accounts
    api_keys: ApiKeys
    behind: Behind


def account(number: int = 1) -> Account:
    """Make an account; its number tells it from others."""
    return Account(
        id=AccountId(f"acct_{number:024d}"), email=f"person{number}@shop.test", name=f"Person {number}", created_at=NOON
    )


def api_key(owner: AccountId, number: int = 1) -> ApiKey:
    """Make an API key of an account."""
    return ApiKey(id=ApiKeyId(f"key_{number:024d}"), account=owner, created_at=NOON, revoked_at=None)


def key_hash(number: int = 1) -> KeyHash:
    """Make what is stored of the key with this number."""
    return KeyHash(f"{number:064x}")


async def add_account(store: Stores, number: int = 1) -> AccountId:
    """Put an account and its key, both of this number, into a store."""
    new = account(number)
    await store.accounts.add(new, key=api_key(new.id, number), hash_=key_hash(number))
    return new.id


async def add_accounts(store: Stores, count: int) -> list[AccountId]:
    """Put accounts 1 to `count` into a store."""
    return [await add_account(store, number) for number in range(1, count + 1)]


def customer_id(number: int = 1) -> CustomerId:
    """Name a customer."""
    return CustomerId(f"cus_{number:014d}")


def subscription_id(number: int = 1) -> SubscriptionId:
    """Name a subscription."""
    return SubscriptionId(f"sub_{number:024d}")


def session_id(number: int = 1) -> SessionId:
    """Name a checkout session."""
    return SessionId(f"cs_test_{number:056d}")


def event_id(number: int = 1) -> EventId:
    """Name an event."""
    return EventId(f"evt_{number:024d}")


def subscription(owner: AccountId, number: int = 1) -> Subscription:
    """Make an active subscription, of the customer with the same number."""
    return Subscription(
        id=subscription_id(number),
        account=owner,
        customer=customer_id(number),
        tier=Tier.PRO,
        status=Status.ACTIVE,
        period_end=NOON + timedelta(days=30),
        cancel_at_period_end=False,
        started_at=NOON,
        as_of=NOON,
        version=1,
    )


def snapshot(owner: AccountId | None, number: int = 1) -> Snapshot:
    """Make an active snapshot of the subscription with this number, which names its account."""
    return Snapshot(
        subscription=subscription_id(number),
        customer=customer_id(number),
        status=Status.ACTIVE,
        prices=(PRICE_PRO,),
        period_end=NOON + timedelta(days=30),
        cancel_at_period_end=False,
        started_at=NOON,
        account=owner,
    )


def attempt(owner: AccountId, number: int = 1) -> CheckoutAttempt:
    """Make an attempt to buy, not opened yet."""
    return CheckoutAttempt(
        id=AttemptId(f"try_{number:024d}"),
        account=owner,
        customer=customer_id(number),
        tier=Tier.PRO,
        price=PRICE_PRO,
        addresses=ADDRESSES,
        created_at=NOON,
        expires_at=NOON + timedelta(hours=23),
    )


def delivery(number: int, event: Event) -> Delivery:
    """Make a webhook of the event with this number, created at noon and that many seconds later."""
    return Delivery(
        id=event_id(number),
        type="customer.subscription.updated",
        created=NOON + timedelta(seconds=number),
        event=event,
        payload=b'{"number": %d}' % number,
    )


def nothing_for_us(number: int) -> Delivery:
    """Make a webhook of an event that is remembered and ignored."""
    return delivery(number, Unhandled(reason="of no interest"))


def changed(number: int, said: Snapshot) -> Delivery:
    """Make a webhook that carries a snapshot."""
    return delivery(number, SubscriptionChanged(snapshot=said))


def failed_event(number: int, *, reason: str = "ValueError: no object") -> FailedEvent:
    """Make a verified event that could not be processed."""
    return FailedEvent(
        id=event_id(number), type="customer.subscription.updated", created=NOON, reason=reason, payload=b"{}"
    )


async def load(store: Stores, claims: Claims) -> Loaded:
    """Load in a unit of work of its own, which writes nothing; and in an update, which must find the same.

    Not for claims whose events are all known: of their subscriptions a store may find nothing.
    """
    async with store.transactions.begin() as transaction:
        loaded = await transaction.load(claims)
    _, found = await store.transactions.update(claims, lambda found: (Changes(received_at=NOON), found))
    assert found == loaded
    return loaded


async def load_account(store: Stores, owner: AccountId) -> Loaded:
    """Load one account."""
    return await load(store, Claims(accounts=frozenset({owner})))


async def commit(store: Stores, changes: Changes, *, claims: Claims | None = None) -> None:
    """Save and commit changes in a unit of work of their own."""
    async with store.transactions.begin() as transaction:
        await transaction.load(claims or Claims())
        await transaction.save(changes)
        await transaction.commit()


def noted(number: int, owner: AccountId, *held: Subscription) -> Changes:
    """Make changes by one event: subscriptions of one account."""
    changes = Changes(received_at=NOON, subscriptions={one.id: one for one in held})
    changes.events.append(DecidedEvent(delivery=nothing_for_us(number), outcome=Outcome.APPLIED, account=owner))
    return changes
