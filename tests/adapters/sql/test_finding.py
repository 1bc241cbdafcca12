"""How often a database is asked for what a batch of events is about."""

from dataclasses import dataclass, field

import pytest

from billing.identifiers import AccountId
from billing.ports import Changes, Claims, Named
from billing_memory import NOON
from billing_sql import SqlTransactions
from billing_sql.dialects.prepared import Parameters, Prepared, Row, Session
from billing_sql.finding import Finding, Found
from support.contracts import customer_id, event_id, subscription, subscription_id
from support.sql import Open, add

pytestmark = pytest.mark.anyio


@dataclass
class Counting:
    """A session that remembers what it was asked."""

    session: Session
    asked: list[Prepared] = field(default_factory=list[Prepared])

    async def execute(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Session`."""
        self.asked.append(statement)
        return await self.session.execute(statement, parameters)


def named(*numbers: int, account: AccountId | None = None) -> Claims:
    """Claim subscriptions, each with a customer of its number."""
    all_ = frozenset(
        Named(subscription=subscription_id(number), customer=customer_id(number), account=account) for number in numbers
    )
    return Claims(events=frozenset({event_id()}), subscriptions=frozenset(one.subscription for one in all_), named=all_)


async def test_what_is_held_is_found_with_one_question(url: str, open_database: Open) -> None:
    """Only where a subscription is not held the database is asked for its customer and its account, too."""
    database = await open_database(url)
    owner = await add(database)
    first, second = subscription(owner, 1), subscription(owner, 2)
    async with SqlTransactions(database).begin() as transaction:
        changes = Changes(received_at=NOON, subscriptions={first.id: first, second.id: second})
        changes.customers[customer_id(9)] = owner
        await transaction.save(changes)
        await transaction.commit()
    finding = Finding(database.difference)

    async def look(claims: Claims) -> tuple[Found, int]:
        async def step(session: Session) -> tuple[Found, int]:
            counting = Counting(session)
            return await finding.look(counting, claims), len(counting.asked)

        return await database.transact(step)

    for held in (named(1), named(1, 2), named(1, 2, account=AccountId("acct_of_somebody_else"))):
        found, asked = await look(held)
        assert (set(found.loaded.subscriptions), set(found.loaded.standings), asked) == (
            {first.id, second.id},
            {owner},
            1,
        )
    found, asked = await look(Claims(events=frozenset({event_id()})))
    assert (found.versions, asked) == ({}, 1)
    for not_held, owners in ((named(1, 9), {customer_id(9): owner}), (named(1, 8), {})):
        found, asked = await look(not_held)
        assert (found.loaded.owners, set(found.loaded.standings), asked) == (owners, {owner}, 2)
    # Whoever is claimed by themselves is not found by way of a subscription.
    for by_themselves in (Claims(accounts=frozenset({owner})), Claims(customers=frozenset({customer_id(9)}))):
        found, asked = await look(by_themselves)
        assert (set(found.loaded.standings), asked) == ({owner}, 1)
