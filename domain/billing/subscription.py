"""A subscription as Stripe tells it: its statuses, which of them grant access, and how they follow each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from billing.identifiers import AccountId, CustomerId, PriceId, SubscriptionId
from billing.plans import Tier


class Status(StrEnum):
    """Stripe's statuses, and `UNKNOWN` for any that Stripe adds after this was written.

    Source: https://docs.stripe.com/api/subscriptions/object#subscription_object-status
    """

    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"
    UNKNOWN = "unknown"

    @classmethod
    def parse(cls, text: str) -> "Status":
        """Read Stripe's word. A word we do not know neither grants nor breaks: it is `UNKNOWN`."""
        return _STATUSES.get(text, cls.UNKNOWN)

    @property
    def grants_access(self) -> bool:
        """Whether the plan counts. `past_due` keeps it while Stripe retries the payment: our grace."""
        return self in _GRANTING

    @property
    def has_ended(self) -> bool:
        """Whether it is over for good: Stripe never revives these, and neither do we."""
        return self in _ENDED

    @property
    def is_live(self) -> bool:
        """Whether the account has a subscription to manage, so that buying another one would be a mistake.

        One of an unknown status may be just that; one that is `incomplete` was never paid for.
        """
        return self is not Status.INCOMPLETE and not self.has_ended


_STATUSES = {status.value: status for status in Status}
_GRANTING = frozenset({Status.TRIALING, Status.ACTIVE, Status.PAST_DUE})
_ENDED = frozenset({Status.CANCELED, Status.INCOMPLETE_EXPIRED})

EXPECTED_NEXT: Mapping[Status, frozenset[Status]] = {
    Status.INCOMPLETE: frozenset({Status.ACTIVE, Status.TRIALING, Status.INCOMPLETE_EXPIRED, Status.CANCELED}),
    Status.INCOMPLETE_EXPIRED: frozenset(),
    Status.TRIALING: frozenset({Status.ACTIVE, Status.PAST_DUE, Status.PAUSED, Status.UNPAID, Status.CANCELED}),
    Status.ACTIVE: frozenset({Status.PAST_DUE, Status.UNPAID, Status.PAUSED, Status.TRIALING, Status.CANCELED}),
    Status.PAST_DUE: frozenset({Status.ACTIVE, Status.UNPAID, Status.PAUSED, Status.CANCELED}),
    Status.UNPAID: frozenset({Status.ACTIVE, Status.CANCELED}),
    Status.PAUSED: frozenset({Status.ACTIVE, Status.PAST_DUE, Status.CANCELED}),
    Status.CANCELED: frozenset(),
    Status.UNKNOWN: frozenset(Status),
}
"""Stripe's state machine, as it is documented. It describes, it does not command: Stripe is the authority, so a
jump outside it (one we missed a step of, or one that Stripe invents) is recorded and counted, never refused."""


def is_expected(before: Status, after: Status) -> bool:
    """Whether Stripe documents this step. Staying is always expected."""
    return before is after or after is Status.UNKNOWN or after in EXPECTED_NEXT[before]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one subscription object of Stripe's said, whichever event or answer carried it."""

    subscription: SubscriptionId
    customer: CustomerId
    status: Status
    prices: tuple[PriceId, ...]
    period_end: datetime | None
    cancel_at_period_end: bool
    """True for Stripe's flag and for a `cancel_at` at or before the period's end."""
    started_at: datetime
    account: AccountId | None = None
    """The account that the subscription's metadata names, if any: a claim, checked against what we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscription as this service holds it."""

    id: SubscriptionId
    account: AccountId
    customer: CustomerId
    tier: Tier
    status: Status
    period_end: datetime | None
    cancel_at_period_end: bool
    started_at: datetime
    as_of: datetime | None
    """The `created` of the newest snapshot applied, in whole seconds; `None` until something was applied."""
    version: int
    """How many events have been decided for it. A re-read is written only if this has not moved meanwhile."""
    read_at: datetime | None = None
    """When the last re-read that was written began, in whole seconds: what Stripe had said by then, it contains."""

    @property
    def is_only_heard_of(self) -> bool:
        """Whether we know nothing but its id: an invoice named it before any snapshot or re-read came."""
        return self.as_of is None and self.status is Status.UNKNOWN

    @property
    def is_live(self) -> bool:
        """Whether its account has it to manage. One only heard of may never begin."""
        return self.status.is_live and not self.is_only_heard_of

    @property
    def granted(self) -> Tier:
        """The tier that it gives its account now."""
        return self.tier if self.status.grants_access else Tier.FREE
