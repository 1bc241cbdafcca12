"""Accounts and API keys."""

import asyncio
from dataclasses import replace

import pytest

from billing.accounts import AccountView
from billing.errors import AccountExists, AccountNotFound, ApiKeyNotFound
from billing.identifiers import AccountId, ApiKeyId
from billing.standing import NEVER_SUBSCRIBED
from billing_memory import NOON
from support.contracts import MINUTE, Stores, account, add_account, add_accounts, api_key, key_hash

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["Person 1", None, "\N{SNOWMAN} O'Person; --"])
async def test_a_new_account_is_found_by_all_its_names(store: Stores, name: str | None) -> None:
    """An account is answered as it was made, by its id, its address and its key, with the plan of a newcomer."""
    made = replace(account(), name=name)
    await store.accounts.add(made, key=api_key(made.id), hash_=key_hash())
    view = AccountView(account=made, standing=NEVER_SUBSCRIBED, checkout_open=False)
    assert await store.accounts.view(made.id) == view
    assert await store.accounts.view_by_email(made.email) == view
    assert await store.accounts.view_by_key(key_hash()) == view
    assert await store.accounts.subscriptions(made.id) == []


async def test_an_account_that_is_not_there(store: Stores) -> None:
    """What does not exist is not found: by id, by address, by key."""
    await add_account(store)
    with pytest.raises(AccountNotFound):
        await store.accounts.view(AccountId("acct_of_nobody"))
    with pytest.raises(AccountNotFound):
        await store.accounts.view_by_email("nobody@shop.test")
    assert await store.accounts.view_by_key(key_hash(99)) is None
    assert await store.accounts.subscriptions(AccountId("acct_of_nobody")) == []


@pytest.mark.parametrize("email", ["person1@shop.test", "Person1@Shop.Test"])
async def test_an_address_is_taken_once(store: Stores, email: str) -> None:
    """A second account with an address, however it is written, is refused and leaves nothing."""
    first = await add_account(store)
    second = replace(account(2), email=email)
    with pytest.raises(AccountExists):
        await store.accounts.add(second, key=api_key(second.id, 2), hash_=key_hash(2))
    assert (await store.accounts.view_by_email("person1@shop.test")).account.id == first
    with pytest.raises(AccountNotFound):
        await store.accounts.view(second.id)
    assert await store.accounts.view_by_key(key_hash(2)) is None


async def test_of_racing_accounts_with_one_address_one_is_made(replicas: tuple[Stores, Stores]) -> None:
    """Twenty accounts with one address, made at once on two replicas: exactly one is there afterwards."""

    async def add(number: int) -> None:
        made = replace(account(number), email="one@shop.test")
        await replicas[number % 2].accounts.add(made, key=api_key(made.id, number), hash_=key_hash(number))

    ends = await asyncio.gather(*map(add, range(20)), return_exceptions=True)
    assert ends.count(None) == 1
    assert sum(isinstance(end, AccountExists) for end in ends) == 19
    views = [await replicas[0].accounts.view_by_key(key_hash(number)) for number in range(20)]
    assert sum(view is not None for view in views) == 1


async def test_another_key_opens_the_same_account(store: Stores) -> None:
    """Every key of an account finds it, and no other one."""
    owner, other = await add_accounts(store, 2)
    await store.api_keys.add(api_key(owner, 3), key_hash(3))
    for number, whose in ((1, owner), (2, other), (3, owner)):
        view = await store.accounts.view_by_key(key_hash(number))
        assert view is not None
        assert view.account.id == whose


async def test_a_key_for_an_account_that_is_not_there(store: Stores) -> None:
    """A key cannot be made for an account that does not exist."""
    with pytest.raises(AccountNotFound):
        await store.api_keys.add(api_key(AccountId("acct_of_nobody")), key_hash())
    assert await store.accounts.view_by_key(key_hash()) is None


async def test_keys_are_listed_oldest_first(store: Stores) -> None:
    """An account's keys are listed in the order they were made, revoked ones too, and nobody else's."""
    owner, other = await add_accounts(store, 2)
    later = replace(api_key(owner, 3), created_at=NOON + 2 * MINUTE)
    sooner = replace(api_key(owner, 4), created_at=NOON + MINUTE)
    await store.api_keys.add(later, key_hash(3))
    await store.api_keys.add(sooner, key_hash(4))
    revoked = await store.api_keys.revoke(sooner.id, at=NOON + 3 * MINUTE)
    assert await store.api_keys.of(owner) == [api_key(owner, 1), revoked, later]
    assert await store.api_keys.of(other) == [api_key(other, 2)]
    assert await store.api_keys.of(AccountId("acct_of_nobody")) == []


async def test_a_revoked_key_opens_nothing_at_once(replicas: tuple[Stores, Stores]) -> None:
    """Revoked on one replica, a key is unknown on both; the account's other keys are not touched."""
    owner = await add_account(replicas[0])
    await replicas[0].api_keys.add(api_key(owner, 2), key_hash(2))
    for store in replicas:
        assert await store.accounts.view_by_key(key_hash(1)) is not None
    revoked = await replicas[0].api_keys.revoke(api_key(owner, 1).id, at=NOON + MINUTE)
    assert revoked == replace(api_key(owner, 1), revoked_at=NOON + MINUTE)
    for store in replicas:
        assert await store.accounts.view_by_key(key_hash(1)) is None
        assert await store.accounts.view_by_key(key_hash(2)) is not None


async def test_a_key_is_revoked_once(store: Stores) -> None:
    """Revoking again keeps the first time."""
    owner = await add_account(store)
    first = await store.api_keys.revoke(api_key(owner).id, at=NOON + MINUTE)
    assert await store.api_keys.revoke(api_key(owner).id, at=NOON + 2 * MINUTE) == first


async def test_a_key_that_is_not_there_cannot_be_revoked(store: Stores) -> None:
    """An unknown key id is an error that names it."""
    await add_account(store)
    with pytest.raises(ApiKeyNotFound):
        await store.api_keys.revoke(ApiKeyId("key_of_nobody"), at=NOON)
