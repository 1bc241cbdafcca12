"""Updates: load, decide, save and commit in one go, in whatever way the store does it."""

import asyncio
import functools
from dataclasses import replace

import pytest

from billing.errors import Conflict
from billing.idempotency import Alert, Outcome
from billing.identifiers import AccountId, EventId, SubscriptionId
from billing.plans import Tier
from billing.ports import Changes, Claims, DecidedEvent, Loaded
from billing.standing import NEVER_SUBSCRIBED, standing_of
from billing_memory import NOON
from support.contracts import (
    Stores,
    add_account,
    add_accounts,
    commit,
    customer_id,
    event_id,
    load,
    load_account,
    noted,
    nothing_for_us,
    session_id,
    subscription,
    subscription_id,
)

pytestmark = pytest.mark.anyio


def decided(changes: Changes, _: Loaded) -> tuple[Changes, None]:
    """Decide on these changes, whatever was found."""
    return changes, None


def claims_on(owner: AccountId, *numbers: int) -> Claims:
    """Claim an account and events."""
    return Claims(accounts=frozenset({owner}), events=frozenset(map(event_id, numbers)))


async def test_what_was_decided_is_committed_and_answered(store: Stores) -> None:
    """Everything that was decided is there afterwards, whatever tables it concerns."""
    owner = await add_account(store)
    held = subscription(owner)
    changes = noted(1, owner, held)
    changes.standings[owner] = standing_of([held])
    changes.rereads.add(held.id)
    changes.customers[customer_id()] = owner
    changes.sessions_closed.add(session_id())
    changes.alerts.append((Alert.UNKNOWN_PRICE, held.id))
    seen: list[Loaded] = []

    def decide(loaded: Loaded) -> tuple[Changes, str]:
        seen.append(loaded)
        return changes, "decided"

    assert await store.transactions.update(claims_on(owner, 1), decide) == (changes, "decided")
    assert seen[-1].standings == {owner: NEVER_SUBSCRIBED}
    loaded = await load(store, Claims(events=frozenset({event_id(1)}), customers=frozenset({customer_id()})))
    assert loaded.known_events == {event_id(1)}
    assert loaded.owners == {customer_id(): owner}
    assert loaded.standings == {owner: standing_of([held])}
    assert loaded.subscriptions == {held.id: held}
    assert await store.reread_queue.next_due(now=NOON) == NOON
    assert await store.behind.alerts() == {Alert.UNKNOWN_PRICE: 1}


async def test_nothing_decided_is_nothing_written(store: Stores) -> None:
    """Changes that are empty are answered like others: what only looked need not write."""
    owner = await add_account(store)
    changes, standings = await store.transactions.update(
        claims_on(owner), lambda loaded: (Changes(received_at=NOON), loaded.standings)
    )
    assert (changes.events, standings) == ([], {owner: NEVER_SUBSCRIBED})


async def test_known_events_are_told_of(store: Stores) -> None:
    """Whoever claims events that are known, all or some of them, is told which."""
    owner = await add_account(store)
    await commit(store, noted(1, owner))

    async def known_of(*numbers: int) -> frozenset[EventId]:
        claims = claims_on(owner, *numbers)
        update = store.transactions.update(claims, lambda found: (Changes(received_at=NOON), found.known_events))
        return (await update)[1]

    assert await known_of(1) == {event_id(1)}
    assert await known_of(1, 2) == {event_id(1)}
    assert await known_of(2) == frozenset()


async def test_what_decide_raises_leaves_nothing(store: Stores) -> None:
    """A bug in deciding reaches the caller unchanged, and the account is free for the next."""
    owner = await add_account(store)

    def decide(_: Loaded) -> tuple[Changes, None]:
        raise LookupError("a bug of ours")

    with pytest.raises(LookupError, match="a bug of ours"):
        await store.transactions.update(claims_on(owner, 1), decide)
    await store.transactions.update(claims_on(owner, 1), lambda _: (noted(1, owner), None))
    assert await store.behind.events() == {event_id(1)}


async def test_a_known_event_is_a_conflict_that_leaves_nothing(store: Stores) -> None:
    """An event that is there already stops everything that was decided with it."""
    owner = await add_account(store)
    await commit(store, noted(1, owner))
    held = subscription(owner)
    changes = noted(1, owner, held)
    changes.events.append(DecidedEvent(delivery=nothing_for_us(2), outcome=Outcome.IGNORED))
    with pytest.raises(Conflict):
        await store.transactions.update(claims_on(owner), lambda _: (changes, None))
    assert await store.behind.events() == {event_id(1)}
    assert (await load_account(store, owner)).subscriptions == {}


async def test_what_cannot_be_written_is_no_conflict(store: Stores) -> None:
    """A row that no database takes fails as such: deciding again would not help."""
    owner = await add_account(store)
    bad = replace(subscription(owner), id=SubscriptionId("sub_\0"))
    with pytest.raises(Exception, match=r".") as raised:
        await store.transactions.update(claims_on(owner), lambda _: (noted(1, owner, bad), None))
    assert not isinstance(raised.value, Conflict)
    assert await store.behind.events() == frozenset()


