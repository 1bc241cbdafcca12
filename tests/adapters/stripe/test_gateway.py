"""The gateway over real HTTP, by the official SDK, against the sandbox: what is created, found and missing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from billing.accounts import Customer
from billing.checkout import Addresses, CheckoutAttempt, CheckoutSession, SessionState
from billing.errors import CustomerMissing, ProviderRefused, SessionNotOpen
from billing.identifiers import AccountId, AttemptId, CustomerId, PriceId, SessionId, SubscriptionId
from billing.plans import Tier
from billing.ports import CheckoutGateway, CustomerGateway, PortalGateway, SubscriptionGateway
from billing.subscription import Status
from billing_stripe import StripeGateway
from stripe_sandbox.testing import SandboxConfig, SandboxServer
from support.stripe_outside import StripeFromOutside

pytestmark = pytest.mark.anyio

ACCOUNT = AccountId("acct_000000000000000000000001")
ADA = Customer(account=ACCOUNT, generation=1, email="ada@shop.test", name="Ada & Löwe", id=None)
ADDRESSES = Addresses(
    success_url="https://shop.test/thanks?s={CHECKOUT_SESSION_ID}", cancel_url="https://shop.test/plans"
)
NOWHERE = CustomerId("cus_NeverSeenHere0")


def attempt_of(customer: CustomerId, **changes: Any) -> CheckoutAttempt:
    """Make an attempt to buy, of the present."""
    now = datetime.now(UTC).replace(microsecond=0)
    attempt = CheckoutAttempt(
        id=AttemptId("try_000000000000000000000001"),
        account=ACCOUNT,
        customer=customer,
        tier=Tier.PRO,
        price=PriceId("price_pro"),
        addresses=ADDRESSES,
        created_at=now,
        expires_at=now + timedelta(hours=23),
    )
    return replace(attempt, **changes)


@pytest.fixture
async def customer(gateway: StripeGateway) -> CustomerId:
    """Give a customer at Stripe."""
    return await gateway.create_customer(ADA)


@pytest.fixture
async def session(gateway: StripeGateway, customer: CustomerId) -> CheckoutSession:
    """Give an open checkout session."""
    return await gateway.create_session(attempt_of(customer))


@pytest.fixture
async def bought(gateway: StripeGateway, sandbox: SandboxServer, session: CheckoutSession) -> SubscriptionId:
    """Give a subscription that was paid for."""
    sandbox.control.pay(session.id)
    paid = await gateway.session(session.id)
    assert paid is not None
    assert paid.subscription is not None
    return paid.subscription


def as_ports(gateway: StripeGateway) -> tuple[CustomerGateway, CheckoutGateway, PortalGateway, SubscriptionGateway]:
    """Hold the gateway to its ports, for the type checkers."""
    return gateway, gateway, gateway, gateway


# Customers


async def test_a_customer_is_created_with_all_that_is_known_of_it(
    gateway: StripeGateway, stripe_itself: StripeFromOutside
) -> None:
    """E-mail, name and the account's id are at Stripe."""
    id_ = await gateway.create_customer(ADA)

    found = await stripe_itself.get(f"/v1/customers/{id_}")
    assert (found["email"], found["name"]) == ("ada@shop.test", "Ada & Löwe")
    assert found["metadata"] == {"account_id": ACCOUNT}


async def test_a_customer_may_have_no_name(gateway: StripeGateway, stripe_itself: StripeFromOutside) -> None:
    """Without a name none is sent, since an empty one would be refused or unset it."""
    id_ = await gateway.create_customer(replace(ADA, name=None))

    assert (await stripe_itself.get(f"/v1/customers/{id_}"))["name"] is None


async def test_a_customer_created_again_is_the_same(gateway: StripeGateway, stripe_itself: StripeFromOutside) -> None:
    """The idempotency key makes a repetition after a crash answer the same customer."""
    assert await gateway.create_customer(ADA) == await gateway.create_customer(ADA)
    assert await stripe_itself.count("/v1/customers") == 1


async def test_the_next_generation_is_another_customer(gateway: StripeGateway) -> None:
    """After a deletion the key is another one, and so is the customer."""
    assert await gateway.create_customer(ADA) != await gateway.create_customer(replace(ADA, generation=2))


# Checkout


