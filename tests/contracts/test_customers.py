"""The customers that stand for accounts: one at a time, also in a race, and the next one after a deletion."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import pytest

from billing.accounts import Customer
from billing.errors import AccountNotFound
from billing.identifiers import AccountId, CustomerId
from billing.ports import Changes, Claims, Named
from billing_memory import NOON
from support.contracts import (
    Stores,
    add_account,
    add_accounts,
    attempt,
    commit,
    customer_id,
    load,
    subscription,
    subscription_id,
)

pytestmark = pytest.mark.anyio


async def test_the_first_reservation(store: Stores) -> None:
    """A reserved customer has all that goes into the request to Stripe, and no id yet."""
    owner = await add_account(store)
    assert await store.customers.reserve(owner) == Customer(
        account=owner, generation=1, email="person1@shop.test", name="Person 1", id=None
    )


async def test_reserving_again_answers_the_same(store: Stores) -> None:
    """Until Stripe has answered, and after it has, a reservation is answered as it is."""
    owner = await add_account(store)
    first = await store.customers.reserve(owner)
    assert await store.customers.reserve(owner) == first
    await store.customers.created(first, customer_id())
    with_id = await store.customers.reserve(owner)
    assert (with_id.generation, with_id.id) == (1, customer_id())


async def test_accounts_have_customers_of_their_own(store: Stores) -> None:
    """The generations of one account say nothing about another's."""
    owner, other = await add_accounts(store, 2)
    await store.customers.created(await store.customers.reserve(owner), customer_id(1))
    theirs = await store.customers.reserve(other)
    assert (theirs.account, theirs.generation, theirs.id) == (other, 1, None)


async def test_an_account_that_is_not_there(store: Stores) -> None:
    """A customer cannot be reserved for an account that does not exist."""
    with pytest.raises(AccountNotFound):
        await store.customers.reserve(AccountId("acct_of_nobody"))


async def test_racing_reservations_answer_one_row(replicas: tuple[Stores, Stores]) -> None:
    """Twenty that reserve at once on two replicas are all given the same customer."""
    owner = await add_account(replicas[0])
    answers = await asyncio.gather(*(replicas[number % 2].customers.reserve(owner) for number in range(20)))
    assert set(answers) == {await replicas[0].customers.reserve(owner)}
    assert answers[0].generation == 1


async def test_whom_an_event_names_for_a_subscription_is_only_claimed_if_that_is_not_held(store: Stores) -> None:
    """A subscription that is held has its account, whoever is named for it; one that is not is its customer's."""
    owner, other, third = await add_accounts(store, 3)
    for number, account in ((1, owner), (2, other), (3, third)):
        await store.customers.created(await store.customers.reserve(account), customer_id(number))
    held = subscription(owner, 1)
    await commit(store, Changes(received_at=NOON, subscriptions={held.id: held}))

    def named(*numbers: tuple[int, int], account: AccountId | None = None) -> Claims:
        all_ = frozenset(
            Named(subscription=subscription_id(one), customer=customer_id(two), account=account) for one, two in numbers
        )
        return Claims(subscriptions=frozenset(one.subscription for one in all_), named=all_)

    async def owners(*numbers: tuple[int, int], customers: frozenset[CustomerId] = frozenset()) -> Mapping[Any, Any]:
        loaded = await load(store, replace(named(*numbers), customers=customers))
        assert loaded.standings.keys() == {owner, *loaded.owners.values()}
        return loaded.owners

    async def accounts(*numbers: tuple[int, int], account: AccountId) -> AbstractSet[AccountId]:
        return (await load(store, named(*numbers, account=account))).standings.keys()

    assert await owners((1, 1)) == await owners((1, 2)) == await owners((1, 1), (9, 8)) == {}
    assert await owners((1, 1), (9, 2)) == {customer_id(2): other}
    assert await owners((1, 2), (9, 2), (8, 3)) == {customer_id(2): other, customer_id(3): third}
    assert await owners((1, 1), customers=frozenset({customer_id(1)})) == {customer_id(1): owner}
    assert await accounts((1, 1), account=other) == {owner}
    assert await accounts((1, 1), (9, 8), account=other) == {owner, other}
    assert await accounts((9, 3), account=other) == {third, other}
    assert await accounts((9, 8), account=AccountId("acct_of_somebody_else")) == set()


async def test_noting_the_id_again_changes_nothing(replicas: tuple[Stores, Stores]) -> None:
    """Many that note Stripe's answer at once note the same, and the customer is the account's."""
    store = replicas[0]
    owner = await add_account(store)
    reserved = await store.customers.reserve(owner)
    await asyncio.gather(*(replicas[number % 2].customers.created(reserved, customer_id()) for number in range(20)))
    assert (await store.customers.reserve(owner)).id == customer_id()
    assert (await load(store, Claims(customers=frozenset({customer_id()})))).owners == {customer_id(): owner}


