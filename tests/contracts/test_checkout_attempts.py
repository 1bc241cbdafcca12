"""The reservations of checkouts: at most one per account."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest

from billing.errors import AlreadySubscribed
from billing.identifiers import AttemptId
from billing.ports import Changes, Claims
from billing.subscription import Status
from billing_memory import NOON
from support.contracts import MINUTE, Stores, add_account, add_accounts, attempt, commit, session_id, subscription

pytestmark = pytest.mark.anyio


async def test_a_reservation_comes_back_as_it_was_made(store: Stores) -> None:
    """All that goes into Stripe's request survives storing, so that a retry repeats it to the letter."""
    owner = await add_account(store)
    assert await store.attempts.current(owner) is None
    made = attempt(owner)
    assert await store.attempts.reserve(made) == made
    assert await store.attempts.current(owner) == made


async def test_a_second_reservation_answers_the_first(store: Stores) -> None:
    """An account that has an attempt keeps it, whatever the new one would have been."""
    owner = await add_account(store)
    first = await store.attempts.reserve(attempt(owner, 1))
    assert await store.attempts.reserve(replace(attempt(owner, 2), expires_at=NOON + MINUTE)) == first
    await store.attempts.opened(first.id, session_id())
    assert await store.attempts.reserve(attempt(owner, 3)) == replace(first, session=session_id())


async def test_accounts_do_not_hinder_each_other(store: Stores) -> None:
    """Each account has an attempt of its own."""
    owners = await add_accounts(store, 2)
    made = [await store.attempts.reserve(attempt(owner, number)) for number, owner in enumerate(owners)]
    assert [await store.attempts.current(owner) for owner in owners] == made


async def test_of_racing_reservations_exactly_one_wins(replicas: tuple[Stores, Stores]) -> None:
    """Twenty that reserve at once on two replicas: one reservation is its maker's, the others are told of it."""
    owner = await add_account(replicas[0])
    made = [attempt(owner, number) for number in range(20)]
    answers = await asyncio.gather(*(replicas[number % 2].attempts.reserve(one) for number, one in enumerate(made)))
    assert sum(answer == one for answer, one in zip(answers, made, strict=True)) == 1
    assert set(answers) == {await replicas[0].attempts.current(owner)}


@pytest.mark.parametrize("status", list(Status))
async def test_who_is_subscribed_cannot_reserve(store: Stores, status: Status) -> None:
    """A live subscription of the account refuses the reservation; one that is not live does not."""
    owner = await add_account(store)
    held = replace(subscription(owner), status=status)
    await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))
    if status.is_live:
        with pytest.raises(AlreadySubscribed):
            await store.attempts.reserve(attempt(owner))
        assert await store.attempts.current(owner) is None
    else:
        assert await store.attempts.reserve(attempt(owner)) == attempt(owner)


@pytest.mark.parametrize("as_of", [None, NOON])
async def test_one_only_heard_of_does_not_refuse(store: Stores, as_of: datetime | None) -> None:
    """Of an unknown status, a subscription that something was applied of is live; one only heard of is not."""
    owner = await add_account(store)
    held = replace(subscription(owner), status=Status.UNKNOWN, as_of=as_of)
    assert held.is_live == (as_of is not None)
    await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))
    if held.is_live:
        with pytest.raises(AlreadySubscribed):
            await store.attempts.reserve(attempt(owner))
    else:
        assert await store.attempts.reserve(attempt(owner)) == attempt(owner)


async def test_a_known_status_that_a_reread_told_of_refuses(store: Stores) -> None:
    """A subscription that only a re-read told of, so that nothing was applied, is live by its status."""
    owner = await add_account(store)
    held = replace(subscription(owner), as_of=None, read_at=NOON)
    await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))
    with pytest.raises(AlreadySubscribed):
        await store.attempts.reserve(attempt(owner))


async def test_anothers_subscription_does_not_refuse(store: Stores) -> None:
    """Only the account's own subscriptions count."""
    owner, other = await add_accounts(store, 2)
    held = subscription(other)
    await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))
    assert await store.attempts.reserve(attempt(owner)) == attempt(owner)


async def test_a_reservation_waits_for_the_accounts_transaction(replicas: tuple[Stores, Stores]) -> None:
    """A subscription that is being written while somebody reserves refuses the reservation: one lock for both."""
    first, second = replicas
    owner = await add_account(first)
    held = subscription(owner)
    async with first.transactions.begin() as transaction:
        await transaction.load(Claims(accounts=frozenset({owner})))
        await transaction.save(Changes(received_at=NOON, subscriptions={held.id: held}))
        reserving = asyncio.create_task(second.attempts.reserve(attempt(owner)))
        # Time for the other to come as far as the lock; without a lock it would reserve now.
        await asyncio.sleep(0.1)
        await transaction.commit()
    with pytest.raises(AlreadySubscribed):
        await reserving


async def test_the_session_is_noted(store: Stores) -> None:
    """Which session Stripe opened is part of the attempt from then on; noting it again is no harm."""
    owner = await add_account(store)
    made = await store.attempts.reserve(attempt(owner))
    for _ in range(2):
        assert await store.attempts.opened(made.id, session_id())
    assert await store.attempts.current(owner) == replace(made, session=session_id())


async def test_a_session_of_an_attempt_that_is_gone(store: Stores) -> None:
    """Who opened a session for an attempt that was removed meanwhile is told so, and nothing comes back."""
    owner = await add_account(store)
    made = await store.attempts.reserve(attempt(owner))
    await store.attempts.remove(made.id)
    assert not await store.attempts.opened(made.id, session_id())
    assert await store.attempts.current(owner) is None


async def test_a_removed_attempt_makes_room(store: Stores) -> None:
    """After a removal the account can reserve again; removing what is not there is no harm."""
    owner = await add_account(store)
    made = await store.attempts.reserve(attempt(owner, 1))
    await store.attempts.remove(AttemptId("try_of_nobody"))
    assert await store.attempts.current(owner) == made
    for _ in range(2):
        await store.attempts.remove(made.id)
    assert await store.attempts.reserve(attempt(owner, 2)) == attempt(owner, 2)


async def test_an_account_with_an_open_session_says_so(store: Stores) -> None:
    """A read of the account tells whether a checkout of it is open, so that it can be looked at."""
    owner = await add_account(store)
    assert not (await store.accounts.view(owner)).checkout_open
    made = await store.attempts.reserve(attempt(owner))
    await store.attempts.opened(made.id, session_id())
    assert (await store.accounts.view(owner)).checkout_open
    await store.attempts.remove(made.id)
    assert not (await store.accounts.view(owner)).checkout_open
