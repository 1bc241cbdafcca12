"""What goes wrong, told in the way that the caller understands: JSON to programs, a page to browsers."""

from collections.abc import Callable
from typing import Any, Final

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.pages.refusals import defect, show_error, show_misuse
from stripe_sandbox.resource import is_list

AnyRequest = Request[Any, Any, Any]
_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_MOST_CHARACTERS: Final = 200
_CONTROL: Final = "/_sandbox"


def _refuse(request: AnyRequest, error: ApiError) -> Response[Any]:
    return show_error(request, error) if _is_for_a_browser(request) else _as_json(error)


def _misuse(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if error.status_code >= _SERVER_ERROR:
        return _fail(request, error)
    if _is_for_a_browser(request):
        return show_misuse(request, error)
    if error.status_code == _NOT_FOUND:
        return _as_json(ApiError(_nothing_at(request), status=_NOT_FOUND))
    return _as_json(ApiError(_sentence(error), status=error.status_code))


def _nothing_at(request: AnyRequest) -> str:
    return (
        f"There is nothing at {request.method} {request.url.path[:_MOST_CHARACTERS]}: the API is below /v1, "
        "the control calls are below /_sandbox, and the pages begin at /."
    )


def _fail(request: AnyRequest, error: Exception) -> Response[Any]:
    return _refuse(request, defect(request, error))


HANDLERS: Final[dict[int | type[Exception], Callable[[AnyRequest, Any], Response[Any]]]] = {
    ApiError: _refuse,
    HTTPException: _misuse,
    Exception: _fail,
}
"""For the whole application, its unknown addresses too."""


def _is_for_a_browser(request: AnyRequest) -> bool:
    return not request.url.path.startswith(_CONTROL) and "text/html" in request.headers.get("accept", "")


def _as_json(error: ApiError) -> Response[Any]:
    return Response(error.body(), status_code=error.status, media_type=MediaType.JSON)


def _sentence(error: HTTPException) -> str:
    """The framework's words, with what it found wrong with each field."""
    extra: Any = error.extra
    if not is_list(extra):
        return error.detail
    found = [f"{row.get('key', '')}: {row.get('message', '')}".strip(": ") for row in extra]
    return f"{error.detail}: {'; '.join(found)}"