@pytest.mark.parametrize("step", [1, 2, 3], ids=["updates only", "every second one locks", "every third one locks"])
async def test_none_of_many_is_lost(replicas: tuple[Stores, Stores], step: int) -> None:
    """Thirty that count up one version on two replicas lose none, whether they lock first or not."""
    owner = await add_account(replicas[0])
    zero = replace(subscription(owner), version=0)
    await commit(replicas[0], Changes(received_at=NOON, subscriptions={zero.id: zero}))

    async def update(store: Stores, number: int) -> None:
        def decide(loaded: Loaded) -> tuple[Changes, None]:
            held = loaded.subscriptions[zero.id]
            return noted(number, owner, replace(held, version=held.version + 1)), None

        await store.transactions.update(claims_on(owner, number), decide)

    async def lock_first(store: Stores) -> None:
        async with store.transactions.begin() as transaction:
            held = (await transaction.load(Claims(subscriptions=frozenset({zero.id})))).subscriptions[zero.id]
            counted = replace(held, version=held.version + 1)
            await transaction.save(Changes(received_at=NOON, subscriptions={zero.id: counted}))
            await transaction.commit()

    def count_up(number: int) -> asyncio.Future[None]:
        store = replicas[number % 2]
        locks = step > 1 and number % step == 0
        return asyncio.ensure_future(lock_first(store) if locks else update(store, number))

    await asyncio.gather(*(count_up(number) for number in range(1, 31)))
    assert (await load_account(replicas[0], owner)).subscriptions[zero.id].version == 30


async def test_a_standing_is_of_all_that_others_wrote(replicas: tuple[Stores, Stores]) -> None:
    """Updates of different subscriptions of one account do not miss each other's: the best of all of them stands."""
    owner = await add_account(replicas[0])

    async def add(number: int) -> None:
        tier = Tier.ENTERPRISE if number == 7 else Tier.PRO
        mine = replace(subscription(owner, number), tier=tier)

        def decide(loaded: Loaded) -> tuple[Changes, None]:
            changes = noted(number, owner, mine)
            changes.standings[owner] = standing_of([*loaded.subscriptions.values(), mine])
            return changes, None

        await replicas[number % 2].transactions.update(claims_on(owner, number), decide)

    await asyncio.gather(*(add(number) for number in range(1, 21)))
    loaded = await load_account(replicas[1], owner)
    assert loaded.subscriptions.keys() == {subscription_id(number) for number in range(1, 21)}
    assert loaded.standings[owner].plan is Tier.ENTERPRISE


async def test_an_update_waits_for_who_has_locked_and_sees_what_was_written(
    replicas: tuple[Stores, Stores],
) -> None:
    """What was decided before somebody else's commit is decided again after it, and only that is written."""
    first, second = replicas
    owner = await add_account(first)
    before, after = subscription(owner), replace(subscription(owner), version=41)
    await commit(first, Changes(received_at=NOON, subscriptions={before.id: before}))

    def decide(loaded: Loaded) -> tuple[Changes, int]:
        held = loaded.subscriptions[before.id]
        return noted(1, owner, replace(held, version=held.version + 1)), held.version

    async with first.transactions.begin() as transaction:
        await transaction.load(Claims(accounts=frozenset({owner})))
        updating = asyncio.create_task(second.transactions.update(claims_on(owner, 1), decide))
        # Time for the other to come as far as it can; what is asserted holds however far that is.
        await asyncio.sleep(0.1)
        await transaction.save(Changes(received_at=NOON, subscriptions={after.id: after}))
        await transaction.commit()
    assert (await updating)[1] == 41
    assert (await load_account(first, owner)).subscriptions[before.id].version == 42


async def test_an_update_whose_caller_goes_away_lets_go(store: Stores) -> None:
    """However far it came, it is done as a whole or not at all, and whoever comes next need not wait for it."""
    owner = await add_account(store)

    async def update(number: int) -> None:
        changes = noted(number, owner, subscription(owner, number))
        await store.transactions.update(claims_on(owner, number), lambda _: (changes, None))

    for number in range(1, 13):
        updating = asyncio.create_task(update(number))
        for _ in range(number):
            await asyncio.sleep(0)
        updating.cancel()
        await asyncio.gather(updating, return_exceptions=True)
    async with asyncio.timeout(20):
        await update(99)
        events = await store.behind.events()
        loaded = await load_account(store, owner)
    assert event_id(99) in events
    assert {event_id(number) for number in range(1, 100) if subscription_id(number) in loaded.subscriptions} == events


async def test_of_two_accounts_only_one_has_a_new_standing(store: Stores) -> None:
    """The standing that changes is stored, the other one stays as it is, and both accounts can be updated again."""
    owner, other = await add_accounts(store, 2)
    mine, theirs = subscription(owner, 1), subscription(other, 2)
    await commit(store, Changes(received_at=NOON, standings={other: standing_of([theirs])}))
    claims = Claims(accounts=frozenset({owner, other}))
    for number in (1, 2):
        changes = noted(number, owner, replace(mine, version=number), replace(theirs, version=number))
        changes.standings[owner] = replace(standing_of([mine]), cancel_at_period_end=number == 2)
        await store.transactions.update(claims, functools.partial(decided, changes))
        loaded = await load(store, claims)
        assert loaded.standings == {owner: changes.standings[owner], other: standing_of([theirs])}
        assert {held.version for held in loaded.subscriptions.values()} == {number}
