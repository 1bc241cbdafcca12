"""Idempotency keys under which Stripe has stored a failure: telling them from failures that pass."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.accounts import Customer
from billing.checkout import Addresses, CheckoutAttempt
from billing.errors import BillingError, CustomerMissing, KeySpent, ProviderRefused, ProviderUnavailable
from billing.identifiers import AccountId, AttemptId, CustomerId, PriceId
from billing.plans import Tier
from billing_stripe import Patience, StripeGateway
from stripe_sandbox.api.faults import Fault
from stripe_sandbox.testing import SandboxServer
from support.scripted_http import ScriptedAnswer, scripted_server
from support.stripe_outside import StripeFromOutside

pytestmark = pytest.mark.anyio

OpenGateway = Callable[..., StripeGateway]
RETRYING = Patience(retries=2)
REPLAYED = {"Idempotent-Replayed": "true"}
# The sandbox is every test's: a slow request that another one gave up holds its key for a moment, and is done.
ADA = Customer(account=AccountId("acct_of_spent_keys"), generation=1, email="ada@shop.test", name="Ada", id=None)


def attempt_of(customer: CustomerId) -> CheckoutAttempt:
    """Make an attempt to buy, of the present."""
    now = datetime.now(UTC).replace(microsecond=0)
    return CheckoutAttempt(
        id=AttemptId("try_000000000000000000000001"),
        account=ADA.account,
        customer=customer,
        tier=Tier.PRO,
        price=PriceId("price_pro"),
        addresses=Addresses(success_url="https://shop.test/thanks", cancel_url="https://shop.test/plans"),
        created_at=now,
        expires_at=now + timedelta(hours=23),
    )


async def create_customer(gateway: StripeGateway) -> object:
    """Create a customer under its key."""
    return await gateway.create_customer(ADA)


async def create_session(gateway: StripeGateway) -> object:
    """Open a session under its attempt's key."""
    return await gateway.create_session(attempt_of(CustomerId("cus_SlX0aBcDeFgHiJ")))


def answer(status: int, headers: dict[str, str] | None = None, **error: object) -> ScriptedAnswer:
    """Answer an error in Stripe's words."""
    return ScriptedAnswer(status=status, body=json.dumps({"error": error}).encode(), headers=headers or {})


BY_KEY: list[Any] = [
    pytest.param(answer(500, REPLAYED, type="api_error"), KeySpent, id="a stored 500"),
    pytest.param(answer(503, REPLAYED, type="api_error"), KeySpent, id="a stored 503"),
    pytest.param(answer(400, type="idempotency_error"), KeySpent, id="other parameters"),
    pytest.param(answer(500, type="api_error"), ProviderUnavailable, id="the first 500"),
    pytest.param(answer(500, {"Idempotent-Replayed": "false"}, type="api_error"), ProviderUnavailable, id="no replay"),
    pytest.param(answer(409, type="idempotency_error"), ProviderUnavailable, id="the key is in use"),
    pytest.param(answer(429, REPLAYED, code="rate_limit"), ProviderUnavailable, id="too many requests"),
    pytest.param(answer(402, REPLAYED, type="card_error"), ProviderRefused, id="a stored refusal"),
    pytest.param(
        answer(400, REPLAYED, code="resource_missing", param="customer"), CustomerMissing, id="a stored 400, customer"
    ),
]


@pytest.mark.parametrize("create", [create_customer, create_session])
@pytest.mark.parametrize(("said", "error"), BY_KEY)
async def test_only_a_stored_failure_spends_a_key(
    create: Callable[[StripeGateway], Awaitable[object]],
    said: ScriptedAnswer,
    error: type[BillingError],
    open_gateway: OpenGateway,
) -> None:
    """A replayed server error and a refused key are told apart from what passes and from what was refused."""
    async with scripted_server(said) as server:
        with pytest.raises(error) as raised:
            await create(open_gateway(server.url))

    assert type(raised.value) is error


async def test_a_customers_stored_failure_is_told_at_the_second_call(
    sandbox: SandboxServer, gateway: StripeGateway, stripe_itself: StripeFromOutside
) -> None:
    """The first 500 may pass, its replay will not; the next generation's key is another one and works."""
    sandbox.control.set_faults(Fault(kind="stored_500", path="/v1/customers"))

    with pytest.raises(ProviderUnavailable):
        await gateway.create_customer(ADA)
    for _ in range(2):
        with pytest.raises(KeySpent):
            await gateway.create_customer(ADA)
    created = await gateway.create_customer(replace(ADA, generation=2))

    customers = (await stripe_itself.get("/v1/customers"))["data"]
    assert [row["id"] for row in customers if row["metadata"] == {"account_id": ADA.account}] == [created]


async def test_a_sessions_stored_failure_is_told_at_the_second_call(
    sandbox: SandboxServer, gateway: StripeGateway, stripe_itself: StripeFromOutside
) -> None:
    """The first 500 may pass, its replay will not; another attempt's key works."""
    attempt = attempt_of(await gateway.create_customer(ADA))
    sandbox.control.set_faults(Fault(kind="stored_500", path="/v1/checkout/sessions"))

    with pytest.raises(ProviderUnavailable):
        await gateway.create_session(attempt)
    for _ in range(2):
        with pytest.raises(KeySpent):
            await gateway.create_session(attempt)
    await gateway.create_session(replace(attempt, id=AttemptId("try_000000000000000000000002")))

    assert await stripe_itself.count("/v1/checkout/sessions") == 1


async def test_the_sdks_own_retry_may_find_the_key_spent(sandbox: SandboxServer, open_gateway: OpenGateway) -> None:
    """Where the SDK repeats a 500 under its key and meets the replay, one call is enough to know."""
    gateway = open_gateway(sandbox.url, patience=RETRYING)
    attempt = attempt_of(await gateway.create_customer(ADA))

    sandbox.control.set_faults(Fault(kind="stored_500"))
    with pytest.raises(KeySpent):
        await gateway.create_session(attempt)
    sandbox.control.set_faults(Fault(kind="stored_500"))
    with pytest.raises(KeySpent):
        await gateway.create_customer(replace(ADA, generation=2))


async def test_a_500_that_passes_is_mended_by_the_sdks_retry(open_gateway: OpenGateway) -> None:
    """A server error that Stripe did not store costs no key: the repetition under the same key gets through."""
    async with scripted_server(answer(500, type="api_error"), ScriptedAnswer(body=b'{"id": "cus_1"}')) as server:
        assert await open_gateway(server.url, patience=RETRYING).create_customer(ADA) == "cus_1"

    assert len({request.headers["idempotency-key"] for request in server.seen}) == 1


async def test_other_parameters_spend_a_customers_key(gateway: StripeGateway, caplog: pytest.LogCaptureFixture) -> None:
    """An account whose address changed after a crash gets another key, and the operator reads why."""
    await gateway.create_customer(ADA)

    with caplog.at_level(logging.WARNING), pytest.raises(KeySpent):
        await gateway.create_customer(replace(ADA, email="eve@shop.test"))

    assert "create_customer of acct_of_spent_keys: IdempotencyError, HTTP 400" in caplog.text
    assert "eve@shop.test" not in caplog.text


async def test_other_parameters_spend_a_sessions_key(gateway: StripeGateway) -> None:
    """An attempt that would be another session under the same key is told."""
    attempt = attempt_of(await gateway.create_customer(ADA))
    await gateway.create_session(attempt)

    with pytest.raises(KeySpent):
        await gateway.create_session(replace(attempt, expires_at=attempt.expires_at - timedelta(hours=1)))
