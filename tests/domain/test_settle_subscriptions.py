"""The background re-read, step by step."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.errors import ProviderRefused, ProviderUnavailable, StoreUnavailable
from billing.idempotency import Alert, Outcome
from billing.identifiers import CustomerId, SubscriptionId
from billing.plans import Tier
from billing.ports import Reread
from billing.subscription import Snapshot, Status
from billing.use_cases.settle_subscriptions import BACK_OFF_LONGEST, LEASE, Settlement
from billing_memory import Call, Gate
from support.domain_things import (
    ANN,
    CUSTOMER,
    FOREIGN_PRICE,
    NOON,
    SUBSCRIPTION,
    at,
    changed,
    delivery,
    ended,
    snapshot,
    subscription,
)
from support.memory_world import MemoryWorld

OTHER = SubscriptionId("sub_2")
STRANGER = CustomerId("cus_stranger")
PAST_DUE = snapshot(Status.PAST_DUE)


@pytest.fixture
def ann(world: MemoryWorld) -> MemoryWorld:
    """Give a world in which Ann has a subscription that is to be re-read."""
    world.add_account(ANN, customer=CUSTOMER)
    world.deliver(delivery("evt_1", changed(snapshot())))
    world.ask(SUBSCRIPTION)
    return world


def _claim(world: MemoryWorld) -> Reread:
    [reread] = world.run(world.settle.claim(limit=10))
    return reread


def _settle_around(world: MemoryWorld, reread: Reread, meanwhile: Snapshot, event: str) -> Settlement:
    """Settle; while Stripe's answer is on its way, something newer happens there and its event is decided."""

    async def happen() -> Settlement:
        gate: Gate = world.stripe.hold(Call.SUBSCRIPTION)
        settling = asyncio.create_task(world.settle.settle(reread))
        await gate.reached.wait()
        world.stripe.put_subscription(meanwhile)
        await world.decide.execute([delivery(event, changed(meanwhile), second=5)])
        gate.release()
        return await settling

    return world.run(happen())


def test_what_stripe_says_stands(ann: MemoryWorld) -> None:
    """A re-read writes state and standing, moves neither clock nor version, and leaves the queue."""
    ann.stripe.put_subscription(PAST_DUE)
    assert ann.settle_all() == [Settlement.SETTLED]
    assert ann.standing(ANN).status is Status.PAST_DUE
    assert ann.held(SUBSCRIPTION) == replace(subscription(Status.PAST_DUE), read_at=ann.clock.now())
    assert ann.queued() == []


def test_a_claim_is_a_lease(ann: MemoryWorld) -> None:
    """What one worker holds no other gets, until the lease runs out; then it is claimed under another name."""
    first = _claim(ann)
    assert (first.subscription, first.attempts, first.version) == (SUBSCRIPTION, 0, 1)
    assert list(ann.run(ann.settle.claim(limit=10))) == []
    ann.clock.advance(LEASE)
    second = _claim(ann)
    assert second.lease != first.lease


def test_a_reread_that_an_event_overtook_is_fetched_again_at_once(ann: MemoryWorld) -> None:
    """An event decided during the fetch wins; the answer is thrown away, and the next one settles."""
    ann.stripe.put_subscription(PAST_DUE)
    unpaid = snapshot(Status.UNPAID)
    assert _settle_around(ann, _claim(ann), unpaid, "evt_2") is Settlement.OVERTAKEN
    assert ann.standing(ANN).status is Status.UNPAID
    assert ann.settle_all() == [Settlement.SETTLED]
    assert ann.standing(ANN).status is Status.UNPAID


def test_an_event_that_changed_nothing_overtakes_as_well(ann: MemoryWorld) -> None:
    """A fetch begun before an event that says what is held may be older than it, so it is not written."""
    ann.stripe.put_subscription(PAST_DUE)
    assert _settle_around(ann, _claim(ann), snapshot(), "evt_2") is Settlement.OVERTAKEN
    assert ann.standing(ANN).status is Status.ACTIVE


def test_a_duplicate_overtakes_nothing(ann: MemoryWorld) -> None:
    """A second delivery of a known event says nothing about what was fetched."""
    ann.stripe.put_subscription(PAST_DUE)
    reread = _claim(ann)
    ann.deliver(delivery("evt_1", changed(snapshot())))
    assert ann.run(ann.settle.settle(reread)) is Settlement.SETTLED


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        pytest.param(ProviderUnavailable(), 0.5, id="unreachable: the back-off"),
        pytest.param(ProviderUnavailable(retry_after_seconds=30), 30, id="Retry-After, if it is longer"),
        pytest.param(ProviderUnavailable(retry_after_seconds=0.1), 0.5, id="the back-off, if it is longer"),
        pytest.param(ProviderRefused(), 0.5, id="refused: an operator may mend it"),
    ],
)
def test_a_stripe_that_does_not_answer_is_asked_later(
    ann: MemoryWorld, trouble: ProviderUnavailable | ProviderRefused, seconds: float
) -> None:
    """The re-read waits as long as the back-off or Stripe says, whichever is longer, and counts its attempt."""
    ann.stripe.put_subscription(PAST_DUE)
    ann.stripe.fail_next(trouble)
    assert ann.settle_all() == [Settlement.POSTPONED]
    assert ann.run(ann.queue.next_due(now=ann.clock.now())) == NOON + timedelta(seconds=seconds)
    ann.clock.advance(timedelta(seconds=seconds))
    assert _claim(ann).attempts == 1


