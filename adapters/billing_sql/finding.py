"""What a transaction begins with: the accounts concerned are locked, and what is known of them is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    literal_column,
    null,
    select,
    union,
    union_all,
)
from sqlalchemy.sql.expression import Executable

from billing.identifiers import AccountId, CustomerId, EventId, SubscriptionId
from billing.ports import Claims, Loaded
from billing.standing import Standing
from billing.subscription import Subscription
from billing_sql.dialects.difference import Difference
from billing_sql.dialects.prepared import Parameters, Session
from billing_sql.rows import SUBSCRIPTION, standing_of, subscription_of
from billing_sql.tables import accounts, customers, events, subscriptions

_HELD, _OWNER, _EVENT, _ACCOUNT = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found at one moment."""

    loaded: Loaded
    versions: Mapping[AccountId, int]
    """How often each account's subscriptions had been written by then."""


class Finding:
    """Locks the accounts concerned, and reads what is known of them."""

    def __init__(self, difference: Difference) -> None:
        """Prepare the statements."""
        self._texts = difference.texts
        self.locking = difference.prepare(_lock_accounts(difference)) if difference.locks_rows else None
        self.looking = difference.prepare_query(_look(difference))
        self._known = difference.prepare_query(select(events.c.id).where(difference.among(events.c.id, "events")))

    async def lock_and_look(self, session: Session, claims: Claims) -> Loaded | None:
        """Lock the accounts, then look; answer `None` if what was found concerns an account that is not locked.

        Where rows cannot be locked, the transaction itself is the lock.
        """
        if self.locking is None:
            return (await self.look(session, claims)).loaded
        locked: set[AccountId] = set()
        if claims.accounts or claims.customers or claims.subscriptions:
            locked.update(id_ for (id_,) in await session.execute(self.locking, self._claimed(claims)))
        loaded = (await self.look(session, claims)).loaded
        return loaded if loaded.standings.keys() <= locked else None

    async def look_if_new(self, session: Session, claims: Claims) -> Loaded | None:
        """Do the same, but look no further if all events claimed are known: nothing else will be asked for then.

        That is a statement more for everybody else, and only worth it where statements cost little.
        """
        if self.locking is not None or not claims.events:
            return await self.lock_and_look(session, claims)
        known = frozenset(id_ for (id_,) in await session.execute(self._known, {"events": self._texts(claims.events)}))
        if known == claims.events:
            return Loaded(known_events=known, owners={}, standings={}, subscriptions={})
        return await self.lock_and_look(session, claims)

    async def look(self, session: Session, claims: Claims) -> Found:
        """Answer what is known, of one moment."""
        known: set[EventId] = set()
        owners: dict[CustomerId, AccountId] = {}
        held: dict[SubscriptionId, Subscription] = {}
        standings: dict[AccountId, Standing] = {}
        versions: dict[AccountId, int] = {}
        parameters = {**self._claimed(claims), "events": self._texts(claims.events)}
        for kind, *row in await session.execute(self.looking, parameters):
            if kind == _HELD:
                held[row[0]] = subscription_of(row)
            elif kind == _OWNER:
                owners[row[0]] = row[1]
            elif kind == _ACCOUNT:
                standings[row[0]] = standing_of(row[3:7])
                versions[row[0]] = row[9]
            else:
                known.add(row[0])
        loaded = Loaded(known_events=frozenset(known), owners=owners, standings=standings, subscriptions=held)
        return Found(loaded=loaded, versions=versions)

    def _claimed(self, claims: Claims) -> Parameters:
        return {
            "accounts": self._texts(claims.accounts),
            "customers": self._texts(claims.customers),
            "subscriptions": self._texts(claims.subscriptions),
        }


def _lock_accounts(difference: Difference) -> Executable:
    """Lock the accounts that are claimed, in the order of their ids.

    What a transaction needs to know it reads in its next statement: this one sees the moment before it waited.
    """
    return (
        select(accounts.c.id)
        .where(accounts.c.id.in_(select(_claimed_accounts(difference))))
        .order_by(accounts.c.id)
        # Not the stronger lock: rows that refer to the account may go on being inserted.
        .with_for_update(key_share=True)
    )


def _look(difference: Difference) -> CompoundSelect[Any]:
    """Read all in one go: the accounts claimed, all their subscriptions, whose the customers are, the events known.

    Every row has the columns of a subscription; what is told of an account stands where a subscription has its like.
    """
    claimed = _claimed_accounts(difference)
    held = select(_kind(_HELD), *SUBSCRIPTION).where(subscriptions.c.account_id.in_(select(claimed)))
    told_of_accounts: dict[str, ColumnElement[Any]] = {
        "id": accounts.c.id,
        "tier": accounts.c.plan_tier,
        "status": accounts.c.status,
        "period_end": accounts.c.current_period_end,
        "cancel_at_period_end": accounts.c.cancel_at_period_end,
        "version": accounts.c.version,
    }
    told_of_owners = {"id": customers.c.customer_id, "account_id": customers.c.account_id}
    return union_all(
        held,
        _like_a_subscription(_ACCOUNT, told_of_accounts).where(accounts.c.id.in_(select(claimed))),
        _like_a_subscription(_OWNER, told_of_owners).where(difference.among(customers.c.customer_id, "customers")),
        _like_a_subscription(_EVENT, {"id": events.c.id}).where(difference.among(events.c.id, "events")),
    )


def _claimed_accounts(difference: Difference) -> CTE:
    """Select the ids of the accounts that are claimed by themselves, a customer or a subscription."""
    claimed = union(
        difference.members("accounts"),
        select(customers.c.account_id).where(difference.among(customers.c.customer_id, "customers")),
        select(subscriptions.c.account_id).where(difference.among(subscriptions.c.id, "subscriptions")),
    )
    return claimed.cte("claimed")


def _like_a_subscription(kind: int, told: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    return select(_kind(kind), *(told.get(column.name, null()) for column in SUBSCRIPTION))


def _kind(number: int) -> ColumnElement[int]:
    return literal_column(str(number), Integer).label("kind")