async def test_a_session_is_opened_with_exactly_the_attempts_parameters(
    gateway: StripeGateway, stripe_itself: StripeFromOutside, customer: CustomerId
) -> None:
    """Whatever the attempt says is at Stripe: price, customer, account, tier, addresses and the end."""
    attempt = attempt_of(customer)

    session = await gateway.create_session(attempt)

    found = await stripe_itself.get(f"/v1/checkout/sessions/{session.id}?expand[]=line_items")
    line = found["line_items"]["data"][0]
    assert (line["price"]["id"], line["quantity"]) == ("price_pro", 1)
    assert found["mode"] == "subscription"
    assert (found["customer"], found["client_reference_id"]) == (customer, ACCOUNT)
    assert found["metadata"] == {"account_id": ACCOUNT, "tier": "pro"}
    assert (found["success_url"], found["cancel_url"]) == (ADDRESSES.success_url, ADDRESSES.cancel_url)
    assert found["expires_at"] == attempt.expires_at.timestamp()


async def test_an_open_session_has_an_address_and_no_subscription(session: CheckoutSession) -> None:
    """What is answered of a fresh session is what is needed to hand it out."""
    assert session.state is SessionState.OPEN
    assert session.url is not None
    assert session.url.startswith("http")
    assert session.subscription is None


async def test_a_session_opened_again_is_the_same(
    gateway: StripeGateway, stripe_itself: StripeFromOutside, customer: CustomerId
) -> None:
    """A repetition of an attempt answers the very session of the first time."""
    attempt = attempt_of(customer)

    assert await gateway.create_session(attempt) == await gateway.create_session(attempt)
    assert await stripe_itself.count("/v1/checkout/sessions") == 1


async def test_the_subscription_bought_knows_its_account(
    gateway: StripeGateway, bought: SubscriptionId, customer: CustomerId
) -> None:
    """Metadata goes through the session to the subscription, so that its webhooks name the account."""
    snapshot = await gateway.subscription(bought)

    assert snapshot is not None
    assert (snapshot.account, snapshot.customer, snapshot.prices) == (ACCOUNT, customer, ("price_pro",))


async def test_a_completed_session_has_a_subscription_and_no_address(
    gateway: StripeGateway, session: CheckoutSession, bought: SubscriptionId
) -> None:
    """After payment the session is complete."""
    assert await gateway.session(session.id) == CheckoutSession(
        id=session.id, state=SessionState.COMPLETE, url=None, subscription=bought
    )


async def test_an_unknown_session_is_none(gateway: StripeGateway) -> None:
    """A session that Stripe does not know is no error, even if its name would be a path."""
    assert await gateway.session(SessionId("cs_test_nobody")) is None
    assert await gateway.session(SessionId("../customers?limit=1")) is None


async def test_an_open_session_is_expired(gateway: StripeGateway, session: CheckoutSession) -> None:
    """An expired session cannot be paid any more."""
    await gateway.expire_session(session.id)

    found = await gateway.session(session.id)
    assert found is not None
    assert (found.state, found.url) == (SessionState.EXPIRED, None)


async def test_only_an_open_session_can_be_expired(
    gateway: StripeGateway, session: CheckoutSession, bought: SubscriptionId
) -> None:
    """A completed session stays complete, and the use case hears it."""
    with pytest.raises(SessionNotOpen):
        await gateway.expire_session(session.id)


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_expired_or_unknown_is_not_open(
    gateway: StripeGateway, session: CheckoutSession, *, known: bool
) -> None:
    """To expire a session twice, or one that Stripe does not know, is told as "not open"."""
    await gateway.expire_session(session.id)

    with pytest.raises(SessionNotOpen):
        await gateway.expire_session(session.id if known else SessionId("cs_test_nobody"))


async def test_an_unknown_price_is_the_operators_trouble(
    gateway: StripeGateway, customer: CustomerId, caplog: pytest.LogCaptureFixture
) -> None:
    """A price that Stripe does not have is refused; a missing price is no missing customer."""
    with pytest.raises(ProviderRefused):
        await gateway.create_session(attempt_of(customer, price=PriceId("price_gone")))

    assert "code resource_missing, param line_items[0][price]" in caplog.text


# A customer that was deleted at Stripe


@pytest.fixture(params=["deleted", "never there"])
async def missing(request: pytest.FixtureRequest, stripe_itself: StripeFromOutside, customer: CustomerId) -> CustomerId:
    """Give a customer that Stripe does not have any more, or never had."""
    if request.param == "never there":
        return NOWHERE
    await stripe_itself.delete(f"/v1/customers/{customer}")
    return customer


