"""A unit of work: all or nothing, what it loads, what it writes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.errors import BillingError, Conflict
from billing.idempotency import Alert, Outcome
from billing.identifiers import AccountId, EventId
from billing.plans import Tier
from billing.ports import Changes, Claims, DecidedEvent, Loaded
from billing.standing import NEVER_SUBSCRIBED, Standing, standing_of
from billing.subscription import Status
from billing_memory import NOON
from support.contracts import (
    MINUTE,
    KeptEvent,
    Stores,
    add_account,
    add_accounts,
    attempt,
    commit,
    customer_id,
    event_id,
    failed_event,
    key_hash,
    load,
    load_account,
    nothing_for_us,
    session_id,
    subscription,
    subscription_id,
)

pytestmark = pytest.mark.anyio

STANDING = Standing(
    plan=Tier.PRO, status=Status.PAST_DUE, period_end=NOON + timedelta(days=30), cancel_at_period_end=True
)


def everything(owner: AccountId) -> Changes:
    """Make changes with one of each kind in them."""
    changes = Changes(received_at=NOON)
    changes.events.append(decided(1, owner))
    changes.subscriptions[subscription_id()] = subscription(owner)
    changes.standings[owner] = STANDING
    changes.rereads.add(subscription_id())
    changes.customers[customer_id()] = owner
    changes.alerts.append((Alert.UNKNOWN_PRICE, subscription_id()))
    return changes


def decided(number: int, owner: AccountId | None = None) -> DecidedEvent:
    """Make an event that changed something for an account."""
    subject = subscription_id(number) if owner else None
    outcome = Outcome.APPLIED if owner else Outcome.IGNORED
    return DecidedEvent(delivery=nothing_for_us(number), outcome=outcome, account=owner, subscription=subject)


async def nothing_is_there(store: Stores, owner: AccountId) -> bool:
    """Look for anything that `everything` would have written."""
    loaded = await load(
        store,
        Claims(
            events=frozenset({event_id()}),
            accounts=frozenset({owner}),
            customers=frozenset({customer_id()}),
            subscriptions=frozenset({subscription_id()}),
        ),
    )
    as_before = Loaded(known_events=frozenset(), owners={}, standings={owner: NEVER_SUBSCRIBED}, subscriptions={})
    view = await store.accounts.view(owner)
    return (
        loaded == as_before
        and view.standing == NEVER_SUBSCRIBED
        and await store.accounts.subscriptions(owner) == []
        and await store.reread_queue.next_due(now=NOON) is None
        and await store.behind.events() == frozenset()
        and await store.behind.alerts() == {}
    )


async def test_everything_committed_is_there(store: Stores) -> None:
    """What a committed unit of work wrote, all later ones and all reads see."""
    owner = await add_account(store)
    await commit(store, everything(owner))
    loaded = await load(
        store, Claims(events=frozenset({event_id(), event_id(2)}), customers=frozenset({customer_id()}))
    )
    assert loaded.known_events == {event_id()}
    assert loaded.owners == {customer_id(): owner}
    assert loaded.standings == {owner: STANDING}
    assert loaded.subscriptions == {subscription_id(): subscription(owner)}
    assert await store.reread_queue.next_due(now=NOON) == NOON
    assert await store.behind.events() == {event_id()}
    assert await store.behind.alerts() == {Alert.UNKNOWN_PRICE: 1}


async def test_without_a_commit_nothing_is_written(store: Stores) -> None:
    """Leaving a unit of work without a commit rolls everything back."""
    owner = await add_account(store)
    async with store.transactions.begin() as transaction:
        await transaction.load(Claims(accounts=frozenset({owner})))
        await transaction.save(everything(owner))
    assert await nothing_is_there(store, owner)


async def test_an_exception_rolls_back(store: Stores) -> None:
    """An exception in a unit of work leaves it unchanged, and rolls everything back."""
    owner = await add_account(store)

    async def stumble() -> None:
        async with store.transactions.begin() as transaction:
            await transaction.load(Claims(accounts=frozenset({owner})))
            await transaction.save(everything(owner))
            raise LookupError("a bug of ours")

    with pytest.raises(LookupError, match="a bug of ours"):
        await stumble()
    assert await nothing_is_there(store, owner)


async def test_a_cancelled_unit_of_work_rolls_back_and_lets_go(store: Stores) -> None:
    """A cancelled unit of work writes nothing, and its locks hold up nobody."""
    owner = await add_account(store)
    saved = asyncio.Event()

    async def cut_off() -> None:
        async with store.transactions.begin() as transaction:
            await transaction.load(Claims(accounts=frozenset({owner})))
            await transaction.save(everything(owner))
            saved.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(cut_off())
    await saved.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await nothing_is_there(store, owner)
    await commit(store, everything(owner), claims=Claims(accounts=frozenset({owner})))
    assert await store.behind.events() == {event_id()}


async def test_a_known_event_is_a_conflict_that_leaves_nothing(store: Stores) -> None:
    """Saving an event id that is there already is a `Conflict`, and nothing saved with it stays."""
    owner, other = await add_accounts(store, 2)
    await commit(store, everything(owner))
    changes = Changes(received_at=NOON, events=[decided(2, other), decided(1, other)])
    changes.subscriptions[subscription_id(2)] = subscription(other, 2)
    changes.standings[other] = STANDING
    changes.rereads.add(subscription_id(2))
    with pytest.raises(Conflict):
        await commit(store, changes, claims=Claims(accounts=frozenset({other})))
    assert await store.behind.events() == {event_id()}
    loaded = await load_account(store, other)
    assert loaded.standings == {other: NEVER_SUBSCRIBED}
    assert loaded.subscriptions == {}


@pytest.mark.parametrize("first_commits", [True, False])
async def test_one_event_in_two_units_of_work(replicas: tuple[Stores, Stores], *, first_commits: bool) -> None:
    """While one unit of work has an event in hand, a second one with the same event waits for how the first ends.

    If the first commits, the second has a `Conflict`; if it rolls back, the second commits. They lock different
    accounts: it is the event's id alone that they share.
    """
    owner, other = await add_accounts(replicas[0], 2)

    async def save_second() -> None:
        changes = Changes(received_at=NOON, events=[decided(1, other)], standings={other: STANDING})
        await commit(replicas[1], changes, claims=Claims(accounts=frozenset({other})))

    async with replicas[0].transactions.begin() as transaction:
        await transaction.load(Claims(accounts=frozenset({owner})))
        await transaction.save(Changes(received_at=NOON, events=[decided(1, owner)], standings={owner: STANDING}))
        second = asyncio.create_task(save_second())
        # Time for the second to come as far as it can.
        await asyncio.sleep(0.1)
        if first_commits:
            await transaction.commit()
    [end] = await asyncio.gather(second, return_exceptions=True)
    assert isinstance(end, Conflict) is first_commits
    standings = [(await replicas[0].accounts.view(one)).standing for one in (owner, other)]
    assert standings == ([STANDING, NEVER_SUBSCRIBED] if first_commits else [NEVER_SUBSCRIBED, STANDING])


async def test_many_events_in_opposite_order_do_not_deadlock(replicas: tuple[Stores, Stores]) -> None:
    """Two units of work that save the same many events, each in another order: one commits, one has a `Conflict`."""
    for start in (0, 2000, 4000):
        events = [decided(number) for number in range(start, start + 2000)]
        ends = await asyncio.gather(
            commit(replicas[0], Changes(received_at=NOON, events=events)),
            commit(replicas[1], Changes(received_at=NOON, events=events[::-1])),
            return_exceptions=True,
        )
        assert sorted(map(repr, ends)) == sorted([repr(None), repr(Conflict())])


async def test_load_answers_what_was_claimed_and_all_of_its_accounts(store: Stores) -> None:
    """Accounts are found by themselves, a customer or a subscription, each with all of its subscriptions."""
    by_itself, by_customer, by_subscription, not_claimed = await add_accounts(store, 4)
    changes = Changes(received_at=NOON)
    for number, owner in enumerate([by_itself, by_customer, by_subscription, not_claimed], start=1):
        changes.customers[customer_id(number)] = owner
        for held in (subscription(owner, number), subscription(owner, 10 + number)):
            changes.subscriptions[held.id] = held
        changes.standings[owner] = replace(STANDING, plan=Tier(number % 3))
    await commit(store, changes)
    loaded = await load(
        store,
        Claims(
            accounts=frozenset({by_itself}),
            customers=frozenset({customer_id(2)}),
            subscriptions=frozenset({subscription_id(3)}),
        ),
    )
    assert loaded.owners == {customer_id(2): by_customer}
    assert loaded.standings == {owner: changes.standings[owner] for owner in (by_itself, by_customer, by_subscription)}
    assert set(loaded.subscriptions) == {subscription_id(number) for number in (1, 2, 3, 11, 12, 13)}


async def test_load_leaves_out_what_is_not_there(store: Stores) -> None:
    """Foreign customers, unknown accounts, subscriptions and events are absent from what is loaded."""
    await add_account(store)
    loaded = await load(
        store,
        Claims(
            events=frozenset({event_id()}),
            customers=frozenset({customer_id(99)}),
            accounts=frozenset({AccountId("acct_of_somebody_else"), AccountId("")}),
            subscriptions=frozenset({subscription_id(99)}),
        ),
    )
    assert loaded == Loaded(known_events=frozenset(), owners={}, standings={}, subscriptions={})


async def test_load_takes_many_claims(store: Stores) -> None:
    """A batch may name more accounts, customers, subscriptions and events than a database takes parameters at once."""
    owner = await add_account(store)
    await commit(store, everything(owner))
    many = range(1, 2001)
    loaded = await load(
        store,
        Claims(
            events=frozenset(map(event_id, many)),
            customers=frozenset(map(customer_id, many)),
            accounts=frozenset(AccountId(f"acct_{number}") for number in many),
            subscriptions=frozenset(map(subscription_id, many)),
        ),
    )
    assert loaded.known_events == {event_id()}
    assert loaded.owners == {customer_id(): owner}
    assert set(loaded.subscriptions) == {subscription_id()}


async def test_a_subscription_of_another_customer_is_still_its_accounts(store: Stores) -> None:
    """A subscription is found by its own id also where an event names another customer for it."""
    owner, other = await add_accounts(store, 2)
    changes = Changes(received_at=NOON, customers={customer_id(2): other})
    changes.subscriptions[subscription_id()] = subscription(owner)
    await commit(store, changes)
    loaded = await load(
        store, Claims(customers=frozenset({customer_id(2)}), subscriptions=frozenset({subscription_id()}))
    )
    assert set(loaded.standings) == {owner, other}
    assert loaded.subscriptions[subscription_id()].account == owner


async def test_subscriptions_come_back_as_they_were_saved(store: Stores) -> None:
    """Every field of a subscription survives storing: every status, every tier, nothing, and the longest values."""
    owner = await add_account(store)
    plain = subscription(owner)
    kinds = [replace(plain, status=status, tier=tier) for status in Status for tier in Tier]
    kinds += [
        replace(plain, period_end=None, as_of=None, version=0, status=Status.UNKNOWN),
        replace(plain, cancel_at_period_end=True, version=2**31 + 5),
        replace(plain, period_end=NOON.replace(year=9999), started_at=NOON.replace(year=1970), as_of=NOON),
    ]
    saved = {id_: replace(kind, id=id_) for number, kind in enumerate(kinds) for id_ in [subscription_id(number)]}
    await commit(store, Changes(received_at=NOON, subscriptions=dict(saved)))
    loaded = await load_account(store, owner)
    assert loaded.subscriptions == saved
    read = await store.accounts.subscriptions(owner)
    assert {held.id: held for held in read} == saved
    assert all(held.started_at.utcoffset() == timedelta(0) for held in read)


async def test_a_subscription_saved_again_is_replaced(store: Stores) -> None:
    """A subscription saved again is all new; the others of its account stay as they were."""
    owner = await add_account(store)
    changes = Changes(received_at=NOON)
    for number in (1, 2):
        changes.subscriptions[subscription_id(number)] = subscription(owner, number)
    await commit(store, changes)
    ended = replace(
        subscription(owner),
        customer=customer_id(7),
        tier=Tier.ENTERPRISE,
        status=Status.CANCELED,
        period_end=None,
        cancel_at_period_end=True,
        started_at=NOON - timedelta(days=1),
        as_of=NOON + timedelta(days=1),
        version=2,
    )
    await commit(store, Changes(received_at=NOON, subscriptions={ended.id: ended}))
    loaded = await load_account(store, owner)
    assert loaded.subscriptions == {ended.id: ended, subscription_id(2): subscription(owner, 2)}


async def test_a_subscription_does_not_change_its_account(store: Stores) -> None:
    """Saving a subscription for another account than it is held for is a `Conflict`: that race was lost."""
    owner, other = await add_accounts(store, 2)
    await commit(store, Changes(received_at=NOON, subscriptions={subscription_id(): subscription(owner)}))
    with pytest.raises(Conflict):
        await commit(store, Changes(received_at=NOON, subscriptions={subscription_id(): subscription(other)}))
    assert list(await store.accounts.subscriptions(owner)) == [subscription(owner)]
    assert list(await store.accounts.subscriptions(other)) == []


async def test_a_subscription_of_no_account_cannot_be_written(store: Stores) -> None:
    """A subscription whose account is not there is an error of the data: no conflict, and no store that is away."""
    owner = await add_account(store)
    stray = replace(subscription(owner), account=AccountId("acct_of_nobody"))
    changes = Changes(received_at=NOON, events=[decided(1)], subscriptions={stray.id: stray})
    [end] = await asyncio.gather(commit(store, changes), return_exceptions=True)
    assert isinstance(end, Exception)
    assert not isinstance(end, BillingError)
    assert await store.behind.events() == frozenset()


@pytest.mark.parametrize("status", [None, *Status])
async def test_a_standing_is_read_as_it_was_committed(store: Stores, status: Status | None) -> None:
    """Every read of an account answers its new standing at once: by id, by address, by key, in a unit of work."""
    owner = await add_account(store)
    standing = replace(STANDING, status=status) if status else NEVER_SUBSCRIBED
    await commit(store, Changes(received_at=NOON, standings={owner: replace(STANDING, plan=Tier.ENTERPRISE)}))
    await commit(store, Changes(received_at=NOON, standings={owner: standing}))
    by_key = await store.accounts.view_by_key(key_hash())
    assert by_key is not None
    assert by_key.standing == standing
    assert (await store.accounts.view(owner)).standing == standing
    assert (await store.accounts.view_by_email("person1@shop.test")).standing == standing
    assert (await load_account(store, owner)).standings == {owner: standing}


async def test_units_of_work_on_one_account_follow_each_other(replicas: tuple[Stores, Stores]) -> None:
    """What is loaded stays true until the commit: twenty that count up one version on two replicas lose none."""
    owner = await add_account(replicas[0])
    zero = replace(subscription(owner), version=0)
    await commit(replicas[0], Changes(received_at=NOON, subscriptions={zero.id: zero}))

    async def count_up(store: Stores) -> None:
        async with store.transactions.begin() as transaction:
            loaded = await transaction.load(Claims(subscriptions=frozenset({zero.id})))
            now = loaded.subscriptions[zero.id]
            changed = replace(now, version=now.version + 1)
            await transaction.save(Changes(received_at=NOON, subscriptions={zero.id: changed}))
            await transaction.commit()

    await asyncio.gather(*(count_up(replicas[number % 2]) for number in range(20)))
    assert (await load_account(replicas[0], owner)).subscriptions[zero.id].version == 20


def _through_itself(owner: AccountId) -> Claims:
    return Claims(accounts=frozenset({owner}))


def _through_a_customer(owner: AccountId) -> Claims:
    return Claims(customers=frozenset({customer_id()}))


@pytest.mark.parametrize("claims_on", [_through_itself, _through_a_customer])
async def test_a_second_unit_of_work_sees_what_the_first_committed(
    replicas: tuple[Stores, Stores], claims_on: Callable[[AccountId], Claims]
) -> None:
    """A unit of work that asks for an account while another holds it, loads what that one committed.

    Its subscription is new then: found only by one who reads after the locks were taken, not before.
    """
    first, second = replicas
    owner = await add_account(first)
    await commit(first, Changes(received_at=NOON, customers={customer_id(): owner}))
    claims = claims_on(owner)
    async with first.transactions.begin() as transaction:
        await transaction.load(claims)
        waiting = asyncio.create_task(load(second, claims))
        # Time for the other to come as far as the lock; without a lock it would load the old state now.
        await asyncio.sleep(0.1)
        held = subscription(owner)
        standing = standing_of([held])
        await transaction.save(Changes(received_at=NOON, subscriptions={held.id: held}, standings={owner: standing}))
        await transaction.commit()
    loaded = await waiting
    assert loaded.subscriptions == {held.id: held}
    assert loaded.standings == {owner: standing}


async def test_alerts_are_counted(replicas: tuple[Stores, Stores]) -> None:
    """Every alert is counted by its kind, also when many arrive at once in different orders."""
    alerts = [(Alert.UNKNOWN_PRICE, "sub_a"), (Alert.UNKNOWN_PRICE, "sub_b"), (Alert.UNKNOWN_STATUS, "sub_a")]

    async def raise_them(number: int) -> None:
        in_order = alerts if number % 2 else alerts[::-1]
        await commit(replicas[number % 2], Changes(received_at=NOON, alerts=in_order))

    await asyncio.gather(*map(raise_them, range(20)))
    assert await replicas[0].behind.alerts() == {Alert.UNKNOWN_PRICE: 40, Alert.UNKNOWN_STATUS: 20}


async def test_a_customer_is_attached_as_the_next_generation(store: Stores) -> None:
    """An attached customer becomes the account's newest, after the one that is there."""
    owner = await add_account(store)
    reserved = await store.customers.reserve(owner)
    await store.customers.created(reserved, customer_id(1))
    await commit(store, Changes(received_at=NOON, customers={customer_id(2): owner}))
    newest = await store.customers.reserve(owner)
    assert (newest.generation, newest.id) == (2, customer_id(2))
    claims = Claims(customers=frozenset({customer_id(1), customer_id(2)}))
    assert (await load(store, claims)).owners == {customer_id(1): owner, customer_id(2): owner}


