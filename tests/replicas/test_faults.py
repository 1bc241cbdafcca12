"""What the database can do to a service: be away, be full, be locked, be slow, be crowded. Nothing is lost by it."""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.histories import Histories
from support.postgres_nodes import PostgresNode, crowd, transaction
from support.replicas import (
    EXPECTED_REFUSALS,
    PATIENT_SENDER,
    Prober,
    Repeating,
    Replicas,
    account_for,
    held_events,
    refusals,
    replicas_on,
    settle,
    unavailable_seconds,
    wait_until,
)

AWAY_SECONDS = float(os.environ.get("BILLING_TEST_AWAY_SECONDS", "30"))
"""How long the database is away."""
TMPFS_BYTES = 8 * 1024 * 1024
SLOW = """
CREATE SEQUENCE slow_once;
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF nextval(''slow_once'') = 1 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END';
CREATE TRIGGER slow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION slow();
"""
"""The first insert takes for ever."""


@pytest.fixture(scope="module")
def cramped(node: PostgresNode, tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Replicas, Histories]]:
    """Subscribers of a service with a single connection for its transactions."""
    url, folder = node.new_database("cramped"), tmp_path_factory.mktemp("cramped")
    with replicas_on(url, folder, count=1, settings={"BILLING_DATABASE_POOL_SIZE": "1"}, random_seed=31) as replicas:
        yield replicas, subscribed(replicas, 3)


def subscribed(replicas: Replicas, count: int) -> Histories:
    """Let accounts buy, and begin to send as somebody who gives nothing up."""
    histories = Histories(world=replicas, seed=31)
    histories.subscribe(count)
    settle(histories)
    replicas.box.control.set_delivery(**PATIENT_SENDER)
    return histories


def nothing_is_lost(replicas: Replicas, histories: Histories) -> str:
    """Wait for the end of it, assert that every event is there once and had one effect, and answer the figures."""
    settle(histories)
    figures = account_for(replicas.box, held_events(replicas.database_url))
    refused = refusals(replicas.box.control.deliveries())
    assert (figures.acknowledged, figures.found, figures.lost, figures.doubled) == (figures.sent, figures.sent, 0, 0)
    assert refused.keys() <= EXPECTED_REFUSALS
    return f"{figures}; refusals {dict(refused)}"


def storm(histories: Histories) -> Repeating:
    """Let things happen all the time, beside the test."""
    return Repeating(histories.act, pause_seconds=0.03)


def wait_for_more(replicas: Replicas, deliveries: int) -> None:
    """Wait until so many more deliveries have been acknowledged."""
    enough = replicas.box.control.counts().succeeded + deliveries
    wait_until(lambda: replicas.box.control.counts().succeeded >= enough)


def wait_for_refusals(replicas: Replicas, deliveries: int) -> None:
    """Wait until so many deliveries have been refused from now on, whenever they were begun."""
    since = time.time()

    def refused() -> int:
        ended = [one for one in replicas.box.control.deliveries() if one.at + one.duration_ms / 1000 > since]
        return refusals(ended).total()

    wait_until(lambda: refused() >= deliveries)


def test_a_database_that_is_away_is_waited_for(
    node: PostgresNode, tmp_path: Path, report: Callable[[str], None]
) -> None:
    """A server that crashes in a storm and is away for a while: 503 meanwhile, and all is taken when it is back."""
    with replicas_on(node.new_database("away"), tmp_path, random_seed=29) as replicas:
        histories = subscribed(replicas, 6)
        with storm(histories), Prober(histories.subscribers[0].customer) as prober:
            wait_for_more(replicas, 100)
            node.stop_at_once()
            stopped_at = time.time()
            time.sleep(AWAY_SECONDS)
            node.start()
            away = time.time() - stopped_at
            wait_for_more(replicas, 300)
        assert prober.statuses("/v1/billing") == {200, 503}
        figures = nothing_is_lost(replicas, histories)
        until_taken = unavailable_seconds(replicas.box.control.deliveries(), stopped_at)
        report(f"{figures}; away {away:.1f} s, no event taken for {until_taken:.1f} s")


