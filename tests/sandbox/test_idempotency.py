"""Idempotency keys: the first result stands."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe

from stripe_sandbox.api.faults import Fault
from stripe_sandbox.api.idempotency import IdempotencyKeys, Stored
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.testing import SandboxConfig, SandboxServer
from stripe_sandbox.world.clock import Clock


def post(box: SandboxServer, key: str, body: str = "name=Ada", path: str = "/v1/customers") -> httpx.Response:
    headers = {
        "Authorization": f"Bearer {box.api_key}",
        "Idempotency-Key": key,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return httpx.post(f"{box.url}{path}", content=body, headers=headers)


def test_a_repeated_request_is_replayed_byte_for_byte(box: SandboxServer, client: stripe.StripeClient) -> None:
    """The same key answers the same bytes, says that it is a replay, and creates nothing more."""
    first, second = post(box, "k"), post(box, "k")
    assert first.content == second.content
    assert first.headers["idempotency-key"] == "k"
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["original-request"] == first.headers["request-id"]
    assert len(client.v1.customers.list().data) == 1


def test_other_parameters_under_one_key_are_an_error(client: stripe.StripeClient) -> None:
    """A key used again with other parameters raises the SDK's IdempotencyError."""
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        client.v1.customers.create({"name": "Bob"}, {"idempotency_key": "k"})


def test_another_path_under_one_key_is_an_error(box: SandboxServer) -> None:
    """A key belongs to the address it was first used with."""
    post(box, "k")
    assert post(box, "k", path="/v1/products").json()["error"]["type"] == "idempotency_error"


def test_a_validation_error_is_not_stored(box: SandboxServer) -> None:
    """After a refused parameter the key is free for the corrected request."""
    assert post(box, "k", "colour=red").status_code == 400
    assert post(box, "k", "name=Ada").status_code == 200


def test_an_error_of_the_execution_is_stored(box: SandboxServer) -> None:
    """What failed while it was executed fails again with the same bytes."""
    body = "customer=cus_none"
    first = post(box, "k", body, "/v1/billing_portal/sessions")
    second = post(box, "k", body, "/v1/billing_portal/sessions")
    assert (first.status_code, second.headers["idempotent-replayed"]) == (400, "true")
    assert first.content == second.content


def test_a_500_is_stored(box: SandboxServer, client: stripe.StripeClient) -> None:
    """A server error is replayed as long as its key lives, and nothing was made."""
    box.control.set_faults(Fault(kind="stored_500"))
    assert [post(box, "k").status_code for _ in range(3)] == [500, 500, 500]
    assert client.v1.customers.list().data == []
    assert post(box, "other").status_code == 200


def test_a_401_and_a_429_are_not_stored(box: SandboxServer) -> None:
    """A request that was turned away before it was executed leaves its key free."""
    box.control.set_faults(Fault(kind="too_many_requests"))
    assert post(box, "k").status_code == 429
    wrong = {"Authorization": "Bearer sk_test_wrong", "Idempotency-Key": "k"}
    assert httpx.post(f"{box.url}/v1/customers", headers=wrong).status_code == 401
    assert post(box, "k").status_code == 200


def test_a_key_under_way_is_a_conflict(box: SandboxServer, client: stripe.StripeClient) -> None:
    """While the first request is being worked on, a second one with its key is a 409; later it is replayed."""
    box.control.set_faults(Fault(kind="latency", latency_seconds=0.6))
    started = threading.Event()

    def slow() -> httpx.Response:
        started.set()
        return post(box, "k")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        started.wait()
        while "latency" not in box.control.faults().struck:
            pass
        conflict = post(box, "k")
        assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "idempotency_key_in_use")
        assert first.result().status_code == 200
    assert post(box, "k").headers["idempotent-replayed"] == "true"
    assert len(client.v1.customers.list().data) == 1


def test_a_drop_after_the_change_is_healed_by_the_sdks_retry(box: SandboxServer) -> None:
    """The SDK repeats the request with its own key, gets the stored answer, and one customer exists."""
    client = stripe.StripeClient(box.api_key, base_addresses={"api": box.url}, max_network_retries=2)
    box.control.set_faults(Fault(kind="drop_after", method="POST"))
    assert client.v1.customers.create({"name": "Ada"}).name == "Ada"
    assert len(client.v1.customers.list().data) == 1


def test_a_key_is_forgotten_after_a_reset(box: SandboxServer) -> None:
    """A reset world knows no keys."""
    first = post(box, "k").json()["id"]
    box.control.reset()
    assert post(box, "k").json()["id"] != first


def test_the_order_of_parameters_is_no_difference(box: SandboxServer) -> None:
    """The same parameters in another order, also within a group, are the same request."""
    headers = {"Authorization": f"Bearer {box.api_key}", "Idempotency-Key": "k"}
    bodies = ("name=Ada&metadata[a]=1&metadata[b]=2", "metadata[b]=2&metadata[a]=1&name=Ada")
    answers = [httpx.post(f"{box.url}/v1/customers", content=body, headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


def test_keys_are_forgotten_in_time() -> None:
    """What is older than a day does not pile up: each new key makes room."""
    wall = 1_800_000_000.0
    sandbox = Sandbox(SandboxConfig(), Clock(lambda: wall))
    keys = IdempotencyKeys(sandbox.world)
    for day in range(3):
        wall = 1_800_000_000.0 + day * 90_000
        for number in range(50):
            keys.store(f"{day}-{number}", "POST", "/v1/customers", {}, Stored(200, b"{}", "req_1"))
    kept = list(sandbox.world.rows("idempotency"))
    assert all(key.startswith("2-") for key in kept)
    assert len(kept) == 50
