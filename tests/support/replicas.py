"""Several service processes on one database, a storm of events over them, and the account of what became of it."""

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import httpx

from billing_service.cli.accounts import manage_in
from billing_service.settings import read_database_settings
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedEndpoint
from stripe_sandbox.webhooks.attempts import Attempt
from support.histories import Histories, Subscriber, stripe_get, wait_until_converged
from support.postgres_nodes import fetch
from support.service import PRICES, WEBHOOK_SECRET, Customer, Service, World, free_port, run_billing, settings_of

FLUSH_SECONDS = 120
PATIENT_SENDER: Mapping[str, Any] = {
    "duplicate": 2,
    "reorder": 8,
    "max_retries": 1000,
    "backoff_base_seconds": 0.1,
    "backoff_cap_seconds": 1,
    "concurrency": 16,
    # Longer than the service takes over any answer, however busy the machine is.
    "timeout_seconds": 60,
}
"""How a sender behaves that gives nothing up: each event goes out twice at once, in shuffled groups, until taken."""


EXPECTED_REFUSALS = frozenset({503, "ReadError", "RemoteProtocolError"})
"""What a sender may see of a service whose database is in trouble.

The errors are those of a connection that has been idle, and that the service closes just when it is used again.
"""


@dataclass(kw_only=True)
class Replicas(World):
    """A sandbox that sends each event to each of several service processes, all on one database."""

    services: list[Service]

    @property
    def database_url(self) -> str:
        """Where the events are."""
        return self.settings["BILLING_DATABASE_URL"]

    def customer(self, email: str = "ada@example.com") -> Customer:
        """Make an account, as the command line does with these settings."""
        settings = read_database_settings(self.settings)
        made = manage_in(
            settings.url,
            lambda use_case: use_case.create(email=email, name=None),
            behind_pgbouncer=settings.behind_pgbouncer,
        )
        view, new = asyncio.run(made)
        return Customer(url=self.service.url, id=view.account.id, api_key=new.secret)

    def at(self, service: Service, customer: Customer) -> Customer:
        """Answer the same customer, speaking to another replica."""
        return replace(customer, url=service.url)


@contextlib.contextmanager
def replicas_on(
    database_url: str, folder: Path, *, count: int = 2, settings: Mapping[str, str] | None = None, **box_options: Any
) -> Generator[Replicas]:
    """Migrate, start the sandbox, start the services; stop all of it at the end."""
    ports = [free_port() for _ in range(count)]
    config = SandboxConfig(
        prices=PRICES,
        endpoints=tuple(
            SeedEndpoint(url=f"http://127.0.0.1:{port}/v1/billing/webhooks", secret=WEBHOOK_SECRET) for port in ports
        ),
        **box_options,
    )
    with SandboxServer(config) as box, contextlib.ExitStack() as stack:
        environment = {**settings_of(database_url, box.url), **(settings or {})}
        migrated = run_billing("migrate", settings=environment, folder=folder)
        assert migrated.returncode == 0, migrated.stderr
        services = [Service(settings=environment, folder=folder, port=port) for port in ports]
        for service in services:
            stack.callback(_end, service)
        with ThreadPoolExecutor() as starting:
            list(starting.map(Service.start, services))
        yield Replicas(box=box, service=services[0], settings=environment, folder=folder, services=services)


def _end(service: Service) -> None:
    if service.process is not None and service.process.poll() is None:
        service.kill()


class Repeating(threading.Thread):
    """Does something again and again beside the test, until it is stopped; what it raises is raised by `stop`."""

    def __init__(self, do: Callable[[], object], *, pause_seconds: float) -> None:
        """Prepare; `with` starts and stops it."""
        super().__init__(daemon=True)
        self._do = do
        self._pause_seconds = pause_seconds
        self._done = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do it, pause, and again."""
        try:
            while not self._done.wait(self._pause_seconds):
                self._do()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test shall see it
            self._error = error

    def stop(self) -> None:
        """End, and raise what went wrong."""
        self._done.set()
        self.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question to a service, and its answer."""

    path: str
    status: int
    retry_after: str | None


