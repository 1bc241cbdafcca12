"""Pages for what cannot be had: friendly, and with the status that is true."""

import logging
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.pages.frame import page
from stripe_sandbox.pages.markup import Child, tag

_NOT_FOUND: Final = 404
_SERVER_ERROR: Final = 500
_logger: Final = logging.getLogger(__name__)


def refusal(title: str, *body: Child, status: int) -> Response[str]:
    """A page with one message."""
    return page(title, tag("div", tag("h1", title), *body, class_="card"), status=status, width="narrow")


def show_error(request: Request[Any, Any, Any], error: ApiError) -> Response[str]:
    """What a page could not do, in the error's own sentence; nothing was changed."""
    del request
    title = "There is nothing here" if error.status == _NOT_FOUND else "That did not work"
    hint = (
        "The address may be mistyped, or the sandbox was reset since."
        if error.status == _NOT_FOUND
        else "Nothing was changed. Go back and try something else."
    )
    room = tag("p", tag("a", "Go to the control room", href="/"))
    return refusal(title, tag("p", error.message), tag("p", hint, class_="soft"), room, status=error.status)


def show_misuse(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    """What the framework refused: a mistyped address, a missing part of it."""
    if error.status_code >= _SERVER_ERROR:
        return show_defect(request, error)
    words = _MISUSES.get(error.status_code, "The address is not complete.")
    return show_error(request, ApiError(words, status=error.status_code))


_MISUSES: Final = {
    404: "No page has this address.",
    405: "This address is where a button leads; it shows nothing.",
    413: "The form is too large.",
}


def show_defect(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """What nobody foresaw, as a page."""
    return show_error(request, defect(request, error))


def defect(request: Request[Any, Any, Any], error: Exception) -> ApiError:
    """Log what nobody foresaw, and say what it was: whoever uses a sandbox can mend it."""
    _logger.error("%s %s went wrong", request.method, request.url.path, exc_info=error)
    words = f"The sandbox failed: {type(error).__name__}: {error}. Its log says where."
    return ApiError(words, status=_SERVER_ERROR, kind="api_error")
