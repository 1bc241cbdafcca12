"""The Stripe in memory follows its script; that it is a Stripe at all, `test_gateways` proves."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.accounts import Customer
from billing.checkout import CheckoutAttempt, CheckoutSession, SessionState
from billing.errors import KeySpent, ProviderRefused, ProviderUnavailable, SessionNotOpen
from billing.subscription import Status
from billing_memory import Call, MemoryClock, MemoryStripe
from support.contracts import account, attempt, snapshot, subscription_id

pytestmark = pytest.mark.anyio

OWNER = account().id
CUSTOMER = Customer(account=OWNER, generation=1, email="person1@shop.test", name=None, id=None)


@pytest.fixture
def clock() -> MemoryClock:
    """Give a clock at noon."""
    return MemoryClock()


@pytest.fixture
def stripe(clock: MemoryClock) -> MemoryStripe:
    """Give an empty Stripe."""
    return MemoryStripe(clock)


async def attempt_at(stripe: MemoryStripe) -> CheckoutAttempt:
    """Make a customer at Stripe, and an attempt of it to buy."""
    return replace(attempt(OWNER), customer=await stripe.create_customer(CUSTOMER))


async def open_at(stripe: MemoryStripe) -> CheckoutSession:
    """Open a session at Stripe."""
    return await stripe.create_session(await attempt_at(stripe))


async def test_an_expired_session_cannot_be_paid_or_expired(stripe: MemoryStripe) -> None:
    """Only an open session can be expired, and its address is gone then."""
    session = await open_at(stripe)
    await stripe.expire_session(session.id)
    assert await stripe.session(session.id) == replace(session, state=SessionState.EXPIRED, url=None)
    with pytest.raises(SessionNotOpen):
        await stripe.expire_session(session.id)
    with pytest.raises(ValueError, match="expired"):
        stripe.pay(session.id)


async def test_a_session_expires_by_itself(stripe: MemoryStripe, clock: MemoryClock) -> None:
    """At the end of its life a session is expired."""
    session = await open_at(stripe)
    assert stripe.open_sessions(OWNER) == [session.id]
    clock.advance(timedelta(hours=23))
    assert stripe.open_sessions(OWNER) == []
    looked_at = await stripe.session(session.id)
    assert looked_at is not None
    assert looked_at.state is SessionState.EXPIRED


async def test_troubles_come_as_often_as_told(stripe: MemoryStripe) -> None:
    """The next calls fail as told, for one kind of call or for any; then Stripe is well again, and all are counted."""
    stripe.fail_next(ProviderUnavailable(), call=Call.CREATE_CUSTOMER, times=2)
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await stripe.create_customer(CUSTOMER)
    assert stripe.customers == {}
    stripe.fail_next(ProviderRefused())
    with pytest.raises(ProviderRefused):
        await stripe.subscription(subscription_id())
    await stripe.create_customer(CUSTOMER)
    assert stripe.calls == {Call.CREATE_CUSTOMER: 3, Call.SUBSCRIPTION: 1}


async def test_a_key_can_be_spent(stripe: MemoryStripe) -> None:
    """Told so, Stripe repeats a failure under the key of a call, which changes nothing there."""
    stripe.fail_next(KeySpent(), call=Call.CREATE_CUSTOMER)
    with pytest.raises(KeySpent):
        await stripe.create_customer(CUSTOMER)
    assert stripe.customers == {}
    assert await stripe.create_customer(replace(CUSTOMER, generation=2)) in stripe.customers


async def test_a_lost_answer_is_a_change_all_the_same(stripe: MemoryStripe) -> None:
    """When the answer is lost after the change, the repetition answers what was made."""
    stripe.fail_next(ProviderUnavailable(), after_the_change=True)
    with pytest.raises(ProviderUnavailable):
        await stripe.create_customer(CUSTOMER)
    [made] = stripe.customers
    assert await stripe.create_customer(CUSTOMER) == made


async def test_an_answer_is_held_at_the_gate(stripe: MemoryStripe) -> None:
    """A held answer was made when the call reached Stripe: what changes afterwards is not in it."""
    stripe.put_subscription(snapshot(OWNER))
    gate = stripe.hold(Call.SUBSCRIPTION)
    asking = asyncio.create_task(stripe.subscription(subscription_id()))
    await gate.reached.wait()
    stripe.put_subscription(replace(snapshot(OWNER), status=Status.UNPAID))
    assert not asking.done()
    gate.release()
    assert await asking == snapshot(OWNER)
