"""A receiver of webhooks for tests: it keeps what arrives and answers what it is told."""

import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, NamedTuple, Self

from stripe_sandbox.resource import Resource, decode

_OK: Final = 200
_POLL_SECONDS: Final = 0.005


class Delivery(NamedTuple):
    """One request as it arrived."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def signature(self) -> str:
        """The `Stripe-Signature` header, as `construct_event` takes it; empty without one."""
        return self.headers.get("Stripe-Signature", "")

    @property
    def event(self) -> Resource:
        """The body as an object; raises `msgspec.DecodeError` for what is none."""
        return decode(self.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    """The default of 5 makes a burst of deliveries wait a second for a repeated SYN."""


class WebhookInbox:
    """A server on a free port of 127.0.0.1 while it is entered; every request gets the next planned answer."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._answers: list[int] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self._take))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"

    def answer_next(self, *statuses: int) -> None:
        """Plan the answers to the next requests; after them, 200 again."""
        with self._lock:
            self._answers.extend(statuses)

    def _take(self, delivery: Delivery) -> int:
        with self._lock:
            self.deliveries.append(delivery)
            return self._answers.pop(0) if self._answers else _OK

    def clear(self) -> None:
        """Forget what has arrived, and the answers that were planned."""
        with self._lock:
            self.deliveries.clear()
            self._answers.clear()

    @property
    def events(self) -> list[Resource]:
        """The events that have arrived, in their order."""
        return [delivery.event for delivery in list(self.deliveries)]

    @property
    def types(self) -> list[str]:
        """Their types alone."""
        return [event["type"] for event in self.events]

    def wait_for(self, count: int, *, seconds: float = 10.0) -> list[Delivery]:
        """The deliveries, once there are so many; raises `TimeoutError` when they do not come."""
        end = time.monotonic() + seconds
        while len(self.deliveries) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self.deliveries)} of {count} deliveries came.")
            time.sleep(_POLL_SECONDS)
        return list(self.deliveries)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(take: Callable[[Delivery], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(take(Delivery(body, dict(self.headers.items()))))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            del format, args

    return Handler
