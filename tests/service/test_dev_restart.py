"""`billing dev` started again under other circumstances, and begun anew."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

from support.dev import DevProcess
from support.service import free_port


def plan_of(dev: DevProcess) -> tuple[str, str | None]:
    answer = httpx.get(f"{dev.url}/v1/billing", headers={"Authorization": f"Bearer {dev.api_key}"}).json()
    return answer["plan"], answer["status"]


def wait_for_plan(dev: DevProcess, wanted: tuple[str, str | None], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while (now := plan_of(dev)) != wanted:
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


def call(dev: DevProcess, what: str) -> None:
    httpx.post(f"{dev.stripe_url}/_sandbox/{what}", json={}).raise_for_status()


def test_other_ports_are_told_to_the_sandbox(tmp_path: Path) -> None:
    """Started again on other ports, the service hears of everything, and no endpoint of before is left."""
    with DevProcess(tmp_path) as dev:
        httpx.post(
            f"{dev.url}/v1/billing/checkout", json={"tier": "pro"}, headers={"Authorization": f"Bearer {dev.api_key}"}
        ).raise_for_status()
        call(dev, "checkout_sessions/latest/pay")
        wait_for_plan(dev, ("pro", "active"))
        dev.stop()
    with DevProcess(tmp_path) as again:
        call(again, "subscriptions/latest/fail_payment")
        wait_for_plan(again, ("pro", "past_due"))
        listed = httpx.get(f"{again.stripe_url}/v1/webhook_endpoints", auth=("sk_test_billing_dev", "")).json()
        assert [row["url"] for row in listed["data"]] == [f"{again.url}/v1/billing/webhooks"]


def test_a_damaged_world_is_told_in_a_sentence(tmp_path: Path) -> None:
    """When the sandbox's file is no database, `billing dev` says so, says what helps, and leaves the file alone."""
    folder = tmp_path / ".billing-dev"
    folder.mkdir()
    (folder / "stripe.db").write_text("this was a world once\n" * 50)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    ports = ("--port", str(free_port()), "--stripe-port", str(free_port()))
    ran = subprocess.run(
        [sys.executable, "-m", "billing_service", "dev", *ports],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (5, False)
    assert "stripe.db as the sandbox's database: file is not a database" in ran.stderr
    assert "billing dev --fresh" in ran.stderr
    assert (folder / "stripe.db").read_text().startswith("this was a world once")


def test_after_a_reset_the_demo_account_is_free_and_can_buy_again(tmp_path: Path) -> None:
    """Resetting takes the plan back at once, the key stays, and the next purchase works like the first."""
    with DevProcess(tmp_path) as dev:
        credential = {"Authorization": f"Bearer {dev.api_key}"}
        for _ in range(2):
            httpx.post(f"{dev.url}/v1/billing/checkout", json={"tier": "pro"}, headers=credential).raise_for_status()
            call(dev, "checkout_sessions/latest/pay")
            wait_for_plan(dev, ("pro", "active"))
            call(dev, "reset")
            assert plan_of(dev) == ("free", None)
        refused = httpx.post(f"{dev.url}/v1/billing/portal", headers=credential)
        assert refused.json()["code"] == "never_subscribed"