def test_an_hour_without_stripe_is_settled_afterwards(ann: MemoryWorld) -> None:
    """The payload's word stands meanwhile, the waits grow to a minute and no longer, and then it settles by itself."""
    ann.stripe.put_subscription(PAST_DUE)
    ann.stripe.fail_next(ProviderUnavailable(), times=1_000)
    began = ann.clock.now()
    while ann.clock.now() < began + timedelta(hours=1):
        due = ann.run(ann.queue.next_due(now=ann.clock.now()))
        assert due is not None
        assert due - ann.clock.now() <= BACK_OFF_LONGEST
        ann.clock.set(due)
        assert ann.settle_all() == [Settlement.POSTPONED]
    assert ann.standing(ANN).status is Status.ACTIVE
    assert 100 < ann.stripe.calls[Call.SUBSCRIPTION] < 200
    ann.stripe.recover()
    ann.clock.advance(BACK_OFF_LONGEST)
    assert ann.settle_all() == [Settlement.SETTLED]
    assert ann.standing(ANN).status is Status.PAST_DUE


def test_a_lost_lease_writes_nothing(ann: MemoryWorld) -> None:
    """A worker that was away longer than its lease may hold an older answer than the one that stands."""
    slow = _claim(ann)
    ann.clock.advance(LEASE)
    quick = _claim(ann)
    ann.stripe.put_subscription(PAST_DUE)
    assert ann.run(ann.settle.settle(quick)) is Settlement.SETTLED
    ann.stripe.put_subscription(snapshot())
    assert ann.run(ann.settle.settle(slow)) is Settlement.DROPPED
    assert ann.standing(ANN).status is Status.PAST_DUE


def test_a_lost_lease_does_not_put_back_what_another_holds(ann: MemoryWorld) -> None:
    """A slow worker that fails or is overtaken leaves the row to the one that holds it now."""
    slow = _claim(ann)
    ann.clock.advance(LEASE)
    quick = _claim(ann)
    ann.stripe.fail_next(ProviderUnavailable())
    assert ann.run(ann.settle.settle(slow)) is Settlement.POSTPONED
    ann.stripe.put_subscription(PAST_DUE)
    assert ann.run(ann.settle.settle(quick)) is Settlement.SETTLED


def test_a_subscription_that_stripe_does_not_know_keeps_its_plan(ann: MemoryWorld) -> None:
    """A key of another Stripe account must not end everybody's plan: an alert, and the re-read is done with."""
    assert ann.settle_all() == [Settlement.DROPPED]
    assert ann.standing(ANN).plan is Tier.PRO
    assert ann.alarm.alerts == [(Alert.SUBSCRIPTION_MISSING, SUBSCRIPTION)]
    assert ann.store.tables.alerts == {(Alert.SUBSCRIPTION_MISSING, SUBSCRIPTION): 1}
    assert ann.queued() == []


def test_a_foreign_subscription_leaves_no_trace(world: MemoryWorld) -> None:
    """A re-read of what turns out to be nobody's is dropped for good."""
    world.add_account(ANN)
    world.ask(OTHER)
    world.stripe.put_subscription(snapshot(id_=OTHER, customer=STRANGER))
    assert world.settle_all() == [Settlement.DROPPED]
    assert (world.store.tables.subscriptions, world.queued(), world.alarm.alerts) == ({}, [], [])


def test_a_reread_finds_what_no_webhook_told(world: MemoryWorld) -> None:
    """A purchase whose webhook never came is inserted, its customer attached by its metadata."""
    world.add_account(ANN)
    world.ask(OTHER)
    world.stripe.put_subscription(snapshot(id_=OTHER, customer=STRANGER, account=ANN))
    assert world.settle_all() == [Settlement.SETTLED]
    assert world.standing(ANN).plan is Tier.PRO
    assert world.store.tables.customers_by_id[STRANGER] == (ANN, 1)
    assert (world.held(OTHER).as_of, world.held(OTHER).version) == (None, 0)


def test_what_has_ended_stays_ended(ann: MemoryWorld) -> None:
    """An answer that is older than the end does not revive."""
    ann.deliver(delivery("evt_2", ended(snapshot(Status.CANCELED, period_end=at(5))), second=5))
    ann.stripe.put_subscription(snapshot())
    assert ann.settle_all() == [Settlement.SETTLED]
    assert (ann.standing(ANN).status, ann.standing(ANN).plan) == (Status.CANCELED, Tier.FREE)


def test_what_a_reread_finds_odd_is_told_of(ann: MemoryWorld) -> None:
    """An unknown price in Stripe's own answer raises the alert, and is not asked for again and again."""
    ann.stripe.put_subscription(replace(snapshot(), prices=(FOREIGN_PRICE,)))
    assert ann.settle_all() == [Settlement.SETTLED]
    assert ann.alarm.alerts == [(Alert.UNKNOWN_PRICE, SUBSCRIPTION)]
    assert (ann.standing(ANN).plan, ann.queued()) == (Tier.PRO, [])


def test_a_database_that_goes_away_loses_no_reread(ann: MemoryWorld) -> None:
    """The lease runs out, and the re-read is claimed again."""
    ann.stripe.put_subscription(PAST_DUE)
    reread = _claim(ann)
    ann.store.is_away = True
    with pytest.raises(StoreUnavailable):
        ann.run(ann.settle.settle(reread))
    ann.store.is_away = False
    assert ann.settle_all() == []
    ann.clock.advance(LEASE)
    assert ann.settle_all() == [Settlement.SETTLED]


def test_asking_twice_is_asking_once(ann: MemoryWorld) -> None:
    """However many events doubt a subscription, it is fetched once."""
    ann.ask(SUBSCRIPTION)
    assert ann.deliver(delivery("evt_2", changed(PAST_DUE))) == [Outcome.APPLIED]
    ann.stripe.put_subscription(PAST_DUE)
    assert ann.settle_all() == [Settlement.SETTLED]
    assert ann.stripe.calls[Call.SUBSCRIPTION] == 1
