"""The sandbox of `billing dev`: a thread of the same process, so that nothing is left behind when that ends."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from billing_service.cli.failures import NotStarted, Refused, Unreachable
from stripe_sandbox.app import create_app
from stripe_sandbox.config import SandboxConfig, SeedEndpoint, SeedPrice
from stripe_sandbox.server import listen, server_for
from stripe_sandbox.world.store import DatabaseUnusable

HOST = "127.0.0.1"
START_SECONDS = 10
POLL_SECONDS = 0.005
STOP_SECONDS = 5


def listening(port: int) -> socket.socket:
    """Take a port before anything else is done; raises `Refused` if it cannot be had."""
    try:
        return listen(HOST, port)
    except OSError as error:
        raise Refused(f"port {port} cannot be had: {error.strerror}; try --port or --stripe-port") from None


class DevSandbox:
    """A sandbox that keeps its world in a file, and tells the service of its events."""

    def __init__(
        self,
        listener: socket.socket,
        *,
        database: Path,
        api_key: str,
        webhook_url: str,
        webhook_secret: str,
        prices: Mapping[str, tuple[str, int]],
        on_reset: Callable[[], None],
    ) -> None:
        """Prepare it; `prices` are ids and US cents a month, by name, and `on_reset` is called in another thread.

        Raises `Unreachable` for a damaged file.
        """
        config = SandboxConfig(
            host=HOST,
            port=listener.getsockname()[1],
            api_key=api_key,
            database=database,
            prices=tuple(
                SeedPrice(name=name, unit_amount=cents, price_id=id_, currency="usd")
                for name, (id_, cents) in prices.items()
            ),
            endpoints=(SeedEndpoint(url=webhook_url, secret=webhook_secret),),
            account_name="Billing demo",
        )
        try:
            app = create_app(config)
        except DatabaseUnusable as unusable:
            raise Unreachable(f"{unusable} `billing dev --fresh` begins anew.") from None

        async def reset_too() -> None:
            await asyncio.to_thread(on_reset)

        app.state.sandbox.on_reset = reset_too
        self._server = server_for(app)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)

    @contextmanager
    def running(self) -> Generator[None]:
        """Answer from now on, and let what is under way end; raises `NotStarted`."""
        self._thread.start()
        try:
            self._wait()
            yield
        finally:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise NotStarted("the sandbox could not be started")
            time.sleep(POLL_SECONDS)
