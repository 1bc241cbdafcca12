"""Whose key is this, what does the account have, and how accounts and keys are made."""

from dataclasses import replace
from datetime import timedelta

import pytest

from billing.accounts import AccountView
from billing.errors import AccountExists, AccountNotFound, ApiKeyNotFound, InvalidApiKey, InvalidEmail
from billing.identifiers import AccountId
from billing.plans import Tier
from billing.standing import NEVER_SUBSCRIBED
from billing.use_cases.manage_accounts import NewKey
from billing.use_cases.read_account import MAX_KEY_LENGTH, hash_of
from support.domain_things import ANN, CUSTOMER, NOON, changed, delivery, snapshot
from support.memory_world import MemoryWorld


def _create(world: MemoryWorld, email: str = "ann@example.com", name: str | None = "Ann") -> tuple[AccountView, NewKey]:
    return world.run(world.manage.create(email=email, name=name))


def test_a_key_answers_its_account_and_its_standing(world: MemoryWorld) -> None:
    """One read tells who asks and what they have."""
    world.add_account(ANN, customer=CUSTOMER)
    world.deliver(delivery("evt_1", changed(snapshot())))
    view = world.run(world.authenticate.execute(ANN))
    assert (view.account.id, view.standing.plan, view.checkout_open) == (ANN, Tier.PRO, False)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("nobodys", id="unknown"),
        pytest.param("acct_ann ", id="nearly"),
        pytest.param("\ud800", id="not even text"),
        pytest.param("k" * (MAX_KEY_LENGTH + 1), id="too long to be looked up"),
    ],
)
def test_any_other_key_is_refused_alike(world: MemoryWorld, key: str) -> None:
    """Nothing tells an unknown key from a malformed one."""
    world.add_account(ANN)
    with pytest.raises(InvalidApiKey, match=r"^invalid or revoked api key$"):
        world.run(world.authenticate.execute(key))


def test_a_key_is_stored_as_a_hash_only(world: MemoryWorld) -> None:
    """The key is shown once: what is stored does not contain it, and finds it."""
    view, new = _create(world)
    [row] = world.store.tables.api_keys.values()
    assert row.hash == hash_of(new.secret)
    assert len(row.hash) == 64
    assert new.secret not in repr(world.store.tables)
    assert world.run(world.authenticate.execute(new.secret)) == view


@pytest.mark.parametrize(("is_open", "noticed"), [(True, [ANN]), (False, [])])
def test_reading_during_a_checkout_is_a_reason_to_look_at_it(
    world: MemoryWorld, noticed: list[AccountId], *, is_open: bool
) -> None:
    """Only an open checkout is looked at, and the answer does not wait for it."""
    world.add_account(ANN)
    view = replace(world.run(world.authenticate.execute(ANN)), checkout_open=is_open)
    assert world.read_billing.execute(view) == NEVER_SUBSCRIBED
    assert world.watch.noticed == noticed


def test_an_account_is_made_with_its_first_key(world: MemoryWorld) -> None:
    """Address and name are tidied, times are whole seconds, and nothing is subscribed yet."""
    world.clock.advance(timedelta(microseconds=5))
    view, new = _create(world, " Ann@Example.com ", "  Ann Smith ")
    assert (view.account.email, view.account.name, view.account.created_at) == ("ann@example.com", "Ann Smith", NOON)
    assert (view.standing, view.checkout_open) == (NEVER_SUBSCRIBED, False)
    assert (new.key.account, new.key.created_at, new.key.revoked_at) == (view.account.id, NOON, None)


@pytest.mark.parametrize("name", [None, "", "   "])
def test_a_blank_name_is_none(world: MemoryWorld, name: str | None) -> None:
    """An account without a name has none, however that was said."""
    assert _create(world, name=name)[0].account.name is None


def test_an_address_is_an_accounts_own(world: MemoryWorld) -> None:
    """A second account of the same address, however it is written, is refused, and so is what is no address."""
    _create(world)
    with pytest.raises(AccountExists):
        _create(world, "ANN@example.com")
    with pytest.raises(InvalidEmail):
        _create(world, "ann")
    assert len(world.store.tables.accounts) == 1


def test_an_account_is_shown_by_id_and_by_address(world: MemoryWorld) -> None:
    """An operator finds it by either."""
    view, _ = _create(world)
    for name in (view.account.id, "ann@example.com", " ANN@Example.com "):
        assert world.run(world.manage.show(name)) == view


@pytest.mark.parametrize("name", ["acct_nobody", "nobody@example.com", ""])
def test_nobodys_account_is_not_found(world: MemoryWorld, name: str) -> None:
    """Looking for it, for its keys, or making one for it says the same."""
    for looking in (world.manage.show, world.manage.create_key, world.manage.list_keys):
        with pytest.raises(AccountNotFound):
            world.run(looking(name))


def test_a_revoked_key_is_refused_at_once_and_the_others_work(world: MemoryWorld) -> None:
    """Keys are made, listed and revoked one by one."""
    _, first = _create(world)
    second = world.run(world.manage.create_key("ann@example.com"))
    revoked = world.run(world.manage.revoke_key(first.key.id))
    assert revoked.revoked_at == NOON
    with pytest.raises(InvalidApiKey):
        world.run(world.authenticate.execute(first.secret))
    assert world.run(world.authenticate.execute(second.secret)).account.email == "ann@example.com"
    assert list(world.run(world.manage.list_keys("ann@example.com"))) == [revoked, second.key]


def test_revoking_again_keeps_the_first_time(world: MemoryWorld) -> None:
    """When a key stopped working is not changed afterwards; a key that never was cannot be revoked."""
    _, new = _create(world)
    world.run(world.manage.revoke_key(new.key.id))
    world.clock.advance(timedelta(days=1))
    assert world.run(world.manage.revoke_key(new.key.id)).revoked_at == NOON
    with pytest.raises(ApiKeyNotFound):
        world.run(world.manage.revoke_key("key_nobody"))
