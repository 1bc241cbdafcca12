"""What every answer carries, whatever answered it: a request id, and the word that nothing of it may be cached."""

import logging
import re
import secrets
import time
from contextvars import ContextVar
from http import HTTPStatus
from itertools import count

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

access_log = logging.getLogger("billing.access")

_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Answer the id of the request being handled, for log lines; `None` outside of one."""
    return _request_id.get()


class RequestEnvelope:
    """Wraps the whole application, so that its 404s and its failures are wrapped too."""

    def __init__(self, app: ASGIApp, *, log_requests: bool = False) -> None:
        """Wrap `app`; `log_requests` writes one line for every answer, not only for failures."""
        self._app = app
        self._log_requests = log_requests
        # Ids are told apart, not kept secret: what is random is drawn once, and the rest is counted.
        self._ids = map(f"{secrets.token_hex(6)}{{:012x}}".format, count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass on what is none."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _given_id(scope) or next(self._ids)
        token = _request_id.set(request_id)
        began = time.perf_counter()
        extra = [(b"x-request-id", request_id.encode()), (b"cache-control", b"no-store")]

        async def send_wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
                self._log(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, send_wrapped)
        finally:
            _request_id.reset(token)

    def _log(self, scope: HTTPScope, status: int, seconds: float) -> None:
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if failed or self._log_requests:
            access_log.log(
                logging.WARNING if failed else logging.INFO,
                "%s %s %d in %.1f ms",
                scope["method"],
                # As it came: decoded, it could break the line.
                scope["raw_path"].decode("ascii", "backslashreplace"),
                status,
                seconds * 1000,
            )


def _given_id(scope: HTTPScope) -> str | None:
    """Take over the caller's request id if it is harmless to log and to repeat."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE_ID.fullmatch(value):
            return value.decode()
    return None
