"""Checkouts over each store: one customer and one open session, in any race, however often it is cut off."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.checkout import SESSION_LIFETIME
from billing.errors import (
    AlreadySubscribed,
    BillingHistoryDeleted,
    CheckoutInProgress,
    NeverSubscribed,
    ProviderRefused,
    ProviderUnavailable,
)
from billing.events import CheckoutClosed, CheckoutCompleted
from billing.idempotency import Outcome
from billing.identifiers import AccountId
from billing.plans import Tier
from billing.subscription import Status
from billing.use_cases.settle_subscriptions import Settlement
from billing_memory import Call
from support.contracts import add_account, changed, delivery, session_id, snapshot, subscription_id
from support.contracts_world import World

pytestmark = pytest.mark.anyio


async def buy(world: World, owner: AccountId, tier: str = "pro") -> str:
    """Start a checkout on the first replica."""
    return await world.service.checkout.execute(owner, tier)


async def test_twenty_concurrent_checkouts_are_one_customer_and_one_session(world: World) -> None:
    """Twenty checkouts of one account at once on two replicas: one customer, one session, one address for all."""
    owner = await add_account(world.store)
    urls = await asyncio.gather(*(world.replica(number).checkout.execute(owner, "pro") for number in range(20)))
    assert len(set(urls)) == 1
    assert len(world.stripe.customers) == 1
    assert len(world.stripe.sessions) == 1
    current = await world.store.attempts.current(owner)
    assert current is not None
    assert current.session == world.the_session(owner)


async def test_concurrent_checkouts_of_two_tiers_leave_one_open_session(world: World) -> None:
    """Twenty checkouts that want different tiers: at most one session can be paid at the end, and it is noted."""
    owner = await add_account(world.store)
    ends = await asyncio.gather(
        *(
            world.replica(number // 2).checkout.execute(owner, ("pro", "enterprise")[number % 2])
            for number in range(20)
        ),
        return_exceptions=True,
    )
    assert all(isinstance(end, str | CheckoutInProgress) for end in ends)
    assert len(world.stripe.customers) == 1
    assert len(world.stripe.open_sessions(owner)) <= 1
    await buy(world, owner)
    current = await world.store.attempts.current(owner)
    assert current is not None
    assert current.session == world.the_session(owner)


async def test_a_double_click_is_one_session(world: World) -> None:
    """A second checkout for the same tier hands out the same address."""
    owner = await add_account(world.store)
    assert await buy(world, owner) == await buy(world, owner)
    assert world.stripe.calls[Call.CREATE_SESSION] == 1


async def test_another_tier_expires_the_first_session(world: World) -> None:
    """A checkout for another tier closes the open session, so that only the newer one can be paid."""
    owner = await add_account(world.store)
    first = await buy(world, owner)
    second = await buy(world, owner, "enterprise")
    assert first != second
    assert len(world.stripe.sessions) == 2
    assert second.endswith(world.the_session(owner))


async def test_accounts_do_not_share_anything(world: World) -> None:
    """Ten accounts that buy at once have ten customers and ten sessions."""
    owners = [await add_account(world.store, number) for number in range(10)]
    urls = await asyncio.gather(
        *(world.replica(number).checkout.execute(owner, "pro") for number, owner in enumerate(owners * 2))
    )
    assert Counter(Counter(urls).values()) == {2: 10}
    assert len(world.stripe.customers) == 10
    for owner in owners:
        attempt = world.stripe.sessions[world.the_session(owner)].attempt
        assert world.stripe.customers[attempt.customer].account == owner


@pytest.mark.parametrize("call", [Call.CREATE_CUSTOMER, Call.CREATE_SESSION])
@pytest.mark.parametrize("answer_lost", [True, False])
async def test_a_failure_at_stripe_is_repeated_exactly(world: World, call: Call, *, answer_lost: bool) -> None:
    """Whether Stripe did it and its answer was lost, or it did nothing: the retry gets one customer, one session."""
    owner = await add_account(world.store)
    world.stripe.fail_next(ProviderUnavailable(), call=call, times=2, after_the_change=answer_lost)
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await buy(world, owner)
        # The request repeated later must not differ from the first: same times, same names.
        world.clock.advance(timedelta(minutes=7))
    await buy(world, owner)
    assert len(world.stripe.customers) == 1
    assert len(world.stripe.sessions) == 1


@pytest.mark.parametrize("call", [Call.CREATE_CUSTOMER, Call.CREATE_SESSION])
async def test_cut_off_between_stripes_answer_and_our_commit(world: World, call: Call) -> None:
    """A checkout that dies with Stripe's answer in its hand is repeated with the same customer and session."""
    owner = await add_account(world.store)
    gate = world.stripe.hold(call)
    cut_off = asyncio.create_task(buy(world, owner))
    await gate.reached.wait()
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)
    gate.release()
    customers, sessions = set(world.stripe.customers), set(world.stripe.sessions)
    assert customers
    world.clock.advance(timedelta(minutes=1))
    url = await world.replicas[1].checkout.execute(owner, "pro")
    assert set(world.stripe.customers) == customers
    assert set(world.stripe.sessions) == (sessions or {world.the_session(owner)})
    assert url.endswith(world.the_session(owner))