async def test_a_deleted_one_is_followed_by_the_next_generation(store: Stores) -> None:
    """After Stripe deleted the customer there is a new reservation, with a new idempotency key, and only one."""
    owner = await add_account(store)
    first = await store.customers.reserve(owner)
    await store.customers.created(first, customer_id(1))
    for _ in range(2):
        await store.customers.deleted(customer_id(1))
    second = await store.customers.reserve(owner)
    assert (second.generation, second.id) == (2, None)
    assert second.idempotency_key != first.idempotency_key
    assert await store.customers.reserve(owner) == second
    await store.customers.created(second, customer_id(2))
    assert (await store.customers.reserve(owner)).id == customer_id(2)


async def test_a_deleted_one_is_still_the_accounts(store: Stores) -> None:
    """Late events of a deleted customer still find whose it was."""
    owner = await add_account(store)
    await store.customers.created(await store.customers.reserve(owner), customer_id())
    await store.customers.deleted(customer_id())
    assert (await load(store, Claims(customers=frozenset({customer_id()})))).owners == {customer_id(): owner}


async def test_deleting_a_foreign_one_changes_nothing(store: Stores) -> None:
    """A deletion of a customer that is not ours leaves ours alone."""
    owner = await add_account(store)
    reserved = await store.customers.reserve(owner)
    await store.customers.deleted(customer_id(99))
    assert await store.customers.reserve(owner) == reserved


async def test_racing_reservations_after_a_deletion(replicas: tuple[Stores, Stores]) -> None:
    """The next generation, too, is made once."""
    store = replicas[0]
    owner = await add_account(store)
    await store.customers.created(await store.customers.reserve(owner), customer_id())
    await store.customers.deleted(customer_id())
    answers = await asyncio.gather(*(replicas[number % 2].customers.reserve(owner) for number in range(20)))
    assert {(answer.generation, answer.id) for answer in answers} == {(2, None)}


async def test_an_attempt_with_a_deleted_one_is_removed(store: Stores) -> None:
    """Nobody can buy as a customer that Stripe has deleted: the attempt is removed, and no other one."""
    owner, other = await add_accounts(store, 2)
    for number, buyer in enumerate((owner, other), start=1):
        await store.customers.created(await store.customers.reserve(buyer), customer_id(number))
        await store.attempts.reserve(attempt(buyer, number))
    await store.customers.deleted(customer_id(1))
    assert await store.attempts.current(owner) is None
    assert await store.attempts.current(other) == attempt(other, 2)


async def test_an_abandoned_reservation_is_followed_by_the_next_generation(store: Stores) -> None:
    """After a reservation's key was spent there is another one, with a new key; abandoning again changes nothing."""
    owner = await add_account(store)
    first = await store.customers.reserve(owner)
    await store.customers.abandon(first)
    second = await store.customers.reserve(owner)
    assert (second.generation, second.id) == (2, None)
    assert second.idempotency_key != first.idempotency_key
    await store.customers.abandon(first)
    assert await store.customers.reserve(owner) == second


async def test_what_stripe_answered_is_not_abandoned(store: Stores) -> None:
    """Whoever abandons a reservation that another got an answer for meanwhile changes nothing."""
    owner = await add_account(store)
    reserved = await store.customers.reserve(owner)
    await store.customers.created(reserved, customer_id())
    await store.customers.abandon(reserved)
    assert await store.customers.reserve(owner) == replace(reserved, id=customer_id())


async def test_an_answer_after_the_abandoning_finds_its_owner(store: Stores) -> None:
    """An id that is noted of an abandoned reservation is the account's, but the next generation stays the one."""
    owner = await add_account(store)
    reserved = await store.customers.reserve(owner)
    await store.customers.abandon(reserved)
    await store.customers.created(reserved, customer_id())
    assert (await load(store, Claims(customers=frozenset({customer_id()})))).owners == {customer_id(): owner}
    assert (await store.customers.reserve(owner)).generation == 2


async def test_abandoning_concerns_one_reservation(store: Stores) -> None:
    """Another account's reservation stays; one that is not there is no harm."""
    owner, other = await add_accounts(store, 2)
    theirs = await store.customers.reserve(other)
    reserved = await store.customers.reserve(owner)
    await store.customers.abandon(replace(reserved, generation=9))
    await store.customers.abandon(reserved)
    assert await store.customers.reserve(other) == theirs


async def test_an_event_that_is_faster_than_the_answer(store: Stores) -> None:
    """A customer that an event attached before Stripe's answer was noted is the account's one customer."""
    owner = await add_account(store)
    reserved = await store.customers.reserve(owner)
    await commit(store, Changes(received_at=NOON, customers={customer_id(): owner}))
    await store.customers.created(reserved, customer_id())
    assert (await store.customers.reserve(owner)).id == customer_id()


async def test_a_deletion_after_such_a_race_makes_a_new_one(store: Stores) -> None:
    """If that customer is deleted, the old reservation's idempotency key, which means it, is not used again."""
    owner = await add_account(store)
    reserved = await store.customers.reserve(owner)
    await commit(store, Changes(received_at=NOON, customers={customer_id(): owner}))
    await store.customers.created(reserved, customer_id())
    await store.customers.deleted(customer_id())
    replacement = await store.customers.reserve(owner)
    assert replacement.id is None
    assert replacement.idempotency_key != reserved.idempotency_key
