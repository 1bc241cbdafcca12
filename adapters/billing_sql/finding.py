"""What a transaction begins with: the accounts concerned are locked, then what is known of them is read."""

from sqlalchemy import ColumnElement, Integer, literal_column, null, select, union, union_all
from sqlalchemy.sql.expression import Executable

from billing.identifiers import AccountId, CustomerId, EventId, SubscriptionId
from billing.ports import Claims, Loaded
from billing.standing import Standing
from billing.subscription import Subscription
from billing_sql.dialects.difference import Difference
from billing_sql.dialects.prepared import Session
from billing_sql.rows import STANDING, SUBSCRIPTION, standing_of, subscription_of
from billing_sql.tables import accounts, customers, events, subscriptions

_HELD, _OWNER, _EVENT = range(3)


class Finding:
    """Locks the accounts concerned, and reads what is known of them."""

    def __init__(self, difference: Difference) -> None:
        """Prepare the statements."""
        self._texts = difference.texts
        self._lock = difference.prepare(_lock_accounts(difference))
        self._look = difference.prepare(_look(difference))

    async def find(self, session: Session, claims: Claims) -> Loaded | None:
        """Answer what was found; `None` if it concerns an account that is not locked."""
        standings = await self._lock_accounts(session, claims)
        known: set[EventId] = set()
        owners: dict[CustomerId, AccountId] = {}
        held: dict[SubscriptionId, Subscription] = {}
        parameters = {
            "locked": self._texts(standings),
            "events": self._texts(claims.events),
            "customers": self._texts(claims.customers),
            "subscriptions": self._texts(claims.subscriptions),
        }
        for kind, *row in await session.execute(self._look, parameters):
            if kind == _EVENT:
                known.add(row[0])
            elif kind == _OWNER:
                owners[row[0]] = row[1]
            else:
                held[row[0]] = subscription_of(row)
        if not (standings.keys() >= {*owners.values(), *(one.account for one in held.values())}):
            return None
        return Loaded(known_events=frozenset(known), owners=owners, standings=standings, subscriptions=held)

    async def _lock_accounts(self, session: Session, claims: Claims) -> dict[AccountId, Standing]:
        if not (claims.accounts or claims.customers or claims.subscriptions):
            return {}
        parameters = {
            "accounts": self._texts(claims.accounts),
            "customers": self._texts(claims.customers),
            "subscriptions": self._texts(claims.subscriptions),
        }
        return {id_: standing_of(standing) for id_, *standing in await session.execute(self._lock, parameters)}


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
    held = select(_kind(_HELD), *SUBSCRIPTION).where(
        difference.among(subscriptions.c.account_id, "locked") | difference.among(subscriptions.c.id, "subscriptions")
    )
    owners = select(_kind(_OWNER), customers.c.customer_id, customers.c.account_id)
    known = select(_kind(_EVENT), events.c.id)
    width = len(SUBSCRIPTION)
    return union_all(
        held,
        owners.add_columns(*[null()] * (width - 2)).where(difference.among(customers.c.customer_id, "customers")),
        known.add_columns(*[null()] * (width - 1)).where(difference.among(events.c.id, "events")),
    )


def _kind(number: int) -> ColumnElement[int]:
    return literal_column(str(number), Integer)
