"""From an HTTP request to an operation on the world and back, with Stripe's conventions in between."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from stripe_sandbox.api import versions
from stripe_sandbox.api.errors import STUMBLED, ApiError, unrecognized_url
from stripe_sandbox.api.expand import expand
from stripe_sandbox.api.faults import SERVER_ERROR, Fault, Faults, Kind, not_json, too_many
from stripe_sandbox.api.forms import decode_form
from stripe_sandbox.api.idempotency import IdempotencyKeys, Stored, in_use
from stripe_sandbox.api.operation import Call, Operation
from stripe_sandbox.resource import encode
from stripe_sandbox.resources.routes import route
from stripe_sandbox.world.world import Origin, World

_logger: Final = logging.getLogger(__name__)
_OK: Final = 200
_SHOWN_FIRST: Final = 8
_SHOWN_LAST: Final = 4
_FORM: Final = "application/x-www-form-urlencoded"
_WITHOUT_BODY: Final = frozenset({"GET", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    cut: bool = False
    """Drop the connection instead of answering in full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exchange:
    """A request on its way through the checks."""

    request: Request
    request_id: str
    headers: dict[str, str]
    """Of the answer, as far as they are known."""
    operation: Operation
    target: str
    raw: dict[str, Any]
    version: str
    key: str | None
    fault: Fault | None


class Dispatcher:
    """Answers API requests one after the other: an operation runs whole, so it needs no locks."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._keys = IdempotencyKeys(world)

    async def answer(self, request: Request) -> Answer:
        request_id = self._world.ids.short("req")
        headers = {"Request-Id": request_id, "Stripe-Version": self._world.config.api_version}
        try:
            return await self._answer(request, request_id, headers)
        except ApiError as error:
            return _refusal(error, headers)
        except Exception:
            _logger.exception("%s %s failed", request.method, request.path)
            return _refusal(STUMBLED, headers)

    async def _answer(self, request: Request, request_id: str, headers: dict[str, str]) -> Answer:
        self._authenticate(request)
        version = versions.check(request.headers.get("stripe-version") or self._world.config.api_version)
        headers["Stripe-Version"] = version
        found = route(request.method, request.path, version)
        if found is None:
            raise unrecognized_url(request.method, request.path)
        self._faults.check_rate(request.method, request.path, f"{request.method} {found[0].path}")
        raw = decode_form(request.query if request.method in _WITHOUT_BODY else _form(request))
        key = (request.headers.get("idempotency-key") or None) if request.method == "POST" else None
        fault = self._faults.take(request.method, request.path, spared=self._spared(key))
        if (early := _early(fault, headers)) is not None:
            return early
        exchange = _Exchange(
            request=request,
            request_id=request_id,
            headers=headers,
            operation=found[0],
            target=found[1],
            raw=raw,
            version=version,
            key=key,
            fault=fault,
        )
        return await self._once(exchange)

    def _spared(self, key: str | None) -> frozenset[Kind]:
        """The faults that would change nothing about a request, and are not used up by it."""
        if key is None:
            return frozenset({"key_in_use"})
        return frozenset({"stored_500"} if self._keys.knows(key) else ())

    async def _once(self, exchange: _Exchange) -> Answer:
        """Run it, under its idempotency key if it has one: the first result stands."""
        key = exchange.key
        if key is None:
            return await self._execute(exchange)
        exchange.headers["Idempotency-Key"] = key
        if exchange.fault is not None and exchange.fault.kind == "key_in_use":
            raise in_use(key)
        stored = self._keys.begin(key, exchange.request.method, exchange.request.path, exchange.raw)
        if stored is not None:
            exchange.headers.update({"Idempotent-Replayed": "true", "Original-Request": stored.request_id})
            return _result(stored.status, stored.body, exchange)
        try:
            return await self._execute(exchange)
        finally:
            # A result has been stored by now; without one nothing was executed and the key is free again.
            self._keys.forget(key)

    async def _execute(self, exchange: _Exchange) -> Answer:
        request = exchange.request
        params = exchange.operation.params(exchange.raw)
        await asyncio.sleep(self._faults.latency_seconds(request.method, request.path))
        call = Call(path=request.path, target=exchange.target, params=params, version=exchange.version)
        status, body = self._run(exchange, call)
        if exchange.key is not None:
            result = Stored(status, body, exchange.request_id)
            self._keys.store(exchange.key, request.method, request.path, exchange.raw, result)
        self._world.commit()
        return _result(status, body, exchange)

    def _run(self, exchange: _Exchange, call: Call) -> tuple[int, bytes]:
        """Run the operation; errors that it raises are results too, and stored as such."""
        if exchange.fault is not None and exchange.fault.kind == "stored_500":
            return SERVER_ERROR.status, encode(SERVER_ERROR.body())
        origin = Origin(exchange.request_id, exchange.key)
        try:
            # What only reads has nothing to take back.
            trying = nullcontext() if exchange.request.method == "GET" else self._world.attempt()
            with trying, self._world.caused_by(origin):
                answer = exchange.operation.run(self._world, call)
                shaped = answer if exchange.operation.dated else versions.render(answer, call.version)
                return _OK, encode(expand(self._world, shaped, call.params.get("expand", []), call.version))
        except ApiError as error:
            return error.status, encode(error.body())
        except Exception:
            # Stripe, too, answers a 500 when it stumbles, and its clients are made for that.
            _logger.exception("%s %s failed", exchange.request.method, exchange.request.path)
            return STUMBLED.status, encode(STUMBLED.body())

    def _authenticate(self, request: Request) -> None:
        key = _api_key(request.headers.get("authorization", ""))
        if not key:
            raise ApiError(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key != self._world.config.api_key:
            raise ApiError(f"Invalid API Key provided: {_veiled(key)}", status=401)


def _veiled(key: str) -> str:
    """A key with its middle hidden; all of it where it is too short to have one."""
    hidden = len(key) - _SHOWN_FIRST - _SHOWN_LAST
    return f"{key[:_SHOWN_FIRST]}{'*' * hidden}{key[-_SHOWN_LAST:]}" if hidden > 0 else "*" * len(key)


def _api_key(header: str) -> str:
    """The key from bearer authentication, or from basic authentication as `curl -u` sends it."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return rest.strip() if scheme.lower() == "bearer" else ""


