"""Transactions over events and subscriptions: what the webhooks' way writes, set-wise, a few statements a batch."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    bindparam,
    case,
    delete,
    func,
    literal,
    null,
    select,
    union,
    union_all,
    update,
)
from sqlalchemy.sql.expression import Delete, Executable, Insert, Update

from billing.errors import StoreUnavailable
from billing.identifiers import AccountId, CustomerId, EventId, SubscriptionId
from billing.ports import Changes, Claims, DecidedEvent, Loaded, Reread
from billing.standing import Standing
from billing.subscription import Subscription
from billing_sql.database import SqlDatabase
from billing_sql.dialects.difference import Difference, Rows, Write
from billing_sql.dialects.engine import Transaction
from billing_sql.rows import (
    STANDING,
    SUBSCRIPTION,
    columns_of,
    standing_of,
    standing_row,
    subscription_of,
    subscription_row,
)
from billing_sql.tables import (
    accounts,
    alerts,
    checkout_attempts,
    customers,
    events,
    failed_events,
    rereads,
    subscriptions,
)

ROUNDS = 5
"""How often the locks are taken anew because somebody else gave one of the claims an owner meanwhile."""
_HELD, _OWNER, _EVENT = range(3)


class SqlTransactions:
    """Begins units of work."""

    def __init__(self, database: SqlDatabase) -> None:
        """Begin them on `database`."""
        self._database = database
        self._finding = _Finding(database.difference)
        self._saving = _Saving(database.difference)

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator["SqlUnitOfWork", None]:
        """See `billing.ports.Transactions`."""
        async with self._database.transaction() as transaction:
            yield SqlUnitOfWork(transaction, self._finding, self._saving)


class SqlUnitOfWork:
    """One transaction."""

    def __init__(self, transaction: Transaction, finding: "_Finding", saving: "_Saving") -> None:
        """Do what is asked in `transaction`."""
        self._transaction = transaction
        self._finding = finding
        self._saving = saving

    async def load(self, claims: Claims) -> Loaded:
        """See `billing.ports.UnitOfWork`.

        An owner that appeared between the locks and the look is not locked: then all begins again, so that the
        locks are still taken in their order.
        """
        if claims == _NOTHING:
            return _FOUND_NOTHING
        for _ in range(ROUNDS):
            loaded = await self._transaction.run(lambda connection: self._finding.find(connection, claims))
            if loaded is not None:
                return loaded
            await self._transaction.restart()
        raise StoreUnavailable

    async def save(self, changes: Changes) -> None:
        """See `billing.ports.UnitOfWork`. Also a `Conflict`: a subscription that is another account's by now."""
        writes = self._saving.writes(changes)
        if writes:
            await self._transaction.run(lambda connection: self._saving.write(connection, writes))

    async def finish_reread(self, reread: Reread) -> bool:
        """See `billing.ports.UnitOfWork`."""
        parameters = {"subscription": reread.subscription, "lease": reread.lease}
        return await self._transaction.run(
            lambda connection: connection.execute(_FINISH_REREAD, parameters).rowcount == 1
        )

    async def commit(self) -> None:
        """See `billing.ports.UnitOfWork`."""
        await self._transaction.commit()


_NOTHING = Claims()
_FOUND_NOTHING = Loaded(known_events=frozenset(), owners={}, standings={}, subscriptions={})
_FINISH_REREAD = delete(rereads).where(
    rereads.c.subscription_id == bindparam("subscription"), rereads.c.lease == bindparam("lease")
)


class _Finding:
    """Locks the accounts concerned, and reads what is known of them."""

    def __init__(self, difference: Difference) -> None:
        self._texts = difference.texts
        self._lock = _lock_accounts(difference)
        self._look = _look(difference)

    def find(self, connection: Connection, claims: Claims) -> Loaded | None:
        """Answer what was found; `None` if it concerns an account that is not locked."""
        standings = self._lock_accounts(connection, claims)
        known: set[EventId] = set()
        owners: dict[CustomerId, AccountId] = {}
        held: dict[SubscriptionId, Subscription] = {}
        for kind, *row in connection.execute(
            self._look,
            {
                "locked": self._texts(standings),
                "events": self._texts(claims.events),
                "customers": self._texts(claims.customers),
                "subscriptions": self._texts(claims.subscriptions),
            },
        ):
            if kind == _EVENT:
                known.add(row[0])
            elif kind == _OWNER:
                owners[row[0]] = row[1]
            else:
                held[row[0]] = subscription_of(row)
        if not (standings.keys() >= {*owners.values(), *(one.account for one in held.values())}):
            return None
        return Loaded(known_events=frozenset(known), owners=owners, standings=standings, subscriptions=held)

    def _lock_accounts(self, connection: Connection, claims: Claims) -> dict[AccountId, Standing]:
        if not (claims.accounts or claims.customers or claims.subscriptions):
            return {}
        rows = connection.execute(
            self._lock,
            {
                "accounts": self._texts(claims.accounts),
                "customers": self._texts(claims.customers),
                "subscriptions": self._texts(claims.subscriptions),
            },
        )
        return {id_: standing_of(standing) for id_, *standing in rows}


