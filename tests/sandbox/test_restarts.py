"""Starting again: with other ports, beside another program, with a file of somebody else."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import stripe

from stripe_sandbox.app import create_app
from stripe_sandbox.testing import (
    DatabaseUnusable,
    SandboxConfig,
    SandboxServer,
    SeedEndpoint,
    SeedPrice,
    WebhookInbox,
)

SEEDS = (SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),)


def client_of(box: SandboxServer) -> stripe.StripeClient:
    return stripe.StripeClient(box.api_key, base_addresses={"api": box.url})


def sell(client: stripe.StripeClient) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.create(
        {"mode": "subscription", "line_items": [{"price": "price_pro"}], "success_url": "https://shop.test/"}
    )


def test_hosted_pages_move_with_the_sandbox(tmp_path: Path) -> None:
    """After a restart elsewhere, sessions, portals and invoices name pages that are there."""
    config = SandboxConfig(prices=SEEDS, database=tmp_path / "world.db", public_url="http://127.0.0.1:1")
    with SandboxServer(config) as box:
        client = client_of(box)
        paid, open_one = sell(client), sell(client)
        box.control.pay(paid.id)
        customer = client.v1.customers.list().data[0].id
        portal = client.v1.billing_portal.sessions.create({"customer": customer}).id
    with SandboxServer(replace(config, public_url="http://127.0.0.1:2")) as box:
        client = client_of(box)
        assert client.v1.checkout.sessions.retrieve(open_one.id).url == f"http://127.0.0.1:2/pay/{open_one.id}"
        assert client.v1.checkout.sessions.retrieve(paid.id).url is None
        invoice = client.v1.invoices.list().data[0]
        assert invoice.hosted_invoice_url == f"http://127.0.0.1:2/invoice/{invoice.id}"
        assert invoice.invoice_pdf == f"http://127.0.0.1:2/invoice/{invoice.id}/pdf"
        stored = box.app.state.sandbox.world.rows("billing_portal.session")[portal]
        assert stored["url"] == f"http://127.0.0.1:2/portal/{portal}"


def test_a_receiver_that_moved_gets_what_waited_for_it(tmp_path: Path) -> None:
    """A configured endpoint with another URL is the same endpoint: none is left behind, and nothing is lost."""
    config = SandboxConfig(database=tmp_path / "world.db")
    with WebhookInbox() as inbox:
        dead = SeedEndpoint(url="http://127.0.0.1:9/old", secret="whsec_old")
        with SandboxServer(replace(config, endpoints=(dead,))) as box:
            box.control.set_delivery(paused=True)
            client_of(box).v1.customers.create({})
        moved = SeedEndpoint(url=inbox.url, secret="whsec_new")
        with SandboxServer(replace(config, endpoints=(moved,))) as box:
            box.control.flush()
            assert [row.url for row in client_of(box).v1.webhook_endpoints.list().data] == [inbox.url]
        (delivery,) = inbox.deliveries
        stripe.Webhook.construct_event(delivery.body, delivery.signature, "whsec_new")


def test_an_endpoint_that_is_configured_no_more_goes(tmp_path: Path) -> None:
    """Without its option a seeded endpoint is gone, while one made by the API stays."""
    config = SandboxConfig(database=tmp_path / "world.db")
    seeded = SeedEndpoint(url="http://127.0.0.1:9/seeded", secret="whsec_x")
    with SandboxServer(replace(config, endpoints=(seeded,))) as box:
        client_of(box).v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/made", "enabled_events": ["*"]})
    with SandboxServer(config) as box:
        urls = [row.url for row in client_of(box).v1.webhook_endpoints.list().data]
    assert urls == ["http://127.0.0.1:9/made"]


def test_a_second_program_is_kept_out(tmp_path: Path) -> None:
    """While one sandbox uses a file, another is refused; after it, the file is free."""
    config = SandboxConfig(database=tmp_path / "world.db")
    with SandboxServer(config), pytest.raises(DatabaseUnusable, match="another program is using it"):
        create_app(config)
    with SandboxServer(config) as box:
        assert box.control.clock().offset_seconds == 0


@pytest.mark.parametrize("mark", ["", "PRAGMA application_id = 7"])
def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path, mark: str) -> None:
    """A sound database of another program is refused, and no table is added to it."""
    file = tmp_path / "billing.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"CREATE TABLE accounts (id TEXT); {mark}")
    with pytest.raises(DatabaseUnusable, match="another program's"):
        create_app(SandboxConfig(database=file))
    with closing(sqlite3.connect(file)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("accounts",)]


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """A format that this version does not know is not guessed at."""
    file = tmp_path / "world.db"
    with SandboxServer(SandboxConfig(database=file)):
        pass
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("PRAGMA user_version = 99")
    with pytest.raises(DatabaseUnusable, match="a newer version wrote it"):
        create_app(SandboxConfig(database=file))