def _form(request: Request) -> str:
    """The body, which is a form; one that does not say what it is is taken for one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and kind not in {"", _FORM}:
        raise ApiError(f"Invalid request (check that your POST content type is {_FORM}). It is {kind[:80]}.")
    try:
        return request.body.decode()
    except UnicodeDecodeError as error:
        raise ApiError("Invalid request: the body is not UTF-8.") from error


def _early(fault: Fault | None, headers: dict[str, str]) -> Answer | None:
    """What a fault answers before anything is looked at."""
    match None if fault is None else fault.kind:
        case "drop_before":
            return Answer(status=_OK, headers=headers, body=b"", cut=True)
        case "not_json" if fault is not None:
            return Answer(status=fault.status, headers={**headers, "Content-Type": "text/html"}, body=not_json(fault))
        case "too_many_requests" if fault is not None:
            raise too_many(fault)
        case _:
            return None


def _result(status: int, body: bytes, exchange: _Exchange) -> Answer:
    cut = exchange.fault is not None and exchange.fault.kind == "drop_after"
    headers = {**exchange.headers, "Content-Type": "application/json"}
    return Answer(status=status, headers=headers, body=body, cut=cut)


def _refusal(error: ApiError, headers: dict[str, str]) -> Answer:
    return Answer(
        status=error.status,
        headers={**headers, **error.headers, "Content-Type": "application/json"},
        body=encode(error.body()),
    )
