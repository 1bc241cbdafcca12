"""An application served by uvicorn as `billing serve` serves it, and bare connections to it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn

from billing_service.http_protocol import BoundedHttpProtocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(
    app: Any, protocol: type[BoundedHttpProtocol] = BoundedHttpProtocol
) -> AsyncGenerator[uvicorn.Server]:
    """Serve it; answer the server."""
    config = uvicorn.Config(
        app,
        port=0,
        http=protocol,
        lifespan="off",
        log_config=None,
        timeout_keep_alive=3,
        # A test that fails must not wait for what it left undone.
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets nothing that could be waited for
        await asyncio.sleep(0.01)
    try:
        yield server
    finally:
        server.should_exit = True
        await task


def origin_of(server: uvicorn.Server) -> str:
    """Answer where it is, such as `http://127.0.0.1:8000`."""
    host, port = server.servers[0].sockets[0].getsockname()
    return f"http://{host}:{port}"


@asynccontextmanager
async def served(app: Any, protocol: type[BoundedHttpProtocol] = BoundedHttpProtocol) -> AsyncGenerator[str]:
    """Serve it; answer its origin."""
    async with serving(app, protocol) as server:
        yield origin_of(server)


@asynccontextmanager
async def connected(origin: str) -> AsyncGenerator[Streams]:
    """Open a connection that says nothing."""
    host, _, port = origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Answer all that comes until the connection is closed, in whatever way."""
    with suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 10)
    return b""
