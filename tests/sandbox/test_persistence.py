"""A world in a file survives its process, however that ends."""

import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import stripe

from stripe_sandbox.app import create_app
from stripe_sandbox.control.client import Control
from stripe_sandbox.testing import (
    DatabaseUnusable,
    SandboxConfig,
    SandboxServer,
    SeedEndpoint,
    SeedPrice,
    WebhookInbox,
)

SEEDS = (SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),)


@contextmanager
def program(*options: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """The real program on a free port, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stripe_sandbox", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("Ready on ")):
            line = process.stdout.readline()
            if not line:
                pytest.fail(f"The sandbox did not start: {lines}")
            lines.append(line)
        found = re.search(r"http://\S+", lines[-1])
        assert found is not None
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def client_of(url: str) -> stripe.StripeClient:
    return stripe.StripeClient("sk_test_sandbox", base_addresses={"api": url})


def buy(client: stripe.StripeClient, control: Control) -> str:
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://example.com/thanks",
        }
    )
    control.pay(session.id)
    return str(client.v1.checkout.sessions.retrieve(session.id).subscription)


def test_a_restart_keeps_the_world(tmp_path: Path) -> None:
    """After a restart objects, clock, keys and the order of lists are as they were; seeds are not doubled."""
    config = SandboxConfig(prices=SEEDS, database=tmp_path / "world.db")
    with SandboxServer(config) as box:
        client = client_of(box.url)
        names = [client.v1.customers.create({"name": str(number)}).id for number in range(3)]
        kept = client.v1.customers.create({"name": "kept"}, {"idempotency_key": "k"}).id
        subscription = buy(client, box.control)
        box.control.advance(1_000)
        before = client.v1.subscriptions.retrieve(subscription).to_dict()
        events = [event.id for event in client.v1.events.list({"limit": 100}).data]
    with SandboxServer(config) as box:
        client = client_of(box.url)
        assert client.v1.subscriptions.retrieve(subscription).to_dict() == before
        assert [event.id for event in client.v1.events.list({"limit": 100}).data] == events
        assert client.v1.customers.create({"name": "kept"}, {"idempotency_key": "k"}).id == kept
        assert [row.id for row in client.v1.customers.list({"limit": 100}).data][-3:] == names[::-1]
        assert box.control.clock().offset_seconds == 1_000
        assert len(client.v1.prices.list().data) == 1
        assert len(client.v1.billing_portal.configurations.list().data) == 1
        end = client.v1.subscriptions.retrieve(subscription)["items"].data[0].current_period_end
        box.control.advance(end - box.control.clock().now + 1)
        assert len(client.v1.invoices.list({"subscription": subscription}).data) == 2


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    """Whatever the API has answered before `kill -9` is there afterwards."""
    options = ("--price", "pro=2900:price_pro", "--database", str(tmp_path / "world.db"))
    with program(*options) as (process, url):
        client, control = client_of(url), Control(url)
        subscription = buy(client, control)
        made = [client.v1.customers.create({"name": str(number)}).id for number in range(20)]
        process.send_signal(signal.SIGKILL)
        process.wait()
        control.close()
    with program(*options) as (_, url):
        client = client_of(url)
        assert client.v1.subscriptions.retrieve(subscription).status == "active"
        assert {row.id for row in client.v1.customers.list({"limit": 100}).data} >= set(made)


def test_undelivered_webhooks_are_delivered_after_a_restart(tmp_path: Path) -> None:
    """An event that no receiver took before the end of the program is sent by the next one."""
    with WebhookInbox() as inbox:
        config = SandboxConfig(
            prices=SEEDS,
            database=tmp_path / "world.db",
            endpoints=(SeedEndpoint(url=inbox.url, secret="whsec_x"),),
        )
        with SandboxServer(config) as box:
            box.control.set_delivery(paused=True)
            client_of(box.url).v1.customers.create({})
            box.control.flush()
            assert inbox.deliveries == []
        with SandboxServer(config):
            inbox.wait_for(1)
    assert inbox.types == ["customer.created"]


def test_a_new_secret_for_a_known_url_is_taken_over(tmp_path: Path) -> None:
    """Started again with another secret for the same URL, the sandbox signs with that and has one endpoint."""
    with WebhookInbox() as inbox:
        for secret in ("whsec_old", "whsec_new"):
            config = SandboxConfig(
                database=tmp_path / "world.db", endpoints=(SeedEndpoint(url=inbox.url, secret=secret),)
            )
            with SandboxServer(config) as box:
                client_of(box.url).v1.customers.create({})
                box.control.flush()
                assert len(client_of(box.url).v1.webhook_endpoints.list().data) == 1
        for delivery, secret in zip(inbox.deliveries, ("whsec_old", "whsec_new"), strict=True):
            stripe.Webhook.construct_event(delivery.body, delivery.signature, secret)


def test_a_reset_empties_the_file_too(tmp_path: Path) -> None:
    """After a reset and a restart the world is as seeded."""
    config = SandboxConfig(prices=SEEDS, database=tmp_path / "world.db")
    with SandboxServer(config) as box:
        client_of(box.url).v1.customers.create({})
        box.control.reset()
    with SandboxServer(config) as box:
        assert client_of(box.url).v1.customers.list().data == []
        assert len(client_of(box.url).v1.prices.list().data) == 1


def test_lists_keep_their_order_over_removals_and_restarts(tmp_path: Path) -> None:
    """What was made later stands above, also after removals and two restarts; made again under its id it is new."""
    config = SandboxConfig(database=tmp_path / "world.db")
    orders: list[list[str]] = []
    for made, removed in (("abcd", "ab"), ("ef", ""), ("a", "c"), ("", "")):
        with SandboxServer(config) as box:
            products = client_of(box.url).v1.products
            for name in made:
                products.create({"name": name, "id": f"prod_{name}"})
            for name in removed:
                products.delete(f"prod_{name}")
            orders.append([row.name for row in products.list().data])
    assert ["".join(names) for names in orders] == ["dc", "fedc", "afed", "afed"]


def test_a_seed_repeats_ids_but_never_in_one_world(tmp_path: Path) -> None:
    """The same seed makes the same ids after a reset and in another world; a restart of a kept world makes new ones."""

    def first_ids(box: SandboxServer) -> list[str]:
        client = client_of(box.url)
        return [client.v1.customers.create({}).id, client.v1.products.create({"name": "Pro"}).id]

    with SandboxServer(SandboxConfig(random_seed=1)) as box:
        fresh = first_ids(box)
        box.control.reset()
        assert first_ids(box) == fresh
    kept = SandboxConfig(random_seed=1, database=tmp_path / "world.db")
    with SandboxServer(kept) as box:
        assert first_ids(box) == fresh
    with SandboxServer(kept) as box:
        again = first_ids(box)
        assert not set(again) & set(fresh)
        assert len(client_of(box.url).v1.customers.list().data) == 2
        box.control.reset()
        assert first_ids(box) == fresh


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """A file that cannot be read as a database is refused, not overwritten."""
    file = tmp_path / "world.db"
    file.write_text("this is no database, and somebody may want it back\n" * 50)
    with pytest.raises(DatabaseUnusable, match=r"world\.db as the sandbox's database: file is not a database"):
        SandboxServer(SandboxConfig(database=file))
    assert file.read_text().startswith("this is no database")


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """A folder that is not there is told in the same way."""
    with pytest.raises(DatabaseUnusable, match="unable to open database file"):
        create_app(SandboxConfig(database=tmp_path / "nowhere" / "world.db"))


DAMAGES = [
    pytest.param("DROP TABLE rows; CREATE TABLE rows (name TEXT)", id="somebody else's table"),
    pytest.param("UPDATE rows SET body = CAST('{\"id\": ' AS BLOB)", id="half an object"),
    pytest.param("UPDATE rows SET body = CAST('[]' AS BLOB)", id="a list"),
    pytest.param("UPDATE rows SET body = x'7bff7d'", id="no text"),
    pytest.param("UPDATE rows SET body = 7", id="a number"),
    pytest.param("UPDATE rows SET body = CAST('{}' AS BLOB) WHERE kind = 'meta'", id="no time"),
    pytest.param("UPDATE rows SET body = CAST('{}' AS BLOB) WHERE kind = 'subscription'", id="an empty object"),
    pytest.param("UPDATE rows SET body = CAST('{}' AS BLOB) WHERE kind = 'webhook_endpoint'", id="an empty endpoint"),
]


@pytest.fixture
def world_file(tmp_path: Path) -> Path:
    """A file with a world in which somebody bought."""
    file = tmp_path / "world.db"
    endpoints = (SeedEndpoint(url="http://127.0.0.1:9/", secret="whsec_x"),)
    with SandboxServer(SandboxConfig(prices=SEEDS, endpoints=endpoints, database=file)) as box:
        buy(client_of(box.url), box.control)
        box.control.advance(10)
    return file


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_world_is_one_kind_of_error(world_file: Path, damage: str) -> None:
    """Whatever is wrong with the file, whoever makes the app hears one exception, which names the file."""
    with closing(sqlite3.connect(world_file)) as connection:
        connection.executescript(damage)
    endpoints = (SeedEndpoint(url="http://127.0.0.1:9/", secret="whsec_x"),)
    with pytest.raises(DatabaseUnusable, match=r"world\.db as the sandbox's database: "):
        create_app(SandboxConfig(prices=SEEDS, endpoints=endpoints, database=world_file))


def test_a_truncated_world_is_an_error(world_file: Path) -> None:
    """A file that lost its end is refused, too."""
    world_file.write_bytes(world_file.read_bytes()[:6_000])
    with pytest.raises(DatabaseUnusable):
        create_app(SandboxConfig(database=world_file))
