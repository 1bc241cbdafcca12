"""Units of work over events and subscriptions: what they find, and what they write."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from billing.events import Delivery
from billing.idempotency import Alert, Outcome
from billing.identifiers import AccountId, CustomerId, EventId, SessionId, SubscriptionId
from billing.standing import Standing
from billing.subscription import Subscription


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
    """What was found, as of a moment after the locks were taken.

    Where events are claimed and every one of them is known, what is claimed by `subscriptions` and `named` may be left
    out: there is nothing to decide. What is claimed by itself, as an account or a customer, is always found.
    """

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

    async def update(self, claims: Claims, decide: Decide[Answer], *, patient: bool = False) -> tuple[Changes, Answer]:
        """Load, decide, save and commit in a unit of work of its own, and answer what was decided.

        For work that waits for nothing between loading and saving, so that the store may choose the shortest way: it
        need not lock before it knows that what was decided can be committed. What `decide` was given is true until
        the commit. It must be pure: it may be called several times and in another thread, and only what it decided
        last is written. Changes that are empty are not written.

        Must raise what `load`, `save` and `commit` raise, and may raise `Contended` soon where it would have to wait
        for what another unit of work has locked, unless it is told to be `patient`. Whatever `decide` raises leaves
        nothing written.
        """
        ...