def test_locked_rows_and_an_exhausted_pool_are_given_up(
    cramped: tuple[Replicas, Histories], report: Callable[[str], None]
) -> None:
    """While all accounts are locked, writes end in 503 and reads go on; then all that was refused is taken."""
    replicas, histories = cramped
    buyer = replicas.customer("buyer@example.com")

    def click(_: int) -> httpx.Response:
        return buyer.call("POST", "/v1/billing/checkout", json={"tier": "pro"})

    with Prober(histories.subscribers[0].customer) as prober:
        with transaction(replicas.database_url, "SELECT 1 FROM accounts FOR UPDATE"), ThreadPoolExecutor(4) as clicks:
            answering = clicks.map(click, range(4))
            for subscriber in histories.subscribers:
                replicas.box.control.renew(subscriber.subscription)
            wait_for_refusals(replicas, 1)
            answers = list(answering)
        assert click(0).status_code == 200
    assert [(answer.status_code, int(answer.headers["retry-after"]) > 0) for answer in answers] == [(503, True)] * 4
    assert prober.statuses("/v1/billing") == {200}
    report(nothing_is_lost(replicas, histories))
    assert "canceling statement due to lock timeout" in replicas.service.log
    assert "QueuePool limit of size 1" in replicas.service.log


def test_a_statement_that_takes_too_long_is_given_up(
    node: PostgresNode, cramped: tuple[Replicas, Histories], report: Callable[[str], None]
) -> None:
    """While an insert takes for ever, events are refused in time and reads go on; then all of them are taken."""
    replicas, histories = cramped
    with Prober(histories.subscribers[0].customer) as prober:
        node.execute(SLOW, database="cramped")
        replicas.box.control.renew(histories.subscribers[0].subscription)
        wait_for_refusals(replicas, 1)
    assert prober.statuses("/v1/billing") == {200}
    report(nothing_is_lost(replicas, histories))
    assert "canceling statement due to statement timeout" in replicas.service.log


def test_a_server_with_too_many_connections_is_waited_for(
    cramped: tuple[Replicas, Histories], report: Callable[[str], None]
) -> None:
    """While others have all connections of the server, the service answers 503; then it goes on by itself."""
    replicas, histories = cramped
    with Prober(histories.subscribers[0].customer) as prober:
        with crowd(replicas.database_url):
            replicas.box.control.renew(histories.subscribers[0].subscription)
            wait_for_refusals(replicas, 1)
            wait_until(lambda: 503 in prober.statuses("/v1/billing"))
        settle(histories)
    report(nothing_is_lost(replicas, histories))
    assert "too many clients" in replicas.service.log


@contextmanager
def tmpfs(folder: Path) -> Generator[None]:
    """Put a small disk there; skips the test where that is not permitted."""
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)],  # noqa: S607 - whichever there is
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk is not permitted")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - whichever there is


def test_a_full_disk_is_waited_for(tmp_path: Path, report: Callable[[str], None]) -> None:
    """On a disk that is full, events are refused and reads go on; once there is space, all of them are taken."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with tmpfs(disk), replicas_on(f"sqlite:///{disk}/billing.db", tmp_path, random_seed=37) as replicas:
        histories = subscribed(replicas, 4)
        ballast = disk / "ballast"
        with storm(histories), Prober(histories.subscribers[0].customer) as prober:
            wait_for_more(replicas, 50)
            fill(ballast)
            wait_for_refusals(replicas, 50)
            ballast.unlink()
            wait_for_more(replicas, 50)
        assert prober.statuses("/v1/billing") == {200}
        report(nothing_is_lost(replicas, histories))
        assert "full" in replicas.service.log


def fill(ballast: Path) -> None:
    """Write into a file until there is no space left."""
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def test_a_file_that_may_not_grow_is_waited_for(tmp_path: Path, report: Callable[[str], None]) -> None:
    """Where the operating system lets no file grow, events are refused and reads go on; then all of them are taken."""
    with replicas_on(f"sqlite:///{tmp_path}/billing.db", tmp_path, count=1, random_seed=41) as replicas:
        histories = subscribed(replicas, 4)
        assert replicas.service.process is not None
        process = replicas.service.process.pid
        with storm(histories), Prober(histories.subscribers[0].customer) as prober:
            wait_for_more(replicas, 50)
            most = (tmp_path / "billing.db-wal").stat().st_size
            before = resource.prlimit(process, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            wait_for_refusals(replicas, 50)
            resource.prlimit(process, resource.RLIMIT_FSIZE, before)
            wait_for_more(replicas, 50)
        assert prober.statuses("/v1/billing") == {200}
        report(nothing_is_lost(replicas, histories))
