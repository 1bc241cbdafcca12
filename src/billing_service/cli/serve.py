"""`billing serve` and `billing migrate`."""

import asyncio
import json
import os
import signal
import sys
from types import FrameType

import click
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from billing_service.asgi import LOG_FORMAT_VARIABLE, LOG_REQUESTS_VARIABLE
from billing_service.cli.accounts import as_json
from billing_service.cli.failures import NotStarted, failures
from billing_service.cli.open_files import allow_open_files
from billing_service.http_protocol import MAX_CONNECTIONS, MAX_REFUSALS, BoundedHttpProtocol
from billing_service.logs import configure_logs
from billing_service.settings import DatabaseSettings, environment, read_database_settings, read_settings
from billing_sql import SqlDatabase

STOP_SECONDS = 20
"""How long a stop waits for requests in flight; what goes on in the background may take up to 20 seconds more."""
WORKER_START_SECONDS = 60
"""How long a worker may take to say that it is alive, on a machine that is busy."""
KEEP_ALIVE_SECONDS = 75
"""How long a connection may say nothing: longer than the usual proxies keep one for the next request."""
OPEN_FILES = MAX_CONNECTIONS + MAX_REFUSALS + 256
"""What one worker may have open: its connections, and those to the database and Stripe."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes to answer with.")
@click.option("--log-format", default="text", show_default=True, type=click.Choice(["text", "json"]))
@click.option("--log-requests", is_flag=True, help="Write a line for every request, not only for failures.")
def serve(*, host: str, port: int, workers: int, log_format: str, log_requests: bool) -> None:
    """Answer requests, until told to stop.

    The settings and the database's schema are checked first. SIGTERM and Ctrl-C finish what is in flight.
    """
    with failures():
        settings = read_settings(environment())
        asyncio.run(_check_schema(settings.database))
    os.environ[LOG_FORMAT_VARIABLE] = log_format
    os.environ[LOG_REQUESTS_VARIABLE] = "1" if log_requests else "0"
    configure_logs("json" if log_format == "json" else "text")
    allow_open_files(OPEN_FILES)
    for stop in (signal.SIGTERM, signal.SIGINT):
        # uvicorn finishes what is in flight and then raises the signal again: by then the stop was a clean one.
        signal.signal(stop, _leave)
    try:
        uvicorn.run(
            "billing_service.asgi:create_app_from_environment",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            loop="uvloop",
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # Nothing here asks where a request came from, so nobody's word for it need be read.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            timeout_worker_healthcheck=WORKER_START_SECONDS,
        )
    except SystemExit as left:
        if left.code == STARTUP_FAILURE:
            raise NotStarted("the service could not be started; the log says why") from None
        raise


@click.command()
@as_json
def migrate(*, as_json: bool) -> None:
    """Bring the database to the schema of this version.

    Safe to run again, and by several replicas at once: one migrates, the others wait.
    """
    with failures():
        database = read_database_settings(environment())
        revision = asyncio.run(SqlDatabase.migrate(database.url))
    click.echo(json.dumps({"revision": revision}) if as_json else f"the schema is at {revision}")


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


async def _check_schema(settings: DatabaseSettings) -> None:
    database = await SqlDatabase.open(settings.url, behind_pgbouncer=settings.behind_pgbouncer)
    try:
        await database.check_schema()
    finally:
        await database.close()
