"""Everything that can go wrong on the way to Stripe and back, row by row of the table in `failures`."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from billing.accounts import Customer
from billing.checkout import SessionState
from billing.errors import BillingError, CustomerMissing, ProviderRefused, ProviderUnavailable
from billing.idempotency import Alert
from billing.identifiers import AccountId, CustomerId, SessionId, SubscriptionId
from billing_memory import MemoryAlarm
from billing_stripe import API_VERSION, Patience, StripeGateway
from stripe_sandbox.api.faults import Fault
from stripe_sandbox.testing import SandboxServer
from support.scripted_http import ScriptedAnswer, scripted_server
from support.stripe_outside import StripeFromOutside
from support.stripe_payloads import subscription

pytestmark = pytest.mark.anyio

ADA = Customer(account=AccountId("acct_1"), generation=1, email="ada@shop.test", name="Ada", id=None)
CUSTOMER = CustomerId("cus_SlX0aBcDeFgHiJ")
SUBSCRIPTION = SubscriptionId("sub_1RqX2cLkdIwHu7ixT3vOaXyz")
RETRYING = Patience(retries=2)

OpenGateway = Callable[..., StripeGateway]
Answer = ScriptedAnswer


def refusal(status: int, *, headers: dict[str, str] | None = None, **error: object) -> ScriptedAnswer:
    """Answer an error in Stripe's words."""
    body = {"error": {"type": "invalid_request_error", "message": "No.", **error}}
    return Answer(status=status, body=json.dumps(body).encode(), headers=headers or {})


def raw(status: int, body: bytes, **headers: str) -> ScriptedAnswer:
    """Answer something that Stripe would not say."""
    return Answer(status=status, body=body, headers=headers)


REPLAYED = {"Idempotent-Replayed": "true"}
ERROR_MAP: list[Any] = [
    pytest.param(refusal(429, code="rate_limit"), ProviderUnavailable, id="429"),
    pytest.param(refusal(429, code="lock_timeout"), ProviderUnavailable, id="429 lock timeout"),
    pytest.param(refusal(400, code="rate_limit"), ProviderUnavailable, id="a rate limit of old, 400"),
    pytest.param(refusal(409, code="idempotency_key_in_use"), ProviderUnavailable, id="409 key in use"),
    pytest.param(refusal(424, type="api_error"), ProviderUnavailable, id="424"),
    pytest.param(refusal(500, type="api_error"), ProviderUnavailable, id="500"),
    pytest.param(refusal(503, type="api_error"), ProviderUnavailable, id="503"),
    pytest.param(refusal(400, code="parameter_unknown", param="hologram"), ProviderRefused, id="400"),
    pytest.param(refusal(400, type="idempotency_error"), ProviderRefused, id="400 idempotency, the SDK's key"),
    pytest.param(refusal(500, headers=REPLAYED, type="api_error"), ProviderUnavailable, id="replay, the SDK's key"),
    pytest.param(refusal(401), ProviderRefused, id="401"),
    pytest.param(refusal(402, type="card_error", code="card_declined"), ProviderRefused, id="402"),
    pytest.param(refusal(403), ProviderRefused, id="403"),
    pytest.param(refusal(404, code="resource_missing", param="configuration"), ProviderRefused, id="404 another thing"),
    pytest.param(refusal(405), ProviderRefused, id="405"),
    pytest.param(refusal(400, code="resource_missing", param="customer"), CustomerMissing, id="400 customer"),
    pytest.param(refusal(404, code="resource_missing", param="customer"), CustomerMissing, id="404 customer"),
    pytest.param(raw(502, b"<html>502 Bad Gateway</html>"), ProviderUnavailable, id="a proxy's page"),
    pytest.param(raw(404, b"<html>Not Found</html>"), ProviderUnavailable, id="a web server's 404"),
    pytest.param(raw(301, b"", Location="https://elsewhere.test/"), ProviderUnavailable, id="a redirection"),
    pytest.param(raw(200, b"<html>Please log in</html>"), ProviderUnavailable, id="a captive portal"),
    pytest.param(raw(200, b""), ProviderUnavailable, id="nothing"),
    pytest.param(raw(200, b"\xff\xfe"), ProviderUnavailable, id="not UTF-8"),
    pytest.param(raw(500, b"[]"), ProviderUnavailable, id="a list"),
    pytest.param(raw(500, b'{"message": "no"}'), ProviderUnavailable, id="an error in other words"),
    pytest.param(raw(502, b'{"error": "bad gateway"}'), ProviderUnavailable, id="an error of one string"),
    pytest.param(raw(503, b'{"error": null}'), ProviderUnavailable, id="an error of null"),
    pytest.param(raw(503, b'{"error": ["a", "b"]}'), ProviderUnavailable, id="an error of a list"),
    pytest.param(raw(400, b'{"error": "invalid_request"}'), ProviderRefused, id="an error of OAuth's"),
    pytest.param(raw(200, b"{}"), ProviderRefused, id="an object of another kind"),
    pytest.param(raw(200, b"[" * 100_000), ProviderUnavailable, id="deep"),
]


