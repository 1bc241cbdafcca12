"""Idempotency keys: https://docs.stripe.com/api/idempotent_requests."""

import hashlib
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World

_TABLE: Final = "idempotency"
_KEPT_SECONDS: Final = 24 * 3_600
_LONGEST: Final = 255
_TIDIED_AT_ONCE: Final = 8


_sorted: Final = msgspec.json.Encoder(order="deterministic")


class Stored(NamedTuple):
    status: int
    body: bytes
    request_id: str


class IdempotencyKeys:
    """First results by key; a key under way refuses a second request, one used otherwise is an error."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._underway: set[str] = set()

    def begin(self, key: str, method: str, path: str, params: dict[str, Any]) -> Stored | None:
        """The stored first result; None makes this the first request, to be ended by `forget`."""
        if len(key) > _LONGEST:
            raise ApiError(f"Idempotency keys can have up to {_LONGEST} characters.")
        row = self._fresh(key)
        if row is not None and row["fingerprint"] != _fingerprint(method, path, params):
            raise ApiError(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        if key in self._underway:
            raise in_use(key)
        if row is not None:
            return Stored(row["status"], row["body"].encode(), row["request_id"])
        self._underway.add(key)
        return None

    def _fresh(self, key: str) -> Resource | None:
        row = self._world.rows(_TABLE).get(key)
        return None if row is None or self._is_over(row) else row

    def _is_over(self, row: Resource) -> bool:
        return bool(row["at"] < self._world.clock.wall() - _KEPT_SECONDS)

    def knows(self, key: str) -> bool:
        """Whether a request with this key is a repetition."""
        return self._fresh(key) is not None

    def store(self, key: str, method: str, path: str, params: dict[str, Any], result: Stored) -> None:
        row: Resource = {
            "fingerprint": _fingerprint(method, path, params),
            "status": result.status,
            "body": result.body.decode(),
            "request_id": result.request_id,
            "at": self._world.clock.wall(),
        }
        self._world.store.remove(_TABLE, key)
        self._world.store.put(_TABLE, key, row)
        self._tidy()

    def _tidy(self) -> None:
        """Forget the oldest keys that are over; each new one pays for a few."""
        table = self._world.rows(_TABLE)
        for key in list(islice(table, _TIDIED_AT_ONCE)):
            if self._is_over(table[key]):
                self._world.store.remove(_TABLE, key)

    def forget(self, key: str) -> None:
        """The request is over; if no result was stored, the key may be used again."""
        self._underway.discard(key)


def in_use(key: str) -> ApiError:
    return ApiError(
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later.",
        status=409,
        code="idempotency_key_in_use",
    )


def _fingerprint(method: str, path: str, params: dict[str, Any]) -> str:
    return hashlib.sha256(_sorted.encode([method, path, params])).hexdigest()
