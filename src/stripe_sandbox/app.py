"""The sandbox as an ASGI application."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from litestar import Litestar, MediaType, Request, Response, asgi
from litestar.di import Provide
from litestar.types import HTTPScope, Receive, Scope, Send

from stripe_sandbox.api import dispatch
from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.control.billing import CheckoutController, CustomerController, SubscriptionController
from stripe_sandbox.control.controller import FaultController, TimeController, WebhookController
from stripe_sandbox.pages.routes import pages
from stripe_sandbox.sandbox import Sandbox

CONNECTION: Final = "stripe_sandbox_connection"
"""Where `server` leaves the transport of a connection in the scope's state."""
_CUT_LENGTH: Final = b"1000000"


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
            _api(inside),
            TimeController,
            WebhookController,
            FaultController,
            CheckoutController,
            CustomerController,
            SubscriptionController,
            pages(),
        ],
        dependencies={"sandbox": Provide(lambda: inside, sync_to_thread=False)},
        exception_handlers={ApiError: _refuse},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    app.state.sandbox = inside
    return app


def _refuse(request: Request[Any, Any, Any], error: ApiError) -> Response[dict[str, Any]]:
    del request
    return Response(error.body(), status_code=error.status, media_type=MediaType.JSON)


def _api(sandbox: Sandbox) -> Any:
    """Stripe's API, mounted raw: a faithful error or a cut connection is no framework's business."""

    @asgi(["/v1", "/v2"], is_mount=True, copy_scope=True)
    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await sandbox.dispatcher.answer(await _request(scope, receive))
        if answer.cut:
            await _drop(answer, scope, receive, send)
        else:
            await _send(answer, send, length=str(len(answer.body)).encode())
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    return api


async def _request(scope: Scope, receive: Receive) -> dispatch.Request:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message["body"]
        more = message["more_body"]
    return dispatch.Request(
        method=str(cast("HTTPScope", scope)["method"]),
        path=scope["raw_path"].decode("ascii").partition("?")[0],
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
    )


async def _send(answer: dispatch.Answer, send: Send, *, length: bytes) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [*headers, (b"content-length", length)],
        }
    )


async def _drop(answer: dispatch.Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Cut the connection without an answer, where the server lets us.

    Under another server than ours, promise a body and end without it, upon which servers close the connection.
    """
    connection = scope["state"].get(CONNECTION)
    if connection is None:
        await _send(answer, send, length=_CUT_LENGTH)
        return
    connection.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
