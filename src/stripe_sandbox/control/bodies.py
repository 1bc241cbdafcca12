"""What a control call is sent: JSON, or nothing where nothing must be said."""

from typing import Any, TypeAlias, TypeVar

import msgspec
from litestar import Request

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.control.messages import Nothing

T = TypeVar("T")
AnyRequest: TypeAlias = Request[Any, Any, Any]


async def body_of(request: AnyRequest, wanted: type[T]) -> T:
    """The body as a message; no body at all says nothing. Raises `ApiError` for what is no JSON, or does not fit."""
    try:
        return msgspec.json.decode(await request.body() or b"{}", type=wanted)
    except msgspec.ValidationError as error:
        raise ApiError(f"The body does not fit: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(f"The body is no JSON: {error}.") from error
    except RecursionError as error:
        raise ApiError("The body is nested too deeply.") from error


async def must_say_nothing(request: AnyRequest) -> None:
    """Refuse fields that a call without any would ignore; raises `ApiError`."""
    await body_of(request, Nothing)
