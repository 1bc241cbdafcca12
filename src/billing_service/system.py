"""The real clock, real randomness, and an alarm that writes to the log: what the core may not have itself."""

import logging
import secrets
import string
from datetime import UTC, datetime

from billing.idempotency import Alert

log = logging.getLogger("billing.alert")

_LETTERS_AND_DIGITS = string.ascii_letters + string.digits
_ID_LENGTH = 24
_KEY_BYTES = 32

_LEVEL_BY_ALERT = {Alert.UNEXPECTED_TRANSITION: logging.INFO}
"""Lost or reordered events make statuses jump every day; everything else is for a person to look at."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Answer the present."""
        return datetime.now(UTC)


class SystemSecrets:
    """The operating system's randomness."""

    def new_id(self, prefix: str) -> str:
        """Answer a new id."""
        return f"{prefix}_{''.join(secrets.choice(_LETTERS_AND_DIGITS) for _ in range(_ID_LENGTH))}"

    def new_api_key(self) -> str:
        """Answer a new API key: 256 random bits, recognisable to secret scanners by its beginning."""
        return f"billing_{secrets.token_urlsafe(_KEY_BYTES)}"

    def jitter(self) -> float:
        """Answer a number from 0 up to 1."""
        return secrets.randbelow(1 << 30) / (1 << 30)


class LogAlarm:
    """Writes alerts to the log."""

    def raise_alert(self, alert: Alert, subject: str, *, cause: BaseException | None = None) -> None:
        """Write one line, and where the cause was raised."""
        log.log(_LEVEL_BY_ALERT.get(alert, logging.WARNING), "%s: %s", alert.value, subject, exc_info=cause)
