"""What a transaction begins with: the accounts concerned are locked, and what is known of them is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.sql.expression import Executable

from billing.identifiers import AccountId, CustomerId, EventId, SubscriptionId
from billing.ports import Claims, Loaded
from billing.standing import Standing
from billing.subscription import Subscription
from billing_sql.dialects.difference import Difference
from billing_sql.dialects.json_rows import as_json
from billing_sql.dialects.prepared import Parameters, Prepared, Session
from billing_sql.rows import STANDING, SUBSCRIPTION, standing_of, subscription_of
from billing_sql.tables import accounts, customers, events, subscriptions

_ACCOUNT, _OWNER, _EVENT = range(3)
_OF_STANDING, _VERSION, _OF_SUBSCRIPTION = slice(0, len(STANDING)), len(STANDING), slice(len(STANDING) + 1, None)
_CUSTOMER = SUBSCRIPTION.index(subscriptions.c.customer_id)
_COLUMNS = (
    *(column.label(f"their_{column.name}") for column in (accounts.c.id, *STANDING, accounts.c.version)),
    *SUBSCRIPTION,
)


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
        claimed = _Claimed(difference)
        self.looking = difference.prepare_query(_look(difference, claimed))
        self.looking_at_held = difference.prepare_query(_look_at_held(difference))

    async def lock_and_look(self, session: Session, claims: Claims) -> Loaded | None:
        """Lock the accounts, then look; answer `None` if what was found concerns an account that is not locked.

        Where rows cannot be locked, the transaction itself is the lock.
        """
        if self.locking is None:
            return (await self.look(session, claims)).loaded
        locked: set[AccountId] = set()
        claimed = self._claimed(claims)
        if claims.accounts or claims.customers or claims.subscriptions:
            locked.update(id_ for (id_,) in await session.execute(self.locking, claimed))
        loaded = (await self._look(session, self.looking, claimed)).loaded
        return loaded if loaded.standings.keys() <= locked else None

    async def look(self, session: Session, claims: Claims) -> Found:
        """Answer what is known, of one moment.

        Mostly every subscription is held, and nothing need be looked for but what belongs to them, which is faster.
        Where it turns out that one is not, all is looked for, as it is where accounts or customers are claimed by
        themselves. Else, where all events are known, nothing but them is looked for.
        """
        if not claims.accounts and not claims.customers:
            by_subscription = {
                "events": self._texts(claims.events),
                "subscriptions": self._texts(claims.subscriptions),
                # Without events there is none to be known: the subscriptions are looked for.
                "enough": len(claims.events) or 1,
            }
            found = await self._look(session, self.looking_at_held, by_subscription)
            nothing_is_new = bool(claims.events) and claims.events == found.loaded.known_events
            if nothing_is_new or all(named.subscription in found.loaded.subscriptions for named in claims.named):
                return found
        return await self._look(session, self.looking, self._claimed(claims))

    async def _look(self, session: Session, query: Prepared, parameters: Parameters) -> Found:
        known: set[EventId] = set()
        owners: dict[CustomerId, AccountId] = {}
        held: dict[SubscriptionId, Subscription] = {}
        standings: dict[AccountId, Standing] = {}
        versions: dict[AccountId, int] = {}
        for kind, id_, *row in await session.execute(query, parameters):
            if kind == _EVENT:
                known.add(id_)
                continue
            subscription = row[_OF_SUBSCRIPTION]
            if kind == _OWNER:
                owners[subscription[_CUSTOMER]] = id_
                continue
            standings[id_] = standing_of(row[_OF_STANDING])
            versions[id_] = row[_VERSION]
            if subscription[0] is not None:
                held[subscription[0]] = subscription_of(subscription)
        loaded = Loaded(known_events=frozenset(known), owners=owners, standings=standings, subscriptions=held)
        return Found(loaded=loaded, versions=versions)

    def _claimed(self, claims: Claims) -> Parameters:
        return {
            "accounts": self._texts(claims.accounts),
            "customers": self._texts(claims.customers),
            "events": self._texts(claims.events),
            "named": as_json([(one.subscription, one.customer, one.account) for one in claims.named]),
            "subscriptions": self._texts(claims.subscriptions),
        }


def _lock_accounts(difference: Difference) -> Executable:
    """Lock the accounts that are claimed, in the order of their ids.

    What a transaction needs to know it reads in its next statement: this one sees the moment before it waited.
    """
    claimed = _Claimed(difference)
    return (
        select(accounts.c.id)
        .where(difference.selected(accounts.c.id, claimed.accounts))
        # By code points, as `billing_sql.saving` sorts, whatever order the database has for its texts.
        .order_by(accounts.c.id.collate("C"))
        # Not the stronger lock: rows that refer to the account may go on being inserted.
        .with_for_update(key_share=True)
    )


def _look(difference: Difference, claimed: "_Claimed") -> CompoundSelect[Any]:
    """Read all in one go: the accounts claimed with their subscriptions, the events known, whose the customers are."""
    owned = {"their_id": claimed.owned.c.account_id, "customer_id": claimed.owned.c.customer_id}
    return union_all(
        _accounts(difference, claimed.accounts),
        _told(_EVENT, {"their_id": events.c.id}).where(difference.among(events.c.id, "events")),
        _told(_OWNER, owned),
    )


def _look_at_held(difference: Difference) -> CompoundSelect[Any]:
    """Read the events known, and if they are fewer than `enough`, the accounts of the subscriptions held."""
    known = select(events.c.id).where(difference.among(events.c.id, "events")).cte("known")
    some_are_new = select(func.count()).select_from(known).scalar_subquery() < bindparam("enough", type_=Integer)
    held = subscriptions.alias("claimed")
    # The condition empties the list. On the rows SQLite would test it only after it has found them.
    claimed = difference.selected(held.c.id, difference.members("subscriptions").where(some_are_new))
    return union_all(
        _accounts(difference, select(held.c.account_id).where(claimed)), _told(_EVENT, {"their_id": known.c.id})
    )


def _accounts(difference: Difference, claimed: Select[Any] | CompoundSelect[Any]) -> Select[Any]:
    """Read a row for every subscription of the accounts, with its account's columns; one for an account without any."""
    told_of_accounts = select(_kind(_ACCOUNT), *_COLUMNS).select_from(accounts.outerjoin(subscriptions))
    return told_of_accounts.where(difference.selected(accounts.c.id, claimed))


