"""The queue of re-reads: claimed once, leased, given back, finished."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from billing.identifiers import AccountId, SubscriptionId
from billing.ports import Changes, Claims, Reread
from billing.subscription import Status
from billing_memory import NOON
from support.contracts import MINUTE, Stores, add_account, commit, subscription, subscription_id

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


async def ask(store: Stores, *numbers: int, at: datetime = NOON) -> None:
    """Ask for re-reads of the subscriptions with these numbers."""
    await commit(store, Changes(received_at=at, rereads=set(map(subscription_id, numbers))))


async def claim(store: Stores, lease: str, *, limit: int = 100, now: datetime = NOON) -> Sequence[Reread]:
    """Claim for a minute."""
    return await store.reread_queue.claim(limit=limit, now=now, leased_until=now + MINUTE, lease=lease)


async def finish(store: Stores, reread: Reread, owner: AccountId | None = None) -> bool:
    """Finish a re-read in a unit of work of its own."""
    async with store.transactions.begin() as transaction:
        await transaction.load(Claims(accounts=frozenset({owner} if owner else ())))
        was_ours = await transaction.finish_reread(reread)
        await transaction.commit()
        return was_ours


def names(rereads: Sequence[Reread]) -> list[SubscriptionId]:
    """Answer what is to be fetched, in order."""
    return [reread.subscription for reread in rereads]


async def test_an_empty_queue(store: Stores) -> None:
    """Where nothing was asked for, nothing is claimed and nothing waits."""
    assert await claim(store, "lease_a") == []
    assert await store.reread_queue.next_due(now=NOON) is None


async def test_what_was_asked_for_is_due_at_once(store: Stores) -> None:
    """A re-read is due when the transaction that asked for it was received, and waits until it is claimed."""
    await ask(store, 1)
    assert await store.reread_queue.next_due(now=NOON) == NOON
    assert await claim(store, "too_early", now=NOON - SECOND) == []
    assert await claim(store, "lease_a") == [
        Reread(subscription=subscription_id(1), attempts=0, version=0, lease="lease_a")
    ]


async def test_a_claim_carries_the_version_held(store: Stores) -> None:
    """What is claimed says at which version the subscription was; 0 for one that is not held."""
    owner = await add_account(store)
    changes = Changes(received_at=NOON, rereads={subscription_id(1), subscription_id(2)})
    changes.subscriptions[subscription_id(1)] = subscription(owner)
    await commit(store, changes)
    assert {reread.subscription: reread.version for reread in await claim(store, "lease_a")} == {
        subscription_id(1): 1,
        subscription_id(2): 0,
    }


async def test_asking_twice_is_one_row(store: Stores) -> None:
    """A subscription that is asked for again while it waits is fetched once."""
    await ask(store, 1)
    await ask(store, 1, at=NOON + SECOND)
    assert len(await claim(store, "lease_a", now=NOON + MINUTE)) == 1


async def test_the_oldest_come_first(store: Stores) -> None:
    """Re-reads are claimed in the order in which they are due, up to the limit."""
    for number, later in ((1, 3), (2, 1), (3, 2), (4, 0)):
        await ask(store, number, at=NOON + later * SECOND)
    now = NOON + MINUTE
    assert names(await claim(store, "lease_a", limit=2, now=now)) == [subscription_id(4), subscription_id(2)]
    assert names(await claim(store, "lease_b", limit=1, now=now)) == [subscription_id(3)]
    assert names(await claim(store, "lease_c", limit=9, now=now)) == [subscription_id(1)]


async def test_asking_again_does_not_send_it_to_the_end_of_the_line(store: Stores) -> None:
    """A subscription that is asked for again and again is not overtaken for ever by those asked for once."""
    await ask(store, 1)
    await ask(store, 2, at=NOON + SECOND)
    await ask(store, 1, at=NOON + 2 * SECOND)
    assert names(await claim(store, "lease_a", limit=1, now=NOON + MINUTE)) == [subscription_id(1)]


async def test_what_is_leased_is_not_claimed_again(store: Stores) -> None:
    """A leased re-read is nobody else's until the lease runs out; the queue says when that is."""
    await ask(store, 1)
    await claim(store, "lease_a")
    assert await claim(store, "lease_b", now=NOON + MINUTE - SECOND) == []
    assert await store.reread_queue.next_due(now=NOON + SECOND) == NOON + MINUTE


async def test_a_lease_that_ran_out_is_none(store: Stores) -> None:
    """When a claimant died, another claims its re-read at the moment its lease ends, under a name of its own."""
    await ask(store, 1)
    await claim(store, "lease_of_the_dead")
    [reread] = await claim(store, "lease_b", now=NOON + MINUTE)
    assert (reread.subscription, reread.lease) == (subscription_id(1), "lease_b")


