"""Reading what was sent, from whoever sends it, however slowly."""

import asyncio
from typing import Any

from litestar import Request
from litestar.exceptions import ClientException, InternalServerException

from billing_http.errors import RequestInvalid

BODY_SECONDS = 30
"""How long a body may take to arrive."""


async def read_body(request: Request[Any, Any, Any]) -> bytes:
    """Answer the raw body; raises `RequestInvalid` if it does not arrive in time."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise body_is_late() from None
    except InternalServerException:
        # This is how the framework tells that the client hung up; nobody hears the answer, and nothing is wrong here.
        raise ClientException from None


def body_is_late() -> RequestInvalid:
    """Make the error of a body that does not arrive in time."""
    return RequestInvalid("body_timeout", "the request's body did not arrive in time")
