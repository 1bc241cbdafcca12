"""Whose request is it? Answered before anything else of a request is read."""

from typing import Any

from litestar import Request

from billing.accounts import AccountView
from billing.errors import InvalidApiKey
from billing_http.errors import RequestInvalid
from billing_http.use_cases import UseCases


async def authenticate(request: Request[Any, Any, Any], use_cases: UseCases) -> AccountView:
    """Answer the account of the request's bearer key; raises `RequestInvalid` or `InvalidApiKey`, both a 401."""
    header = request.headers.get("authorization")
    if header is None:
        raise RequestInvalid("missing_authorization", "missing authorization header")
    scheme, _, api_key = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidApiKey
    return await use_cases.authenticate.execute(api_key.strip())
