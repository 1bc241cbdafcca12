"""Failed events: kept, counted, and never in each other's way."""

import asyncio

import pytest

from billing.idempotency import Outcome
from billing.ports import Changes, DecidedEvent, FailedEvent
from billing_memory import NOON
from support.contracts import MINUTE, KeptEvent, Stores, commit, event_id, failed_event, nothing_for_us

pytestmark = pytest.mark.anyio


async def test_a_failed_event_is_kept_whole(store: Stores) -> None:
    """A failed event is kept with its reason and its payload, whatever bytes that has."""
    failed = FailedEvent(
        id=event_id(),
        type="customer.subscription.updated",
        created=NOON,
        reason="ValidationError: \N{SNOWMAN} 'quoted'",
        payload=bytes(range(256)),
    )
    await store.failed_events.keep(failed, at=NOON)
    assert await store.behind.failed_events() == {event_id(): KeptEvent(failed=failed, attempts=1)}


async def test_kept_again_it_is_counted_and_its_reason_is_the_newest(store: Stores) -> None:
    """Each failure of one event counts, and the last reason stands."""
    for number, reason in enumerate(("the first", "the second", "the third")):
        await store.failed_events.keep(failed_event(1, reason=reason), at=NOON + number * MINUTE)
    kept = await store.behind.failed_events()
    assert kept == {event_id(1): KeptEvent(failed=failed_event(1, reason="the third"), attempts=3)}


async def test_racing_failures_are_all_counted(replicas: tuple[Stores, Stores]) -> None:
    """Twenty failures of one event at once on two replicas are one row that counts twenty."""
    await asyncio.gather(*(replicas[number % 2].failed_events.keep(failed_event(1), at=NOON) for number in range(20)))
    assert await replicas[0].behind.failed_events() == {event_id(1): KeptEvent(failed=failed_event(1), attempts=20)}


async def test_what_was_processed_meanwhile_is_not_kept(store: Stores) -> None:
    """When another replica has processed the event by now, its failure here is no failure any more."""
    event = DecidedEvent(delivery=nothing_for_us(1), outcome=Outcome.IGNORED)
    await commit(store, Changes(received_at=NOON, events=[event]))
    await store.failed_events.keep(failed_event(1), at=NOON)
    assert await store.behind.failed_events() == {}
