"""Transactions over events and subscriptions."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from billing.accounts import Customer
from billing.errors import Conflict, StoreUnavailable
from billing.identifiers import AccountId, CustomerId
from billing.ports import Answer, Changes, Claims, Decide, Loaded, Reread
from billing.subscription import Subscription
from billing_memory.store import CustomerRow, MemoryStore, RereadRow, Tables


class NotWritable(Exception):
    """A row that no database would take: text that is not UTF-8 or holds a NUL, a naive time, a missing account."""


class MemoryUnitOfWork:
    """One transaction: a copy of the tables that becomes the tables when committed."""

    def __init__(self, store: MemoryStore, tables: Tables) -> None:
        """Work on `tables`, for `store`."""
        self._store = store
        self._tables = tables

    async def load(self, claims: Claims) -> Loaded:
        """See `billing.ports.UnitOfWork`; the store's turn, taken at the beginning, is the lock."""
        await self._reach()
        tables = self._tables
        unheld = [named for named in claims.named if named.subscription not in tables.subscriptions]
        owners = {
            customer: tables.customers_by_id[customer][0]
            for customer in claims.customers.union(named.customer for named in unheld)
            if customer in tables.customers_by_id
        }
        accounts = {
            account
            for account in claims.accounts.union(named.account for named in unheld if named.account is not None)
            if account in tables.accounts
        }
        accounts.update(owners.values())
        accounts.update(
            tables.subscriptions[id_].account for id_ in claims.subscriptions if id_ in tables.subscriptions
        )
        return Loaded(
            known_events=frozenset(event for event in claims.events if event in tables.events),
            owners=owners,
            standings={account: tables.standings[account] for account in accounts},
            subscriptions={held.id: held for held in tables.subscriptions.values() if held.account in accounts},
        )

    async def save(self, changes: Changes) -> None:
        """See `billing.ports.UnitOfWork`. Also a `Conflict`: a subscription that is another account's by now."""
        await self._reach()
        _save_events(self._tables, changes)
        for subscription in changes.subscriptions.values():
            _check_subscription(self._tables, subscription)
            self._tables.subscriptions[subscription.id] = subscription
        self._tables.standings.update(changes.standings)
        for id_, account in changes.customers.items():
            _attach(self._tables, id_, account)
        for id_ in changes.customers_deleted:
            mark_deleted(self._tables, id_)
        _queue_rereads(self._tables, changes)
        closed = [held.account for held in self._tables.attempts.values() if held.session in changes.sessions_closed]
        for account in closed:
            del self._tables.attempts[account]
        self._tables.alerts.update(changes.alerts)

    async def finish_reread(self, reread: Reread) -> bool:
        """See `billing.ports.UnitOfWork`."""
        await self._reach()
        row = self._tables.rereads.get(reread.subscription)
        if row is None or row.lease != reread.lease:
            return False
        del self._tables.rereads[reread.subscription]
        return True

    async def commit(self) -> None:
        """See `billing.ports.UnitOfWork`."""
        await self._reach()
        self._store.tables = self._tables
        # Whatever this unit of work did after its commit would be nobody's transaction.
        self._tables = self._tables.copied()

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self._store.is_away:
            raise StoreUnavailable


class MemoryTransactions:
    """Begins units of work; they follow each other."""

    def __init__(self, store: MemoryStore) -> None:
        """Begin them on `store`."""
        self._store = store

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[MemoryUnitOfWork, None]:
        """See `billing.ports.Transactions`."""
        async with self._store.turn() as tables:
            yield MemoryUnitOfWork(self._store, tables)

    async def update(
        self,
        claims: Claims,
        decide: Decide[Answer],
        *,
        patient: bool = False,  # noqa: ARG002 - here nobody holds anything for long
    ) -> tuple[Changes, Answer]:
        """See `billing.ports.Transactions`."""
        async with self.begin() as transaction:
            changes, answer = decide(await transaction.load(claims))
            await transaction.save(changes)
            await transaction.commit()
        return changes, answer


def mark_deleted(tables: Tables, id_: CustomerId) -> None:
    """Note that Stripe has deleted a customer, if it is one of ours, and remove the attempt to buy with it."""
    row = tables.customers_by_id.get(id_)
    if row is not None:
        tables.customers[row] = replace(tables.customers[row], is_deleted=True)
    for account in [account for account, held in tables.attempts.items() if held.customer == id_]:
        del tables.attempts[account]


def _save_events(tables: Tables, changes: Changes) -> None:
    for event in changes.events:
        if event.delivery.id in tables.events:
            raise Conflict
        _check_text(event.delivery.id, event.delivery.type, event.account, event.subscription)
        _check_time(event.delivery.created)
        tables.events[event.delivery.id] = event
        tables.failed_events.pop(event.delivery.id, None)


def _queue_rereads(tables: Tables, changes: Changes) -> None:
    due_at = changes.received_at
    for id_ in changes.rereads:
        row = tables.rereads.get(id_)
        if row is None:
            tables.rereads[id_] = RereadRow(due_at=due_at)
        else:
            # What was due before stays where it is in the line: asking again must not send it to the end.
            tables.rereads[id_] = replace(row, due_at=min(row.due_at, due_at))


def _attach(tables: Tables, id_: CustomerId, account: AccountId) -> None:
    if id_ in tables.customers_by_id:
        return
    _check_text(id_)
    owner = tables.accounts[account]
    generation = tables.next_generation(account)
    customer = Customer(account=account, generation=generation, email=owner.email, name=owner.name, id=id_)
    tables.customers[account, generation] = CustomerRow(customer=customer)
    tables.customers_by_id[id_] = (account, generation)


def _check_subscription(tables: Tables, subscription: Subscription) -> None:
    held = tables.subscriptions.get(subscription.id)
    if held is not None and held.account != subscription.account:
        raise Conflict
    if subscription.account not in tables.accounts:
        raise NotWritable(f"there is no account {subscription.account!r}")
    _check_text(subscription.id, subscription.customer)
    _check_time(subscription.period_end, subscription.started_at, subscription.as_of, subscription.read_at)


def _check_text(*texts: str | None) -> None:
    for text in texts:
        if text is not None and ("\0" in text or not _is_utf8(text)):
            raise NotWritable(f"{text!r} is not text that a database takes")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_time(*times: datetime | None) -> None:
    for time in times:
        if time is not None and time.tzinfo is None:
            raise NotWritable(f"{time} has no time zone")