@pytest.mark.parametrize(("answer", "error"), ERROR_MAP)
async def test_every_answer_has_its_error(
    answer: ScriptedAnswer, error: type[BillingError], open_gateway: OpenGateway
) -> None:
    """Whatever comes back over HTTP, the caller hears one of the port's errors."""
    async with scripted_server(answer) as server:
        with pytest.raises(error) as raised:
            await open_gateway(server.url).open_portal(CUSTOMER)

    assert type(raised.value) is error


def operations(gateway: StripeGateway) -> dict[str, Callable[[], Awaitable[object]]]:
    """Name every call of the ports that needs nothing but Stripe."""
    return {
        "create_customer": lambda: gateway.create_customer(ADA),
        "session": lambda: gateway.session(SessionId("cs_test_1")),
        "expire_session": lambda: gateway.expire_session(SessionId("cs_test_1")),
        "open_portal": lambda: gateway.open_portal(CUSTOMER),
        "subscription": lambda: gateway.subscription(SUBSCRIPTION),
        "live_subscriptions": lambda: gateway.live_subscriptions(CUSTOMER),
    }


OPERATIONS = ["create_customer", "session", "expire_session", "open_portal", "subscription", "live_subscriptions"]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(500, type="api_error"), ProviderUnavailable),
        (refusal(401), ProviderRefused),
        (refusal(400, code="parameter_invalid_empty", param="id"), ProviderRefused),
        (raw(502, b'{"error": "bad gateway"}'), ProviderUnavailable),
    ],
    ids=["500", "401", "400", "not Stripe's"],
)
async def test_every_operation_follows_the_table(
    operation: str, answer: ScriptedAnswer, error: type[BillingError], open_gateway: OpenGateway
) -> None:
    """No call of a port lets an error of the SDK through."""
    async with scripted_server(answer) as server:
        with pytest.raises(error):
            await operations(open_gateway(server.url))[operation]()


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_unreachable_address_is_unavailable(operation: str, open_gateway: OpenGateway) -> None:
    """Nobody listens there: the caller may try again later."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ProviderUnavailable):
            await operations(open_gateway(url))[operation]()


async def test_a_name_that_does_not_resolve_is_unavailable(open_gateway: OpenGateway) -> None:
    """A broken resolver is no refusal."""
    with pytest.raises(ProviderUnavailable):
        await open_gateway("http://api.stripe.invalid").subscription(SUBSCRIPTION)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("86400", 3600.0),
        ("9" * 400, 3600.0),
        ("-5", None),
        ("1e9", None),
        ("inf", None),
        ("nan", None),
        ("Sun, 01 Mar 2026 12:00:00 GMT", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_handed_on(
    status: int, header: str, seconds: float | None, open_gateway: OpenGateway
) -> None:
    """The background re-read waits as long as Stripe asks for, within reason."""
    async with scripted_server(refusal(status, headers={"Retry-After": header})) as server:
        with pytest.raises(ProviderUnavailable) as raised:
            await open_gateway(server.url).subscription(SUBSCRIPTION)

    assert raised.value.retry_after_seconds == seconds


# Answers that Stripe's API description does not have


UNREADABLE = [
    {**subscription(), "id": None},
    {**subscription(), "customer": 7},
    {**subscription(), "created": "2026-03-01"},
    {**subscription(), "items": 7},
    {"id": SUBSCRIPTION, "object": "subscription", "deleted": True},
]


@pytest.mark.parametrize("object_", UNREADABLE)
async def test_an_unreadable_subscription_is_refused_and_alarmed(
    object_: dict[str, Any], open_gateway: OpenGateway, alarm: MemoryAlarm
) -> None:
    """A re-read of it is put off and a person is told; nothing crashes."""
    async with scripted_server(Answer(body=json.dumps(object_).encode())) as server:
        with pytest.raises(ProviderRefused):
            await open_gateway(server.url).subscription(SUBSCRIPTION)

    assert alarm.alerts == [(Alert.UNREADABLE_ANSWER, SUBSCRIPTION)]


async def test_a_subscription_without_a_customer_is_not_ours(open_gateway: OpenGateway, alarm: MemoryAlarm) -> None:
    """A re-read of it ends as one of an unknown subscription, instead of being put off for ever."""
    answer = subscription(customer=None, customer_account="acct_1RqSomebody")
    async with scripted_server(Answer(body=json.dumps(answer).encode())) as server:
        assert await open_gateway(server.url).subscription(SUBSCRIPTION) is None

    assert alarm.alerts == []


async def test_a_list_for_a_customer_has_none_without(open_gateway: OpenGateway, alarm: MemoryAlarm) -> None:
    """What was asked for a customer must name it: a live subscription must not be overlooked."""
    page = {"object": "list", "has_more": False, "data": [subscription(customer=None)]}
    async with scripted_server(Answer(body=json.dumps(page).encode())) as server:
        with pytest.raises(ProviderRefused):
            await open_gateway(server.url).live_subscriptions(CUSTOMER)

    assert alarm.alerts == [(Alert.UNREADABLE_ANSWER, CUSTOMER)]


async def test_a_session_in_a_state_of_the_future_is_refused(open_gateway: OpenGateway, alarm: MemoryAlarm) -> None:
    """A state that this version does not know must not count as open, complete or expired."""
    async with scripted_server(Answer(body=b'{"id": "cs_test_1", "status": "frozen"}')) as server:
        with pytest.raises(ProviderRefused):
            await open_gateway(server.url).session(SessionId("cs_test_1"))

    assert alarm.alerts == [(Alert.UNREADABLE_ANSWER, "cs_test_1")]


async def test_a_session_that_is_open_but_not_expired_is_refused(open_gateway: OpenGateway) -> None:
    """Where Stripe refuses to expire what it still calls open, the cause is another one."""
    session = Answer(body=b'{"id": "cs_test_1", "status": "open", "url": "https://pay.test"}')
    async with scripted_server(refusal(400), session) as server:
        with pytest.raises(ProviderRefused):
            await open_gateway(server.url).expire_session(SessionId("cs_test_1"))


async def test_an_expanded_subscription_is_found_in_a_session(open_gateway: OpenGateway) -> None:
    """A session may carry the whole subscription in the place of its id."""
    body = {"id": "cs_test_1", "status": "complete", "url": None, "subscription": subscription()}
    async with scripted_server(Answer(body=json.dumps(body).encode())) as server:
        found = await open_gateway(server.url).session(SessionId("cs_test_1"))

    assert found is not None
    assert (found.state, found.subscription) == (SessionState.COMPLETE, SUBSCRIPTION)


# What is sent


async def test_a_list_of_several_pages_is_read_to_its_end(open_gateway: OpenGateway) -> None:
    """Live subscriptions are found behind a page of others; one in a state of the future may be live."""
    pages = [
        {"data": [subscription(id="sub_1", status="incomplete"), subscription(id="sub_2", status="paused")]},
        {"data": [subscription(id="sub_3", status="active"), subscription(id="sub_4", status="hibernating")]},
    ]
    answers = [
        Answer(body=json.dumps({"object": "list", "has_more": more, **page}).encode())
        for page, more in zip(pages, [True, False], strict=True)
    ]
    async with scripted_server(*answers) as server:
        live = await open_gateway(server.url).live_subscriptions(CUSTOMER)

    assert [snapshot.subscription for snapshot in live] == ["sub_2", "sub_3", "sub_4"]
    assert [request.target for request in server.seen] == [
        f"/v1/subscriptions?customer={CUSTOMER}&limit=100",
        f"/v1/subscriptions?customer={CUSTOMER}&limit=100&starting_after=sub_2",
    ]


@pytest.mark.parametrize("status", [400, 404])
async def test_a_list_of_a_customer_that_is_gone_is_empty(status: int, open_gateway: OpenGateway) -> None:
    """Stripe may refuse to list for a customer it does not have: that customer has no subscriptions."""
    async with scripted_server(refusal(status, code="resource_missing", param="customer")) as server:
        assert list(await open_gateway(server.url).live_subscriptions(CUSTOMER)) == []


async def test_every_request_names_the_version_and_the_key(open_gateway: OpenGateway) -> None:
    """The API version is pinned, the key is a bearer's, a creation has its idempotency key, telemetry is off."""
    async with scripted_server(Answer(body=b'{"id": "cus_1"}')) as server:
        await open_gateway(f"{server.url}/", api_key="sk_test_mine").create_customer(ADA)

    [request] = server.seen
    assert (request.method, request.target) == ("POST", "/v1/customers")
    assert request.headers["stripe-version"] == API_VERSION == "2026-10-28.endive"
    assert request.headers["authorization"] == "Bearer sk_test_mine"
    assert request.headers["idempotency-key"] == "customer-acct_1-1"
    assert "x-stripe-client-telemetry" not in request.headers


