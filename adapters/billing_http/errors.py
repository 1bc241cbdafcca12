"""The one map from what went wrong to what the caller is told. Every code is in this file and in docs/errors.md."""

import logging
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from billing import errors
from billing.errors import BillingError

log = logging.getLogger("billing.http")

STATUS_BY_SLUG: Mapping[str, HTTPStatus] = {
    errors.UnknownTier.slug: HTTPStatus.BAD_REQUEST,
    errors.TierNotSoldOnline.slug: HTTPStatus.BAD_REQUEST,
    errors.NeverSubscribed.slug: HTTPStatus.BAD_REQUEST,
    errors.SignatureInvalid.slug: HTTPStatus.BAD_REQUEST,
    errors.PayloadInvalid.slug: HTTPStatus.BAD_REQUEST,
    errors.InvalidApiKey.slug: HTTPStatus.UNAUTHORIZED,
    errors.AlreadySubscribed.slug: HTTPStatus.CONFLICT,
    errors.BillingHistoryDeleted.slug: HTTPStatus.CONFLICT,
    errors.CheckoutInProgress.slug: HTTPStatus.CONFLICT,
    errors.EventNotProcessed.slug: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ProviderRefused.slug: HTTPStatus.BAD_GATEWAY,
    errors.ProviderUnavailable.slug: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoreUnavailable.slug: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Overloaded.slug: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The domain's errors that leave by HTTP."""

STATUS_OF_REQUEST_FAULTS: Mapping[str, HTTPStatus] = {
    "missing_body": HTTPStatus.BAD_REQUEST,
    "malformed_body": HTTPStatus.BAD_REQUEST,
    "missing_tier": HTTPStatus.BAD_REQUEST,
    "missing_authorization": HTTPStatus.UNAUTHORIZED,
    "body_timeout": HTTPStatus.REQUEST_TIMEOUT,
}
"""What can be wrong with a request before the domain sees it."""

SENTENCE_BY_STATUS: Mapping[int, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("invalid_request", "the request could not be understood"),
    HTTPStatus.NOT_FOUND: ("not_found", "there is nothing at this address"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "this address does not take that method"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body_too_large", "the request's body is too large"),
}
"""What the framework refuses by itself."""

INTERNAL = ("internal_error", "something went wrong here; it has been logged under this request's id")

DEFAULT_RETRY_AFTER_SECONDS = 5


class RequestInvalid(Exception):
    """A request that the domain never gets to see."""

    def __init__(self, code: str, message: str) -> None:
        """Name the fault by a code of `STATUS_OF_REQUEST_FAULTS`."""
        self.code = code
        super().__init__(message)


class BodyTooLarge(HTTPException):
    """A body that is larger than its address takes."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class ErrorAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What every error looks like."""

    error: str
    """A sentence for a person."""
    code: str
    """A stable slug for a program."""


def present_billing_error(_: Request[Any, Any, Any], error: BillingError) -> Response[ErrorAnswer]:
    """Answer an error of the domain."""
    status = STATUS_BY_SLUG.get(error.slug)
    if status is None:
        return present_unexpected(_, error)
    headers: dict[str, str] = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        seconds: float | None = getattr(error, "retry_after_seconds", None)
        headers["Retry-After"] = str(max(1, math.ceil(seconds or DEFAULT_RETRY_AFTER_SECONDS)))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(status, error.slug, str(error), headers)


def present_request_fault(_: Request[Any, Any, Any], error: RequestInvalid) -> Response[ErrorAnswer]:
    """Answer a request that was not understood."""
    status = STATUS_OF_REQUEST_FAULTS[error.code]
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    return _answer(status, error.code, str(error), headers)


def present_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorAnswer]:
    """Answer what the framework refused, in our words: its own may repeat the request's bytes."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return present_unexpected(request, error)
    known = SENTENCE_BY_STATUS.get(error.status_code)
    code, sentence = known or SENTENCE_BY_STATUS[HTTPStatus.BAD_REQUEST]
    status = HTTPStatus(error.status_code) if known else HTTPStatus.BAD_REQUEST
    allowed = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow")
    return _answer(status, code, sentence, {"Allow": allowed} if allowed else {})


def present_unexpected(_: Request[Any, Any, Any], error: Exception) -> Response[ErrorAnswer]:
    """Answer a bug: everything to the log, nothing to the caller."""
    log.error("unexpected error", exc_info=error)
    code, sentence = INTERNAL
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, code, sentence, {})


def _answer(status: HTTPStatus, code: str, sentence: str, headers: dict[str, str]) -> Response[ErrorAnswer]:
    return Response(ErrorAnswer(error=sentence, code=code), status_code=status, headers=headers)


EXCEPTION_HANDLERS: Mapping[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]] = {
    BillingError: present_billing_error,
    RequestInvalid: present_request_fault,
    HTTPException: present_http_exception,
    Exception: present_unexpected,
}
