"""What the `/_sandbox` calls take and answer."""

from typing import Annotated, Any, Literal

import msgspec

from stripe_sandbox.api.faults import Fault
from stripe_sandbox.webhooks.delivery import Attempt


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class Pay(Message):
    card: str = "succeeds"
    email: str | None = None
    """For a session without a customer."""
    authentication: Literal["completes", "fails", "pending"] = "completes"


class PayAnswer(Message):
    outcome: Literal["paid", "declined", "authentication_required"]
    message: str | None
    session: dict[str, Any]


class Settle(Message):
    succeeds: bool = True


class Exhaust(Message):
    outcome: Literal["canceled", "unpaid", "past_due"] = "canceled"


class CancelAtPeriodEnd(Message):
    value: bool = True
    style: Literal["flag", "cancel_at"] | None = None
    """None: as the subscription's billing mode has it."""


class ChangePrice(Message):
    price: str


class ChangeCard(Message):
    card: str


class Advance(Message):
    seconds: Annotated[int, msgspec.Meta(ge=0)]


class ClockState(Message):
    now: int
    """The world's time."""
    wall: int
    """Real time, which signs webhooks."""
    offset_seconds: int
    steps: int = 0
    """What was due and has been done."""


class Flush(Message):
    timeout_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 30.0


class Resend(Message):
    endpoint: str | None = None
    """None: every endpoint that listens for the event's type."""


class Resent(Message):
    deliveries: int


class Emit(Message):
    type: str
    object: dict[str, Any]
    created: int | None = None
    previous_attributes: dict[str, Any] | None = None


class Roll(Message):
    old_lives_seconds: Annotated[int, msgspec.Meta(ge=0)] = 24 * 3_600


class Rolled(Message):
    secret: str


class FaultList(Message):
    faults: list[Fault] = []
    struck: dict[str, int] = {}
    """How often each kind has struck; only answered, never read."""


class AttemptList(Message):
    attempts: list[Attempt]
    """Oldest first."""
