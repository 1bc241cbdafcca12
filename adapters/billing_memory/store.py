"""The tables, and how a transaction on them begins and ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime

from billing.accounts import Account, ApiKey, Customer
from billing.checkout import CheckoutAttempt
from billing.errors import StoreUnavailable
from billing.idempotency import Alert
from billing.identifiers import AccountId, ApiKeyId, CustomerId, EventId, KeyHash, SubscriptionId
from billing.ports import DecidedEvent, FailedEvent
from billing.standing import Standing
from billing.subscription import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """An API key and the hash it is found by."""

    key: ApiKey
    hash: KeyHash


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRow:
    """A customer, and whether Stripe has deleted it."""

    customer: Customer
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRow:
    """A failed event, and how often it failed."""

    failed: FailedEvent
    attempts: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RereadRow:
    """A re-read that waits, or is leased."""

    due_at: datetime
    attempts: int = 0
    lease: str | None = None
    leased_until: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Tables:
    """Everything that is stored. The rows are frozen, so a copy of the tables is a copy of the dictionaries."""

    accounts: dict[AccountId, Account] = field(default_factory=dict[AccountId, Account])
    accounts_by_email: dict[str, AccountId] = field(default_factory=dict[str, AccountId])
    standings: dict[AccountId, Standing] = field(default_factory=dict[AccountId, Standing])
    api_keys: dict[ApiKeyId, KeyRow] = field(default_factory=dict[ApiKeyId, KeyRow])
    customers: dict[tuple[AccountId, int], CustomerRow] = field(
        default_factory=dict[tuple[AccountId, int], CustomerRow]
    )
    """By account and generation."""
    customers_by_id: dict[CustomerId, tuple[AccountId, int]] = field(
        default_factory=dict[CustomerId, tuple[AccountId, int]]
    )
    attempts: dict[AccountId, CheckoutAttempt] = field(default_factory=dict[AccountId, CheckoutAttempt])
    subscriptions: dict[SubscriptionId, Subscription] = field(default_factory=dict[SubscriptionId, Subscription])
    events: dict[EventId, DecidedEvent] = field(default_factory=dict[EventId, DecidedEvent])
    failed_events: dict[EventId, FailedRow] = field(default_factory=dict[EventId, FailedRow])
    rereads: dict[SubscriptionId, RereadRow] = field(default_factory=dict[SubscriptionId, RereadRow])
    alerts: Counter[tuple[Alert, str]] = field(default_factory=Counter[tuple[Alert, str]])

    def copied(self) -> "Tables":
        """Answer tables of their own with the same rows."""
        return Tables(**{table.name: copy(getattr(self, table.name)) for table in fields(self)})

    def subscriptions_of(self, account: AccountId) -> list[Subscription]:
        """Answer all subscriptions of an account."""
        return [held for held in self.subscriptions.values() if held.account == account]

    def next_generation(self, account: AccountId) -> int:
        """Answer the generation that the account's next customer has."""
        return max((generation for owner, generation in self.customers if owner == account), default=0) + 1


class MemoryStore:
    """A database in memory, for one event loop. What is committed is in `tables`.

    Every access gives way to the other tasks first, as a database's would: races between two of them are real.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.tables = Tables()
        self.is_away = False
        """While this is true every access raises `StoreUnavailable`."""
        self._turn = asyncio.Lock()

    async def read(self) -> Tables:
        """Answer what is committed; not to be changed."""
        await self._reach()
        return self.tables

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Tables, None]:
        """Give tables to change, and commit them at the end of the block unless it raises."""
        async with self.turn() as tables:
            yield tables
            await self._reach()
            self.tables = tables

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[Tables, None]:
        """Wait for all earlier transactions to end, then give a copy of the tables; whoever commits puts it back."""
        await self._reach()
        async with self._turn:
            yield self.tables.copied()

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise StoreUnavailable
