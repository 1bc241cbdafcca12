"""What a caller is told who cannot even be listened to."""

import msgspec
from litestar.types import Receive, Scope, Send

from billing.errors import Overloaded
from billing_http.envelope import RequestEnvelope
from billing_http.errors import STATUS_BY_SLUG, ErrorAnswer

_STATUS = STATUS_BY_SLUG[Overloaded.slug].value
_BODY = msgspec.json.encode(
    ErrorAnswer(error="too many connections are open; try again in a moment", code=Overloaded.slug)
)
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_BODY)),
    (b"retry-after", b"%d" % Overloaded.retry_after_seconds),
    # It is one too many: the others need the room.
    (b"connection", b"close"),
]


async def _refuse(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": _STATUS, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY, "more_body": False})


def refusing_app() -> RequestEnvelope:
    """Make an application that answers every request with 503, and closes its connection."""
    return RequestEnvelope(_refuse)
