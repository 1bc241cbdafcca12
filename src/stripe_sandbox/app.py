"""The sandbox as an ASGI application."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide

from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.control.billing import CheckoutController, CustomerController, SubscriptionController
from stripe_sandbox.control.controller import FaultController, TimeController, WebhookController
from stripe_sandbox.guard import Guard
from stripe_sandbox.mishaps import HANDLERS
from stripe_sandbox.mount import api
from stripe_sandbox.pages.routes import pages
from stripe_sandbox.sandbox import Sandbox


def create_app(config: SandboxConfig | None = None, *, sandbox: Sandbox | None = None) -> Litestar:
    """Make the application; `app.state.sandbox` is the sandbox inside.

    Raises `DatabaseUnusable` (in `stripe_sandbox.testing`) for a file that is named for the world and cannot be one.
    """
    inside = sandbox or Sandbox(config or SandboxConfig())

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        del app
        async with inside.running():
            yield

    app = Litestar(
        route_handlers=[
            api(inside),
            TimeController,
            WebhookController,
            FaultController,
            CheckoutController,
            CustomerController,
            SubscriptionController,
            pages(),
        ],
        dependencies={"sandbox": Provide(lambda: inside, sync_to_thread=False)},
        exception_handlers=HANDLERS,
        middleware=[Guard(inside.config)],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    app.state.sandbox = inside
    return app
