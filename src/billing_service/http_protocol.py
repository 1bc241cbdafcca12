"""uvicorn's protocol as it is used here.

uvicorn bounds neither a request's head nor what surrounds its body, nor how long they take, nor how many requests wait
on one connection. So one connection could fill the memory, and idle ones could keep everybody else out. To a
connection too many it would say so in words of its own, and not when to come again.
"""

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from billing_http import refusing_app
from billing_service.http_upgrades import ParserWithoutUpgrades
from billing_service.http_writes import WholeAnswers

MAX_CONNECTIONS = 4096
"""Of one worker. Most deliveries that wait have one: there must be more of them than of deliveries that may wait."""
MAX_REFUSALS = 512
"""So many more connections are told that they are too many; the rest are hung up on."""
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
"""With those that may follow a body."""
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""Everything of one request as it arrives: the largest body taken, and generous room for how it is cut up."""
MAX_PIPELINED = 4
"""Requests that may wait on one connection for the answer to the one before. Hardly anybody sends any."""
MAX_PIPELINED_BODY_BYTES = 64 * 1024
"""What the body of each of them may have."""


class TooMuch(Exception):
    """Somebody sends more than is taken. uvicorn answers 400 to what its parser is interrupted by, and hangs up."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, hanging up on whoever sends too much or too slowly, and writing each answer in one piece."""

    max_connections = MAX_CONNECTIONS
    message_seconds = 60.0
    """How long all of a request may take to arrive, from its first byte."""
    refusal_seconds = 5.0
    """The same, and how long it may say nothing, for a connection that is one too many."""
    refused: ClassVar[set["BoundedHttpProtocol"]] = set()
    """Connections that are one too many: not among those that are counted, or they would take the place of others."""

    parser: httptools.HttpRequestParser
    # uvicorn's type of it is not complete.
    app: Any
    _answers: WholeAnswers
    _patience_seconds: float
    _clock: asyncio.TimerHandle | None = None
    """Runs while the first request is expected, or one has begun, unless all of it arrives at once."""
    _received_bytes = 0
    _headers = 0
    _head_is_open = False
    _message_is_open = True
    """So is the first one from the beginning: a connection is made to send it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin with a connection. One too many is told so, if there are not too many of these, too."""
        self._answers = WholeAnswers(transport, self.loop)
        # In the place of uvicorn's own.
        self.parser = ParserWithoutUpgrades(self)
        super().connection_made(self._answers)
        self._patience_seconds = self.message_seconds
        idle_seconds = float(self.timeout_keep_alive)
        if len(self.connections) > self.max_connections:
            self.connections.discard(self)
            if len(self.refused) >= MAX_REFUSALS:
                self.transport.abort()
                return
            self.refused.add(self)
            self.app = refusing_app()
            self._patience_seconds = idle_seconds = self.refusal_seconds
        self._clock = self.loop.call_later(idle_seconds, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """End with a connection."""
        self.refused.discard(self)
        self._stop_clock()
        super().connection_lost(exc)

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
        if self.transport.is_closing():
            return
        if self._message_is_open:
            if self._clock is None:
                self._clock = self.loop.call_later(self._patience_seconds, self._hang_up)
        elif self.timeout_keep_alive_task is None and self.cycle.response_complete:
            # Bytes that begin no request, or end one that is answered already: uvicorn stops its clock for any.
            wait = self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(wait, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        if not self._head_is_open:
            # Else it is one that is told of once more: it began when it was told of first. (A head that is broken off
            # ends the connection.)
            self._stop_clock()
        self._head_is_open = self._message_is_open = True
        self._headers = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, of the head or of what follows a body; raises `TooMuch`."""
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise TooMuch("headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head was not too large; raises `TooMuch` if too many requests wait already."""
        if self.parser.should_upgrade():
            # Told of once more, without the offer.
            return
        self._head_is_open = False
        if len(self.pipeline) >= MAX_PIPELINED:
            raise TooMuch("requests")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; raises `TooMuch` if it is large and nobody reads it yet."""
        super().on_body(body)
        if self.pipeline and len(self.cycle.body) > MAX_PIPELINED_BODY_BYTES:
            raise TooMuch("bodies")

    def on_message_complete(self) -> None:
        """The next request has bytes, and a time, of its own."""
        if self.parser.should_upgrade():
            return
        self._received_bytes = 0
        self._message_is_open = False
        self._stop_clock()
        super().on_message_complete()

    def _hang_up(self) -> None:
        self._clock = None
        if self._received_bytes:
            self.logger.info("a request that did not arrive in time was cut off")
            self.transport.abort()
        else:
            self.transport.close()

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
