"""The `stripe-sandbox` command."""

import asyncio
import re
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.app import create_app
from stripe_sandbox.config import DEFAULT_API_KEY, NEWEST_API_VERSION, SandboxConfig, SeedEndpoint, SeedPrice
from stripe_sandbox.pages.words import money, rate
from stripe_sandbox.resources.prices import currency_code
from stripe_sandbox.seeding import seeded_price
from stripe_sandbox.server import Server, listen, server_for
from stripe_sandbox.world.store import DatabaseUnusable
from stripe_sandbox.world.world import World

_PRICE_FORM: Final = "NAME=AMOUNT[/INTERVAL][:PRICE_ID]"
_AMOUNT: Final = re.compile(r"[0-9]{1,11}")
"""As many digits as the API takes."""
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  # to be refused without a name for browsers


def _read_prices(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[SeedPrice, ...]:
    """Read `pro=2900`, `pro=2900:price_pro` or `pro=29000/year:price_pro_yearly`."""
    del context, param
    return tuple(_read_price(value) for value in values)


def _read_price(value: str) -> SeedPrice:
    name, _, rest = value.partition("=")
    amount, _, price_id = rest.partition(":")
    cents, _, interval = amount.partition("/")
    if not name or not _AMOUNT.fullmatch(cents) or interval not in {"", "day", "week", "month", "year"}:
        raise click.BadParameter(f"{value!r} is not of the form {_PRICE_FORM}")
    return SeedPrice(name=name, unit_amount=int(cents), price_id=price_id or None, interval=interval or "month")


def _read_currency(context: click.Context, param: click.Parameter, value: str) -> str:
    del context, param
    try:
        return currency_code(value)
    except ApiError as error:
        raise click.BadParameter(str(error)) from error


def _read_database(context: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    del context, param
    if value == "":
        raise click.BadParameter("name a file, or leave the option out to keep nothing")
    return None if value is None else Path(value)


def _endpoints(url: str | None, secret: str | None, events: str, api_version: str | None) -> tuple[SeedEndpoint, ...]:
    if bool(url) != bool(secret):
        raise click.UsageError("--webhook-url and --webhook-secret go together.")
    if not url or not secret:
        return ()
    names = tuple(name.strip() for name in events.split(",") if name.strip())
    return (SeedEndpoint(url=url, secret=secret, enabled_events=names, api_version=api_version),)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=12111,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--public-url", help="Where a browser reaches this sandbox, if not at http://HOST:PORT.")
@click.option("--api-key", default=DEFAULT_API_KEY, show_default=True, help="The secret key it accepts.")
@click.option("--api-version", default=NEWEST_API_VERSION, show_default=True, help="The account's default version.")
@click.option(
    "--database",
    type=click.Path(dir_okay=False),
    callback=_read_database,
    help="Keep the world in this file, over restarts. Without it, everything is forgotten at the end.",
)
@click.option(
    "--price",
    "prices",
    metavar=_PRICE_FORM,
    callback=_read_prices,
    multiple=True,
    help="A recurring price to begin with, such as pro=2900 or pro=2900:price_pro. Can be given several times.",
)
@click.option(
    "--currency",
    default="eur",
    show_default=True,
    callback=_read_currency,
    help="The currency of the prices given here, whose smallest unit the amounts are in.",
)
@click.option("--webhook-url", help="Deliver events to this URL.")
@click.option("--webhook-secret", help="The whsec_... secret to sign them with.")
@click.option("--webhook-events", default="*", show_default=True, help="Which events, separated by commas.")
@click.option("--webhook-api-version", help="The API version to render them in, if not the account's.")
def main(
    *,
    host: str,
    port: int,
    public_url: str | None,
    api_key: str,
    api_version: str,
    database: Path | None,
    prices: tuple[SeedPrice, ...],
    currency: str,
    webhook_url: str | None,
    webhook_secret: str | None,
    webhook_events: str,
    webhook_api_version: str | None,
) -> None:
    """Run a Stripe in the box: its API, checkout and portal pages, and signed webhooks.

    Point an official Stripe SDK at it by its base address, with any of the test cards that the checkout page offers.
    """
    if host in _EVERYWHERE and public_url is None:
        raise click.UsageError(f"With --host {host!r} say where browsers reach it: --public-url http://...")
    config = SandboxConfig(
        host=host,
        port=port,
        public_url=public_url,
        api_key=api_key,
        api_version=api_version,
        database=database,
        prices=tuple(replace(seed, currency=currency) for seed in prices),
        endpoints=_endpoints(webhook_url, webhook_secret, webhook_events, webhook_api_version),
    )
    serve(config)


def serve(config: SandboxConfig) -> None:
    """Run in the foreground until a signal ends it."""
    try:
        listener = listen(config.host, config.port)
    except OSError as error:
        raise click.ClickException(f"Cannot listen on {config.host}:{config.port}: {error.strerror}.") from error
    config = replace(config, port=listener.getsockname()[1])
    try:
        app = create_app(config)
    except (ApiError, DatabaseUnusable) as error:
        listener.close()
        raise click.ClickException(str(error)) from error
    _announce(config, app.state.sandbox.world)
    asyncio.run(_run(server_for(app, log_level="error"), listener, config))
    click.echo("Stopped.")


def _announce(config: SandboxConfig, world: World) -> None:
    click.echo("stripe-sandbox: a Stripe in the box. No money moves, and nothing leaves this machine but webhooks.")
    if not config.host.startswith("127.") and config.host not in {"localhost", "::1"}:
        click.echo("  CAUTION    others on the network can use it, too: it asks for no password.")
    where = f"kept in {config.database}" if config.database else "in memory, forgotten at the end"
    click.echo(f"  world      {where}")
    click.echo(f"  API key    {config.api_key}")
    for seed in config.prices:
        click.echo(f"  price      {seed.price_id or f'lookup key {seed.name}'}: {_what_it_costs(world, seed)}")
    for endpoint in config.endpoints:
        click.echo(f"  webhooks   {endpoint.url} ({', '.join(endpoint.enabled_events)})")


def _what_it_costs(world: World, seed: SeedPrice) -> str:
    """The price as it is; a world that was kept may have it with another amount than the option says."""
    found = seeded_price(world, seed)
    if found is None or found["recurring"] is None:
        return "is no recurring price in this world"
    asked = money(seed.unit_amount, seed.currency)
    remark = "" if money(found["unit_amount"], found["currency"]) == asked else f" (kept from before, not {asked})"
    return f"{rate(found)}{remark}"


async def _run(server: Server, listener: socket.socket, config: SandboxConfig) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    server.on_started = lambda: click.echo(f"Ready on {config.base_url} - stop with Ctrl-C.")
    await server.serve(sockets=[listener])
