"""Every fault of the API, as the official SDK meets it."""

import asyncio
import time

import httpx
import pytest
import stripe

from stripe_sandbox.api.dispatch import Request
from stripe_sandbox.api.faults import Fault
from stripe_sandbox.control.client import ControlError
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.testing import SandboxConfig, SandboxServer
from stripe_sandbox.world.clock import Clock


@pytest.mark.parametrize(
    ("fault", "error", "made"),
    [
        (Fault(kind="drop_before"), stripe.APIConnectionError, 0),
        (Fault(kind="drop_after"), stripe.APIConnectionError, 1),
        (Fault(kind="too_many_requests"), stripe.RateLimitError, 0),
        (Fault(kind="stored_500"), stripe.APIError, 0),
        (Fault(kind="key_in_use"), stripe.APIError, 0),
        (Fault(kind="not_json"), stripe.APIError, 0),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_each_fault_is_the_error_the_sdk_makes_of_it(
    client: stripe.StripeClient, box: SandboxServer, fault: Fault, error: type[stripe.StripeError], made: int
) -> None:
    """A fault strikes once, raises the SDK's own error for it, and changes the world or does not."""
    box.control.set_faults(fault)
    with pytest.raises(error):
        client.v1.customers.create({"name": "Ada"})
    assert box.control.faults().struck[fault.kind] >= 1
    assert box.control.faults().faults == []
    assert len(client.v1.customers.list().data) == made


@pytest.mark.parametrize(("should_retry", "attempts"), [(None, 1), (False, 1), (True, 3)])
def test_a_429_is_retried_only_when_stripe_says_so(
    box: SandboxServer,
    should_retry: bool | None,  # noqa: FBT001  # a parameter of the table above
    attempts: int,
) -> None:
    """The SDK repeats a 429 only with `Stripe-Should-Retry: true`."""
    client = stripe.StripeClient(box.api_key, base_addresses={"api": box.url}, max_network_retries=2)
    box.control.set_faults(
        Fault(kind="too_many_requests", count=None, should_retry=should_retry, retry_after_seconds=7)
    )
    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.customers.list()
    assert caught.value.headers is not None
    assert caught.value.headers["retry-after"] == "7"
    assert box.control.faults().struck["too_many_requests"] == attempts


def test_latency_delays_the_answer(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A slow answer takes as long as it was told to."""
    box.control.set_faults(Fault(kind="latency", latency_seconds=0.3))
    begun = time.monotonic()
    client.v1.customers.list()
    assert time.monotonic() - begun >= 0.3


def test_the_rate_limit_counts_each_endpoint_by_itself(client: stripe.StripeClient, box: SandboxServer) -> None:
    """What exceeds the limit within one second is a 429; another endpoint is still free."""
    box.control.set_faults(Fault(kind="rate_limit", per_second=5))
    headers = {"Authorization": f"Bearer {box.api_key}"}
    with httpx.Client(base_url=box.url, headers=headers) as fast:
        statuses = [fast.get("/v1/subscriptions").status_code for _ in range(6)]
    assert (statuses[:5], statuses[5]) == ([200] * 5, 429)
    assert client.v1.customers.list().data == []


def test_a_fault_strikes_what_it_names(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A fault for one method and path leaves other requests alone, and counts down."""
    box.control.set_faults(Fault(kind="drop_before", method="POST", path="/v1/customers", count=2))
    assert client.v1.customers.list().data == []
    client.v1.products.create({"name": "Pro"})
    for _ in range(2):
        with pytest.raises(stripe.APIConnectionError):
            client.v1.customers.create({})
    client.v1.customers.create({})


def test_faults_can_be_added_and_cleared(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A fault without an end stays until it is cleared; one that makes no sense is refused."""
    box.control.add_fault(Fault(kind="not_json", count=None, status=503))
    for _ in range(3):
        with pytest.raises(stripe.APIError) as caught:
            client.v1.customers.list()
        assert caught.value.http_status == 503
    box.control.clear_faults()
    assert client.v1.customers.list().data == []
    with pytest.raises(ControlError):
        box.control.add_fault(Fault(kind="not_json", status=200))


def test_a_fault_is_not_used_up_by_what_it_cannot_change(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A key in use waits for a request with a key, and a stored 500 for one that is no repetition."""
    kept = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    box.control.set_faults(Fault(kind="key_in_use"))
    client.v1.customers.list()
    assert len(box.control.faults().faults) == 1
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"name": "Eve"}, {"idempotency_key": "e"})
    assert box.control.faults().faults == []
    box.control.set_faults(Fault(kind="stored_500"))
    assert client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"}).id == kept.id
    assert len(box.control.faults().faults) == 1
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "new"})
    assert box.control.faults().faults == []


def test_the_rate_limit_counts_by_operation() -> None:
    """Two objects of a kind share a limit, whatever their ids look like; another operation has its own."""
    now = 1_800_000_000.0
    sandbox = Sandbox(SandboxConfig(), Clock(lambda: now))
    sandbox.faults.replace([Fault(kind="rate_limit", per_second=1)])

    def status_of(path: str) -> int:
        headers = {"authorization": f"Bearer {sandbox.config.api_key}"}
        request = Request(method="GET", path=path, query="", headers=headers, body=b"")
        return asyncio.run(sandbox.dispatcher.answer(request)).status

    paths = ("/v1/products/gold", "/v1/products/prod_1silver", "/v1/products")
    assert [status_of(path) for path in paths] == [404, 429, 200]
    now += 1
    assert status_of("/v1/products/prod_1silver") == 404


@pytest.mark.parametrize("wrong", [{"path": "nope"}, {"path": "/v2/core"}, {"method": "zz"}, {"method": "post"}])
def test_a_fault_that_could_never_strike_is_refused(box: SandboxServer, wrong: dict[str, str]) -> None:
    """A path outside of the API and a method that it does not have are 400s, and set nothing."""
    answer = httpx.post(f"{box.url}/_sandbox/faults", json={"kind": "drop_before", **wrong})
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["error"]["message"]
    assert box.control.faults().faults == []


@pytest.mark.parametrize(("status", "title"), [(502, "502 Bad Gateway"), (503, "503 Service Unavailable")])
def test_a_page_instead_of_json_names_its_status(box: SandboxServer, status: int, title: str) -> None:
    """The HTML of a `not_json` fault says the status it comes with."""
    box.control.set_faults(Fault(kind="not_json", status=status))
    answer = httpx.get(f"{box.url}/v1/customers", headers={"Authorization": f"Bearer {box.api_key}"})
    assert (answer.status_code, title in answer.text) == (status, True)
