"""Where Stripe's events come in.

On the bare protocol: what the framework does to make a request and an answer for a handler takes longer than to verify
and decode an event. Nothing of it is needed here, where bytes are handed on as they came. Routing, errors and the
envelope are those of the other addresses.
"""

from collections.abc import Callable
from http import HTTPMethod

import msgspec
from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from billing.errors import SignatureInvalid
from billing.use_cases.receive_events import ReceiveWebhook
from billing_http.bodies import MAX_WEBHOOK_BYTES, LargeBodies, RawBody
from billing_http.errors import BodyTooLarge
from billing_http.refused_signatures import RefusedSignatures
from billing_http.turns import Turns
from billing_http.wire import WebhookAnswer

_LENGTH_DIGITS_MAX = 18
_ANSWER = msgspec.json.Encoder()


def webhook_route(use_case: Callable[[], ReceiveWebhook]) -> ASGIRouteHandler:
    """Answer the route, which asks for its use case with every request: it is there once the application has started.

    It answers only after the event and its effect are committed. No credential: the signature is one.
    """
    large_bodies = LargeBodies()
    turns = Turns()
    refused = RefusedSignatures()

    @asgi("/v1/billing/webhooks", copy_scope=False)
    async def receive_webhook(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != HTTPMethod.POST:
            raise MethodNotAllowedException(headers={"Allow": "POST"})
        if _declared_length(scope) > MAX_WEBHOOK_BYTES:
            raise BodyTooLarge
        body = RawBody(large_bodies)
        try:
            received = await body.read(receive)
            await turns.take()
            outcome = await use_case().execute(signature=_header(scope, b"stripe-signature"), body=received)
        except SignatureInvalid as refusal:
            refused.add(refusal)
            raise
        finally:
            body.release()
        await _answer(send, WebhookAnswer(outcome=outcome))

    return receive_webhook


def _declared_length(scope: Scope) -> int:
    """Answer what the head says of the body, so that nothing too large need be read; what makes no sense is 0."""
    declared = _header(scope, b"content-length") or ""
    return int(declared) if declared.isdecimal() and len(declared) <= _LENGTH_DIGITS_MAX else 0


def _header(scope: Scope, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None)


async def _answer(send: Send, answer: WebhookAnswer) -> None:
    body = _ANSWER.encode(answer)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
