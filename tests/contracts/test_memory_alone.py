"""What only the surroundings in memory can do: be away when told, count instead of guess, remember what was said."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.errors import EventNotProcessed, StoreUnavailable
from billing.idempotency import Alert, Outcome
from billing.ports import Changes, Claims
from billing.use_cases.receive_events import DecideEvents
from billing_memory import (
    NOON,
    MemoryAccounts,
    MemoryAlarm,
    MemoryCheckoutWatch,
    MemoryClock,
    MemoryCustomers,
    MemoryFailedEvents,
    MemoryInbox,
    MemoryRereadQueue,
    MemorySecrets,
    MemoryStore,
    MemoryTransactions,
)
from support.contracts import CATALOGUE, account, attempt, changed, nothing_for_us, snapshot

pytestmark = pytest.mark.anyio

OWNER = account().id


async def begin_and_load(store: MemoryStore) -> object:
    """Load something in a unit of work."""
    async with MemoryTransactions(store).begin() as transaction:
        return await transaction.load(Claims())


ACCESSES: list[Callable[[MemoryStore], Awaitable[object]]] = [
    begin_and_load,
    lambda store: MemoryAccounts(store).view(OWNER),
    lambda store: MemoryCustomers(store).reserve(OWNER),
    lambda store: MemoryRereadQueue(store).next_due(now=NOON),
]


@pytest.mark.parametrize("access", ACCESSES)
async def test_a_store_that_is_away(access: Callable[[MemoryStore], Awaitable[object]]) -> None:
    """Whatever is asked of a store that is away raises `StoreUnavailable`."""
    store = MemoryStore()
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await access(store)


async def test_a_store_that_goes_away_before_the_commit() -> None:
    """What was saved is not committed by a store that went away meanwhile; afterwards it goes on as before."""
    store = MemoryStore()

    async def save() -> None:
        async with MemoryTransactions(store).begin() as transaction:
            await transaction.save(Changes(received_at=NOON, alerts=[(Alert.UNKNOWN_PRICE, "sub_a")]))
            store.is_away = True
            await transaction.commit()

    with pytest.raises(StoreUnavailable):
        await save()
    store.is_away = False
    assert store.tables.alerts == {}
    await begin_and_load(store)


async def test_what_follows_a_commit_is_not_written() -> None:
    """A unit of work that goes on after its commit changes nothing that is committed."""
    store = MemoryStore()
    async with MemoryTransactions(store).begin() as transaction:
        await transaction.commit()
        await transaction.save(Changes(received_at=NOON, alerts=[(Alert.UNKNOWN_PRICE, "sub_a")]))
    assert store.tables.alerts == {}


async def test_the_inbox_decides_at_once() -> None:
    """A delivery is decided when it is put, and what its sender must hear is raised."""
    store = MemoryStore()
    inbox = MemoryInbox(
        DecideEvents(
            transactions=MemoryTransactions(store),
            failed_events=MemoryFailedEvents(store),
            catalogue=CATALOGUE,
            clock=MemoryClock(),
            alarm=MemoryAlarm(),
            on_reread=lambda: None,
        )
    )
    assert await inbox.put(nothing_for_us(1)) is Outcome.IGNORED
    assert await inbox.put(nothing_for_us(1)) is Outcome.DUPLICATE
    store.is_away = True
    with pytest.raises(StoreUnavailable):
        await inbox.put(changed(2, snapshot(None)))
    store.is_away = False
    with pytest.raises(EventNotProcessed):
        await inbox.put(replace(nothing_for_us(3), type="a NUL: \0"))


def test_the_clock_moves_when_told() -> None:
    """The clock stands still, advances and is set."""
    clock = MemoryClock()
    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(seconds=1))
    assert clock.now() == NOON + timedelta(seconds=1)
    clock.set(NOON)
    assert clock.now() == NOON


def test_secrets_count() -> None:
    """Every name and every key is new; names have the length that real ones have."""
    secrets = MemorySecrets(spread=0.5)
    names = [secrets.new_id("acct"), secrets.new_id("acct"), secrets.new_api_key(), secrets.new_api_key()]
    assert len(set(names)) == 4
    assert len(names[0]) == len(attempt(OWNER).account)
    assert secrets.jitter() == 0.5


def test_alarm_and_watch_remember() -> None:
    """What was raised and what was noticed is there, in order."""
    alarm, watch = MemoryAlarm(), MemoryCheckoutWatch()
    alarm.raise_alert(Alert.UNKNOWN_PRICE, "sub_a")
    cause = ValueError("no object")
    alarm.raise_alert(Alert.UNKNOWN_STATUS, "sub_b", cause=cause)
    watch.notice(OWNER)
    assert alarm.alerts == [(Alert.UNKNOWN_PRICE, "sub_a"), (Alert.UNKNOWN_STATUS, "sub_b")]
    assert alarm.causes == [cause]
    assert watch.noticed == [OWNER]
