"""The service as an operator runs it: a process of its own, spoken to by HTTP, stopped and killed."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from billing_service.cli.accounts import manage_in
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedEndpoint, SeedPrice

START_SECONDS = 30
STOP_SECONDS = 30
WEBHOOK_SECRET = "whsec_test_of_the_service"
PRO, OLD_PRO, ENTERPRISE = "price_pro", "price_pro_old", "price_enterprise"
PRICES = (
    SeedPrice(name="pro", unit_amount=2900, price_id=PRO, currency="usd"),
    SeedPrice(name="pro-old", unit_amount=1900, price_id=OLD_PRO, currency="usd"),
    SeedPrice(name="enterprise", unit_amount=49900, price_id=ENTERPRISE, currency="usd"),
    SeedPrice(name="foreign", unit_amount=100, price_id="price_foreign", currency="usd"),
)


def free_port() -> int:
    """Answer a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings_of(database_url: str, stripe_url: str, *, api_key: str = "sk_test_sandbox") -> dict[str, str]:
    """Answer the environment of a service that speaks with a sandbox."""
    return {
        "BILLING_DATABASE_URL": database_url,
        "BILLING_STRIPE_SECRET_KEY": api_key,
        "BILLING_STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "BILLING_STRIPE_API_BASE": stripe_url,
        "BILLING_PRICE_PRO": f"{PRO},{OLD_PRO}",
        "BILLING_PRICE_ENTERPRISE": ENTERPRISE,
        "BILLING_CHECKOUT_SUCCESS_URL": "https://app.example/done",
        "BILLING_CHECKOUT_CANCEL_URL": "https://app.example/left",
        "BILLING_PORTAL_RETURN_URL": "https://app.example/",
    }


def run_billing(
    *arguments: str, settings: Mapping[str, str], folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `billing` to its end, with these settings and no others."""
    return subprocess.run(
        [sys.executable, "-m", "billing_service", *arguments],
        env=_environment(settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=START_SECONDS * 2,
        check=False,
    )


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    return {**inherited, **settings, "PYTHONUNBUFFERED": "1"}


@dataclass(kw_only=True)
class Service:
    """One service process (and its workers)."""

    settings: Mapping[str, str]
    folder: Path
    port: int = field(default_factory=free_port)
    workers: int = 1
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / f"service-{self.port}.log").read_text()

    def start(self) -> "Service":
        """Start it and wait until it answers."""
        with (self.folder / f"service-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "billing_service", "serve"),
                    *("--port", str(self.port), "--workers", str(self.workers)),
                ],
                env=_environment(self.settings),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_until_it_answers()
        return self

    def wait_until_it_answers(self) -> None:
        """Wait for `/health`; fail with its log if it died."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.log}")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/health", timeout=2).is_success:
                    return
            time.sleep(0.02)
        raise AssertionError(f"the service does not answer:\n{self.log}")

    def stop(self) -> int:
        """Ask it to stop; answer its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it and its workers with `kill -9`."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)


@dataclass(kw_only=True)
class Customer:
    """An account and its key, as a REST client uses them."""

    url: str
    id: str
    api_key: str

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the service with the account's key."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=60, **options)

    def billing(self) -> dict[str, Any]:
        """Answer `GET /v1/billing`."""
        answer = self.call("GET", "/v1/billing")
        assert answer.status_code == httpx.codes.OK, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def checkout(self, tier: str = "pro") -> str:
        """Answer the id of the session that a checkout hands out."""
        answer = self.call("POST", "/v1/billing/checkout", json={"tier": tier})
        assert answer.status_code == httpx.codes.OK, answer.text
        return session_of(answer.json()["checkout_url"])

    def wait_for(self, seconds: float = 20, **expected: object) -> dict[str, Any]:
        """Wait until the status has these values; answer it."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self.billing()
            if all(seen[name] == value for name, value in expected.items()):
                return seen
            assert time.monotonic() < deadline, f"expected {expected}, saw {seen}"
            time.sleep(0.05)


def session_of(checkout_url: str) -> str:
    """Answer the session's id, the last part of the page's address."""
    return checkout_url.rpartition("/")[2].partition("#")[0].partition("?")[0]


@dataclass(kw_only=True)
class World:
    """A sandbox and one or more service processes on one database, set up as an operator would."""

    box: SandboxServer
    service: Service
    settings: dict[str, str]
    folder: Path

    def customer(self, email: str = "ada@example.com") -> Customer:
        """Make an account, as the command line does but without another process."""
        database_url = self.settings["BILLING_DATABASE_URL"]
        view, new = asyncio.run(manage_in(database_url, lambda use_case: use_case.create(email=email, name="Ada")))
        return Customer(url=self.service.url, id=view.account.id, api_key=new.secret)


@contextlib.contextmanager
def world_on(
    database_url: str, folder: Path, *, workers: int = 1, start: bool = True, **box_options: Any
) -> Generator[World]:
    """Migrate, start the sandbox, start the service; stop all of it at the end."""
    port = free_port()
    endpoint = SeedEndpoint(url=f"http://127.0.0.1:{port}/v1/billing/webhooks", secret=WEBHOOK_SECRET)
    config = SandboxConfig(prices=PRICES, endpoints=(endpoint,), delivery={"backoff_base_seconds": 0.2}, **box_options)
    with SandboxServer(config) as box:
        settings = settings_of(database_url, box.url)
        migrated = run_billing("migrate", settings=settings, folder=folder)
        assert migrated.returncode == 0, migrated.stderr
        service = Service(settings=settings, folder=folder, port=port, workers=workers)
        if start:
            service.start()
        try:
            yield World(box=box, service=service, settings=settings, folder=folder)
        finally:
            if service.process is not None and service.process.poll() is None:
                service.kill()
