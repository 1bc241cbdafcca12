"""Reading what was sent, from whoever sends it, however slowly."""

import asyncio
from typing import Any

from litestar import Request
from litestar.exceptions import ClientException, InternalServerException
from litestar.types import Receive

from billing.errors import Overloaded
from billing_http.errors import BodyTooLarge, RequestInvalid

BODY_SECONDS = 30
"""How long a body may take to arrive."""
MAX_WEBHOOK_BYTES = 1024 * 1024
"""Stripe's events are a few KiB; a subscription with many items may take some hundred."""
LARGE_BYTES = 64 * 1024
"""What a body may have without being a large one."""
MAX_LARGE_BODIES = 64
"""That are read or worked on at a time. One more is told to come again: else a few thousand callers with a connection
each could fill the memory, and need no signature for it."""


async def read_body(request: Request[Any, Any, Any]) -> bytes:
    """Answer the raw body; raises `RequestInvalid` if it does not arrive in time."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise _late() from None
    except InternalServerException:
        # This is how the framework tells that the client hung up; nobody hears the answer, and nothing is wrong here.
        raise ClientException from None


class LargeBodies:
    """Counts the large bodies that are held by one process."""

    held = 0

    def hold(self) -> None:
        """Count one more; raises `Overloaded` if there are as many as may be."""
        if self.held >= MAX_LARGE_BODIES:
            raise Overloaded
        self.held += 1


class RawBody:
    """A webhook's body as it comes, from its first byte until it is answered."""

    def __init__(self, large_bodies: LargeBodies) -> None:
        """Count it with `large_bodies` if it becomes one."""
        self._large_bodies = large_bodies
        self._is_large = False

    async def read(self, receive: Receive) -> bytes:
        """Answer it; raises `BodyTooLarge`, `Overloaded`, and `RequestInvalid` if it does not arrive in time."""
        parts: list[bytes] = []
        length_bytes = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        # The caller hung up; nobody hears the answer, and nothing is wrong here.
                        raise ClientException
                    part = message.get("body", b"")
                    parts.append(part)
                    length_bytes += len(part)
                    if length_bytes > LARGE_BYTES:
                        self._grow(length_bytes)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise _late() from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def release(self) -> None:
        """Forget it."""
        if self._is_large:
            self._large_bodies.held -= 1
            self._is_large = False

    def _grow(self, length_bytes: int) -> None:
        if length_bytes > MAX_WEBHOOK_BYTES:
            raise BodyTooLarge
        if not self._is_large:
            self._large_bodies.hold()
            self._is_large = True


def _late() -> RequestInvalid:
    """Make the error of a body that does not arrive in time."""
    return RequestInvalid("body_timeout", "the request's body did not arrive in time")
