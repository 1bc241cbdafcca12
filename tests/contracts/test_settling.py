"""Re-reads over each store: what Stripe says is written, unless an event was decided meanwhile."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.errors import ProviderRefused, ProviderUnavailable
from billing.events import Delivery
from billing.idempotency import Alert, Outcome
from billing.identifiers import AccountId
from billing.plans import Tier
from billing.ports import Changes
from billing.subscription import Snapshot, Status
from billing.use_cases.settle_subscriptions import LEASE, Settlement
from billing_memory import NOON, Call
from support.contracts import add_account, changed, commit, load_account, snapshot, subscription_id
from support.contracts_world import World

pytestmark = pytest.mark.anyio


async def doubtful(world: World) -> tuple[AccountId, Snapshot]:
    """Bring about a re-read: two snapshots of one second that differ; answer what Stripe has."""
    owner = await add_account(world.store)
    says = snapshot(owner)
    first = changed(1, says)
    second = replace(changed(2, replace(says, status=Status.PAST_DUE)), created=first.created)
    assert await world.service.deliver(first, second) == [Outcome.APPLIED, Outcome.APPLIED]
    world.stripe.put_subscription(says)
    return owner, says


async def status_here(world: World, owner: AccountId) -> Status | None:
    """Answer the status that a read answers now."""
    return (await world.store.accounts.view(owner)).standing.status


async def test_a_tie_is_settled_by_stripe(world: World) -> None:
    """Two snapshots of one second: in the end it is what Stripe says."""
    owner, _ = await doubtful(world)
    assert await status_here(world, owner) is Status.PAST_DUE
    assert await world.service.settle_all() == [Settlement.SETTLED]
    assert await status_here(world, owner) is Status.ACTIVE
    [held] = (await load_account(world.store, owner)).subscriptions.values()
    assert (held.version, held.as_of) == (2, changed(1, snapshot(owner)).created)


async def test_a_webhook_during_a_reread_overtakes_it(world: World) -> None:
    """What was fetched before a webhook was decided is not written; it is fetched again at once, and settles."""
    owner, says = await doubtful(world)
    reread = await world.service.claim_one()
    gate = world.stripe.hold(Call.SUBSCRIPTION)
    settling = asyncio.create_task(world.service.settle.settle(reread))
    await gate.reached.wait()
    unpaid = replace(says, status=Status.UNPAID)
    world.stripe.put_subscription(unpaid)
    assert await world.replicas[1].deliver_one(changed(5, unpaid)) is Outcome.APPLIED
    gate.release()
    assert await settling is Settlement.OVERTAKEN
    assert await status_here(world, owner) is Status.UNPAID
    assert await world.service.settle_all() == [Settlement.SETTLED]
    assert await status_here(world, owner) is Status.UNPAID


async def test_a_webhook_that_changes_nothing_overtakes_too(world: World) -> None:
    """Even an event that said what was known proves that the fetched answer may be older than it."""
    owner, says = await doubtful(world)
    reread = await world.service.claim_one()
    gate = world.stripe.hold(Call.SUBSCRIPTION)
    settling = asyncio.create_task(world.service.settle.settle(reread))
    await gate.reached.wait()
    assert await world.replicas[1].deliver_one(changed(5, replace(says, status=Status.PAST_DUE))) is Outcome.UNCHANGED
    gate.release()
    assert await settling is Settlement.OVERTAKEN
    assert await status_here(world, owner) is Status.PAST_DUE


async def test_a_lease_lost_while_fetching(world: World) -> None:
    """Who comes back from Stripe after its lease was taken over writes nothing; the other one does."""
    owner, says = await doubtful(world)
    late = await world.service.claim_one()
    gate = world.stripe.hold(Call.SUBSCRIPTION)
    settling = asyncio.create_task(world.service.settle.settle(late))
    await gate.reached.wait()
    world.clock.advance(LEASE)
    [taken_over] = await world.replicas[1].settle.claim(limit=10)
    gate.release()
    assert await settling is Settlement.DROPPED
    world.stripe.put_subscription(replace(says, status=Status.UNPAID))
    assert await world.replicas[1].settle.settle(taken_over) is Settlement.SETTLED
    assert await status_here(world, owner) is Status.UNPAID


async def test_stripe_is_away_for_an_hour(world: World) -> None:
    """While Stripe cannot be reached the service answers and takes events; afterwards it settles by itself."""
    owner, _ = await doubtful(world)
    world.stripe.fail_next(ProviderUnavailable(), call=Call.SUBSCRIPTION, times=10_000)
    waits: list[timedelta] = []
    while sum(waits, timedelta()) < timedelta(hours=1):
        assert await world.service.settle_all() == [Settlement.POSTPONED]
        due = await world.store.reread_queue.next_due(now=world.clock.now())
        assert due is not None
        waits.append(due - world.clock.now())
        world.clock.set(due)
    assert await status_here(world, owner) is Status.PAST_DUE
    assert waits[0] < waits[3] < waits[-1] <= timedelta(minutes=1)
    tired = await world.service.claim_one()
    assert tired.attempts == len(waits)
    world.stripe.recover()
    assert await world.service.settle.settle(tired) is Settlement.SETTLED
    assert await status_here(world, owner) is Status.ACTIVE


async def test_stripe_says_when_to_come_back(world: World) -> None:
    """What Stripe asked for in `Retry-After` is waited for, where it is longer than our own back-off."""
    await doubtful(world)
    world.stripe.fail_next(ProviderUnavailable(retry_after_seconds=90), call=Call.SUBSCRIPTION)
    assert await world.service.settle_all() == [Settlement.POSTPONED]
    due = await world.store.reread_queue.next_due(now=world.clock.now())
    assert due == world.clock.now() + timedelta(seconds=90)


async def test_a_refusal_waits_as_well(world: World) -> None:
    """A refusal, an operator's mistake, loses nothing: it is tried again later."""
    owner, _ = await doubtful(world)
    world.stripe.fail_next(ProviderRefused(), call=Call.SUBSCRIPTION)
    assert await world.service.settle_all() == [Settlement.POSTPONED]
    world.clock.advance(timedelta(minutes=1))
    assert await world.service.settle_all() == [Settlement.SETTLED]
    assert await status_here(world, owner) is Status.ACTIVE