# Faults of the sandbox, with the SDK's retries


CREATED_ONCE = [
    pytest.param(Fault(kind="drop_before"), id="the request is lost"),
    pytest.param(Fault(kind="drop_after"), id="the answer is lost"),
    pytest.param(Fault(kind="drop_after", count=2), id="the answer is lost twice"),
    pytest.param(Fault(kind="key_in_use"), id="the key is in use"),
    pytest.param(Fault(kind="not_json"), id="a proxy answers"),
    pytest.param(Fault(kind="too_many_requests", should_retry=True), id="too many, try again"),
]


@pytest.mark.parametrize("fault", CREATED_ONCE)
async def test_a_customer_is_created_once_through_a_fault(
    fault: Fault, sandbox: SandboxServer, stripe_itself: StripeFromOutside, open_gateway: OpenGateway
) -> None:
    """The SDK tries again under the same key, and one customer comes of it."""
    gateway = open_gateway(sandbox.url, patience=RETRYING)
    struck_before = sandbox.control.faults().struck.get(fault.kind, 0)
    sandbox.control.set_faults(fault)

    created = await gateway.create_customer(ADA)

    assert sandbox.control.faults().struck[fault.kind] == struck_before + (fault.count or 0)
    assert await gateway.create_customer(ADA) == created
    assert await stripe_itself.count("/v1/customers") == 1


