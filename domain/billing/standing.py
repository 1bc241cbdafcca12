"""An account's standing: all of its subscriptions boiled down to what `GET /v1/billing` answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from billing.plans import Tier
from billing.subscription import Status, Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an account has: its plan, and how the subscription behind it is doing."""

    plan: Tier
    status: Status | None
    """`None` for an account that never subscribed; so are the two below."""
    period_end: datetime | None
    """The end of the period paid for, UTC, whole seconds."""
    cancel_at_period_end: bool | None


NEVER_SUBSCRIBED = Standing(plan=Tier.FREE, status=None, period_end=None, cancel_at_period_end=None)


def standing_of(subscriptions: Iterable[Subscription]) -> Standing:
    """Answer what all of one account's subscriptions amount to; their order does not matter."""
    subscription = decisive(subscriptions)
    if subscription is None:
        return NEVER_SUBSCRIBED
    return Standing(
        plan=subscription.granted,
        status=subscription.status,
        period_end=subscription.period_end,
        cancel_at_period_end=subscription.cancel_at_period_end,
    )


def decisive(subscriptions: Iterable[Subscription]) -> Subscription | None:
    """Pick the subscription that speaks for its account: the best one granting access, else the most recent.

    Ties are broken by the healthier status, the later start and at last the id, so that the answer never depends
    on the order of the rows.
    """
    known = [subscription for subscription in subscriptions if not subscription.is_only_heard_of]
    if len(known) == 1:
        return known[0]
    return max(known, key=_rank, default=None)


def _rank(subscription: Subscription) -> tuple[bool, Tier, bool, datetime, str]:
    grants = subscription.status.grants_access
    return (
        grants,
        subscription.granted,
        subscription.status is not Status.PAST_DUE,
        subscription.started_at,
        subscription.id,
    )


def live_subscriptions(subscriptions: Iterable[Subscription]) -> int:
    """Count the subscriptions an account pays for; two are one too many."""
    return sum(subscription.is_live for subscription in subscriptions)