async def test_several_customers_are_attached_at_once(store: Stores) -> None:
    """Two customers of one account and one of another, attached in one transaction, are all known."""
    owner, other = await add_accounts(store, 2)
    customers = {customer_id(1): owner, customer_id(2): owner, customer_id(3): other}
    await commit(store, Changes(received_at=NOON, customers=dict(customers)))
    assert (await load(store, Claims(customers=frozenset(customers)))).owners == customers


async def test_a_customer_attached_already_stays(store: Stores) -> None:
    """Attaching a customer again, to whichever account, changes nothing."""
    owner, other = await add_accounts(store, 2)
    await commit(store, Changes(received_at=NOON, customers={customer_id(): owner}))
    before = await store.customers.reserve(owner)
    for claimed in (owner, other):
        await commit(store, Changes(received_at=NOON, customers={customer_id(): claimed}))
    assert (await load(store, Claims(customers=frozenset({customer_id()})))).owners == {customer_id(): owner}
    assert await store.customers.reserve(owner) == before
    assert (await store.customers.reserve(other)).id is None


async def test_two_accounts_racing_for_a_customer(replicas: tuple[Stores, Stores]) -> None:
    """A customer that is being given to one account, and to another meanwhile, is the first's; both commit."""
    owner, other = await add_accounts(replicas[0], 2)

    async def attach_second() -> None:
        changes = Changes(received_at=NOON, events=[decided(2, other)], customers={customer_id(): other})
        await commit(replicas[1], changes, claims=Claims(accounts=frozenset({other})))

    async with replicas[0].transactions.begin() as transaction:
        await transaction.load(Claims(accounts=frozenset({owner})))
        await transaction.save(Changes(received_at=NOON, customers={customer_id(): owner}))
        second = asyncio.create_task(attach_second())
        # Time for the second to come as far as it can.
        await asyncio.sleep(0.1)
        await transaction.commit()
    await second
    assert (await load(replicas[0], Claims(customers=frozenset({customer_id()})))).owners == {customer_id(): owner}
    assert await replicas[0].behind.events() == {event_id(2)}


