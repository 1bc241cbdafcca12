"""The application: opens what it needs, answers requests, closes in order."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.types import ASGIApp, ControllerRouterHandler

from billing_http import EXCEPTION_HANDLERS, ROUTES, RequestEnvelope, webhook_route
from billing_service.container import Container, connect, handler_dependencies, prepare
from billing_service.settings import Settings
from billing_sql import SqlDatabase

log = logging.getLogger("billing.service")


def create_app(
    settings: Settings,
    *,
    log_requests: bool = False,
    extra_routes: Sequence[ControllerRouterHandler] = (),
    overrides: Mapping[str, object] | None = None,
) -> ASGIApp:
    """Build the ASGI application. Nothing is opened before its lifespan begins.

    `billing dev` adds the routes of its demo. Tests override providers of the container by their names.
    """
    container = Container(settings=settings, **(overrides or {}))

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        async with _opened(container, settings):
            yield

    app = Litestar(
        route_handlers=[*ROUTES, webhook_route(container.receive_webhook), *extra_routes],
        dependencies=dict(handler_dependencies(container)),
        exception_handlers=dict(EXCEPTION_HANDLERS),
        lifespan=[lifespan],
        # Errors are answered by our own map, and what is unexpected is logged there.
        debug=False,
        logging_config=None,
        openapi_config=None,
    )
    return RequestEnvelope(app, log_requests=log_requests)


@asynccontextmanager
async def _opened(container: Container, settings: Settings) -> AsyncGenerator[None]:
    database = await SqlDatabase.open(
        settings.database.url,
        pool_size=settings.database.pool_size,
        behind_pgbouncer=settings.database.behind_pgbouncer,
    )
    connect(container, database)
    gateway = container.gateway()
    try:
        await database.check_schema()
        # Everything is built now, so that what cannot be built ends the start and not the first request.
        prepare(container)
        worker, watcher = container.reread_worker(), container.checkout_watcher()
        worker.start()
        watcher.start()
        log.info("ready")
        try:
            yield
        finally:
            # First what was received, since it is not acknowledged yet; then what can be done again.
            await container.inbox().close()
            await watcher.stop()
            await worker.stop()
    finally:
        await gateway.close()
        await database.close()
