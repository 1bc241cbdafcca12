"""Stripe's API, mounted raw: a faithful error or a cut connection is no framework's business."""

from typing import Any, Final, cast
from urllib.parse import unquote_plus

from litestar import asgi
from litestar.types import HTTPScope, Receive, Scope, Send

from stripe_sandbox.api import dispatch
from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import encode
from stripe_sandbox.sandbox import Sandbox

CONNECTION: Final = "stripe_sandbox_connection"
"""Where `server` leaves the transport of a connection in the scope's state."""
MOST_BODY_BYTES: Final = 1_000_000
_CUT_LENGTH: Final = b"1000000"


def api(sandbox: Sandbox) -> Any:
    """The handler of all paths of the API."""

    @asgi(["/v1", "/v2"], is_mount=True, copy_scope=True)
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            # The caller has gone in the middle of it: half a request is none.
            return
        if len(body) > MOST_BODY_BYTES:
            await _send(_too_large(), send)
            return
        answered = await sandbox.dispatcher.answer(_request(scope, body))
        if answered.cut:
            await _drop(answered, scope, receive, send)
        else:
            await _send(answered, send)

    return answer


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or a little more than is allowed of it; None when the caller did not send it to its end."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        if len(body) <= MOST_BODY_BYTES:
            body += message["body"]
        more = message["more_body"]
    return bytes(body)


def _request(scope: Scope, body: bytes) -> dispatch.Request:
    return dispatch.Request(
        method=str(cast("HTTPScope", scope)["method"]),
        path=_path(scope["raw_path"].decode("latin-1").partition("?")[0]),
        query=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


def _path(raw: str) -> str:
    """Unquote each segment: SDKs quote the ids that they put there, as in forms. A slash within an id stays quoted."""
    return "/".join(unquote_plus(segment).replace("/", "%2F") for segment in raw.split("/"))


def _too_large() -> dispatch.Answer:
    error = ApiError(f"The request is larger than {MOST_BODY_BYTES} bytes.", status=413)
    return dispatch.Answer(status=error.status, headers={"Content-Type": "application/json"}, body=encode(error.body()))


async def _send(answer: dispatch.Answer, send: Send) -> None:
    await _send_head(answer, send, length=str(len(answer.body)).encode())
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def _send_head(answer: dispatch.Answer, send: Send, *, length: bytes) -> None:
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
        await _send_head(answer, send, length=_CUT_LENGTH)
        return
    connection.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
