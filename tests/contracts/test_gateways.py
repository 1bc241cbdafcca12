"""The scripted Stripe keeps what the gateways' ports promise, and follows its script."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.accounts import Customer
from billing.checkout import CheckoutAttempt, CheckoutSession, SessionState
from billing.errors import CustomerMissing, ProviderRefused, ProviderUnavailable, SessionNotOpen
from billing.identifiers import CustomerId, SessionId
from billing.subscription import Status
from billing_memory import NOON, Call, MemoryClock, MemoryStripe
from support.contracts import PRICE_ENTERPRISE, account, attempt, customer_id, snapshot, subscription_id

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


async def test_a_customer_is_created_once_for_each_generation(stripe: MemoryStripe) -> None:
    """A repeated request answers the same customer, also after its deletion; the next generation is another one."""
    first = await stripe.create_customer(CUSTOMER)
    assert await stripe.create_customer(CUSTOMER) == first
    stripe.delete_customer(first)
    assert await stripe.create_customer(CUSTOMER) == first
    assert await stripe.create_customer(replace(CUSTOMER, generation=2)) != first


@pytest.mark.parametrize("other", [replace(CUSTOMER, email="other@shop.test"), replace(CUSTOMER, name="Other")])
async def test_a_customers_key_with_other_parameters_is_refused(stripe: MemoryStripe, other: Customer) -> None:
    """Stripe refuses a request that repeats an idempotency key with anything changed."""
    await stripe.create_customer(CUSTOMER)
    with pytest.raises(ProviderRefused):
        await stripe.create_customer(other)


async def test_a_session_is_opened_once(stripe: MemoryStripe) -> None:
    """A repeated request answers the first session as it was, whatever became of it; a look answers how it is."""
    made = await attempt_at(stripe)
    first = await stripe.create_session(made)
    assert first.state is SessionState.OPEN
    assert first.url
    bought = stripe.pay(first.id)
    assert await stripe.create_session(replace(made, session=first.id)) == first
    assert await stripe.session(first.id) == CheckoutSession(
        id=first.id, state=SessionState.COMPLETE, url=None, subscription=bought.subscription
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(attempt(OWNER), price=PRICE_ENTERPRISE),
        replace(attempt(OWNER), expires_at=NOON + timedelta(hours=2)),
    ],
)
async def test_a_sessions_key_with_other_parameters_is_refused(stripe: MemoryStripe, other: CheckoutAttempt) -> None:
    """A retry must repeat the attempt to the letter, the end of the session's life too."""
    made = await attempt_at(stripe)
    await stripe.create_session(made)
    with pytest.raises(ProviderRefused):
        await stripe.create_session(replace(other, customer=made.customer))


@pytest.mark.parametrize("life", [timedelta(minutes=29), timedelta(hours=25)])
async def test_a_sessions_life_has_bounds(stripe: MemoryStripe, life: timedelta) -> None:
    """Stripe opens sessions for thirty minutes to a day."""
    made = await attempt_at(stripe)
    with pytest.raises(ProviderRefused):
        await stripe.create_session(replace(made, expires_at=NOON + life))


@pytest.mark.parametrize("exists", [True, False])
async def test_a_missing_customer_is_told(stripe: MemoryStripe, *, exists: bool) -> None:
    """Neither a session nor a portal is opened for a customer that was deleted or never was."""
    made = await attempt_at(stripe)
    if exists:
        stripe.delete_customer(made.customer)
    else:
        made = replace(made, customer=CustomerId("cus_of_nobody"))
    with pytest.raises(CustomerMissing):
        await stripe.create_session(made)
    with pytest.raises(CustomerMissing):
        await stripe.open_portal(made.customer)


async def test_an_unknown_session(stripe: MemoryStripe) -> None:
    """A session that Stripe does not know is `None`; it cannot be expired."""
    unknown = SessionId("cs_test_unknown")
    assert await stripe.session(unknown) is None
    with pytest.raises(ProviderRefused):
        await stripe.expire_session(unknown)


async def test_an_expired_session_cannot_be_paid_or_expired(stripe: MemoryStripe) -> None:
    """Only an open session can be expired, and its address is gone then."""
    session = await open_at(stripe)
    await stripe.expire_session(session.id)
    assert await stripe.session(session.id) == replace(session, state=SessionState.EXPIRED, url=None)
    with pytest.raises(SessionNotOpen):
        await stripe.expire_session(session.id)
    with pytest.raises(ValueError, match="expired"):
        stripe.pay(session.id)


async def test_a_paid_session_cannot_be_expired(stripe: MemoryStripe) -> None:
    """Expiring a session that was paid meanwhile fails: it is a purchase."""
    session = await open_at(stripe)
    stripe.pay(session.id)
    with pytest.raises(SessionNotOpen):
        await stripe.expire_session(session.id)


async def test_a_session_expires_by_itself(stripe: MemoryStripe, clock: MemoryClock) -> None:
    """At the end of its life a session is expired."""
    session = await open_at(stripe)
    assert stripe.open_sessions(OWNER) == [session.id]
    clock.advance(timedelta(hours=23))
    assert stripe.open_sessions(OWNER) == []
    looked_at = await stripe.session(session.id)
    assert looked_at is not None
    assert looked_at.state is SessionState.EXPIRED


async def test_each_portal_has_an_address_of_its_own(stripe: MemoryStripe) -> None:
    """Opening the portal answers a new address each time."""
    customer = await stripe.create_customer(CUSTOMER)
    assert await stripe.open_portal(customer) != await stripe.open_portal(customer)


async def test_subscriptions_are_answered_as_they_are(stripe: MemoryStripe) -> None:
    """A fetch answers the snapshot that stands now, `None` for an unknown one; only live ones are listed."""
    live, unpaid, over = (snapshot(OWNER, number) for number in (1, 2, 3))
    unpaid, over = replace(unpaid, status=Status.UNPAID), replace(over, status=Status.CANCELED)
    for one in (live, unpaid, over):
        stripe.put_subscription(replace(one, customer=customer_id()))
    assert await stripe.subscription(subscription_id(3)) == replace(over, customer=customer_id())
    assert await stripe.subscription(subscription_id(99)) is None
    listed = await stripe.live_subscriptions(customer_id())
    assert {one.subscription for one in listed} == {live.subscription, unpaid.subscription}
    assert list(await stripe.live_subscriptions(customer_id(99))) == []


async def test_deleting_a_customer_cancels_its_subscriptions(stripe: MemoryStripe) -> None:
    """Stripe cancels everything of a deleted customer at once."""
    session = await open_at(stripe)
    bought = stripe.pay(session.id)
    stripe.delete_customer(bought.customer)
    now = await stripe.subscription(bought.subscription)
    assert now is not None
    assert now.status is Status.CANCELED
    assert list(await stripe.live_subscriptions(bought.customer)) == []


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
