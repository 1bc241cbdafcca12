"""The main job, end to end: real processes, real HTTP, the official SDK, a Stripe in the box."""

import json
import re
import threading
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from support.dev import DevProcess
from support.histories import stripe_get
from support.service import ENTERPRISE, World, free_port, run_billing, session_of, settings_of, world_on


@pytest.fixture(params=[1, 2], ids=["one-worker", "two-workers"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Generator[World]:
    """A service on SQLite, with one worker and with two."""
    with world_on(f"sqlite:///{tmp_path}/billing.db", tmp_path, workers=request.param) as opened:
        yield opened


def subscription_of(world: World, session: str) -> str:
    """Answer what was bought with a session, as Stripe's API tells it."""
    subscription: str = stripe_get(world.box, f"/v1/checkout/sessions/{session}")["subscription"]
    return subscription


def test_an_account_goes_from_free_to_pro_and_back(world: World) -> None:
    """Checkout, payment, failed renewal, recovery, cancellation at the period's end, and the end."""
    customer = world.customer()
    never = {"plan": "free", "status": None, "current_period_end": None, "cancel_at_period_end": None}
    assert customer.billing() == never
    session = customer.checkout()
    assert customer.checkout() == session
    assert customer.call("POST", "/v1/billing/portal").json()["code"] == "never_subscribed"
    world.box.control.pay(session)
    bought = customer.wait_for(plan="pro", status="active", cancel_at_period_end=False)
    world.box.control.flush()
    bought = customer.wait_for(plan="pro", status="active", cancel_at_period_end=False)
    until = bought["current_period_end"]
    while until is None:
        until = customer.billing()["current_period_end"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", until)
    assert 27 <= (datetime.fromisoformat(until) - datetime.now(UTC)).days <= 31
    assert customer.call("GET", "/v1/accounts/me").json()["plan_tier"] == "pro"
    assert customer.call("POST", "/v1/billing/checkout", json={"tier": "pro"}).status_code == 409
    portal = customer.call("POST", "/v1/billing/portal").json()["portal_url"]
    assert httpx.get(portal).status_code == 200

    subscription = subscription_of(world, session)
    world.box.control.fail_payment(subscription)
    customer.wait_for(plan="pro", status="past_due")
    world.box.control.recover(subscription)
    customer.wait_for(plan="pro", status="active")
    world.box.control.cancel_at_period_end(subscription)
    customer.wait_for(plan="pro", status="active", cancel_at_period_end=True)
    world.box.control.cancel_at_period_end(subscription, value=False)
    customer.wait_for(plan="pro", status="active", cancel_at_period_end=False)
    world.box.control.change_price(subscription, ENTERPRISE)
    customer.wait_for(plan="enterprise", status="active")
    world.box.control.cancel(subscription)
    ended = customer.wait_for(plan="free", status="canceled", cancel_at_period_end=False)
    assert ended["current_period_end"] is not None

    # And again: what has ended does not stand in the way.
    again = customer.checkout()
    assert again != session
    world.box.control.pay(again)
    customer.wait_for(plan="pro", status="active")
    assert world.service.stop() == 0


def test_the_plan_turns_without_any_webhook(tmp_path: Path) -> None:
    """Every webhook is lost; reading the status after the return from Stripe is enough."""
    with world_on(f"sqlite:///{tmp_path}/billing.db", tmp_path) as world:
        world.box.control.set_delivery(drop=1.0)
        customer = world.customer()
        session = customer.checkout()
        assert customer.billing()["plan"] == "free"
        world.box.control.pay(session)
        seen = customer.wait_for(plan="pro", status="active", cancel_at_period_end=False)
        assert seen["current_period_end"] is not None
        assert customer.call("POST", "/v1/billing/checkout", json={"tier": "pro"}).status_code == 409


def test_twenty_clicks_are_one_customer_and_one_session(world: World) -> None:
    """Concurrent checkouts of one account, also over two workers, open one session for one customer."""
    customer = world.customer()
    answers: list[httpx.Response] = []

    def click() -> None:
        answers.append(customer.call("POST", "/v1/billing/checkout", json={"tier": "pro"}))

    threads = [threading.Thread(target=click) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 409, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= 1
    addresses = {answer.json()["checkout_url"] for answer in answers if answer.status_code == 200}
    assert len(addresses) == 1
    assert len(stripe_get(world.box, "/v1/customers")["data"]) == 1
    sessions = stripe_get(world.box, "/v1/checkout/sessions")["data"]
    assert [held["id"] for held in sessions] == [session_of(addresses.pop())]


def test_start_up_refuses_what_cannot_work(tmp_path: Path) -> None:
    """Missing settings, a schema that is behind, a database that is not there: each its exit code and its sentence."""
    nothing = run_billing("serve", settings={}, folder=tmp_path)
    assert nothing.returncode == 3
    assert "BILLING_STRIPE_SECRET_KEY is missing" in nothing.stderr
    assert "BILLING_PRICE_PRO is missing" in nothing.stderr
    settings = settings_of(f"sqlite:///{tmp_path}/billing.db", "http://127.0.0.1:9")
    missing = run_billing("serve", "--port", str(free_port()), settings=settings, folder=tmp_path)
    assert missing.returncode == 5, missing.stderr
    assert "billing migrate" in missing.stderr
    (tmp_path / "billing.db").touch()
    behind = run_billing("serve", "--port", str(free_port()), settings=settings, folder=tmp_path)
    assert behind.returncode == 4, behind.stderr
    assert "billing migrate" in behind.stderr
    nowhere = settings_of("postgresql://nobody@127.0.0.1:9/none", "http://127.0.0.1:9")
    away = run_billing("serve", settings=nowhere, folder=tmp_path)
    assert away.returncode == 5, away.stderr


def test_accounts_and_keys_by_the_command_line(tmp_path: Path) -> None:
    """Accounts are made, shown, found by address; keys made, listed, revoked; refusals have exit code 1."""
    settings = settings_of(f"sqlite:///{tmp_path}/billing.db", "http://127.0.0.1:9")

    def billing(*arguments: str, code: int = 0) -> str:
        ran = run_billing(*arguments, settings=settings, folder=tmp_path)
        assert ran.returncode == code, ran.stderr
        return ran.stdout if code == 0 else ran.stderr

    assert "billing migrate" in billing("accounts", "show", "x@example.com", code=5)
    billing("migrate")
    made = json.loads(billing("accounts", "create", "--email", "Ada@Example.com", "--name", "Ada", "--json"))
    assert made["account"] == {
        "id": made["account"]["id"],
        "email": "ada@example.com",
        "name": "Ada",
        "plan_tier": "free",
    }
    assert "already" in billing("accounts", "create", "--email", "ada@example.com", code=1)
    assert "not an e-mail address" in billing("accounts", "create", "--email", "ada", code=1)
    assert made["api_key"] not in (tmp_path / "billing.db").read_bytes().decode("latin-1")
    shown = json.loads(billing("accounts", "show", "ADA@example.com", "--json"))
    assert shown["account"] == made["account"]
    assert shown["billing"]["plan"] == "free"
    second = json.loads(billing("keys", "create", made["account"]["id"], "--json"))
    listed = json.loads(billing("keys", "list", made["account"]["id"], "--json"))["keys"]
    assert [key["revoked_at"] for key in listed] == [None, None]
    revoked = json.loads(billing("keys", "revoke", second["key"]["id"], "--json"))["key"]
    assert revoked["revoked_at"] is not None
    assert "no api key" in billing("keys", "revoke", "key_nothing", code=1)
    assert "no account" in billing("accounts", "show", "nobody@example.com", code=1)
    assert "Ada" in billing("accounts", "show", "ada@example.com")
    assert second["key"]["id"] in billing("keys", "list", "ada@example.com")


def test_dev_runs_with_nothing_configured_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """The printed lines are run as they stand, and take the demo account all the way round."""
    with DevProcess(tmp_path) as dev:
        seen = [dev.run(line) for line in dev.lines()]
        told = [
            (answer["plan"], answer["status"], answer["cancel_at_period_end"]) for answer in seen if "plan" in answer
        ]
        assert told == [
            ("free", None, None),
            ("pro", "active", False),
            ("pro", "past_due", False),
            ("pro", "active", False),
            ("pro", "active", True),
            ("free", "canceled", False),
        ]
        key = dev.api_key
        assert dev.stop() == 0
    with DevProcess(tmp_path) as again:
        assert again.api_key == key
        assert again.run(again.lines()[0])["status"] == "canceled"
        with pytest.raises(AssertionError, match="another `billing dev` is running"):
            DevProcess(tmp_path).__enter__()
    # A start that was cut off between the account and the note of its key is made good.
    (tmp_path / ".billing-dev" / "demo.json").write_text("")
    with DevProcess(tmp_path) as healed:
        assert healed.run(healed.lines()[0])["status"] == "canceled"
    with DevProcess(tmp_path, "--fresh") as fresh:
        assert fresh.api_key != key
        assert fresh.run(fresh.lines()[0])["status"] is None
