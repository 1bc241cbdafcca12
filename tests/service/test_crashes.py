"""Crashes at chosen points: between what Stripe did and what we committed there is no gap to fall into."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

import httpx
import pytest

from stripe_sandbox.api.faults import Fault
from support.histories import stripe_get
from support.service import Customer, World, world_on

CREATIONS = ["/v1/customers", "/v1/checkout/sessions"]


def attempt_checkout(customer: Customer) -> None:
    """Click, and accept that nobody answers."""
    with contextlib.suppress(httpx.TransportError):
        customer.call("POST", "/v1/billing/checkout", json={"tier": "pro"})


def assert_one_of_each(world: World) -> None:
    """There is one customer, and one session, open."""
    assert len(stripe_get(world.box, "/v1/customers")["data"]) == 1
    assert [held["status"] for held in stripe_get(world.box, "/v1/checkout/sessions")["data"]] == ["open"]


@pytest.mark.parametrize("path", CREATIONS)
def test_killed_while_stripe_answers(tmp_path: Path, path: str) -> None:
    """The process dies while Stripe makes the object; the next click after the restart gets that very object."""
    with world_on(f"sqlite:///{tmp_path}/billing.db", tmp_path) as world:
        customer = world.customer()
        world.box.control.add_fault(Fault(kind="latency", method="POST", path=path, latency_seconds=1.0))
        click = threading.Thread(target=attempt_checkout, args=(customer,))
        click.start()
        while not world.box.control.faults().struck.get("latency"):
            time.sleep(0.02)
        world.service.kill()
        click.join()
        made = path.removeprefix("/v1/")
        deadline = time.monotonic() + 10
        while not stripe_get(world.box, f"/v1/{made}")["data"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        world.service.start()
        session = customer.checkout()
        assert_one_of_each(world)
        assert customer.checkout() == session


@pytest.mark.parametrize("path", CREATIONS)
def test_stripes_answer_is_lost(tmp_path: Path, path: str) -> None:
    """Stripe made the object, and all its answers are lost; 503, and afterwards the next click gets that object."""
    with world_on(f"sqlite:///{tmp_path}/billing.db", tmp_path) as world:
        customer = world.customer()
        world.box.control.add_fault(Fault(kind="drop_after", method="POST", path=path, count=None))
        answer = customer.call("POST", "/v1/billing/checkout", json={"tier": "pro"})
        assert (answer.status_code, answer.json()["code"]) == (503, "payment_provider_unavailable")
        world.box.control.clear_faults()
        customer.checkout()
        assert_one_of_each(world)


def test_killed_while_it_reads_a_subscription_again(tmp_path: Path) -> None:
    """A re-read dies with its process; its lease is not waited for longer than it lasts, and nothing is forgotten."""
    database = tmp_path / "billing.db"
    with world_on(f"sqlite:///{database}", tmp_path) as world:
        customer = world.customer()
        session = customer.checkout()
        world.box.control.add_fault(
            Fault(kind="latency", method="GET", path="/v1/subscriptions/", latency_seconds=3.0, count=None)
        )
        world.box.control.pay(session)
        while not world.box.control.faults().struck.get("latency"):
            time.sleep(0.02)
        world.service.kill()
        world.box.control.clear_faults()
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as rows:
            assert rows.execute("SELECT count(*) FROM rereads").fetchone() == (1,)
            # An hour passes for the lease, and for nothing else.
            rows.execute("UPDATE rereads SET leased_until = 1")
        world.service.start()
        seen = customer.wait_for(plan="pro", status="active")
        assert seen["current_period_end"] is not None
        deadline = time.monotonic() + 20
        while True:
            with contextlib.closing(sqlite3.connect(database)) as rows:
                if rows.execute("SELECT count(*) FROM rereads").fetchone() == (0,):
                    break
            assert time.monotonic() < deadline
            time.sleep(0.1)
