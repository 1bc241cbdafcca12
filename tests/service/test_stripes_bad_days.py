"""Every fault and every disorder that the sandbox knows, against the running service."""

import time
from collections.abc import Generator
from pathlib import Path

import pytest

from stripe_sandbox.api.faults import Fault
from support.histories import Histories, stripe_get, wait_until_converged
from support.service import World, world_on


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    """One service for all of these: each test leaves it as it found it."""
    folder: Path = tmp_path_factory.mktemp("bad-days")
    with world_on(f"sqlite:///{folder}/billing.db", folder, random_seed=13) as opened:
        yield opened


@pytest.fixture
def subscriber(world: World, request: pytest.FixtureRequest) -> Histories:
    """A new account that has bought, and of which everything has been told."""
    world.box.control.clear_faults()
    world.box.control.restore_delivery()
    histories = Histories(world=world, seed=1)
    histories.subscribe(1, prefix=f"{abs(hash(request.node.name))}-")
    world.box.control.flush()
    wait_until_converged(histories)
    return histories


def answers_since(world: World, known: int) -> set[int | None]:
    """Answer the statuses of the delivery attempts after the first `known` ones."""
    return {attempt.status for attempt in world.box.control.deliveries()[known:]}


@pytest.mark.parametrize("disorder", ["bad_signature", "stale_signature", "thin"])
def test_what_cannot_be_believed_is_not_acknowledged_and_told_again(
    world: World, subscriber: Histories, disorder: str
) -> None:
    """400 as long as it lasts; the retries that follow are believed, and nothing was lost."""
    known = len(world.box.control.deliveries())
    world.box.control.set_delivery(**{disorder: True})
    world.box.control.fail_payment(subscriber.subscribers[0].subscription)
    deadline = time.monotonic() + 20
    while not (seen := answers_since(world, known)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert seen == {400}
    assert subscriber.subscribers[0].customer.billing()["status"] == "active"
    world.box.control.set_delivery(**{disorder: False})
    world.box.control.flush(60)
    assert subscriber.subscribers[0].customer.wait_for(status="past_due")["plan"] == "pro"
    wait_until_converged(subscriber)


def test_events_of_the_other_mode_leave_no_trace(world: World, subscriber: Histories) -> None:
    """They are acknowledged and ignored; the same news in the right mode counts."""
    known = len(world.box.control.deliveries())
    world.box.control.set_delivery(livemode=True)
    world.box.control.cancel(subscriber.subscribers[0].subscription)
    world.box.control.flush()
    assert answers_since(world, known) == {200}
    assert subscriber.subscribers[0].customer.billing()["plan"] == "pro"
    world.box.control.restore_delivery()
    # The event's id is known by now, so it is a new one that tells it, as any later change would.
    said = stripe_get(world.box, f"/v1/subscriptions/{subscriber.subscribers[0].subscription}")
    world.box.control.emit("customer.subscription.deleted", said)
    subscriber.subscribers[0].customer.wait_for(plan="free", status="canceled")


def test_what_was_held_back_counts_when_it_comes(world: World, subscriber: Histories) -> None:
    """Deliveries pause and go on: late, and true."""
    world.box.control.set_delivery(paused=True)
    world.box.control.fail_payment(subscriber.subscribers[0].subscription)
    world.box.control.recover(subscriber.subscribers[0].subscription)
    world.box.control.set_delivery(paused=False)
    world.box.control.flush()
    wait_until_converged(subscriber)


FAULTS = {
    "too-many-requests": (Fault(kind="too_many_requests", count=4, retry_after_seconds=3), {503}),
    "too-many-requests-try-again": (Fault(kind="too_many_requests", count=1, should_retry=True), {200}),
    "stored-500": (Fault(kind="stored_500", method="POST", path="/v1/checkout/sessions"), {200, 503}),
    "stored-500-customer": (Fault(kind="stored_500", method="POST", path="/v1/customers"), {200, 503}),
    "key-in-use": (Fault(kind="key_in_use", method="POST", count=1), {200}),
    "not-json": (Fault(kind="not_json", count=4), {503}),
    "latency": (Fault(kind="latency", latency_seconds=1.0, count=1), {200}),
    "drop-before": (Fault(kind="drop_before", count=1), {200}),
    "drop-after": (Fault(kind="drop_after", method="POST", count=1), {200}),
    "rate-limit": (Fault(kind="rate_limit", per_second=1, count=None), {200, 503}),
}


@pytest.mark.parametrize(("fault", "statuses"), FAULTS.values(), ids=FAULTS.keys())
def test_a_checkout_survives_every_fault(
    world: World, fault: Fault, statuses: set[int], request: pytest.FixtureRequest
) -> None:
    """While it lasts the answer is an address or a plain 503; afterwards there is one customer and one open session."""
    world.box.control.clear_faults()
    customer = world.customer(f"{abs(hash(request.node.name))}@example.com")
    world.box.control.add_fault(fault)
    answer = customer.call("POST", "/v1/billing/checkout", json={"tier": "pro"})
    assert answer.status_code in statuses, answer.text
    if answer.status_code == 503:
        assert answer.json()["code"] == "payment_provider_unavailable"
        assert int(answer.headers["retry-after"]) >= 1
    world.box.control.clear_faults()
    deadline = time.monotonic() + 20
    while (again := customer.call("POST", "/v1/billing/checkout", json={"tier": "pro"})).status_code != 200:
        assert time.monotonic() < deadline, again.text
        time.sleep(0.2)
    mine = [
        session
        for session in stripe_get(world.box, "/v1/checkout/sessions?limit=100")["data"]
        if session["client_reference_id"] == customer.id and session["status"] == "open"
    ]
    assert [session["url"] for session in mine] == [again.json()["checkout_url"]]
    mails = [found["metadata"].get("account_id") for found in stripe_get(world.box, "/v1/customers?limit=100")["data"]]
    assert mails.count(customer.id) == 1