class Prober:
    """Asks a service whether it lives, and what an account's plan is, again and again."""

    def __init__(self, customer: Customer) -> None:
        """Ask in the name of this customer, at the service that it speaks to."""
        self.probes: list[Probe] = []
        headers = {"Authorization": f"Bearer {customer.api_key}"}
        self._client = httpx.Client(base_url=customer.url, headers=headers, timeout=60)
        self._asking = Repeating(self._ask, pause_seconds=0.05)

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._asking.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and assert that the process lived all along, and that every refusal was an honest one."""
        self._asking.stop()
        self._client.close()
        assert self.statuses("/health") == {200}
        assert self.statuses("/v1/billing") <= {200, 503}
        refused = [probe for probe in self.probes if probe.status != 200]
        assert all(probe.retry_after is not None and int(probe.retry_after) >= 1 for probe in refused)

    def _ask(self) -> None:
        for path in ("/health", "/v1/billing"):
            answer = self._client.get(path)
            self.probes.append(
                Probe(path=path, status=answer.status_code, retry_after=answer.headers.get("retry-after"))
            )

    def statuses(self, path: str) -> set[int]:
        """Answer which statuses were seen."""
        return {probe.status for probe in self.probes if probe.path == path}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What became of a storm; each number counts events, not requests."""

    sent: int
    acknowledged: int
    found: int
    lost: int
    """Acknowledged, and not in the database."""
    doubled: int
    """Two answers said that they had an effect."""

    def __str__(self) -> str:
        """Say it in a line."""
        return ", ".join(f"{name} {number}" for name, number in asdict(self).items())


def wait_until(condition: Callable[[], bool], seconds: float = FLUSH_SECONDS) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.1)


def settle(histories: Histories, *, seconds: float = FLUSH_SECONDS) -> None:
    """Wait until every event is acknowledged by every endpoint and the service says what Stripe says."""
    control = histories.world.box.control
    control.flush(seconds)
    counts = control.counts()
    assert (counts.failed, counts.pending) == (0, 0), counts
    wait_until_converged(histories, seconds)


def at_replica(histories: Histories, replicas: Replicas, service: Service) -> Histories:
    """Answer the same histories, as one of the replicas tells of them."""
    subscribers = [
        Subscriber(customer=replicas.at(service, one.customer), subscription=one.subscription)
        for one in histories.subscribers
    ]
    return Histories(world=replicas, seed=histories.seed, subscribers=subscribers)


def account_for(box: SandboxServer, held: Counter[str]) -> Figures:
    """Compare what was sent and acknowledged with what is `held` in the database."""
    sent = all_events(box)
    acknowledged = {id_ for id_, waiting in sent.items() if waiting == 0} | {
        attempt.event for attempt in box.control.deliveries() if is_taken(attempt)
    }
    effects = Counter(attempt.event for attempt in box.control.deliveries() if had_effect(attempt))
    return Figures(
        sent=len(sent),
        acknowledged=len(acknowledged),
        found=len(held),
        lost=len(acknowledged - held.keys()),
        doubled=sum(1 for id_ in sent if held[id_] > 1 or effects[id_] > 1),
    )


def all_events(box: SandboxServer) -> dict[str, int]:
    """Answer every event's id, and how many endpoints have not acknowledged it."""
    found: dict[str, int] = {}
    path = "/v1/events?limit=100"
    while True:
        page = stripe_get(box, path)
        found.update({event["id"]: event["pending_webhooks"] for event in page["data"]})
        if not page["has_more"]:
            return found
        path = f"/v1/events?limit=100&starting_after={page['data'][-1]['id']}"


def is_taken(attempt: Attempt) -> bool:
    """Whether a delivery was acknowledged."""
    return attempt.status is not None and httpx.codes.is_success(attempt.status)


def had_effect(attempt: Attempt) -> bool:
    """Whether a delivery was acknowledged as one that came for the first time."""
    return is_taken(attempt) and json.loads(attempt.body)["outcome"] != "duplicate"


def refusals(attempts: Sequence[Attempt]) -> Counter[int | str]:
    """Count the answers other than 2xx by status, or by the error's name where there was no answer."""
    return Counter(
        (attempt.error or "no answer").partition(":")[0] if attempt.status is None else attempt.status
        for attempt in attempts
        if not is_taken(attempt)
    )


def unavailable_seconds(attempts: Sequence[Attempt], since: float) -> float:
    """Answer how long after a moment the first delivery begun later was acknowledged, at the slower endpoint."""
    first: dict[str, float] = {}
    for attempt in attempts:
        if attempt.at > since and is_taken(attempt):
            until = attempt.at + attempt.duration_ms / 1000
            first[attempt.endpoint] = min(until, first.get(attempt.endpoint, until))
    return max(first.values()) - since


def held_events(database_url: str) -> Counter[str]:
    """Answer which event ids are in the database, and how often."""
    return Counter(str(id_) for (id_,) in rows(database_url, "SELECT id FROM events"))


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    """Answer what a query finds, past the service."""
    if database_url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query).fetchall()
    return asyncio.run(fetch(database_url, query))