async def test_a_missing_customer_cannot_buy(gateway: StripeGateway, missing: CustomerId) -> None:
    """The use case hears that the customer must be made anew."""
    with pytest.raises(CustomerMissing):
        await gateway.create_session(attempt_of(missing))


async def test_a_missing_customer_has_no_portal(gateway: StripeGateway, missing: CustomerId) -> None:
    """The use case hears that there is nothing to show."""
    with pytest.raises(CustomerMissing):
        await gateway.open_portal(missing)


async def test_a_missing_customer_has_no_live_subscriptions(gateway: StripeGateway, missing: CustomerId) -> None:
    """There is nothing to look out for before another customer is made."""
    assert list(await gateway.live_subscriptions(missing)) == []


# Portal


async def test_the_portal_opens(gateway: StripeGateway, customer: CustomerId) -> None:
    """A customer is given an address."""
    assert (await gateway.open_portal(customer)).startswith("http")


async def test_the_portal_of_another_configuration_is_asked_for(
    sandbox: SandboxServer, open_gateway: Any, customer: CustomerId
) -> None:
    """A configured portal is named in the request; one that does not exist is the operator's trouble."""
    with pytest.raises(ProviderRefused):
        await open_gateway(sandbox.url, portal_configuration="bpc_1Nobodys").open_portal(customer)


async def test_without_a_portal_configuration_the_operator_is_told(
    open_gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An account where nobody saved portal settings answers 400."""
    with SandboxServer(SandboxConfig(portal_configuration=False)) as bare:
        gateway = open_gateway(bare.url)
        customer = await gateway.create_customer(ADA)
        with pytest.raises(ProviderRefused):
            await gateway.open_portal(customer)

    assert "Stripe refused: open_portal of cus_" in caplog.text


# Subscriptions


async def test_a_subscription_is_what_stripe_says_now(
    gateway: StripeGateway, sandbox: SandboxServer, bought: SubscriptionId, stripe_itself: StripeFromOutside
) -> None:
    """A re-read sees every change at once, without any webhook."""
    before = await gateway.subscription(bought)
    sandbox.control.cancel_at_period_end(bought)
    after = await gateway.subscription(bought)
    raw = await stripe_itself.get(f"/v1/subscriptions/{bought}")

    assert before is not None
    assert after == replace(before, cancel_at_period_end=True)
    assert before.status is Status.ACTIVE
    assert before.started_at.timestamp() == raw["created"]
    assert before.period_end is not None
    assert before.period_end.timestamp() == raw["items"]["data"][0]["current_period_end"]


async def test_an_ended_subscription_is_still_known(
    gateway: StripeGateway, sandbox: SandboxServer, bought: SubscriptionId
) -> None:
    """Stripe remembers what has ended, and a re-read finds it."""
    sandbox.control.cancel(bought)

    ended = await gateway.subscription(bought)
    assert ended is not None
    assert ended.status is Status.CANCELED


async def test_an_unknown_subscription_is_none(gateway: StripeGateway) -> None:
    """What Stripe does not know is no error; the use case raises the alert."""
    assert await gateway.subscription(SubscriptionId("sub_1Nobodys")) is None


async def test_live_subscriptions_are_those_to_manage(
    gateway: StripeGateway, sandbox: SandboxServer, customer: CustomerId, bought: SubscriptionId
) -> None:
    """A customer's subscription is live until it has ended."""
    [live] = await gateway.live_subscriptions(customer)
    sandbox.control.cancel(bought)

    assert live.subscription == bought
    assert list(await gateway.live_subscriptions(customer)) == []


async def test_a_customer_who_never_bought_has_none(gateway: StripeGateway, customer: CustomerId) -> None:
    """An empty list is an answer."""
    assert list(await gateway.live_subscriptions(customer)) == []


# The client


async def test_the_sdk_writes_no_telemetry(gateway: StripeGateway) -> None:
    """Telemetry would write a file under the home directory, which a read-only container refuses."""
    assert stripe.enable_telemetry is False


@pytest.mark.parametrize("api_key", ["", " "])
async def test_a_gateway_without_a_key_does_not_start(open_gateway: Any, api_key: str) -> None:
    """A missing key is found at start-up, not at the first request."""
    with pytest.raises(ValueError, match="API key"):
        open_gateway("http://127.0.0.1:9", api_key=api_key)