LASTING = [
    pytest.param(Fault(kind="drop_before", count=None), None, id="nothing gets through"),
    pytest.param(Fault(kind="drop_after", count=None), None, id="no answer gets through"),
    pytest.param(Fault(kind="key_in_use", count=None), None, id="the key stays in use"),
    pytest.param(Fault(kind="not_json", count=None), None, id="a proxy stays in the way"),
    pytest.param(Fault(kind="too_many_requests", retry_after_seconds=3), 3.0, id="too many, later"),
]


@pytest.mark.parametrize(("fault", "retry_after_seconds"), LASTING)
async def test_a_lasting_fault_is_unavailable(
    fault: Fault, retry_after_seconds: float | None, sandbox: SandboxServer, open_gateway: OpenGateway
) -> None:
    """What trying again does not mend is told as unavailable; after it a repetition is safe."""
    gateway = open_gateway(sandbox.url, patience=RETRYING)
    sandbox.control.set_faults(fault)

    with pytest.raises(ProviderUnavailable) as raised:
        await gateway.create_customer(ADA)

    assert raised.value.retry_after_seconds == retry_after_seconds


async def test_a_wrong_key_is_refused_and_not_logged(
    sandbox: SandboxServer, open_gateway: OpenGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads the status and the request's id, and nobody reads the key."""
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderRefused):
        await open_gateway(sandbox.url, api_key="sk_test_wrong_0123456789").create_customer(ADA)

    [record] = [record for record in caplog.records if record.name == "billing_stripe.failures"]
    assert "AuthenticationError, HTTP 401" in record.message
    assert "request req_" in record.message
    assert "sk_test_wrong_0123456789" not in caplog.text


