"""How often a database is asked for what a batch of events is about."""

from dataclasses import dataclass, field, replace

import pytest

from billing.identifiers import AccountId
from billing.ports import Changes, Claims, Loaded, Named
from billing_memory import NOON
from billing_sql import SqlDatabase, SqlTransactions
from billing_sql.dialects.prepared import Parameters, Prepared, Row, Session
from billing_sql.finding import Finding, Found
from support.contracts import customer_id, event_id, nothing_for_us, subscription, subscription_id
from support.sql import Open, add, deliver

pytestmark = pytest.mark.anyio

NOTHING = Loaded(known_events=frozenset(), owners={}, standings={}, subscriptions={})


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


async def look(database: SqlDatabase, claims: Claims) -> tuple[Found, int]:
    """Look; answer how often the database was asked, too."""

    async def step(session: Session) -> tuple[Found, int]:
        counting = Counting(session)
        return await Finding(database.difference).look(counting, claims), len(counting.asked)

    return await database.transact(step)


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

    for held in (named(1), named(1, 2), named(1, 2, account=AccountId("acct_of_somebody_else"))):
        found, asked = await look(database, held)
        assert (set(found.loaded.subscriptions), set(found.loaded.standings), asked) == (
            {first.id, second.id},
            {owner},
            1,
        )
    found, asked = await look(database, Claims(events=frozenset({event_id()})))
    assert (found.versions, asked) == ({}, 1)
    for not_held, owners in ((named(1, 9), {customer_id(9): owner}), (named(1, 8), {})):
        found, asked = await look(database, not_held)
        assert (found.loaded.owners, set(found.loaded.standings), asked) == (owners, {owner}, 2)
    # Whoever is claimed by themselves is not found by way of a subscription.
    for by_themselves in (Claims(accounts=frozenset({owner})), Claims(customers=frozenset({customer_id(9)}))):
        found, asked = await look(database, by_themselves)
        assert (set(found.loaded.standings), asked) == ({owner}, 1)


async def test_nothing_is_looked_for_where_all_events_are_known(url: str, open_database: Open) -> None:
    """Neither what belongs to a subscription that is held, nor whose one is that is not; with one that is new, both."""
    database = await open_database(url)
    owner = await add(database)
    held = subscription(owner, 1)
    async with SqlTransactions(database).begin() as transaction:
        await transaction.save(
            Changes(received_at=NOON, subscriptions={held.id: held}, customers={customer_id(9): owner})
        )
        await transaction.commit()
    await deliver(database, [nothing_for_us(1), nothing_for_us(2)])
    known = frozenset({nothing_for_us(1).id, nothing_for_us(2).id})

    found, asked = await look(database, replace(named(1, 9), events=known))
    assert (found.loaded, found.versions, asked) == (replace(NOTHING, known_events=known), {}, 1)

    found, asked = await look(database, replace(named(1), events=known | {event_id(3)}))
    assert (found.loaded.known_events, set(found.loaded.subscriptions), asked) == (known, {held.id}, 1)
    found, asked = await look(database, replace(named(9), events=known | {event_id(3)}))
    assert (found.loaded.owners, asked) == ({customer_id(9): owner}, 2)
    # Without events none is known: the subscription is looked for.
    found, asked = await look(database, replace(named(9), events=frozenset()))
    assert (found.loaded.owners, asked) == ({customer_id(9): owner}, 2)
    # Whoever is claimed by themselves is found all the same.
    found, _ = await look(database, Claims(events=known, accounts=frozenset({owner})))
    assert (found.loaded.known_events, set(found.loaded.subscriptions)) == (known, {held.id})
    # So is a subscription that no event is about.
    found, _ = await look(database, Claims(subscriptions=frozenset({held.id})))
    assert set(found.loaded.standings) == {owner}
