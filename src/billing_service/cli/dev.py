"""`billing dev`: the whole thing in one command, with nothing to configure."""

import asyncio
import fcntl
import json
import os
import socket
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import uvicorn
from litestar.types import ASGIApp
from rich.console import Console

from billing.errors import AccountExists, AccountNotFound
from billing.use_cases.manage_accounts import ManageAccounts
from billing_service.app import create_app
from billing_service.cli.accounts import manage_in
from billing_service.cli.failures import NotStarted, Refused, failures
from billing_service.demo import demo_routes
from billing_service.http_protocol import BoundedHttpProtocol
from billing_service.logs import configure_logs
from billing_service.settings import Settings, read_settings
from billing_sql import SqlDatabase

HOST = "127.0.0.1"
HIGHEST_PORT = 65535
STRIPE_KEY = "sk_test_billing_dev"
WEBHOOK_SECRET = "whsec_billing_dev"  # noqa: S105 - opens nothing but a sandbox on this machine
DEMO_EMAIL = "demo@example.com"
PRO, ENTERPRISE = "price_dev_pro", "price_dev_enterprise"
STOP_SECONDS = 5
LOCK_SECONDS = 5
FORGET_PURCHASES = (
    *("DELETE FROM alerts", "DELETE FROM checkout_attempts", "DELETE FROM customers", "DELETE FROM events"),
    *("DELETE FROM failed_events", "DELETE FROM rereads", "DELETE FROM subscriptions"),
    (
        "UPDATE accounts SET plan_tier = 'free', status = NULL, current_period_end = NULL,"
        " cancel_at_period_end = NULL, version = version + 1"
    ),
)
"""All that the service has from Stripe goes; the accounts and their keys are its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The files that a world of `billing dev` consists of."""

    folder: Path

    @property
    def database(self) -> Path:
        """The service's."""
        return self.folder / "billing.db"

    @property
    def sandbox(self) -> Path:
        """The sandbox's."""
        return self.folder / "stripe.db"

    @property
    def demo(self) -> Path:
        """The demo account's id and key: the service itself stores only the key's hash."""
        return self.folder / "demo.json"

    def occupy(self) -> None:
        """Make the folder, and keep any other `billing dev` out of it as long as this process lives."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another `billing dev` is running in {self.folder}") from None
        except OSError as error:
            raise Refused(f"the folder {self.folder} cannot be used: {error.strerror}") from None

    def forget(self) -> None:
        """Remove these files and SQLite's beside them, and nothing else of the folder."""
        for path in (self.database, self.sandbox, self.demo):
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)

    def forget_purchases(self) -> None:
        """Begin the service's world anew with the sandbox's: else it believes in purchases that nobody knows of."""
        with closing(sqlite3.connect(self.database, timeout=LOCK_SECONDS)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in FORGET_PURCHASES:
                connection.execute(statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The demo account."""

    account: str
    api_key: str


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port of the service.")
@click.option("--stripe-port", type=click.IntRange(1, 65535), help="Port of the sandbox.  [default: PORT + 1]")
@click.option(
    "--folder",
    default=".billing-dev",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the world is kept.",
)
@click.option("--fresh", is_flag=True, help="Forget the world that is kept, and begin anew.")
def dev(*, port: int, stripe_port: int | None, folder: Path, fresh: bool) -> None:
    """Run the service with a Stripe in the box and a demo account, all on this machine.

    Nothing to configure. Ctrl-C stops it; the next start goes on where it was.
    """
    stripe_port = stripe_port or port + 1
    if stripe_port == port:
        raise click.UsageError("--port and --stripe-port are the same: the service and its Stripe each need their own")
    if stripe_port > HIGHEST_PORT:
        raise click.UsageError("there is no port after --port: give a --stripe-port")
    configure_logs("text", level="WARNING")
    world = World(folder=folder)
    # Imported here, since no other command needs a sandbox, and they would all load it.
    from billing_service.cli.dev_sandbox import DevSandbox, listening  # noqa: PLC0415

    with failures(), listening(stripe_port) as sandbox_socket, listening(port) as service_socket:
        world.occupy()
        if fresh:
            world.forget()
        settings = _settings(world, port, stripe_port)
        asyncio.run(SqlDatabase.migrate(settings.database.url))
        demo = _demo_account(world, settings.database.url)
        sandbox = DevSandbox(
            sandbox_socket,
            database=world.sandbox,
            api_key=STRIPE_KEY,
            webhook_url=f"http://{HOST}:{port}/v1/billing/webhooks",
            webhook_secret=WEBHOOK_SECRET,
            prices={"Pro": (PRO, 2900), "Enterprise": (ENTERPRISE, 49900)},
            on_reset=world.forget_purchases,
        )
        routes = demo_routes(demo.api_key, f"http://{HOST}:{stripe_port}")
        with sandbox.running():
            _serve(create_app(settings, extra_routes=routes), service_socket, banner(port, stripe_port, demo))
    click.echo("stopped; the next `billing dev` goes on from here")


class _AnnouncingServer(uvicorn.Server):
    """Says that it is there once it is."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            Console(highlight=False, soft_wrap=True).print(self._announcement, markup=False)
            sys.stdout.flush()


def _serve(app: ASGIApp, service_socket: socket.socket, announcement: str) -> None:
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _AnnouncingServer(config, announcement)
    with suppress(KeyboardInterrupt):
        # uvicorn stops cleanly on Ctrl-C and then raises the signal again.
        server.run(sockets=[service_socket])
    if not server.started:
        raise NotStarted("the service could not be started; the log says why")


def _settings(world: World, port: int, stripe_port: int) -> Settings:
    site = f"http://{HOST}:{port}/"
    variables: Mapping[str, str] = {
        "BILLING_DATABASE_URL": f"sqlite:///{world.database}",
        "BILLING_STRIPE_SECRET_KEY": STRIPE_KEY,
        "BILLING_STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "BILLING_STRIPE_API_BASE": f"http://{HOST}:{stripe_port}",
        "BILLING_PRICE_PRO": PRO,
        "BILLING_PRICE_ENTERPRISE": ENTERPRISE,
        "BILLING_CHECKOUT_SUCCESS_URL": f"{site}?checkout=success",
        "BILLING_CHECKOUT_CANCEL_URL": f"{site}?checkout=left",
        "BILLING_PORTAL_RETURN_URL": site,
    }
    return read_settings(variables)


def _demo_account(world: World, database_url: str) -> Demo:
    """Find the demo account of an earlier start, or make it; a start that was cut off is made good."""
    kept = _kept_demo(world)
    if kept is not None:
        with suppress(AccountNotFound):
            asyncio.run(manage_in(database_url, partial(ManageAccounts.show, account=kept.account)))
            return kept
    demo = asyncio.run(manage_in(database_url, _make_demo))
    draft = world.demo.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"account": demo.account, "api_key": demo.api_key}))
    draft.replace(world.demo)
    return demo