async def test_an_owner_that_appears_while_waiting_is_locked_too(replicas: tuple[Stores, Stores]) -> None:
    """A claimed customer that gets its account while the locks are waited for brings that account with it."""
    owner, other = await add_accounts(replicas[0], 2)
    held = subscription(owner)
    async with replicas[0].transactions.begin() as transaction:
        await transaction.load(Claims(accounts=frozenset({owner, other})))
        claims = Claims(accounts=frozenset({other}), customers=frozenset({customer_id()}))
        waiting = asyncio.create_task(load(replicas[1], claims))
        # Time for the other to come as far as the lock.
        await asyncio.sleep(0.1)
        changes = Changes(received_at=NOON, customers={customer_id(): owner}, standings={owner: STANDING})
        changes.subscriptions[held.id] = held
        await transaction.save(changes)
        await transaction.commit()
    loaded = await waiting
    assert loaded.owners == {customer_id(): owner}
    assert loaded.standings == {owner: STANDING, other: NEVER_SUBSCRIBED}
    assert loaded.subscriptions == {held.id: held}


async def test_a_deleted_customer_is_known_and_replaced(store: Stores) -> None:
    """A customer that Stripe deleted is still the account's in what is loaded, but the next one is another."""
    owner = await add_account(store)
    await commit(store, Changes(received_at=NOON, customers={customer_id(): owner}))
    await commit(store, Changes(received_at=NOON, customers_deleted={customer_id(), customer_id(99)}))
    assert (await load(store, Claims(customers=frozenset({customer_id()})))).owners == {customer_id(): owner}
    replacement = await store.customers.reserve(owner)
    assert (replacement.generation, replacement.id) == (2, None)


