"""The one place time comes from."""

import time
from collections.abc import Callable
from typing import Final

END_OF_TIME: Final = 32_503_680_000
"""The year 3000, in seconds since 1970. Dates have four digits, and periods reach some years beyond now."""


class Clock:
    """Real time, plus as much as somebody has advanced it."""

    def __init__(self, wall: Callable[[], float] = time.time, *, offset_seconds: int = 0) -> None:
        self._wall = wall
        self.offset_seconds = offset_seconds

    def wall(self) -> float:
        """The real time. Signatures and back-off use it: the receiver's clock is not advanced with ours."""
        return self._wall()

    def now(self) -> int:
        """The world's time in whole seconds, as Stripe's objects carry it."""
        return int(self._wall()) + self.offset_seconds

    def advance(self, seconds: int) -> None:
        if seconds < 0:
            raise ValueError("A clock only moves forward.")
        self.offset_seconds += seconds