@pytest.mark.parametrize("steps", [*range(0, 60, 3), 80, 120, 200])
async def test_cut_off_anywhere(world: World, steps: int) -> None:
    """Wherever a checkout is cancelled, the next one ends with one customer and one open session."""
    owner = await add_account(world.store)
    cut_off = asyncio.create_task(buy(world, owner))
    for _ in range(steps):
        await asyncio.sleep(0)
    cut_off.cancel()
    with suppress(asyncio.CancelledError):
        await cut_off
    url = await buy(world, owner)
    assert url.endswith(world.the_session(owner))
    assert len(world.stripe.customers) == 1
    assert len(world.stripe.sessions) == 1


async def test_a_session_found_complete_is_a_purchase(world: World) -> None:
    """Paid, and the webhook is still on its way: no second session, and what was bought is re-read."""
    owner = await add_account(world.store)
    await buy(world, owner)
    bought = world.stripe.pay(world.the_session(owner))
    ends = await asyncio.gather(
        *(world.replica(number).checkout.execute(owner, "pro") for number in range(20)), return_exceptions=True
    )
    assert all(isinstance(end, AlreadySubscribed) for end in ends)
    assert len(world.stripe.sessions) == 1
    assert await world.service.settle_all() == [Settlement.SETTLED]
    view = await world.store.accounts.view(owner)
    assert (view.standing.plan, view.standing.period_end) == (Tier.PRO, bought.period_end)


async def test_paid_while_another_checkout_is_on_its_way(world: World) -> None:
    """A session paid while a second checkout has its older answer in hand: there is no second session to pay."""
    owner = await add_account(world.store)
    await buy(world, owner)
    gate = world.stripe.hold(Call.SESSION)
    second = asyncio.create_task(world.replicas[1].checkout.execute(owner, "enterprise"))
    await gate.reached.wait()
    world.stripe.pay(world.the_session(owner))
    gate.release()
    with pytest.raises(AlreadySubscribed):
        await second
    assert len(world.stripe.sessions) == 1


async def test_live_subscriptions_refuse_before_stripe_is_asked(world: World) -> None:
    """An account that is subscribed here gets no customer and no session at Stripe."""
    owner = await add_account(world.store)
    await world.service.deliver(changed(1, snapshot(owner)))
    with pytest.raises(AlreadySubscribed):
        await buy(world, owner)
    assert not world.stripe.calls


async def test_a_purchase_made_in_another_way_is_found(world: World) -> None:
    """A live subscription of the account's customer that only Stripe knows refuses the checkout, and is re-read."""
    owner = await add_account(world.store)
    await buy(world, owner)
    world.stripe.expire(world.the_session(owner))
    world.stripe.put_subscription(replace(snapshot(None), customer=world.the_customer()))
    with pytest.raises(AlreadySubscribed):
        await buy(world, owner)
    assert await world.service.settle_all() == [Settlement.SETTLED]
    assert (await world.store.accounts.view(owner)).standing.plan is Tier.PRO


async def test_a_customer_deleted_at_stripe_is_replaced(world: World) -> None:
    """Concurrent checkouts after the customer's deletion make one new customer, and one new session for it."""
    owner = await add_account(world.store)
    await buy(world, owner)
    old = world.the_customer()
    world.stripe.expire(world.the_session(owner))
    world.stripe.delete_customer(old)
    urls = await asyncio.gather(*(world.replica(number).checkout.execute(owner, "pro") for number in range(20)))
    assert len(set(urls)) == 1
    assert len(world.stripe.customers) == 2
    new = world.stripe.sessions[world.the_session(owner)].attempt.customer
    assert new != old
    assert (await world.store.customers.reserve(owner)).generation == 2


async def test_an_expired_session_is_replaced(world: World) -> None:
    """After its session has expired, whether by itself, by a webhook or by hand, the account can buy again."""
    owner = await add_account(world.store)
    first = await buy(world, owner)
    world.clock.advance(SESSION_LIFETIME)
    second = await buy(world, owner)
    assert first != second
    world.stripe.expire(world.the_session(owner))
    third = await buy(world, owner)
    assert third != second
    event = CheckoutClosed(session=world.the_session(owner))
    await world.service.deliver(delivery(1, event))
    assert await world.store.attempts.current(owner) is None


async def test_an_attempt_that_was_cut_off_long_ago_is_forgotten(world: World) -> None:
    """A reservation without a session is not repeated when its idempotency key may soon be forgotten."""
    owner = await add_account(world.store)
    world.stripe.fail_next(ProviderUnavailable(), call=Call.CREATE_SESSION)
    with pytest.raises(ProviderUnavailable):
        await buy(world, owner)
    world.clock.advance(SESSION_LIFETIME)
    assert (await buy(world, owner)).endswith(world.the_session(owner))
    assert len(world.stripe.sessions) == 1


