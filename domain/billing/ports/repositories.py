"""What is stored beside what units of work write. Each method is a transaction of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from billing.accounts import Account, AccountView, ApiKey, Customer
from billing.checkout import CheckoutAttempt
from billing.identifiers import AccountId, ApiKeyId, AttemptId, CustomerId, KeyHash, SessionId
from billing.ports.transactions import Reread
from billing.ports.webhooks import FailedEvent
from billing.subscription import Subscription


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