async def test_an_attempt_with_a_deleted_customer_is_removed(store: Stores) -> None:
    """A deletion of a customer frees its account, also if the session's end is told of at once, and no other."""
    owner, other = await add_accounts(store, 2)
    for number, buyer in enumerate((owner, other), start=1):
        await commit(store, Changes(received_at=NOON, customers={customer_id(number): buyer}))
        reserved = await store.attempts.reserve(attempt(buyer, number))
        await store.attempts.opened(reserved.id, session_id(number))
    gone = Changes(received_at=NOON, customers_deleted={customer_id(1)}, sessions_closed={session_id(1)})
    await commit(store, gone)
    assert await store.attempts.current(owner) is None
    assert await store.attempts.current(other) is not None
    assert (await store.customers.reserve(owner)).generation == 2


async def test_when_a_reread_began_is_kept(store: Stores) -> None:
    """When the last re-read began is stored in whole seconds, replaced, and taken back if need be."""
    owner = await add_account(store)
    for read_at in (NOON, NOON + MINUTE, None):
        held = replace(subscription(owner), read_at=read_at)
        await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))
        assert (await load_account(store, owner)).subscriptions == {held.id: held}
        assert list(await store.accounts.subscriptions(owner)) == [held]


async def test_a_customer_attached_and_deleted_at_once(store: Stores) -> None:
    """A batch may tell of a customer for the first time and of its deletion: it is attached, and deleted."""
    owner = await add_account(store)
    changes = Changes(received_at=NOON, customers={customer_id(): owner}, customers_deleted={customer_id()})
    await commit(store, changes)
    assert (await load(store, Claims(customers=frozenset({customer_id()})))).owners == {customer_id(): owner}
    assert (await store.customers.reserve(owner)).generation == 2


