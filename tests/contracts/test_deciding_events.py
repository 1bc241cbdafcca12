"""Events decided over each store: one effect each, in any race, and none fails its neighbours."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from billing.errors import EventNotProcessed
from billing.events import CheckoutClosed, CheckoutCompleted, CustomerDeleted, Delivery, SubscriptionEnded
from billing.idempotency import Alert, Outcome
from billing.identifiers import AccountId, CustomerId, PriceId
from billing.plans import Tier
from billing.standing import NEVER_SUBSCRIBED
from billing.subscription import Status
from billing_memory import NOON
from support.contracts import (
    add_account,
    add_accounts,
    attempt,
    changed,
    customer_id,
    delivery,
    event_id,
    load_account,
    nothing_for_us,
    session_id,
    snapshot,
    subscription_id,
)
from support.contracts_world import Replica, World, applied

pytestmark = pytest.mark.anyio

PAST_DUE = Status.PAST_DUE


async def test_fifty_deliveries_of_one_event_are_one_effect(world: World) -> None:
    """Of fifty concurrent deliveries of one event to two replicas, exactly one is not a duplicate."""
    owner = await add_account(world.store)
    event = changed(1, snapshot(owner))
    outcomes = await asyncio.gather(*(world.replica(number).deliver_one(event) for number in range(50)))
    assert Counter(outcomes) == {Outcome.APPLIED: 1, Outcome.DUPLICATE: 49}
    held = (await load_account(world.store, owner)).subscriptions
    assert [one.version for one in held.values()] == [1]
    assert await world.store.behind.events() == {event_id(1)}
    assert await world.store.behind.failed_events() == {}


async def test_fifty_deliveries_of_an_event_without_an_account(world: World) -> None:
    """Where there is no account to lock, the event's id alone decides which delivery counts."""
    outcomes = await asyncio.gather(*(world.replica(number).deliver_one(nothing_for_us(1)) for number in range(50)))
    assert Counter(outcomes) == {Outcome.IGNORED: 1, Outcome.DUPLICATE: 49}


