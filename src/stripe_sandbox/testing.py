"""The sandbox for tests of any project: a real HTTP server in a thread, and a client for its controls.

with SandboxServer(SandboxConfig(prices=(SeedPrice(name="pro", unit_amount=2900),))) as stripe_box:
    client = stripe.StripeClient(stripe_box.api_key, base_addresses={"api": stripe_box.url})
"""

import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from stripe_sandbox.app import create_app
from stripe_sandbox.config import SandboxConfig, SeedEndpoint, SeedPrice
from stripe_sandbox.control.client import Control
from stripe_sandbox.inbox import Delivery, WebhookInbox
from stripe_sandbox.server import listen, server_for
from stripe_sandbox.world.store import DatabaseUnusable

__all__ = [
    "Control",
    "DatabaseUnusable",
    "Delivery",
    "SandboxConfig",
    "SandboxServer",
    "SeedEndpoint",
    "SeedPrice",
    "WebhookInbox",
]

_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 10.0


class SandboxServer:
    """A sandbox on a free port of 127.0.0.1, served by a thread while this is entered."""

    def __init__(self, config: SandboxConfig | None = None) -> None:
        given = config or SandboxConfig()
        self._socket = listen("127.0.0.1", 0)
        port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.config = replace(given, host="127.0.0.1", port=port, public_url=given.public_url or self.url)
        self.api_key = self.config.api_key
        try:
            self.app = create_app(self.config)
        except BaseException:
            self._socket.close()
            raise
        self.control = Control(self.url)
        self._server = server_for(self.app)
        self._thread = threading.Thread(target=self._serve, name="stripe-sandbox", daemon=True)

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The sandbox did not start.")
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._socket.close()
