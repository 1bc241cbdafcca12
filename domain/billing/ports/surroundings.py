"""What surrounds the core: the time, what nobody can guess, who is told of trouble, what goes on in the background."""

from datetime import datetime
from typing import Protocol

from billing.idempotency import Alert
from billing.identifiers import AccountId


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Answer the present, UTC, aware."""
        ...


class Secrets(Protocol):
    """Names and keys that nobody can guess."""

    def new_id(self, prefix: str) -> str:
        """Answer `prefix`, an underscore and 24 random letters and digits."""
        ...

    def new_api_key(self) -> str:
        """Answer a new API key of at least 256 random bits."""
        ...

    def jitter(self) -> float:
        """Answer a random number, 0 <= x < 1, for spreading retries."""
        ...


class Alarm(Protocol):
    """Tells a person. What a transaction found out is also counted in the store, with what it wrote."""

    def raise_alert(self, alert: Alert, subject: str, *, cause: BaseException | None = None) -> None:
        """Log one alert about `subject`, an id, with what caused it, if that is known. Must not raise."""
        ...


class CheckoutWatch(Protocol):
    """Looks at checkouts whose webhook may be late or lost."""

    def notice(self, account: AccountId) -> None:
        """Have the account's open checkout looked at soon, in the background, once every few seconds at most.

        Must neither wait nor raise: it is called on the way of a read.
        """
        ...
