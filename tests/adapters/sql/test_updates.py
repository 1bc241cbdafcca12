"""Updates on PostgreSQL, which decide before they lock: what happens to a decision that was overtaken."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import NoReturn

import pytest

from billing.idempotency import Outcome
from billing.plans import Tier
from billing.ports import Changes, Claims, DecidedEvent, Loaded
from billing.standing import standing_of
from billing_memory import NOON
from billing_sql import SqlCheckoutAttempts, SqlDatabase, SqlTransactions
from support.contracts import attempt, changed, event_id, nothing_for_us, session_id, snapshot, subscription
from support.sql import Open, add, blocked, deliver

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("standing_changes", [False, True])
async def test_a_decision_that_was_overtaken_is_made_again(
    postgres_url: str, open_database: Open, *, standing_changes: bool
) -> None:
    """Somebody else's commit between reading and writing has it decided again, with what is true by then."""
    database = await open_database(postgres_url)
    owner = await add(database)
    held = subscription(owner)
    better = replace(held, tier=Tier.ENTERPRISE)
    standings = {owner: standing_of([better])} if standing_changes else {}
    decided: list[Tier] = []

    async def commit_elsewhere() -> None:
        other = await SqlDatabase.open(postgres_url)
        async with SqlTransactions(other).begin() as transaction:
            await transaction.load(Claims(accounts=frozenset({owner})))
            await transaction.save(Changes(received_at=NOON, subscriptions={held.id: better}, standings=standings))
            await transaction.commit()
        await other.close()

    def decide(loaded: Loaded) -> tuple[Changes, None]:
        if not decided:
            elsewhere = Thread(target=asyncio.run, args=(commit_elsewhere(),))
            elsewhere.start()
            elsewhere.join()
        now = loaded.subscriptions.get(held.id, held)
        decided.append(now.tier)
        event = DecidedEvent(delivery=nothing_for_us(1), outcome=Outcome.APPLIED, account=owner)
        return Changes(received_at=NOON, events=[event], subscriptions={held.id: replace(now, version=7)}), None

    await SqlTransactions(database).update(Claims(accounts=frozenset({owner})), decide)
    assert decided == [held.tier, Tier.ENTERPRISE]
    async with SqlTransactions(database).begin() as transaction:
        loaded = await transaction.load(Claims(accounts=frozenset({owner})))
    assert loaded.subscriptions[held.id] == replace(better, version=7)


class WithoutLocks(SqlDatabase):
    """A database on which nothing is done with locks first."""

    async def transact(self, step: object, *, patient: bool = True) -> NoReturn:
        """See `SqlDatabase`."""
        raise AssertionError(f"{step} was to take locks ({patient=})")


async def test_an_event_of_a_subscription_that_is_held_needs_no_locks(postgres_url: str) -> None:
    """It is read, decided and written in two round trips."""
    database = await WithoutLocks.open(postgres_url)
    try:
        owner = await add(database)
        held = subscription(owner)
        async with SqlTransactions(database).begin() as transaction:
            await transaction.save(Changes(received_at=NOON, subscriptions={held.id: held}))
            await transaction.commit()
        for number in (1, 2):
            said = replace(snapshot(owner), cancel_at_period_end=number == 1)
            told = replace(changed(number, said), created=NOON + timedelta(hours=number))
            assert await deliver(database, [told]) == [Outcome.APPLIED]
    finally:
        await database.close()


async def test_a_session_that_opens_while_the_locks_are_waited_for_is_closed(
    postgres_url: str, open_database: Open
) -> None:
    """A purchase whose session was written down only just now still closes it: the account can buy again."""
    database = await open_database(postgres_url)
    owner = await add(database)
    attempts = SqlCheckoutAttempts(database)
    trying = await attempts.reserve(attempt(owner))
    held = subscription(owner)

    def decide(_: Loaded) -> tuple[Changes, None]:
        changes = Changes(received_at=NOON, subscriptions={held.id: held}, sessions_closed={session_id()})
        changes.events.append(DecidedEvent(delivery=nothing_for_us(1), outcome=Outcome.APPLIED, account=owner))
        return changes, None

    async with SqlTransactions(database).begin() as holder:
        await holder.load(Claims(accounts=frozenset({owner})))
        updating = asyncio.ensure_future(SqlTransactions(database).update(Claims(accounts=frozenset({owner})), decide))
        await blocked(database)
        assert await attempts.opened(trying.id, session_id())
    await updating
    assert await attempts.current(owner) is None


async def test_an_update_that_is_cancelled_while_it_waits_for_a_lock(postgres_url: str, open_database: Open) -> None:
    """The server may write it all the same, or not; it never comes after what was decided later, nor locks it out."""
    database = await open_database(postgres_url)
    owner = await add(database)
    held = subscription(owner)
    claims = Claims(accounts=frozenset({owner}))

    def decide_with(number: int) -> Changes:
        event = DecidedEvent(delivery=nothing_for_us(number), outcome=Outcome.APPLIED, account=owner)
        return Changes(received_at=NOON, events=[event], subscriptions={held.id: replace(held, version=number)})

    transactions = SqlTransactions(database)
    async with transactions.begin() as holder:
        await holder.load(claims)
        updating = asyncio.ensure_future(transactions.update(claims, lambda _: (decide_with(1), None)))
        await blocked(database)
        updating.cancel()
        await asyncio.gather(updating, return_exceptions=True)
    await transactions.update(claims, lambda _: (decide_with(2), None))
    _, (events, version) = await transactions.update(
        Claims(accounts=claims.accounts, events=frozenset({event_id(2)})),
        lambda found: (Changes(received_at=NOON), (found.known_events, found.subscriptions[held.id].version)),
    )
    assert (events, version) == (frozenset({event_id(2)}), 2)