def _kept_demo(world: World) -> Demo | None:
    try:
        kept = json.loads(world.demo.read_text())
        return Demo(account=kept["account"], api_key=kept["api_key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


async def _make_demo(use_case: ManageAccounts) -> Demo:
    try:
        view, new = await use_case.create(email=DEMO_EMAIL, name="Demo")
    except AccountExists:
        new = await use_case.create_key(DEMO_EMAIL)
        return Demo(account=new.key.account, api_key=new.secret)
    return Demo(account=view.account.id, api_key=new.secret)


def banner(port: int, stripe_port: int, demo: Demo) -> str:
    """Answer what the terminal shows: where everything is, and the lines to try, as they stand."""
    service, sandbox = f"http://{HOST}:{port}", f"http://{HOST}:{stripe_port}"
    credential = f"-H 'Authorization: Bearer {demo.api_key}'"
    status = f"curl -s {credential} {service}/v1/billing"
    checkout = f'curl -s {credential} -d \'{{"tier": "pro"}}\' {service}/v1/billing/checkout'

    def play(what: str) -> str:
        return f"curl -s -d '{{}}' {sandbox}/_sandbox/{what} > /dev/null; sleep 1; {status}"

    return f"""
The billing service is at  {service}   (click through a demo shop there)
Its Stripe in the box at   {sandbox}   (customers, events, webhooks, faults)
The demo account           {demo.account}
Its API key                {demo.api_key}

Try it, line by line, in another terminal:

# what the account has: the free plan
{status}
# buy pro: answers the address of the checkout page, to open in a browser...
{checkout}
# ...or to be paid from here
{play("checkout_sessions/latest/pay")}
# a renewal fails: past_due, and the plan stays while Stripe retries
{play("subscriptions/latest/fail_payment")}
# the card works again
{play("subscriptions/latest/recover")}
# the portal, where the customer does the next two steps by hand
curl -s -X POST {credential} {service}/v1/billing/portal
# cancel at the period's end
{play("subscriptions/latest/cancel_at_period_end")}
# and now: free again
{play("subscriptions/latest/cancel")}

Ctrl-C stops it. The next start goes on from here; `billing dev --fresh` begins anew.
"""