async def test_next_due_is_not_later_than_what_can_be_claimed(store: Stores) -> None:
    """Among leased, postponed and waiting re-reads, the queue answers the first that can be claimed."""
    await ask(store, 1)
    [leased] = await claim(store, "lease_a")
    await ask(store, 2)
    [postponed] = await claim(store, "lease_b")
    await store.reread_queue.put_back(postponed, due_at=NOON + 5 * SECOND, attempts=1)
    assert await store.reread_queue.next_due(now=NOON) == NOON + 5 * SECOND
    await store.reread_queue.put_back(leased, due_at=NOON + 3 * SECOND, attempts=1)
    assert await store.reread_queue.next_due(now=NOON) == NOON + 3 * SECOND
    assert await claim(store, "lease_c", now=NOON + 2 * SECOND) == []
    assert names(await claim(store, "lease_c", now=NOON + 3 * SECOND)) == [subscription_id(1)]


async def test_put_back_is_due_again_with_its_attempts(store: Stores) -> None:
    """A re-read that is given back keeps how often it was tried, and is due when it was told."""
    await ask(store, 1)
    [reread] = await claim(store, "lease_a")
    await store.reread_queue.put_back(reread, due_at=NOON + SECOND, attempts=3)
    assert await claim(store, "lease_b") == []
    [again] = await claim(store, "lease_b", now=NOON + SECOND)
    assert (again.attempts, again.lease) == (3, "lease_b")


async def test_put_back_of_a_lost_lease_changes_nothing(store: Stores) -> None:
    """Who lost its lease gives nothing back: the re-read is another's."""
    await ask(store, 1)
    [lost] = await claim(store, "lease_a")
    now = NOON + MINUTE
    [held] = await claim(store, "lease_b", now=now)
    await store.reread_queue.put_back(lost, due_at=NOON, attempts=9)
    assert await claim(store, "lease_c", now=now) == []
    await store.reread_queue.put_back(held, due_at=now, attempts=1)
    [again] = await claim(store, "lease_c", now=now)
    assert again.attempts == 1


async def test_put_back_of_a_finished_one_brings_nothing_back(store: Stores) -> None:
    """A re-read that was finished does not return to the queue."""
    await ask(store, 1)
    [reread] = await claim(store, "lease_a")
    await finish(store, reread)
    await store.reread_queue.put_back(reread, due_at=NOON, attempts=1)
    assert await store.reread_queue.next_due(now=NOON) is None


async def test_a_finished_one_is_gone(store: Stores) -> None:
    """Finishing removes the row, once; and it can be asked for anew."""
    await ask(store, 1)
    [reread] = await claim(store, "lease_a")
    assert await finish(store, reread)
    assert not await finish(store, reread)
    assert await store.reread_queue.next_due(now=NOON) is None
    await ask(store, 1, at=NOON + SECOND)
    [anew] = await claim(store, "lease_b", now=NOON + SECOND)
    assert anew.attempts == 0


async def test_finishing_without_a_commit_is_undone(store: Stores) -> None:
    """A re-read stays leased when the transaction that would have finished it was not committed."""
    await ask(store, 1)
    [reread] = await claim(store, "lease_a")
    async with store.transactions.begin() as transaction:
        await transaction.load(Claims())
        assert await transaction.finish_reread(reread)
    assert await claim(store, "lease_b") == []
    assert await finish(store, reread)


async def test_a_lost_lease_finishes_nothing(store: Stores) -> None:
    """Who lost its lease is told so, and the other claimant's re-read stays."""
    await ask(store, 1)
    [lost] = await claim(store, "lease_a")
    [held] = await claim(store, "lease_b", now=NOON + MINUTE)
    assert not await finish(store, lost)
    assert await finish(store, held)


async def test_a_put_back_one_is_finished_by_nobody(store: Stores) -> None:
    """Who gave a re-read back cannot finish it afterwards."""
    await ask(store, 1)
    [reread] = await claim(store, "lease_a")
    await store.reread_queue.put_back(reread, due_at=NOON, attempts=0)
    assert not await finish(store, reread)
    assert names(await claim(store, "lease_b")) == [subscription_id(1)]


async def test_asking_again_while_leased_leaves_the_lease(store: Stores) -> None:
    """A re-read that is asked for again while somebody fetches it stays theirs to finish or give back."""
    await ask(store, 1)
    [reread] = await claim(store, "lease_a")
    await ask(store, 1, at=NOON + SECOND)
    assert await claim(store, "lease_b", now=NOON + 2 * SECOND) == []
    assert await finish(store, reread)
    assert await store.reread_queue.next_due(now=NOON) is None


