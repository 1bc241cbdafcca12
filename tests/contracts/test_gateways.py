"""Both Stripes keep what the gateways' ports promise: the scripted one, and ours over HTTP to the sandbox."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.accounts import Customer
from billing.checkout import SESSION_LIFETIME, CheckoutAttempt, CheckoutSession, SessionState
from billing.errors import CustomerMissing, KeySpent, ProviderRefused, SessionNotOpen
from billing.identifiers import AttemptId, CustomerId, SessionId, SubscriptionId
from billing.subscription import Snapshot, Status
from stripe_sandbox.testing import SandboxServer
from support.contracts import PRICE_ENTERPRISE, PRICE_PRO, account, attempt
from support.contracts_gateways import SANDBOX, StripeUnderTest, stripe_in_memory, stripe_over_http

pytestmark = pytest.mark.anyio

OWNER = account().id
CUSTOMER = Customer(account=OWNER, generation=1, email="person1@shop.test", name=None, id=None)
NOBODY = CustomerId("cus_NeverSeenHere0")


@pytest.fixture(scope="module")
def sandbox() -> Generator[SandboxServer, None, None]:
    """Serve one sandbox for all tests here."""
    with SandboxServer(SANDBOX) as server:
        yield server


@pytest.fixture(params=["memory", "sandbox"])
async def stripe(request: pytest.FixtureRequest) -> AsyncGenerator[StripeUnderTest, None]:
    """Give each Stripe in turn, empty."""
    if request.param == "memory":
        yield stripe_in_memory()
    else:
        async with stripe_over_http(request.getfixturevalue("sandbox")) as over_http:
            yield over_http


async def attempt_at(stripe: StripeUnderTest) -> CheckoutAttempt:
    """Make a customer at Stripe, and an attempt of it to buy."""
    customer = await stripe.ask.create_customer(CUSTOMER)
    return replace(attempt(OWNER), customer=customer, created_at=stripe.now, expires_at=stripe.now + SESSION_LIFETIME)


async def bought_at(stripe: StripeUnderTest, number: int = 1) -> SubscriptionId:
    """Buy at Stripe."""
    made = await attempt_at(stripe)
    session = await stripe.ask.create_session(replace(made, id=AttemptId(f"try_{number}")))
    await stripe.hand.pay(session.id)
    paid = await stripe.ask.session(session.id)
    assert paid is not None
    assert paid.subscription is not None
    return paid.subscription


async def fetch(stripe: StripeUnderTest, subscription: SubscriptionId) -> Snapshot:
    """Fetch a subscription that is there."""
    found = await stripe.ask.subscription(subscription)
    assert found is not None
    return found


async def test_a_customer_is_created_once_for_each_generation(stripe: StripeUnderTest) -> None:
    """A repeated request answers the same customer, also after its deletion; the next generation is another one."""
    first = await stripe.ask.create_customer(CUSTOMER)
    assert await stripe.ask.create_customer(CUSTOMER) == first
    await stripe.hand.delete_customer(first)
    assert await stripe.ask.create_customer(CUSTOMER) == first
    assert await stripe.ask.create_customer(replace(CUSTOMER, generation=2)) != first


@pytest.mark.parametrize("other", [replace(CUSTOMER, email="other@shop.test"), replace(CUSTOMER, name="Other")])
async def test_a_customers_key_with_other_parameters_is_spent(stripe: StripeUnderTest, other: Customer) -> None:
    """Stripe refuses a request that repeats an idempotency key with anything changed."""
    await stripe.ask.create_customer(CUSTOMER)
    with pytest.raises(KeySpent):
        await stripe.ask.create_customer(other)


async def test_a_session_is_opened_once(stripe: StripeUnderTest) -> None:
    """A repeated request answers the first session as it was, whatever became of it; a look answers how it is."""
    made = await attempt_at(stripe)
    first = await stripe.ask.create_session(made)
    assert first.state is SessionState.OPEN
    assert first.url
    assert first.subscription is None
    assert await stripe.ask.session(first.id) == first
    await stripe.hand.pay(first.id)
    assert await stripe.ask.create_session(replace(made, session=first.id)) == first
    paid = await stripe.ask.session(first.id)
    assert paid is not None
    assert paid.subscription
    assert paid == CheckoutSession(id=first.id, state=SessionState.COMPLETE, url=None, subscription=paid.subscription)


@pytest.mark.parametrize("what", ["price", "expires_at"])
async def test_a_sessions_key_with_other_parameters_is_spent(stripe: StripeUnderTest, what: str) -> None:
    """A retry must repeat the attempt to the letter, the end of the session's life too."""
    made = await attempt_at(stripe)
    await stripe.ask.create_session(made)
    others = {
        "price": replace(made, price=PRICE_ENTERPRISE),
        "expires_at": replace(made, expires_at=stripe.now + timedelta(hours=2)),
    }
    with pytest.raises(KeySpent):
        await stripe.ask.create_session(others[what])