async def test_a_subscription_that_stripe_does_not_know(world: World) -> None:
    """Nothing is taken away for it; the alert is raised and counted, and the re-read is over."""
    owner, says = await doubtful(world)
    del world.stripe.subscriptions[says.subscription]
    assert await world.service.settle_all() == [Settlement.DROPPED]
    assert await status_here(world, owner) is Status.PAST_DUE
    assert await world.store.behind.alerts() == {Alert.SUBSCRIPTION_MISSING: 1}
    assert world.alarm.alerts == [(Alert.SUBSCRIPTION_MISSING, says.subscription)]
    assert await world.store.reread_queue.next_due(now=world.clock.now()) is None


async def test_a_foreign_subscription_is_dropped(world: World) -> None:
    """A re-read that turns out to be somebody else's subscription leaves nothing, and is over."""
    owner = await add_account(world.store)
    await commit(world.store, Changes(received_at=NOON, rereads={subscription_id(9)}))
    world.stripe.put_subscription(snapshot(AccountId("acct_of_somebody_else"), 9))
    assert await world.service.settle_all() == [Settlement.DROPPED]
    assert await world.store.accounts.subscriptions(owner) == []
    assert await world.store.reread_queue.next_due(now=world.clock.now()) is None


async def test_a_reread_attaches_a_customer(world: World) -> None:
    """A subscription never heard of that names an account of ours is its own: inserted, its customer attached."""
    owner = await add_account(world.store)
    await commit(world.store, Changes(received_at=NOON, rereads={subscription_id()}))
    world.stripe.put_subscription(snapshot(owner))
    assert await world.service.settle_all() == [Settlement.SETTLED]
    assert (await world.store.accounts.view(owner)).standing.plan is Tier.PRO
    assert (await world.store.customers.reserve(owner)).id == snapshot(owner).customer


async def test_many_settlers_settle_each_subscription_once(world: World) -> None:
    """Twenty workers on two replicas fetch thirty subscriptions once each, while webhooks go on."""
    owner = await add_account(world.store)
    for number in range(30):
        world.stripe.put_subscription(snapshot(owner, number))
    await commit(world.store, Changes(received_at=NOON, rereads=set(map(subscription_id, range(30)))))

    async def work(number: int) -> list[Settlement]:
        replica = world.replica(number)
        return [await replica.settle.settle(reread) for reread in await replica.settle.claim(limit=3)]

    settlements = [one for some in await asyncio.gather(*map(work, range(20))) for one in some]
    settlements += await world.service.settle_all()
    assert Counter(settlements) == {Settlement.SETTLED: 30}
    assert world.stripe.calls[Call.SUBSCRIPTION] == 30
    assert len(await world.store.accounts.subscriptions(owner)) == 30


async def test_settling_and_webhooks_at_once_converge(world: World) -> None:
    """Webhooks in any order while re-reads come and go: when the queue is empty, it is Stripe's state."""
    owner, says = await doubtful(world)
    latest = says
    storm: list[Delivery] = []
    for number in range(10, 30):
        latest = replace(says, status=(Status.ACTIVE, Status.PAST_DUE, Status.UNPAID)[number % 3])
        storm.append(changed(number, latest))
    world.stripe.put_subscription(latest)
    in_disorder = storm[::2] + storm[1::2][::-1]

    async def deliver(number: int) -> None:
        await world.replica(number).deliver_one(in_disorder[number])

    await asyncio.gather(*map(deliver, range(20)), *(replica.settle_all() for replica in world.replicas))
    await world.service.settle_all()
    assert await status_here(world, owner) is latest.status
