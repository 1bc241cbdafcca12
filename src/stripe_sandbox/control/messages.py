"""What the `/_sandbox` calls take and answer."""

from typing import Annotated, Any, Literal

import msgspec

from stripe_sandbox.api.faults import Fault
from stripe_sandbox.timesteps import Step
from stripe_sandbox.webhooks.attempts import Attempt
from stripe_sandbox.world.clock import END_OF_TIME


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a call takes or answers; an unknown field is a mistake."""


class Nothing(Message):
    """For a call that has nothing to say."""


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
    """One of both."""

    seconds: Annotated[int, msgspec.Meta(ge=0)] | None = None
    step: Step | None = None
    """A day, a month of the calendar, or to the end of the first period that ends."""


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
    type: Annotated[str, msgspec.Meta(pattern=r"^[^\s.]+(\.[^\s.]+)+$", max_length=200)]
    """Words with dots between them, as in `invoice.paid`; it need not be one of Stripe's."""
    object: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]
    """Its `id`, if it has one, is a text or a number."""
    created: Annotated[int, msgspec.Meta(ge=0, lt=END_OF_TIME)] | None = None
    previous_attributes: dict[str, Any] | None = None


class Roll(Message):
    old_lives_seconds: Annotated[int, msgspec.Meta(ge=0, le=24 * 3_600)] = 24 * 3_600
    """At most a day, as at Stripe."""


class Rolled(Message):
    secret: str


class FaultList(Message):
    faults: list[Fault] = []
    struck: dict[str, int] = {}
    """How often each kind has struck; only answered, never read."""


class AttemptList(Message):
    attempts: list[Attempt]
    """Oldest first."""