async def test_asking_again_makes_a_postponed_one_due_at_once(store: Stores) -> None:
    """What waits for a later try does not wait when an event asks for it again; its attempts stay."""
    await ask(store, 1)
    [reread] = await claim(store, "lease_a")
    await store.reread_queue.put_back(reread, due_at=NOON + 30 * MINUTE, attempts=4)
    await ask(store, 1, at=NOON + SECOND)
    [again] = await claim(store, "lease_b", now=NOON + SECOND)
    assert again.attempts == 4


async def test_two_claimants_never_hold_one_row(replicas: tuple[Stores, Stores]) -> None:
    """Twenty claimants on two replicas share forty re-reads without holding any of them twice."""
    await ask(replicas[0], *range(40))

    async def claim_some(number: int) -> Sequence[Reread]:
        return await claim(replicas[number % 2], f"lease_{number}", limit=5)

    claimed = await asyncio.gather(*map(claim_some, range(20)))
    held = [name for rereads in claimed for name in names(rereads)]
    assert len(held) == len(set(held))
    # Who skipped a row that another was just taking may have gone home with less; nothing may be left over.
    rest = await claim(replicas[0], "lease_rest")
    assert sorted(held + names(rest)) == sorted(map(subscription_id, range(40)))


async def test_of_many_that_finish_one_lease_one_does(replicas: tuple[Stores, Stores]) -> None:
    """Twenty that try to finish the same lease at once: exactly one is told that it was still leased."""
    owner = await add_account(replicas[0])
    await ask(replicas[0], 1)
    [reread] = await claim(replicas[0], "lease_a")
    ends = await asyncio.gather(*(finish(replicas[number % 2], reread, owner) for number in range(20)))
    assert ends.count(True) == 1


@pytest.mark.parametrize("status", list(Status))
async def test_what_grants_access_after_its_period_is_overdue(store: Stores, status: Status) -> None:
    """A subscription that grants access although its period ended is queued, due at once; another one is not."""
    held = replace(subscription(await add_account(store)), status=status, period_end=NOON - MINUTE)
    await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))
    queued = await store.reread_queue.queue_overdue(ended_before=NOON, now=NOON + SECOND)
    assert queued == status.grants_access
    assert await store.reread_queue.next_due(now=NOON) == (NOON + SECOND if status.grants_access else None)


@pytest.mark.parametrize(
    ("period_end", "count"),
    [(None, 0), (NOON - SECOND, 1), (NOON, 1), (NOON + SECOND, 0)],
)
async def test_a_period_is_overdue_when_it_ended_before_the_time(
    store: Stores, period_end: datetime | None, count: int
) -> None:
    """Only a period that ended before the time given is overdue, to the microsecond; one without an end never is."""
    held = replace(subscription(await add_account(store)), period_end=period_end)
    await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))
    just_after = NOON + timedelta(microseconds=1)
    assert await store.reread_queue.queue_overdue(ended_before=NOON, now=NOON) == count * (period_end != NOON)
    assert await store.reread_queue.queue_overdue(ended_before=just_after, now=NOON) == count * (period_end == NOON)


async def test_what_is_queued_is_not_queued_again(store: Stores) -> None:
    """What waits, or is leased, stays as it is; only what is newly queued is counted."""
    owner = await add_account(store)
    overdue = [replace(subscription(owner, number), period_end=NOON - MINUTE) for number in range(1, 5)]
    await commit(store, Changes(received_at=NOON, subscriptions={one.id: one for one in overdue}))
    await ask(store, 1, 2)
    [leased, _] = await claim(store, "lease_a")
    assert await store.reread_queue.queue_overdue(ended_before=NOON, now=NOON + SECOND) == 2
    assert await store.reread_queue.queue_overdue(ended_before=NOON, now=NOON + 2 * SECOND) == 0
    assert names(await claim(store, "lease_b", now=NOON + SECOND)) == [subscription_id(3), subscription_id(4)]
    assert await finish(store, leased, owner)


async def test_replicas_that_queue_at_once_queue_once(replicas: tuple[Stores, Stores]) -> None:
    """Of replicas that look for what is overdue at the same time each row is counted by one."""
    owner = await add_account(replicas[0])
    overdue = [replace(subscription(owner, number), period_end=NOON - MINUTE) for number in range(20)]
    await commit(replicas[0], Changes(received_at=NOON, subscriptions={one.id: one for one in overdue}))
    counts = await asyncio.gather(
        *(replicas[number % 2].reread_queue.queue_overdue(ended_before=NOON, now=NOON) for number in range(10))
    )
    assert sum(counts) == 20
    assert len(await claim(replicas[0], "lease_a")) == 20
