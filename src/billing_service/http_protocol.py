"""uvicorn's protocol as it is used here.

uvicorn bounds neither a request's head nor what surrounds its body, so one connection could fill the memory; and to one
connection too many it would say so in words of its own, and not when to come again.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from billing_http import too_many_connections
from billing_service.http_writes import WholeAnswers

MAX_HEAD_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Everything of one request as it arrives: the largest body taken, and generous room for how it is cut up."""
MAX_CONNECTIONS = 4096
"""Of one worker. Each delivery that waits has one: there must be more of them than of deliveries that may wait."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, hanging up on whoever sends too much, and writing each answer in one piece."""

    max_connections = MAX_CONNECTIONS
    # uvicorn's types of these are not complete.
    app: Any
    config: Any
    _answers: WholeAnswers
    _received_bytes = 0
    _head_is_open = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a connection."""
        self._answers = WholeAnswers(transport, self.loop)
        super().connection_made(self._answers)

    def eof_received(self) -> None:
        """Send what the caller still waits for: the connection is closed now that it has no more to say."""
        self._answers.flush()
        super().eof_received()

    def data_received(self, data: bytes) -> None:
        """Take some bytes, if the request has not had too many."""
        self._received_bytes += len(data)
        super().data_received(data)
        if self._received_bytes > (MAX_HEAD_BYTES if self._head_is_open else MAX_MESSAGE_BYTES):
            self.logger.info("a request that is too large was cut off")
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        self._head_is_open = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head was not too large. One connection too many is told so."""
        self._head_is_open = False
        is_one_too_many = len(self.connections) > self.max_connections
        self.app = too_many_connections if is_one_too_many else self.config.loaded_app
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next request has bytes of its own."""
        self._received_bytes = 0
        self._head_is_open = True
        super().on_message_complete()
