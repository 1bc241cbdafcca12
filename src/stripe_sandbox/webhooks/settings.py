"""How webhooks are delivered, and how they go wrong on demand."""

from fnmatch import fnmatchcase
from typing import Annotated, Final

import msgspec

from stripe_sandbox.api import versions
from stripe_sandbox.api.errors import ApiError

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3 * 24 * 3_600)]
"""Up to the three days that Stripe goes on trying for."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_MOST_DOUBLINGS: Final = 60


class DeliverySettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All of `PUT /_sandbox/delivery`; what a call leaves out stays as it is."""

    paused: bool = False
    """Hold everything back until it is false again."""
    types: list[str] = []
    """Only events of these types (`*` matches) are disordered; empty: all."""
    duplicate: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    """How many times each event is sent, at once."""
    reorder: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    """Deliver in groups of this size, each shuffled; 0 or 1: in order."""
    delay_seconds: Seconds = 0.0
    drop: Share = 0.0
    """The share of events that are never delivered and stay listed as undelivered; 1 drops all."""
    ties: bool = False
    """Every event from now on carries one and the same `created`."""
    double_events: bool = False
    """Two Event objects, with ids of their own, for each change."""
    bad_signature: bool = False
    """Sign with another secret. Asked at each attempt, so a retry is well signed once this is off."""
    stale_signature: bool = False
    """Sign with a time an hour ago."""
    thin: bool = False
    """Send `v2.core.event` notifications instead of snapshot events."""
    livemode: bool | None = None
    """Claim this mode; None: the true one, test mode."""
    api_version: str | None = None
    """Render for this version; None: as each endpoint says."""
    max_retries: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 8
    backoff_base_seconds: Seconds = 1.0
    """The wait before the first retry; each further one is twice as long."""
    backoff_cap_seconds: Seconds = 60.0
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10.0
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=256)] = 8
    """How many requests are under way at once; with 1, events arrive strictly in order."""

    def disorders(self, event_type: str) -> bool:
        return not self.types or any(fnmatchcase(event_type, pattern) for pattern in self.types)

    def backoff_seconds(self, attempt: int) -> float:
        return min(self.backoff_base_seconds * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS), self.backoff_cap_seconds)

    def changed(self, changes: dict[str, object]) -> "DeliverySettings":
        """These settings with some replaced; raises `ApiError` for what does not fit."""
        try:
            settings = msgspec.convert({**msgspec.structs.asdict(self), **changes}, DeliverySettings)
        except msgspec.ValidationError as error:
            raise ApiError(str(error)) from error
        if settings.api_version is not None:
            versions.check(settings.api_version)
        for pattern in settings.types:
            # A hand-made event may be of any type, but each has a dot.
            if "." not in pattern and "*" not in pattern:
                raise ApiError(f"No event is of a type like {pattern[:80]!r}.", param="types")
        return settings
