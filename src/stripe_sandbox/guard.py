"""Who may ask: programs, and this sandbox's own pages, but no other web page that the browser has open."""

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.config import SandboxConfig

_HARMLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})
_API: Final = (b"/v1/", b"/v2/")
_REFUSED: Final = 403


class Guard(ASGIMiddleware):
    """Refuses what a foreign page makes a browser send, by its `Sec-Fetch-Site`, its `Origin` and its `Host`.

    A page reached over a name that it made point here (DNS rebinding) is betrayed by the name. Programs send neither
    of the first two; a program that uses the API with a key may call the sandbox by any name.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, config: SandboxConfig) -> None:
        self._names = {"localhost", config.host.lower(), _host_of(config.base_url)}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass on what is allowed; raises `ApiError`."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        method = str(_http(scope)["method"])
        if method not in _HARMLESS and self._comes_from_elsewhere(headers):
            raise ApiError("Another web page may not do this: use the sandbox's own pages.", status=_REFUSED)
        if not self._is_called_by_name(scope["raw_path"], headers):
            host = headers.get(b"host", "")
            raise ApiError(f"This sandbox is not called {host!r}: name it with --public-url.", status=_REFUSED)
        await next_app(scope, receive, send)

    def _comes_from_elsewhere(self, headers: Mapping[bytes, str]) -> bool:
        if headers.get(b"sec-fetch-site") in _ELSEWHERE:
            return True
        # Our own pages send no referrer, for which browsers write the origin as "null".
        origin = headers.get(b"origin", "null")
        return origin != "null" and not self._is_ours(_host_of(origin))

    def _is_called_by_name(self, path: bytes, headers: Mapping[bytes, str]) -> bool:
        if b"host" not in headers or self._is_ours(_host_of(f"//{headers[b'host']}")):
            return True
        return path.startswith(_API) and b"authorization" in headers and b"origin" not in headers

    def _is_ours(self, name: str) -> bool:
        """Nobody else can make a number, or a name without a dot, point here."""
        return (
            name in self._names or name.endswith(".localhost") or _is_number(name) or ("." not in name and name != "")
        )


def _http(scope: Scope) -> HTTPScope:
    if scope["type"] != ScopeType.HTTP:
        raise TypeError("Only HTTP is guarded.")
    return scope


def _host_of(address: str) -> str:
    """The host of a URL in lower case, without its port; empty for what is no URL."""
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