def _lock_accounts(difference: Difference) -> Executable:
    """Lock the accounts that are claimed, by themselves, a customer or a subscription, in the order of their ids.

    A row that had to be waited for is read again once it is locked, so the standings are those of that moment. That
    holds for the locked rows alone: what else a transaction needs it reads in its next statement.
    """
    claimed = union(
        difference.members("accounts"),
        select(customers.c.account_id).where(difference.among(customers.c.customer_id, "customers")),
        select(subscriptions.c.account_id).where(difference.among(subscriptions.c.id, "subscriptions")),
    )
    return (
        select(accounts.c.id, *STANDING)
        .where(accounts.c.id.in_(claimed))
        .order_by(accounts.c.id)
        # Not the stronger lock: rows that refer to the account may go on being inserted.
        .with_for_update(key_share=True)
    )


def _look(difference: Difference) -> Executable:
    """Read in one go: the subscriptions of the locked accounts, whose the customers are, which events are known."""
    held = select(literal(_HELD, Integer, literal_execute=True), *SUBSCRIPTION).where(
        difference.among(subscriptions.c.account_id, "locked") | difference.among(subscriptions.c.id, "subscriptions")
    )
    owners = select(literal(_OWNER, Integer, literal_execute=True), customers.c.customer_id, customers.c.account_id)
    known = select(literal(_EVENT, Integer, literal_execute=True), events.c.id)
    width = len(SUBSCRIPTION)
    return union_all(
        held,
        owners.add_columns(*[null()] * (width - 2)).where(difference.among(customers.c.customer_id, "customers")),
        known.add_columns(*[null()] * (width - 1)).where(difference.among(events.c.id, "events")),
    )


class _Saving:
    """Writes changes, one statement for each table that is concerned."""

    def __init__(self, difference: Difference) -> None:
        self.write: Callable[[Connection, list[Write]], None] = difference.write_all
        self._texts = difference.texts
        self._events = _Insert.events(difference)
        self._subscriptions = _Insert.subscriptions(difference)
        self._standings = _Insert.standings(difference)
        self._rereads = _Insert.rereads(difference)
        self._customers = _Insert.customers(difference)
        self._alerts = _Insert.alerts(difference)
        self._forget_failures = delete(failed_events).where(difference.among(failed_events.c.id, "done"))
        self._close_sessions = delete(checkout_attempts).where(
            difference.among(checkout_attempts.c.session_id, "closed")
        )
        self._delete_customers = (
            update(customers).where(difference.among(customers.c.customer_id, "gone")).values(is_deleted=True)
        )

    def writes(self, changes: Changes) -> list[Write]:
        """Answer what to execute. The events come first: if one is there already, nothing else need be done."""
        at = changes.received_at
        decided = sorted(changes.events, key=lambda event: event.delivery.id)
        counted = Counter(changes.alerts)
        gone = changes.customers_deleted
        rows: list[tuple[_Insert, list[tuple[object, ...]]]] = [
            (self._events, [_event_row(event, at) for event in decided]),
            (self._subscriptions, [subscription_row(held) for _, held in sorted(changes.subscriptions.items())]),
            (self._standings, [(id_, *standing_row(one)) for id_, one in sorted(changes.standings.items())]),
            (self._rereads, [(id_, at, 0) for id_ in sorted(changes.rereads)]),
            (self._customers, [(id_, owner, id_ in gone) for id_, owner in sorted(changes.customers.items())]),
            (self._alerts, [(alert.value, about, at, at, count) for (alert, about), count in sorted(counted.items())]),
        ]
        texts: list[tuple[Update | Delete, str, set[Any]]] = [
            (self._forget_failures, "done", {event.delivery.id for event in decided}),
            (self._close_sessions, "closed", changes.sessions_closed),
            (self._delete_customers, "gone", gone - changes.customers.keys()),
        ]
        return [(insert.statement, insert.rows.bind(values)) for insert, values in rows if values] + [
            (statement, {name: self._texts(values)}) for statement, name, values in texts if values
        ]


