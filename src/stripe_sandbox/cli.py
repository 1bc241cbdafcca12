"""The `stripe-sandbox` command."""

import asyncio
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.app import create_app
from stripe_sandbox.config import DEFAULT_API_KEY, NEWEST_API_VERSION, SandboxConfig, SeedEndpoint, SeedPrice
from stripe_sandbox.server import Server, listen, server_for
from stripe_sandbox.world.store import DatabaseUnusable

_PRICE_FORM: Final = "NAME=AMOUNT[/INTERVAL][:PRICE_ID]"


def _read_prices(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[SeedPrice, ...]:
    """Read `pro=2900`, `pro=2900:price_pro` or `pro=29000/year:price_pro_yearly`."""
    del context, param
    return tuple(_read_price(value) for value in values)


def _read_price(value: str) -> SeedPrice:
    name, _, rest = value.partition("=")
    amount, _, price_id = rest.partition(":")
    cents, _, interval = amount.partition("/")
    if not name or not cents.isdigit() or interval not in {"", "day", "week", "month", "year"}:
        raise click.BadParameter(f"{value!r} is not of the form {_PRICE_FORM}")
    return SeedPrice(name=name, unit_amount=int(cents), price_id=price_id or None, interval=interval or "month")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=12111, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--public-url", help="Where a browser reaches this sandbox, if not at http://HOST:PORT.")
@click.option("--api-key", default=DEFAULT_API_KEY, show_default=True, help="The secret key it accepts.")
@click.option("--api-version", default=NEWEST_API_VERSION, show_default=True, help="The account's default version.")
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
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
@click.option("--currency", default="eur", show_default=True, help="The currency of the prices given here.")
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
    if bool(webhook_url) != bool(webhook_secret):
        raise click.UsageError("--webhook-url and --webhook-secret go together.")
    endpoints: tuple[SeedEndpoint, ...] = ()
    if webhook_url and webhook_secret:
        events = tuple(name.strip() for name in webhook_events.split(",") if name.strip())
        endpoints = (
            SeedEndpoint(
                url=webhook_url, secret=webhook_secret, enabled_events=events, api_version=webhook_api_version
            ),
        )
    config = SandboxConfig(
        host=host,
        port=port,
        public_url=public_url,
        api_key=api_key,
        api_version=api_version,
        database=database,
        prices=tuple(replace(seed, currency=currency.lower()) for seed in prices),
        endpoints=endpoints,
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
    _announce(config)
    asyncio.run(_run(server_for(app, log_level="error"), listener, config))
    click.echo("Stopped.")


def _announce(config: SandboxConfig) -> None:
    click.echo("stripe-sandbox: a Stripe in the box. No money moves, and nothing leaves this machine but webhooks.")
    where = f"kept in {config.database}" if config.database else "in memory, forgotten at the end"
    click.echo(f"  world      {where}")
    click.echo(f"  API key    {config.api_key}")
    for price in config.prices:
        shown = price.price_id or f"lookup key {price.name}"
        click.echo(f"  price      {shown}: {price.unit_amount / 100:.2f} {price.currency} a {price.interval}")
    for endpoint in config.endpoints:
        click.echo(f"  webhooks   {endpoint.url} ({', '.join(endpoint.enabled_events)})")


async def _run(server: Server, listener: socket.socket, config: SandboxConfig) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    server.on_started = lambda: click.echo(f"Ready on {config.base_url} - stop with Ctrl-C.")
    await server.serve(sockets=[listener])
