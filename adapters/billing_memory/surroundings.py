"""Everything else that the core asks for: time, secrets, alarms, and who waits for what."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from billing.errors import BillingError
from billing.events import Delivery
from billing.idempotency import Alert, Outcome
from billing.identifiers import AccountId
from billing.use_cases.receive_events import DecideEvents

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
"""Where a clock begins that was not told otherwise."""


@dataclass(slots=True)
class MemoryClock:
    """A clock that stands still until it is moved."""

    time: datetime = NOON

    def now(self) -> datetime:
        """See `billing.ports.Clock`."""
        return self.time

    def set(self, time: datetime) -> None:
        """Put the clock on a time, UTC, aware; backwards too."""
        self.time = time

    def advance(self, step: timedelta) -> None:
        """Let time pass."""
        self.time += step


@dataclass(slots=True)
class MemorySecrets:
    """Names and keys that count up: each one is new, and every run has the same."""

    spread: float = 0.0
    """What `jitter` answers."""
    made: int = 0

    def new_id(self, prefix: str) -> str:
        """See `billing.ports.Secrets`."""
        self.made += 1
        return f"{prefix}_{self.made:024d}"

    def new_api_key(self) -> str:
        """See `billing.ports.Secrets`; this one anybody can guess."""
        self.made += 1
        return f"test_key_{self.made:043d}"

    def jitter(self) -> float:
        """See `billing.ports.Secrets`."""
        return self.spread


@dataclass(slots=True)
class MemoryAlarm:
    """Remembers every alert that was raised, in order."""

    alerts: list[tuple[Alert, str]] = field(default_factory=list[tuple[Alert, str]])

    causes: list[BaseException] = field(default_factory=list[BaseException])
    """What caused them, of those whose cause was told."""

    def raise_alert(self, alert: Alert, subject: str, *, cause: BaseException | None = None) -> None:
        """See `billing.ports.Alarm`."""
        if cause is not None:
            self.causes.append(cause)
        self.alerts.append((alert, subject))


@dataclass(slots=True)
class MemoryCheckoutWatch:
    """Remembers whose checkout was noticed, in order."""

    noticed: list[AccountId] = field(default_factory=list[AccountId])

    def notice(self, account: AccountId) -> None:
        """See `billing.ports.CheckoutWatch`."""
        self.noticed.append(account)


@dataclass(frozen=True, slots=True)
class MemoryInbox:
    """Decides each delivery at once, alone."""

    decide_events: DecideEvents

    async def put(self, delivery: Delivery) -> Outcome:
        """See `billing.ports.Inbox`."""
        [outcome] = await self.decide_events.execute([delivery])
        if isinstance(outcome, BillingError):
            raise outcome
        return outcome
