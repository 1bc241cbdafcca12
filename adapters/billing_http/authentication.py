"""Whose request is it? Answered before anything else of a request is read."""

from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from billing.accounts import AccountView
from billing.errors import InvalidApiKey
from billing.use_cases.read_account import Authenticate
from billing_http.errors import RequestInvalid


async def authenticate_request(
    request: Request[Any, Any, Any], authenticate: NamedDependency[Authenticate]
) -> AccountView:
    """Answer the account of the request's bearer key; raises `RequestInvalid` or `InvalidApiKey`, both a 401."""
    header = request.headers.get("authorization")
    if header is None:
        raise RequestInvalid("missing_authorization", "missing authorization header")
    scheme, _, api_key = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidApiKey
    return await authenticate.execute(api_key.strip())