def _event_row(event: DecidedEvent, at: datetime) -> tuple[object, ...]:
    delivery = event.delivery
    return (
        delivery.id,
        delivery.type,
        delivery.created,
        at,
        event.outcome.value,
        event.account,
        event.subscription,
        delivery.payload,
    )


class _Insert:
    """A statement that writes a set of rows."""

    def __init__(self, statement: Insert | Update, rows: Rows) -> None:
        self.statement = statement
        self.rows = rows

    @classmethod
    def events(cls, difference: Difference) -> "_Insert":
        """Insert; an id that is there already is an error."""
        names = ["id", "type", "created", "received_at", "outcome", "account_id", "subscription_id", "payload"]
        rows = difference.rows("event", columns_of(events, *names))
        return cls(difference.insert(events).from_select(names, rows.select(*rows.columns.values())), rows)

    @classmethod
    def subscriptions(cls, difference: Difference) -> "_Insert":
        """Insert or replace.

        One that is another account's by now is a race that this transaction has lost: setting its account to NULL,
        which it may not be, makes that an error.
        """
        names = [column.name for column in SUBSCRIPTION]
        rows = difference.rows("held", SUBSCRIPTION)
        insert = difference.insert(subscriptions).from_select(names, rows.select(*rows.columns.values()))
        new = insert.excluded
        owner = case((subscriptions.c.account_id == new.account_id, new.account_id), else_=None)
        changed = {name: new[name] for name in names if name != "id"} | {"account_id": owner}
        return cls(insert.on_conflict_do_update(index_elements=["id"], set_=changed), rows)

    @classmethod
    def standings(cls, difference: Difference) -> "_Insert":
        """Write the standings on the accounts' rows."""
        rows = difference.rows("standing", [accounts.c.id, *STANDING])
        new = rows.columns
        statement = (
            update(accounts)
            .where(accounts.c.id == new["id"])
            .values({column.name: new[column.name] for column in STANDING})
        )
        return cls(statement, rows)

    @classmethod
    def rereads(cls, difference: Difference) -> "_Insert":
        """Queue; what was due before keeps its place in the line, and its lease."""
        names = ["subscription_id", "due_at", "attempts"]
        rows = difference.rows("reread", columns_of(rereads, *names))
        insert = difference.insert(rereads).from_select(names, rows.select(*rows.columns.values()))
        due_at = case((rereads.c.due_at < insert.excluded.due_at, rereads.c.due_at), else_=insert.excluded.due_at)
        return cls(insert.on_conflict_do_update(index_elements=["subscription_id"], set_={"due_at": due_at}), rows)

    @classmethod
    def customers(cls, difference: Difference) -> "_Insert":
        """Attach each as its account's next generation, unless it is attached already."""
        rows = difference.rows("attached", columns_of(customers, "customer_id", "account_id", "is_deleted"))
        new = rows.columns
        theirs, same = customers.alias("theirs"), customers.alias("same")
        newest = select(func.coalesce(func.max(theirs.c.generation), 0)).where(theirs.c.account_id == accounts.c.id)
        place = func.row_number().over(partition_by=accounts.c.id, order_by=new["customer_id"])
        attached = rows.select(
            accounts.c.id,
            newest.scalar_subquery() + place,
            new["customer_id"],
            accounts.c.email,
            accounts.c.name,
            new["is_deleted"],
        ).where(
            accounts.c.id == new["account_id"],
            ~select(same.c.customer_id).where(same.c.customer_id == new["customer_id"]).exists(),
        )
        names = ["account_id", "generation", "customer_id", "email", "name", "is_deleted"]
        insert = difference.insert(customers).from_select(names, attached)
        return cls(insert.on_conflict_do_nothing(index_elements=["customer_id"]), rows)

    @classmethod
    def alerts(cls, difference: Difference) -> "_Insert":
        """Count."""
        names = ["kind", "subject", "first_seen", "last_seen", "count"]
        rows = difference.rows("alert", columns_of(alerts, *names))
        insert = difference.insert(alerts).from_select(names, rows.select(*rows.columns.values()))
        new = insert.excluded
        more = {"last_seen": new.last_seen, "count": alerts.c.count + new.count}
        return cls(insert.on_conflict_do_update(index_elements=["kind", "subject"], set_=more), rows)