class _Claimed:
    """Who is claimed, by themselves, a subscription or a customer, or named for a subscription that is not held."""

    def __init__(self, difference: Difference) -> None:
        known = (
            select(subscriptions.c.id, subscriptions.c.account_id)
            .where(difference.among(subscriptions.c.id, "subscriptions"))
            .cte("known")
        )
        subscription, customer, account = difference.triples("named")
        unheld = (
            select(customer.label("customer_id"), account.label("account_id"))
            .where(subscription.not_in(select(known.c.id)))
            .cte("unheld")
        )
        # Whoever is named twice is found once, as one of a list: nothing is gained by sorting out whom.
        wanted = union_all(difference.members("customers"), select(unheld.c.customer_id))
        self.owned = (
            select(customers.c.account_id, customers.c.customer_id)
            .where(difference.selected(customers.c.customer_id, wanted))
            .cte("owned")
        )
        self.accounts = union_all(
            difference.members("accounts"),
            select(known.c.account_id),
            select(self.owned.c.account_id),
            select(unheld.c.account_id),
        )


def _told(kind: int, told: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    """Answer rows of the columns that all kinds share; a column that nothing is told of is null."""
    return select(_kind(kind), *(told.get(column.name, null()) for column in _COLUMNS))


def _kind(number: int) -> ColumnElement[int]:
    return literal_column(str(number), Integer).label("kind")