async def test_events_that_are_all_known_are_duplicates(world: World) -> None:
    """All of a batch again, or some of it beside one that is new: none counts a second time, the new one does."""
    owner = await add_account(world.store)
    first, second, third = (changed(number, snapshot(owner, number)) for number in (1, 2, 3))
    assert await world.service.deliver(first, second) == [Outcome.APPLIED, Outcome.APPLIED]
    before = await load_account(world.store, owner)

    assert await world.service.deliver(first, second) == [Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert await load_account(world.store, owner) == before

    assert await world.service.deliver(second, third) == [Outcome.DUPLICATE, Outcome.APPLIED]
    after = await load_account(world.store, owner)
    assert [after.subscriptions[id_] for id_ in before.subscriptions] == [*before.subscriptions.values()]
    assert len(after.subscriptions) == 3


async def test_one_event_twice_in_a_batch(world: World) -> None:
    """A batch that holds an event twice applies it once, and the second is a duplicate."""
    owner = await add_account(world.store)
    event = changed(1, snapshot(owner))
    assert await world.service.deliver(event, event) == [Outcome.APPLIED, Outcome.DUPLICATE]


async def test_twenty_workers_with_twenty_events_of_one_subscription(world: World) -> None:
    """Twenty events of one subscription, decided at once: all are decided, and the newest snapshot stands."""
    owner = await add_account(world.store)
    events = [changed(number, replace(snapshot(owner), status=status_of(number))) for number in range(1, 21)]
    outcomes = await asyncio.gather(*(world.replica(number).deliver_one(event) for number, event in enumerate(events)))
    assert set(outcomes) <= {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.STALE}
    [held] = (await load_account(world.store, owner)).subscriptions.values()
    assert (held.version, held.status, held.as_of) == (20, status_of(20), events[-1].created)


async def test_batches_in_opposite_order_do_not_deadlock(world: World) -> None:
    """Batches over the same accounts, each in another order, on two replicas: all are committed."""
    owners = await add_accounts(world.store, 8)

    async def batch(number: int) -> None:
        in_order = list(enumerate(owners, start=1))
        events = [
            changed(100 * number + place, snapshot(owner, place))
            for place, owner in (in_order if number % 2 else in_order[::-1])
        ]
        outcomes = await world.replica(number).deliver(*events)
        assert set(outcomes) <= {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.STALE}

    await asyncio.gather(*map(batch, range(1, 11)))
    held = [await load_account(world.store, owner) for owner in owners]
    assert [one.version for loaded in held for one in loaded.subscriptions.values()] == [10] * 8
    assert await world.store.behind.failed_events() == {}


async def test_the_same_events_in_opposite_order_do_not_deadlock(world: World) -> None:
    """Batches of the same events, forwards on one replica and backwards on the other: each event counts once."""
    for start in range(0, 1200, 300):
        events = [nothing_for_us(number) for number in range(start, start + 300)]
        forwards, backwards = await asyncio.gather(
            world.replicas[0].deliver(*events), world.replicas[1].deliver(*events[::-1])
        )
        for one, other in zip(forwards, backwards[::-1], strict=True):
            assert Counter([one, other]) == {Outcome.IGNORED: 1, Outcome.DUPLICATE: 1}
    assert len(await world.store.behind.events()) == 1200
    assert await world.store.behind.failed_events() == {}


async def test_alerts_of_different_accounts_do_not_deadlock(world: World) -> None:
    """Batches of different accounts that raise the same alerts in opposite order are all committed."""
    owners = await add_accounts(world.store, 2)

    async def batch(number: int) -> None:
        odd = number % 2
        no_price = replace(snapshot(owners[odd], 10 + odd), prices=(PriceId("price_of_somebody_else"),))
        no_status = replace(snapshot(owners[odd], 20 + odd), status=Status.UNKNOWN)
        events = [changed(2 * number, no_price), changed(2 * number + 1, no_status)]
        outcomes = await world.replica(number).deliver(*(events[::-1] if odd else events))
        assert set(outcomes) <= {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.STALE}

    await asyncio.gather(*map(batch, range(10)))
    counts = await world.store.behind.alerts()
    assert counts[Alert.UNKNOWN_PRICE] == len([1 for alert, _ in world.alarm.alerts if alert is Alert.UNKNOWN_PRICE])
    assert await world.store.behind.failed_events() == {}


def status_of(number: int) -> Status:
    """Alternate between two statuses."""
    return Status.PAST_DUE if number % 2 else Status.ACTIVE


UNWRITABLE = {
    "half of a character": replace(snapshot(None, 20), customer=CustomerId("cus_\ud800")),
    "a time without a zone": replace(snapshot(None, 20), period_end=NOON.replace(tzinfo=None)),
    "a NUL": replace(snapshot(None, 20), customer=CustomerId("cus_\x00")),
}
"""Snapshots that no reader of webhooks should let pass, and no store can write."""


@pytest.mark.parametrize("what", list(UNWRITABLE))
async def test_one_event_that_cannot_be_written_fails_alone(world: World, what: str) -> None:
    """In a batch of 64, an event that the store cannot take is kept as failed; its neighbours are applied."""
    owners = await add_accounts(world.store, 8)
    events = [changed(number, snapshot(owners[number % 8], number)) for number in range(1, 65)]
    bad = events[19] = changed(20, replace(UNWRITABLE[what], account=owners[0]))
    outcomes = await world.service.deliver(*events)
    assert applied([outcome for number, outcome in enumerate(outcomes) if number != 19]) == 63
    assert await world.store.behind.events() >= {event_id(n) for n in range(1, 65)} - {event_id(20)}
    kept = await world.store.behind.failed_events()
    assert isinstance(outcomes[19], EventNotProcessed)
    assert list(kept) == [event_id(20)]
    assert kept[event_id(20)].failed.payload == bad.payload
    assert kept[event_id(20)].attempts == 1
    assert subscription_id(20) not in {held.id for held in await world.store.accounts.subscriptions(owners[0])}


async def test_a_failed_event_is_processed_when_it_comes_again(world: World) -> None:
    """An event that could not be written counts its failures, and is processed and forgotten as failed once it can."""
    owner = await add_account(world.store)
    bad = changed(1, replace(snapshot(owner), period_end=NOON.replace(tzinfo=None)))
    for _ in range(3):
        assert isinstance(await world.service.deliver_one(bad), EventNotProcessed)
    kept = await world.store.behind.failed_events()
    assert kept[event_id(1)].attempts == 3
    assert await world.service.deliver_one(changed(1, snapshot(owner))) is Outcome.APPLIED
    assert await world.store.behind.failed_events() == {}


async def test_the_effect_is_read_at_once(world: World) -> None:
    """Whatever replica answers the next read, it knows what a decided event changed."""
    owner = await add_account(world.store)
    event = CheckoutCompleted(
        session=session_id(),
        subscription=subscription_id(),
        customer=customer_id(),
        account=owner,
        tier=Tier.PRO,
    )
    assert await world.replicas[0].deliver_one(delivery(1, event)) is Outcome.APPLIED
    for replica in world.replicas:
        view = await replica.store.accounts.view(owner)
        assert (view.standing.plan, view.standing.status) == (Tier.PRO, Status.ACTIVE)
    assert await world.service.queued() == [subscription_id()]


async def test_a_purchase_closes_its_session(world: World) -> None:
    """A completed or expired session's attempt is gone with the event's commit."""
    owner, other = await add_accounts(world.store, 2)
    for number, buyer in enumerate((owner, other), start=1):
        made = await world.store.attempts.reserve(attempt(buyer, number))
        await world.store.attempts.opened(made.id, session_id(number))
    bought = CheckoutCompleted(
        session=session_id(1),
        subscription=subscription_id(),
        customer=customer_id(),
        account=owner,
        tier=Tier.PRO,
    )
    await world.service.deliver(delivery(1, bought), delivery(2, CheckoutClosed(session=session_id(2))))
    assert await world.store.attempts.current(owner) is None
    assert await world.store.attempts.current(other) is None


async def test_a_foreign_subscription_leaves_no_trace_in_accounts(world: World) -> None:
    """A subscription of another application's customer is remembered as an event and changes nothing else."""
    owner = await add_account(world.store)
    foreign = [
        changed(1, snapshot(None)),
        changed(2, snapshot(AccountId("acct_of_somebody_else"), 2)),
        delivery(3, CustomerDeleted(customer=customer_id(3))),
        delivery(4, SubscriptionEnded(snapshot=snapshot(None, 4))),
    ]
    assert await world.service.deliver(*foreign) == [Outcome.IGNORED] * 4
    assert (await world.store.accounts.view(owner)).standing == NEVER_SUBSCRIBED
    assert await world.service.queued() == []
    assert len(await world.store.behind.events()) == 4


async def test_two_accounts_racing_for_a_subscription(world: World) -> None:
    """Two events that name different accounts for one new subscription: both are decided, and one account has it."""
    owners = await add_accounts(world.store, 2)
    for round_ in range(5):
        number = 10 * (round_ + 1)
        events = [
            changed(number + place, replace(snapshot(owner, number), customer=customer_id(number + place)))
            for place, owner in enumerate(owners)
        ]
        outcomes = await asyncio.gather(*map(Replica.deliver_one, world.replicas, events))
        assert set(outcomes) <= {Outcome.APPLIED, Outcome.UNCHANGED, Outcome.STALE}
        held = [one for owner in owners for one in await world.store.accounts.subscriptions(owner)]
        assert [one.version for one in held if one.id == subscription_id(number)] == [2]


async def test_a_deleted_customer_ends_its_subscriptions(world: World) -> None:
    """Its subscriptions are cancelled, its account falls to free, and the next checkout has another customer."""
    owner = await add_account(world.store)
    await world.service.deliver(changed(1, snapshot(owner)))
    outcome = await world.service.deliver_one(delivery(2, CustomerDeleted(customer=customer_id())))
    assert outcome is Outcome.APPLIED
    view = await world.store.accounts.view(owner)
    assert (view.standing.plan, view.standing.status) == (Tier.FREE, Status.CANCELED)
    assert (await world.store.customers.reserve(owner)).generation == 2


async def test_two_replicas_with_one_purchase_of_a_new_customer(world: World) -> None:
    """All webhooks of a first purchase at once, spread over two replicas, end in the one true state."""
    owner = await add_account(world.store)
    bought = CheckoutCompleted(
        session=session_id(),
        subscription=subscription_id(),
        customer=customer_id(),
        account=owner,
        tier=Tier.PRO,
    )
    storm: list[Delivery] = [delivery(1, bought), changed(2, snapshot(owner)), changed(3, snapshot(owner))] * 7
    outcomes = await asyncio.gather(*(world.replica(number).deliver_one(event) for number, event in enumerate(storm)))
    assert outcomes.count(Outcome.DUPLICATE) == 18
    assert not [outcome for outcome in outcomes if not isinstance(outcome, Outcome)]
    world.stripe.put_subscription(snapshot(owner))
    await world.service.settle_all()
    [held] = (await load_account(world.store, owner)).subscriptions.values()
    assert (held.version, held.status, held.period_end) == (3, Status.ACTIVE, snapshot(owner).period_end)
