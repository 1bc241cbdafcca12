"""What the core needs of the world. Each method says what its implementer must do, and must raise, when.

Where the transaction is, the ports are set-wise: a unit of work takes the events of a batch, even when the batch is
one. All times are UTC and aware. Every method of a repository may raise `StoreUnavailable`; every method that calls
Stripe may raise `ProviderUnavailable` (retrying later may help) or `ProviderRefused` (it will not).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from billing.accounts import Account, AccountView, ApiKey, Customer
from billing.checkout import CheckoutAttempt, CheckoutSession
from billing.events import Delivery
from billing.idempotency import Alert, Outcome
from billing.identifiers import (
    AccountId,
    ApiKeyId,
    AttemptId,
    CustomerId,
    EventId,
    KeyHash,
    SessionId,
    SubscriptionId,
)
from billing.standing import Standing
from billing.subscription import Snapshot, Subscription


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Answer the present, UTC, aware."""
        ...


class Secrets(Protocol):
    """Names and keys that nobody can guess."""

    def new_id(self, prefix: str) -> str:
        """Answer `prefix`, an underscore and 24 random letters and digits."""
        ...

    def new_api_key(self) -> str:
        """Answer a new API key of at least 256 random bits."""
        ...

    def jitter(self) -> float:
        """Answer a random number, 0 <= x < 1, for spreading retries."""
        ...


class Alarm(Protocol):
    """Tells a person. What a transaction found out is also counted in the store, with what it wrote."""

    def raise_alert(self, alert: Alert, subject: str, *, cause: BaseException | None = None) -> None:
        """Log one alert about `subject`, an id, with what caused it, if that is known. Must not raise."""
        ...


# Reading webhooks


class WebhookReader(Protocol):
    """Tells Stripe's webhooks from everybody else's, and what they mean."""

    def read(self, *, signature: str | None, body: bytes) -> Delivery:
        """Verify the raw body against `Stripe-Signature`, then decode it. No I/O.

        Must raise `SignatureInvalid` for a signature that is missing, malformed, wrong, older or further in the
        future than the tolerance; `PayloadInvalid` for a signed body that is not a UTF-8 JSON snapshot event;
        `UndecodableEvent` for an event that is ours by its type but whose object makes no sense.
        """
        ...


