"""Faults of the API on demand: what Stripe and the network do on a bad day."""

from collections import deque
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from stripe_sandbox.api.errors import ApiError

Kind: TypeAlias = Literal[
    "latency",
    "drop_before",
    "drop_after",
    "too_many_requests",
    "stored_500",
    "key_in_use",
    "not_json",
    "rate_limit",
]


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One fault and the requests it strikes."""

    kind: Kind
    method: Literal["DELETE", "GET", "POST"] | None = None
    """None: any."""
    path: Annotated[str, msgspec.Meta(pattern="^/v1(/|$)")] = "/v1/"
    """Strikes paths that begin so; the API has no others."""
    count: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    """How many requests it strikes; null: all until it is removed. A `rate_limit` is never used up."""
    latency_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 1.0
    should_retry: bool | None = None
    """The `Stripe-Should-Retry` header of `too_many_requests`; null: none."""
    retry_after_seconds: Annotated[int, msgspec.Meta(ge=0)] | None = None
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 502
    """The status of `not_json`."""
    per_second: Annotated[int, msgspec.Meta(ge=1)] = 25
    """The limit of `rate_limit`, for each API endpoint."""

    def strikes(self, method: str, path: str) -> bool:
        return self.method in (None, method) and path.startswith(self.path) and self.count != 0


class Faults:
    """The faults that are set, in order; the first that matches strikes, besides latency and the rate limit."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.active: list[Fault] = []
        self.struck: dict[str, int] = {}
        self._clock = clock
        self._recent: dict[str, deque[float]] = {}

    def replace(self, faults: list[Fault]) -> None:
        self.active = list(faults)
        self._recent.clear()

    def reset(self) -> None:
        self.replace([])
        self.struck.clear()

    def latency_seconds(self, method: str, path: str) -> float:
        fault = self._take(method, path, lambda kind: kind == "latency")
        return 0.0 if fault is None else fault.latency_seconds

    def take(self, method: str, path: str, *, spared: Collection[Kind] = ()) -> Fault | None:
        """The first fault that strikes, but for the kinds that this request is spared."""
        return self._take(method, path, lambda kind: kind not in {"latency", "rate_limit", *spared})

    def _take(self, method: str, path: str, wanted: Callable[[str], bool]) -> Fault | None:
        for fault in self.active:
            if wanted(fault.kind) and fault.strikes(method, path):
                self._use(fault)
                return fault
        return None

    def _use(self, fault: Fault) -> None:
        self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
        if fault.count is None:
            return
        fault.count -= 1
        if fault.count == 0:
            self.active.remove(fault)

    def check_rate(self, method: str, path: str, endpoint: str) -> None:
        """Refuse what exceeds the limit of an endpoint within one second."""
        for fault in self.active:
            if fault.kind != "rate_limit" or not fault.strikes(method, path):
                continue
            recent, now = self._recent.setdefault(endpoint, deque()), self._clock()
            while recent and recent[0] <= now - 1:
                recent.popleft()
            if len(recent) >= fault.per_second:
                self.struck["rate_limit"] = self.struck.get("rate_limit", 0) + 1
                raise too_many(fault)
            recent.append(now)


def too_many(fault: Fault) -> ApiError:
    error = ApiError(
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
    )
    if fault.should_retry is not None:
        error.headers["Stripe-Should-Retry"] = "true" if fault.should_retry else "false"
    if fault.retry_after_seconds is not None:
        error.headers["Retry-After"] = str(fault.retry_after_seconds)
    return error


SERVER_ERROR: Final = ApiError(
    "An unknown error occurred. (The sandbox was told to answer so.)", status=500, kind="api_error"
)


def not_json(fault: Fault) -> bytes:
    """A page as proxies show it, which names its status."""
    return f"<html><body><h1>{fault.status} {_PHRASES.get(fault.status, 'Error')}</h1></body></html>".encode()


_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}