async def test_buying_again_after_the_end(world: World) -> None:
    """When a subscription has ended the account can buy again, with the customer that it has."""
    owner = await add_account(world.store)
    await buy(world, owner)
    session = world.the_session(owner)
    bought = world.stripe.pay(session)
    completed = CheckoutCompleted(
        session=session,
        subscription=bought.subscription,
        customer=bought.customer,
        account=owner,
        tier=Tier.PRO,
    )
    await world.service.deliver(delivery(1, completed))
    world.stripe.put_subscription(replace(bought, status=Status.CANCELED))
    assert await world.service.settle_all() == [Settlement.SETTLED]
    assert (await buy(world, owner)).endswith(world.the_session(owner))
    assert len(world.stripe.customers) == 1


async def test_refused_by_stripe(world: World) -> None:
    """A refusal is passed on, and leaves nothing that hinders the next checkout."""
    owner = await add_account(world.store)
    world.stripe.fail_next(ProviderRefused(), call=Call.CREATE_SESSION)
    with pytest.raises(ProviderRefused):
        await buy(world, owner)
    assert await buy(world, owner)


async def test_the_landing_without_a_webhook(world: World) -> None:
    """Back from Stripe and no webhook: looking at the session makes the plan true, then closes the attempt."""
    owner = await add_account(world.store)
    await buy(world, owner)
    world.stripe.pay(world.the_session(owner))
    await asyncio.gather(*(world.replica(number).look.execute(owner) for number in range(6)))
    assert (await world.store.accounts.view(owner)).checkout_open
    assert await world.service.settle_all() == [Settlement.SETTLED]
    assert (await world.store.accounts.view(owner)).standing.plan is Tier.PRO
    await world.service.look.execute(owner)
    assert not (await world.store.accounts.view(owner)).checkout_open


async def test_looking_at_a_session_that_expired(world: World) -> None:
    """Looking at an expired session, or at no session, frees the account and asks for nothing."""
    owner = await add_account(world.store)
    await world.service.look.execute(owner)
    await buy(world, owner)
    world.stripe.expire(world.the_session(owner))
    await world.service.look.execute(owner)
    assert await world.store.attempts.current(owner) is None
    assert await world.service.queued() == []


async def test_a_portal_during_a_checkout(world: World) -> None:
    """While checkouts are being opened there is no portal for who never subscribed, and neither breaks the other."""
    owner = await add_account(world.store)
    checkouts = [world.replica(number).checkout.execute(owner, "pro") for number in range(10)]
    portals = [world.replica(number).portal.execute(owner) for number in range(10)]
    ends = await asyncio.gather(*checkouts, *portals, return_exceptions=True)
    assert len(set(map(repr, ends[:10]))) == 1
    assert isinstance(ends[0], str)
    assert all(isinstance(end, NeverSubscribed) for end in ends[10:])
    assert len(world.stripe.sessions) == 1


async def test_a_portal_for_the_past_during_a_checkout(world: World) -> None:
    """An account whose subscription has ended sees its history in the portal while it buys again."""
    owner = await add_account(world.store)
    await buy(world, owner)
    bought = world.stripe.pay(world.the_session(owner))
    ended = replace(bought, status=Status.CANCELED)
    world.stripe.put_subscription(ended)
    await world.service.deliver(changed(1, ended), delivery(2, CheckoutClosed(session=session_id())))
    buying = [world.replica(number).checkout.execute(owner, "pro") for number in range(5)]
    portals = [world.replica(number).portal.execute(owner) for number in range(5)]
    ends = await asyncio.gather(*buying, *portals)
    assert len(set(ends[:5])) == 1
    assert len(set(ends[5:])) == 5
    assert len(world.stripe.open_sessions(owner)) == 1


async def test_a_portal_of_a_deleted_customer(world: World) -> None:
    """A portal that finds the customer deleted notes it: the next checkout begins with another one."""
    owner = await add_account(world.store)
    await buy(world, owner)
    bought = world.stripe.pay(world.the_session(owner))
    ended = replace(bought, status=Status.CANCELED)
    await world.service.deliver(changed(1, ended))
    world.stripe.delete_customer(bought.customer)
    with pytest.raises(BillingHistoryDeleted):
        await world.service.portal.execute(owner)
    assert (await world.store.customers.reserve(owner)).generation == 2
    await buy(world, owner)
    assert len(world.stripe.customers) == 2


async def test_a_webhook_during_a_checkout(world: World) -> None:
    """A subscription that arrives while a session is being opened: whoever comes next is refused."""
    owner = await add_account(world.store)
    gate = world.stripe.hold(Call.CREATE_SESSION)
    buying = asyncio.create_task(buy(world, owner))
    await gate.reached.wait()
    assert await world.replicas[1].deliver_one(changed(1, snapshot(owner))) is Outcome.APPLIED
    gate.release()
    await buying
    with pytest.raises(AlreadySubscribed):
        await buy(world, owner)
    assert subscription_id() in {one.id for one in await world.store.accounts.subscriptions(owner)}