@pytest.mark.parametrize("life", [timedelta(minutes=25), timedelta(hours=25)])
async def test_a_sessions_life_has_bounds(stripe: StripeUnderTest, life: timedelta) -> None:
    """Stripe opens sessions for thirty minutes to a day."""
    made = await attempt_at(stripe)
    with pytest.raises(ProviderRefused):
        await stripe.ask.create_session(replace(made, expires_at=stripe.now + life))


async def test_a_deleted_customer_is_told(stripe: StripeUnderTest) -> None:
    """Neither a session nor a portal is opened for a customer that was deleted."""
    made = await attempt_at(stripe)
    await stripe.hand.delete_customer(made.customer)
    with pytest.raises(CustomerMissing):
        await stripe.ask.create_session(made)
    with pytest.raises(CustomerMissing):
        await stripe.ask.open_portal(made.customer)


async def test_a_customer_that_never_was_is_missing(stripe: StripeUnderTest) -> None:
    """A customer unknown to Stripe is missing like a deleted one, and has no subscriptions."""
    made = await attempt_at(stripe)
    with pytest.raises(CustomerMissing):
        await stripe.ask.create_session(replace(made, customer=NOBODY))
    with pytest.raises(CustomerMissing):
        await stripe.ask.open_portal(NOBODY)
    assert list(await stripe.ask.live_subscriptions(NOBODY)) == []


async def test_an_unknown_session(stripe: StripeUnderTest) -> None:
    """A session that Stripe does not know is `None`; it is not open, so it cannot be expired."""
    unknown = SessionId("cs_test_NeverSeenHere0")
    assert await stripe.ask.session(unknown) is None
    with pytest.raises(SessionNotOpen):
        await stripe.ask.expire_session(unknown)


async def test_an_expired_session_stays_expired(stripe: StripeUnderTest) -> None:
    """Only an open session can be expired, and its address is gone then."""
    session = await stripe.ask.create_session(await attempt_at(stripe))
    await stripe.ask.expire_session(session.id)
    assert await stripe.ask.session(session.id) == replace(session, state=SessionState.EXPIRED, url=None)
    with pytest.raises(SessionNotOpen):
        await stripe.ask.expire_session(session.id)


async def test_a_paid_session_cannot_be_expired(stripe: StripeUnderTest) -> None:
    """Expiring a session that was paid meanwhile fails: it is a purchase."""
    session = await stripe.ask.create_session(await attempt_at(stripe))
    await stripe.hand.pay(session.id)
    with pytest.raises(SessionNotOpen):
        await stripe.ask.expire_session(session.id)


async def test_concurrent_repetitions_open_one_session(stripe: StripeUnderTest) -> None:
    """Of requests under one key at the same moment, those that are answered are answered alike."""
    made = await attempt_at(stripe)
    answers = await asyncio.gather(*(stripe.ask.create_session(made) for _ in range(5)), return_exceptions=True)
    sessions = {answer.id for answer in answers if isinstance(answer, CheckoutSession)}
    assert sessions == {(await stripe.ask.create_session(made)).id}


async def test_each_portal_has_an_address_of_its_own(stripe: StripeUnderTest) -> None:
    """Opening the portal answers a new address each time."""
    customer = await stripe.ask.create_customer(CUSTOMER)
    assert await stripe.ask.open_portal(customer) != await stripe.ask.open_portal(customer)


async def test_what_was_bought(stripe: StripeUnderTest) -> None:
    """A paid session makes an active subscription of its customer that names the account and has the price sold."""
    made = await attempt_at(stripe)
    bought = await bought_at(stripe)
    found = await fetch(stripe, bought)
    assert found.period_end is not None
    assert timedelta(days=27) < found.period_end - stripe.now < timedelta(days=32)
    assert abs(found.started_at - stripe.now) < timedelta(minutes=5)
    assert found == Snapshot(
        subscription=bought,
        customer=made.customer,
        status=Status.ACTIVE,
        prices=(PRICE_PRO,),
        period_end=found.period_end,
        cancel_at_period_end=False,
        started_at=found.started_at,
        account=OWNER,
    )


async def test_subscriptions_are_answered_as_they_are(stripe: StripeUnderTest) -> None:
    """A fetch answers what stands now, `None` for an unknown one; all that are live are listed, and no other."""
    active, unpaid, over = [await bought_at(stripe, number) for number in (1, 2, 3)]
    await stripe.hand.fall_behind(unpaid)
    await stripe.hand.cancel(over)
    assert (await fetch(stripe, unpaid)).status is Status.UNPAID
    assert (await fetch(stripe, over)).status is Status.CANCELED
    assert await stripe.ask.subscription(SubscriptionId("sub_NeverSeenHere0")) is None
    listed = await stripe.ask.live_subscriptions((await fetch(stripe, active)).customer)
    assert {one.subscription: one.status for one in listed} == {active: Status.ACTIVE, unpaid: Status.UNPAID}


async def test_deleting_a_customer_cancels_its_subscriptions(stripe: StripeUnderTest) -> None:
    """Stripe cancels everything of a deleted customer at once."""
    bought = await fetch(stripe, await bought_at(stripe))
    await stripe.hand.delete_customer(bought.customer)
    assert (await fetch(stripe, bought.subscription)).status is Status.CANCELED
    assert list(await stripe.ask.live_subscriptions(bought.customer)) == []