async def test_a_closed_session_frees_its_account(store: Stores) -> None:
    """Closing a session removes its attempt, and no other."""
    owner, other = await add_accounts(store, 2)
    for number, buyer in enumerate((owner, other), start=1):
        reserved = await store.attempts.reserve(attempt(buyer, number))
        await store.attempts.opened(reserved.id, session_id(number))
    await commit(store, Changes(received_at=NOON, sessions_closed={session_id(1), session_id(99)}))
    assert await store.attempts.current(owner) is None
    assert await store.attempts.current(other) is not None


async def test_a_failed_event_is_removed_when_processed(store: Stores) -> None:
    """A failed event that comes again and is written is not failed any more; the others are."""
    for number in (1, 2):
        await store.failed_events.keep(failed_event(number), at=NOON)
    await commit(store, Changes(received_at=NOON, events=[decided(1)]))
    assert await store.behind.failed_events() == {event_id(2): KeptEvent(failed=failed_event(2), attempts=1)}


async def test_payloads_are_bytes(store: Stores) -> None:
    """Any bytes can be a payload: what was signed is what is kept."""
    odd = replace(nothing_for_us(1), payload=bytes(range(256)) * 4, type="a.type.\N{SNOWMAN}")
    event = DecidedEvent(delivery=odd, outcome=Outcome.IGNORED)
    await commit(store, Changes(received_at=NOON, events=[event]))
    assert await store.behind.events() == {EventId(odd.id)}