class UndecodableEvent(Exception):
    """A verified event whose object could not be understood. It is kept with its reason, and sent again."""

    def __init__(self, failed: "FailedEvent") -> None:
        """Carry what will be kept."""
        self.failed = failed
        super().__init__(failed.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedEvent:
    """A verified event that could not be decoded or written."""

    id: EventId
    type: str
    created: datetime
    reason: str
    payload: bytes


class CheckoutWatch(Protocol):
    """Looks at checkouts whose webhook may be late or lost."""

    def notice(self, account: AccountId) -> None:
        """Have the account's open checkout looked at soon, in the background, once every few seconds at most.

        Must neither wait nor raise: it is called on the way of a read.
        """
        ...


class Inbox(Protocol):
    """Where a delivery waits until its effect is committed."""

    async def put(self, delivery: Delivery) -> Outcome:
        """Answer only after the event and its effect are committed in one transaction.

        Must raise `Overloaded` instead of keeping more than a bounded number waiting, and `EventNotProcessed` if
        this event, tried alone, could not be written.
        """
        ...


# The store


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Whose a subscription is, as an event has it."""

    subscription: SubscriptionId
    customer: CustomerId
    account: AccountId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who a batch of events speaks of: what `UnitOfWork.load` must find and lock."""

    events: frozenset[EventId] = frozenset()
    customers: frozenset[CustomerId] = frozenset()
    accounts: frozenset[AccountId] = frozenset()
    """Some may not exist."""
    subscriptions: frozenset[SubscriptionId] = frozenset()
    """Subscriptions whose accounts are wanted, whomever an event names for them."""
    named: frozenset[Named] = frozenset()
    """The customers and accounts that events name for subscriptions, which are all claimed, too. These are only claimed
    if their subscription is not held: one that is held has its account already, and mostly it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was found, as of a moment after the locks were taken."""

    known_events: frozenset[EventId]
    """Which of the claimed events were decided before."""
    owners: Mapping[CustomerId, AccountId]
    """Whose each claimed customer is, whatever its generation; foreign customers are not in it."""
    standings: Mapping[AccountId, Standing]
    """The stored standing of each account that exists and was claimed, by itself, a customer or a subscription, or was
    named for a subscription that is not held."""
    subscriptions: Mapping[SubscriptionId, Subscription]
    """All subscriptions of all these accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedEvent:
    """An event and what became of it, as it is remembered."""

    delivery: Delivery
    outcome: Outcome
    account: AccountId | None = None
    subscription: SubscriptionId | None = None


@dataclass(slots=True, kw_only=True)
class Changes:
    """What one transaction writes, all of it or nothing."""

    received_at: datetime
    events: list[DecidedEvent] = field(default_factory=list[DecidedEvent])
    """Inserted. An id that is there already is a `Conflict`."""
    subscriptions: dict[SubscriptionId, Subscription] = field(default_factory=dict[SubscriptionId, Subscription])
    """Inserted or replaced."""
    standings: dict[AccountId, Standing] = field(default_factory=dict[AccountId, Standing])
    """Replaced on the account's row, where the next read finds them."""
    rereads: set[SubscriptionId] = field(default_factory=set[SubscriptionId])
    """Queued, due at once. One that is queued already becomes due at once; its lease, if any, stands."""
    customers: dict[CustomerId, AccountId] = field(default_factory=dict[CustomerId, AccountId])
    """Attached as the account's next generation; one that is attached already stays as it is."""
    customers_deleted: set[CustomerId] = field(default_factory=set[CustomerId])
    """Marked as deleted at Stripe: the next checkout makes another one. Attempts to buy with them are removed."""
    sessions_closed: set[SessionId] = field(default_factory=set[SessionId])
    """Their attempts are removed, so that the account can buy again."""
    alerts: list[tuple[Alert, str]] = field(default_factory=list[tuple[Alert, str]])
    """Counted, each with the id it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """One subscription to be fetched from Stripe, leased to whoever claimed it."""

    subscription: SubscriptionId
    attempts: int
    """How often it was claimed before without success."""
    version: int
    """The subscription's version when it was claimed, before the fetch begins; 0 where it is not held."""
    lease: str
    """Names this claim: another one of the same subscription has another name."""


class UnitOfWork(Protocol):
    """One transaction over events and subscriptions. Leaving it without `commit` rolls everything back."""

    async def load(self, claims: Claims) -> Loaded:
        """Lock the accounts concerned, in the order of their ids, then read what is known of them.

        Two units of work on one account must follow each other, also across processes: what is answered here
        stays true until the commit.
        """
        ...

    async def save(self, changes: Changes) -> None:
        """Write everything. Must raise `Conflict` if an event id is there already: a unique constraint decides.

        Also if a subscription is another account's by now. A failed event with the same id is removed: it has been
        processed now. A re-read that waits already keeps its place in the line.
        """
        ...

    async def finish_reread(self, reread: Reread) -> bool:
        """Remove the re-read's row if it is still leased under this name; answer whether it was.

        To be called after `load`, which took the locks. A lease that was lost to another claimant means that
        what was fetched under it may be older than what stands: it must not be written.
        """
        ...

    async def commit(self) -> None:
        """Make it durable. Only after this returns may anything be acknowledged."""
        ...


Answer = TypeVar("Answer")
Decide = Callable[[Loaded], tuple[Changes, Answer]]
"""Decides what is written, by what was found, and what is answered."""


class Transactions(Protocol):
    """Begins units of work."""

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Begin one; a read-only use of it need not commit."""
        ...

    async def update(self, claims: Claims, decide: Decide[Answer]) -> tuple[Changes, Answer]:
        """Load, decide, save and commit in a unit of work of its own, and answer what was decided.

        For work that waits for nothing between loading and saving, so that the store may choose the shortest way: it
        need not lock before it knows that what was decided can be committed. What `decide` was given is true until
        the commit. It must be pure: it may be called several times and in another thread, and only what it decided
        last is written. Changes that are empty are not written.

        Must raise what `load`, `save` and `commit` raise. Whatever `decide` raises leaves nothing written.
        """
        ...


class FailedEvents(Protocol):
    """Verified events that could not be processed."""

    async def keep(self, failed: FailedEvent, *, at: datetime) -> None:
        """Keep one, in a transaction of its own. Kept again, its reason is the newest and its attempts count.

        Nothing is kept of an event that was processed meanwhile.
        """
        ...


class RereadQueue(Protocol):
    """The durable queue of re-reads: one row per subscription, written in the transaction that asked for it."""

    async def claim(self, *, limit: int, now: datetime, leased_until: datetime, lease: str) -> Sequence[Reread]:
        """Lease up to `limit` rows that are due and not leased to another (a lease that ran out is none).

        Commits before it returns. Two claimants never hold one row at once. Oldest first.
        """
        ...

    async def queue_overdue(self, *, ended_before: datetime, now: datetime) -> int:
        """Queue every subscription that grants access although its period ended before then; answer how many.

        A renewal, a failure or an end must have been told of by then, so what told of it was lost.
        """
        ...

    async def next_due(self, *, now: datetime) -> datetime | None:
        """Answer when the next row can be claimed (its due time or the end of its lease); `None`: nothing waits."""
        ...

    async def put_back(self, reread: Reread, *, due_at: datetime, attempts: int) -> None:
        """Give the lease back, due again at a time; nothing happens if the lease is another's by now."""
        ...


class CheckoutAttempts(Protocol):
    """The reservations: at most one per account. Each method is a transaction of its own."""

    async def current(self, account: AccountId) -> CheckoutAttempt | None:
        """Answer the account's attempt, if it has one."""
        ...

    async def reserve(self, attempt: CheckoutAttempt) -> CheckoutAttempt:
        """Insert the attempt, unless the account has one: then answer that one. A unique constraint decides.

        Must raise `AlreadySubscribed` if the account has a live subscription by then, seen under the same lock
        that `UnitOfWork.load` takes.
        """
        ...

    async def opened(self, attempt: AttemptId, session: SessionId) -> bool:
        """Note which session Stripe opened; answer False if the attempt is gone."""
        ...

    async def remove(self, attempt: AttemptId) -> None:
        """Remove the attempt, if it is there."""
        ...


class Customers(Protocol):
    """The customers that stand for accounts. Each method is a transaction of its own."""

    async def reserve(self, account: AccountId) -> Customer:
        """Answer the account's newest customer that is not deleted; make a row for the next generation if none.

        Insert first: two racing calls answer the same row. Raises `AccountNotFound`.
        """
        ...

    async def created(self, customer: Customer, id_: CustomerId) -> None:
        """Note the id that Stripe gave to a reserved customer; noting it again changes nothing.

        If an event has attached that very customer meanwhile, the reservation is dropped: it is noted already.
        """
        ...

    async def abandon(self, customer: Customer) -> None:
        """Give up a reservation whose key is spent: the next `reserve` makes the next generation, with a new key.

        Nothing happens if Stripe has answered meanwhile.
        """
        ...

    async def deleted(self, id_: CustomerId) -> None:
        """Note that Stripe does not have the customer any more; an attempt to buy with it is removed."""
        ...


class Accounts(Protocol):
    """The accounts. Each method is a transaction of its own."""

    async def add(self, account: Account, *, key: ApiKey, hash_: KeyHash) -> None:
        """Insert it and its first key. Must raise `AccountExists` if its address is taken: a constraint decides."""
        ...

    async def view(self, account: AccountId) -> AccountView:
        """Answer it with its standing; raises `AccountNotFound`."""
        ...

    async def view_by_email(self, email: str) -> AccountView:
        """Answer it with its standing; raises `AccountNotFound`."""
        ...

    async def view_by_key(self, key: KeyHash) -> AccountView | None:
        """Answer whose key this is, with its standing, in one round trip; `None` if it is unknown or revoked."""
        ...

    async def subscriptions(self, account: AccountId) -> Sequence[Subscription]:
        """Answer all of its subscriptions."""
        ...


class ApiKeys(Protocol):
    """The API keys. Each method is a transaction of its own."""

    async def add(self, key: ApiKey, hash_: KeyHash) -> None:
        """Insert it; raises `AccountNotFound` if its account is not there."""
        ...

    async def of(self, account: AccountId) -> Sequence[ApiKey]:
        """Answer the account's keys, revoked ones too, oldest first."""
        ...

    async def revoke(self, key: ApiKeyId, *, at: datetime) -> ApiKey:
        """Revoke it, at once for every replica; revoked before, it keeps its time. Raises `ApiKeyNotFound`."""
        ...


# Stripe


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
