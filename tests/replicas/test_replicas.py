"""Two service processes on one database are one service: one effect, one checkout, one revocation, one migration."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from billing.use_cases.manage_accounts import ManageAccounts
from billing_service.cli.accounts import manage_in
from support.histories import Histories, stripe_get
from support.replicas import (
    Repeating,
    Replicas,
    account_for,
    at_replica,
    held_events,
    replicas_on,
    rows,
    settle,
    wait_until,
)
from support.service import Customer, run_billing, session_of

EVERYTHING = {"duplicate": 3, "reorder": 20, "ties": True, "double_events": True, "delay_seconds": 0.1}
MIGRATIONS = 10


class Asker:
    """Asks for a customer's plan, and notes when it began to ask and what it was answered."""

    def __init__(self, customer: Customer) -> None:
        """Ask in this customer's name."""
        self.client = httpx.Client(headers={"Authorization": f"Bearer {customer.api_key}"}, timeout=60)
        self._url = f"{customer.url}/v1/billing"
        self.answers: list[tuple[float, int]] = []

    def __call__(self) -> None:
        """Ask once."""
        begin = time.monotonic()
        self.answers.append((begin, self.client.get(self._url).status_code))

    def wait_for_more(self) -> None:
        """Wait for two more answers: the second one belongs to a request that has not begun yet."""
        enough = len(self.answers) + 2
        wait_until(lambda: len(self.answers) >= enough)


def revoke_keys(database_url: str, customer: Customer) -> None:
    """Revoke all keys of a customer, as the command line does."""

    async def revoke(use_case: ManageAccounts) -> None:
        for key in await use_case.list_keys(customer.id):
            await use_case.revoke_key(key.id)

    asyncio.run(manage_in(database_url, revoke))


def test_disordered_histories_converge_over_two_replicas(replicas: Replicas, report: Callable[[str], None]) -> None:
    """Each event comes three times to both replicas, in no order: it has one effect, and both say what Stripe says."""
    histories = Histories(world=replicas, seed=17)
    histories.subscribe(6)
    replicas.box.control.set_delivery(**EVERYTHING, concurrency=16)
    for _ in range(40):
        histories.act()
    histories.end_some()
    settle(histories)
    replicas.box.control.restore_delivery()
    for service in replicas.services:
        settle(at_replica(histories, replicas, service))
    figures = account_for(replicas.box, held_events(replicas.database_url))
    report(f"{figures}; deliveries {len(replicas.box.control.deliveries())}")
    assert (figures.found, figures.lost, figures.doubled) == (figures.sent, 0, 0)
    assert rows(replicas.database_url, "SELECT count(*) FROM failed_events") == [(0,)]


def test_twenty_clicks_over_two_replicas_are_one_customer_and_one_session(replicas: Replicas) -> None:
    """Concurrent checkouts of one account, at both replicas, open one session for one customer."""
    customer = replicas.customer("twenty@example.com")

    def click(number: int) -> httpx.Response:
        asked = replicas.at(replicas.services[number % 2], customer)
        return asked.call("POST", "/v1/billing/checkout", json={"tier": "pro"})

    with ThreadPoolExecutor(20) as clicks:
        answers = list(clicks.map(click, range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 20}, [answer.text for answer in answers]
    (session,) = {session_of(answer.json()["checkout_url"]) for answer in answers}
    made = stripe_get(replicas.box, "/v1/customers?email=twenty@example.com")["data"]
    assert len(made) == 1
    opened = stripe_get(replicas.box, f"/v1/checkout/sessions?customer={made[0]['id']}")["data"]
    assert [held["id"] for held in opened] == [session]


def test_a_key_that_is_revoked_is_refused_by_every_replica_at_once(replicas: Replicas) -> None:
    """While both replicas answer a key all the time, it is revoked: no request that begins afterwards is answered."""
    customer = replicas.customer("revoked@example.com")
    askers = [Asker(replicas.at(service, customer)) for service in replicas.services for _ in range(3)]
    with ExitStack() as asking:
        for asker in askers:
            asking.enter_context(asker.client)
            asking.enter_context(Repeating(asker, pause_seconds=0.001))
        for asker in askers:
            asker.wait_for_more()
        revoke_keys(replicas.database_url, customer)
        revoked_at = time.monotonic()
        for asker in askers:
            asker.wait_for_more()
    answers = [answer for asker in askers for answer in asker.answers]
    assert {status for at, status in answers if at > revoked_at} == {401}
    assert {status for _, status in answers} == {200, 401}


def test_ten_migrations_at_once_migrate_once(empty_database_url: str, tmp_path: Path) -> None:
    """Ten replicas start together on an empty database: all succeed, and one of them has made the schema."""
    environment = {**os.environ, "BILLING_DATABASE_URL": empty_database_url}
    command = [sys.executable, "-m", "billing_service", "migrate"]
    together = [
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(MIGRATIONS)
    ]
    said = [one.communicate()[0].decode() for one in together]
    assert [one.returncode for one in together] == [0] * MIGRATIONS, said
    assert len(set(said)) == 1
    assert len(rows(empty_database_url, "SELECT version_num FROM alembic_version")) == 1
    if empty_database_url.startswith("postgresql"):
        # One transaction made all the tables.
        makers = "SELECT count(DISTINCT xmin::text) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
        assert rows(empty_database_url, f"{makers} 'public'::regnamespace") == [(1,)]


def test_replicas_behind_a_pgbouncer_are_one_service(pooled: tuple[str, str], tmp_path: Path) -> None:
    """Behind a PgBouncer that mixes their transactions, two replicas start and converge, and the command line works."""
    url, direct_url = pooled
    with replicas_on(url, tmp_path, settings={"BILLING_DATABASE_PGBOUNCER": "true"}, random_seed=19) as replicas:
        histories = Histories(world=replicas, seed=19)
        histories.subscribe(2)
        replicas.box.control.set_delivery(**EVERYTHING, concurrency=16)
        for _ in range(10):
            histories.act()
        settle(histories)
        figures = account_for(replicas.box, held_events(direct_url))
        assert (figures.found, figures.lost, figures.doubled) == (figures.sent, 0, 0)
        account = histories.subscribers[0].customer.id
        shown = run_billing("accounts", "show", account, "--json", settings=replicas.settings, folder=tmp_path)
        assert shown.returncode == 0, shown.stderr