async def test_no_address_of_the_portal_is_logged(gateway: StripeGateway, caplog: pytest.LogCaptureFixture) -> None:
    """The address is a bearer credential: not even at level DEBUG does the SDK log it."""
    customer = await gateway.create_customer(ADA)
    with caplog.at_level(logging.DEBUG):
        url = await gateway.open_portal(customer)

    assert "/v1/billing_portal/sessions" in caplog.text
    assert url not in caplog.text
    assert url.rsplit("/", 1)[-1] not in caplog.text


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_slow_answer_is_not_waited_for(
    operation: str, sandbox: SandboxServer, open_gateway: OpenGateway
) -> None:
    """One operation has one limit of time, whatever the single requests are allowed."""
    gateway = open_gateway(sandbox.url, patience=Patience(operation_seconds=0.2))
    sandbox.control.set_faults(Fault(kind="latency", latency_seconds=1.0))

    with pytest.raises(ProviderUnavailable):
        await operations(gateway)[operation]()


async def test_a_slow_request_is_given_up_and_repeated(sandbox: SandboxServer, open_gateway: OpenGateway) -> None:
    """A request that takes too long is repeated under its key, within the operation's time."""
    # The first request still holds the key for a while; the retries must outlast it.
    gateway = open_gateway(sandbox.url, patience=Patience(request_seconds=0.3, retries=8))
    sandbox.control.set_faults(Fault(kind="latency", latency_seconds=0.6))

    created = await gateway.create_customer(ADA)

    assert await gateway.create_customer(ADA) == created


async def test_the_retries_fit_into_the_operations_time(open_gateway: OpenGateway) -> None:
    """Retries stop when the operation's time is over, long before they are used up."""
    patience = Patience(retries=50, operation_seconds=1.0)
    async with scripted_server(refusal(500, type="api_error")) as server:
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable):
            await open_gateway(server.url, patience=patience).subscription(SUBSCRIPTION)

    assert len(server.seen) < 5
    assert time.monotonic() - began < 60


async def test_a_cancelled_call_is_cancelled(sandbox: SandboxServer, open_gateway: OpenGateway) -> None:
    """A shutdown's cancellation goes through, instead of turning into trouble with Stripe."""
    gateway = open_gateway(sandbox.url)
    sandbox.control.set_faults(Fault(kind="latency", latency_seconds=1.0))
    call = asyncio.ensure_future(gateway.subscription(SUBSCRIPTION))
    await asyncio.sleep(0.05)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


async def test_many_calls_at_once_do_not_disturb_each_other(sandbox: SandboxServer, open_gateway: OpenGateway) -> None:
    """Concurrent creations of one customer under one key end with one customer for all that got through."""
    gateway = open_gateway(sandbox.url, patience=RETRYING)

    created = await asyncio.gather(*(gateway.create_customer(ADA) for _ in range(20)), return_exceptions=True)

    assert len({id_ for id_ in created if isinstance(id_, str)}) == 1
    assert all(isinstance(id_, (str, ProviderUnavailable)) for id_ in created)
