"""What came of each attempt to deliver an event: all of late, and each event's last ones for good."""

from collections import deque
from typing import Final

import msgspec

from stripe_sandbox.world.world import World

_KIND: Final = "attempts"
_RECENT: Final = 10_000
_OF_AN_EVENT: Final = 20


class Attempt(msgspec.Struct, kw_only=True, frozen=True):
    """One try at delivering one event to one endpoint, and its answer."""

    event: str
    type: str
    endpoint: str
    url: str
    attempt: int
    """From 1 on; 0 for what was never sent."""
    at: float
    """Real time, in seconds."""
    duration_ms: float
    status: int | None
    """None: there was no answer."""
    body: str
    error: str | None
    next_attempt_at: float | None


class Counts(msgspec.Struct, kw_only=True, frozen=True):
    """Where deliveries stand: one for each pair of event and endpoint."""

    succeeded: int
    failed: int
    """Dropped, or given up after the last retry."""
    pending: int
    held: int
    """Of the pending ones, those that wait because delivery is paused."""


class AttemptLog:
    """The newest attempts, and of each event the last ones, which are kept as long as the event."""

    def __init__(self, world: World) -> None:
        """Take up what a former run of the program left; raises `msgspec.ValidationError` for what is no attempt."""
        self._store = world.store
        kept = [attempt for key in world.rows(_KIND) for attempt in self.of(key)]
        self._recent = deque(sorted(kept, key=lambda attempt: attempt.at), maxlen=_RECENT)

    def add(self, attempt: Attempt) -> None:
        self._recent.append(attempt)
        row = self._store.table(_KIND).get(attempt.event)
        earlier: list[object] = [] if row is None else row["attempts"]
        kept = [*earlier[1 - _OF_AN_EVENT :], msgspec.to_builtins(attempt)]
        self._store.put(_KIND, attempt.event, {"attempts": kept})

    def recent(self) -> list[Attempt]:
        """Of all events, oldest first."""
        return list(self._recent)

    def of(self, event: str) -> list[Attempt]:
        """The last of one event, oldest first."""
        row = self._store.table(_KIND).get(event)
        return [] if row is None else msgspec.convert(row["attempts"], list[Attempt])

    def last(self, event: str, endpoint: str) -> Attempt | None:
        return next((attempt for attempt in reversed(self.of(event)) if attempt.endpoint == endpoint), None)

    def forget(self, event: str) -> None:
        self._store.remove(_KIND, event)

    def clear(self) -> None:
        self._recent.clear()
