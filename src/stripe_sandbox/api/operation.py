"""One API operation: where it lives, what it accepts, what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from stripe_sandbox.api.params import EXPAND, Check, Fields
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World

OLDEST: Final = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been authenticated and checked."""

    path: str
    target: str
    """The id in the path; empty where there is none."""
    params: dict[str, Any]
    version: str


Run: TypeAlias = Callable[[World, Call], Resource]


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    """Ids are written `{id}`."""
    params: Fields
    run: Run
    since: str = OLDEST
    """The first API version that has it."""
    dated: bool = False
    """Its answer has the shape of the time it tells of, whatever version the request asks for."""


def operation(
    method: str,
    path: str,
    run: Run,
    *,
    required: tuple[str, ...] = (),
    since: str = OLDEST,
    dated: bool = False,
    params: dict[str, Check] | None = None,
) -> Operation:
    return Operation(
        method=method,
        path=path,
        params=Fields({**EXPAND, **(params or {})}, frozenset(required)),
        run=run,
        since=since,
        dated=dated,
    )
