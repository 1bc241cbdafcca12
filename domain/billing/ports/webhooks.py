"""How webhooks are read, and where they wait."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from billing.events import Delivery
from billing.idempotency import Outcome
from billing.identifiers import EventId


class WebhookReader(Protocol):
    """Tells Stripe's webhooks from everybody else's, and what they mean."""

    def read(self, *, signature: str | None, body: bytes) -> Delivery:
        """Verify the raw body against `Stripe-Signature`, then decode it. No I/O.

        Must raise `SignatureInvalid` for a signature that is missing, malformed, wrong, older or further in the
        future than the tolerance; `PayloadInvalid` for a signed body that is not a UTF-8 JSON snapshot event;
        `UndecodableEvent` for an event that is ours by its type but whose object makes no sense.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedEvent:
    """A verified event that could not be decoded or written."""

    id: EventId
    type: str
    created: datetime
    reason: str
    payload: bytes


class UndecodableEvent(Exception):
    """A verified event whose object could not be understood. It is kept with its reason, and sent again."""

    def __init__(self, failed: FailedEvent) -> None:
        """Carry what will be kept."""
        self.failed = failed
        super().__init__(failed.reason)


class Inbox(Protocol):
    """Where a delivery waits until its effect is committed."""

    async def put(self, delivery: Delivery) -> Outcome:
        """Answer only after the event and its effect are committed in one transaction.

        Must raise `Overloaded` instead of keeping more than a bounded number waiting, and `EventNotProcessed` if
        this event, tried alone, could not be written.
        """
        ...
