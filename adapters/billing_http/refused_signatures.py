"""The log hears of webhooks whose signature was refused: with a wrong secret all of them are."""

import logging
from collections.abc import Callable
from time import monotonic

from billing.errors import SignatureInvalid

log = logging.getLogger("billing.http")

QUIET_SECONDS = 60.0
"""How long nothing more is said after a line: anybody can send what is not signed."""


class RefusedSignatures:
    """Counts them, and writes a line about those since the line before."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        """Begin with none; `clock` answers seconds."""
        self._clock = clock
        self._count = 0
        self._quiet_until = float("-inf")

    def add(self, refusal: SignatureInvalid) -> None:
        """Count one, and say so unless something was said a moment ago."""
        self._count += 1
        now = self._clock()
        if now < self._quiet_until:
            return
        self._quiet_until = now + QUIET_SECONDS
        log.warning("webhooks refused since the last such line: %d; the last one: %s", self._count, refusal)
        self._count = 0
