"""Serving the app: on a socket of its own, in the foreground or in a thread."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator

import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stripe_sandbox.mount import CONNECTION


class _Protocol(HttpToolsProtocol):
    """Hands its connection to the app, which is told to drop some of them without a byte of an answer."""

    def connection_made(  # type: ignore[override]  # uvicorn narrows the transport, and so must we
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: transport}


class Server(uvicorn.Server):
    """uvicorn without its signal handling: whoever runs the server decides what a signal means."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.on_started: Callable[[], None] = _nothing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _nothing() -> None:
    pass


def server_for(app: Litestar, *, log_level: str = "critical") -> Server:
    """A server that logs nothing below its level: dropped connections are often meant here."""
    settings = uvicorn.Config(
        app,
        http=_Protocol,
        lifespan="on",
        ws="none",
        loop="asyncio",
        access_log=False,
        log_level=log_level,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    return Server(settings)


def listen(host: str, port: int) -> socket.socket:
    """Bind at once, so that a taken port is an error before anything has started; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(2048)
    return listener
