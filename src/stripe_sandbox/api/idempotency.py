"""Idempotency keys: https://docs.stripe.com/api/idempotent_requests."""

import hashlib
from typing import Any, Final, NamedTuple

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import Resource
from stripe_sandbox.resource import encode as encode_json
from stripe_sandbox.world.world import World

_TABLE: Final = "idempotency"
_KEPT_SECONDS: Final = 24 * 3_600
_LONGEST: Final = 255


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
        if row is not None and row["at"] < self._world.clock.wall() - _KEPT_SECONDS:
            self._world.store.remove(_TABLE, key)
            return None
        return row

    def store(self, key: str, method: str, path: str, params: dict[str, Any], result: Stored) -> None:
        row: Resource = {
            "fingerprint": _fingerprint(method, path, params),
            "status": result.status,
            "body": result.body.decode(),
            "request_id": result.request_id,
            "at": self._world.clock.wall(),
        }
        self._world.store.put(_TABLE, key, row)

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
    return hashlib.sha256(encode_json([method, path, params])).hexdigest()
