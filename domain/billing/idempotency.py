"""The rule that decides an event: what a webhook does to what we hold. Pure and total.

Deliveries are duplicated, reordered and delayed; `created` has whole seconds and Stripe disclaims their order. So
no rule on one event can always be right. This one is right wherever the payload can decide, keeps the payload's word
where Stripe cannot be asked, and says `reread` wherever the order is in doubt: then the subscription is fetched from
Stripe in the background, and written only if no event was decided for it since the fetch began (its `version`).

| the event                                                  | what is done                                        |
|------------------------------------------------------------|-----------------------------------------------------|
| seen before (its id)                                       | nothing (a unique constraint decides, before this)  |
| the subscription has ended                                 | nothing revives it                                  |
| `SubscriptionEnded`, `CustomerDeleted`                     | ended, whatever the order                           |
| a snapshot strictly newer than `as_of`                     | applied                                             |
| a snapshot of the same second that says something else     | applied in order of arrival, and re-read            |
| a snapshot that a written re-read may have contained       | applied if it says something else, and re-read      |
| a snapshot of what so far only a re-read has told of       | applied; if it says something else, re-read         |
| an older snapshot                                          | not applied, re-read                                |
| `CheckoutCompleted`, subscription not seen yet             | active with the tier sold, and re-read              |
| `CheckoutCompleted`, subscription known                    | its state stays, re-read                            |
| `PaymentFailed`, not older than `as_of`                    | `active`/`trialing` become `past_due`, and re-read  |
| a snapshot of a subscription never seen                    | inserted; from an invoice: heard of, and re-read    |

Every event that is not a duplicate moves `version`, also one that changes nothing. A re-read does not move `as_of`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from billing.events import (
    CheckoutCompleted,
    CustomerDeleted,
    PaymentFailed,
    SubscriptionChanged,
    SubscriptionEnded,
)
from billing.identifiers import AccountId
from billing.plans import Catalogue, Tier
from billing.subscription import Snapshot, Status, Subscription, is_expected

CLOCK_SKEW = timedelta(seconds=5)
"""How far Stripe's clock, which dates events, and ours, which dates re-reads, may be apart."""


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    """It changed what we hold."""
    UNCHANGED = "unchanged"
    """It said what we knew."""
    STALE = "stale"
    """It was too late to say anything: older than what we hold, or about a subscription that has ended."""
    IGNORED = "ignored"
    """There was nothing in it for us."""
    DUPLICATE = "duplicate"
    """It had been decided before."""


class Alert(StrEnum):
    """Something a person should know of. None of them stops an event from being decided."""

    UNKNOWN_PRICE = "unknown_price"
    """A subscription of ours has no price that the catalogue knows; the last good tier stands."""
    UNKNOWN_STATUS = "unknown_status"
    """Stripe used a status this version does not know; it grants nothing."""
    UNEXPECTED_TRANSITION = "unexpected_transition"
    """A status followed one that Stripe does not document before it."""
    TWO_LIVE_SUBSCRIPTIONS = "two_live_subscriptions"
    """An account pays twice; the better subscription counts, and one of them should be refunded."""
    SUBSCRIPTION_MISSING = "subscription_missing"
    """Stripe does not know a subscription that we hold: another mode's or another account's key?"""
    FAILED_EVENT = "failed_event"
    """A verified event could not be decoded or written; it is kept with the reason, and Stripe sends it again."""
    UNREADABLE_ANSWER = "unreadable_answer"
    """Stripe's answer to a re-read could not be understood."""


SubscriptionEvent = SubscriptionChanged | SubscriptionEnded | CheckoutCompleted | PaymentFailed | CustomerDeleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one subscription by one event."""

    state: Subscription | None
    """What to hold from now on; `None` only where there was nothing and is nothing."""
    outcome: Outcome
    reread: bool = False
    """Whether to fetch the subscription from Stripe, since the event alone cannot settle it."""
    alerts: tuple[Alert, ...] = ()


def decide(
    current: Subscription | None,
    event: SubscriptionEvent,
    *,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Decide one event of one subscription of `account`. See the table above.

    `created` is the event's own, in whole seconds UTC; `current` is what we hold of the subscription it is about.
    """
    version = current.version + 1 if current else 1
    match event:
        case SubscriptionEnded(snapshot=snapshot):
            return _end(current, snapshot, version=version, created=created, account=account, catalogue=catalogue)
        case CustomerDeleted():
            return _end_with_customer(current, version=version)
        case _ if current is not None and current.status.has_ended:
            return Decision(state=replace(current, version=version), outcome=Outcome.STALE)
        case SubscriptionChanged(snapshot=snapshot):
            return _change(current, snapshot, version=version, created=created, account=account, catalogue=catalogue)
        case CheckoutCompleted():
            return _complete_checkout(current, event, version=version, created=created, account=account)
        case PaymentFailed():
            return _fail_payment(current, event, version=version, created=created, account=account)
        case _:
            assert_never(event)


def _end(
    current: Subscription | None,
    snapshot: Snapshot,
    *,
    version: int,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Its last word is its last word: no order of arrival can make it wrong."""
    status = snapshot.status if snapshot.status.has_ended else Status.CANCELED
    return _adopt(
        current,
        replace(snapshot, status=status),
        version=version,
        as_of=_later(current, created),
        account=account,
        catalogue=catalogue,
    )


def _end_with_customer(current: Subscription | None, *, version: int) -> Decision:
    if current is None:
        return Decision(state=None, outcome=Outcome.IGNORED)
    if current.status.has_ended:
        return Decision(state=replace(current, version=version), outcome=Outcome.UNCHANGED)
    ended = replace(current, status=Status.CANCELED, cancel_at_period_end=False, version=version)
    # The event tells of the customer only; what the subscription's last day was, Stripe knows.
    return Decision(state=ended, outcome=Outcome.APPLIED, reread=True)


def _change(
    current: Subscription | None,
    snapshot: Snapshot,
    *,
    version: int,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    if current is not None and current.as_of is not None and created < current.as_of:
        return Decision(state=replace(current, version=version), outcome=Outcome.STALE, reread=True)
    decision = _adopt(current, snapshot, version=version, as_of=created, account=account, catalogue=catalogue)
    if decision.outcome is Outcome.APPLIED and current is not None and _is_in_doubt(current, created):
        return replace(decision, reread=True)
    return decision


def _is_in_doubt(current: Subscription, created: datetime) -> bool:
    """Whether what we hold may be newer than a snapshot: one of the same second, or one from before a re-read."""
    if current.as_of is None or created == current.as_of:
        return True
    return current.read_at is not None and created <= current.read_at + CLOCK_SKEW


def _complete_checkout(
    current: Subscription | None, event: CheckoutCompleted, *, version: int, created: datetime, account: AccountId
) -> Decision:
    if current is not None and not current.is_only_heard_of:
        # Known by snapshots, whose word is better; but what was sold counts where no price of it was understood.
        tier = current.tier or event.tier
        outcome = Outcome.UNCHANGED if tier is current.tier else Outcome.APPLIED
        return Decision(state=replace(current, tier=tier, version=version), outcome=outcome, reread=True)
    # A session has no period end, and its tier is what was sold, not what is subscribed now: hence the re-read.
    bought = Subscription(
        id=event.subscription,
        account=account,
        customer=event.customer,
        tier=event.tier,
        status=Status.ACTIVE,
        period_end=None,
        cancel_at_period_end=False,
        started_at=created,
        as_of=created,
        version=version,
    )
    return Decision(state=bought, outcome=Outcome.APPLIED, reread=True)


def _fail_payment(
    current: Subscription | None, event: PaymentFailed, *, version: int, created: datetime, account: AccountId
) -> Decision:
    if current is None:
        heard_of = _heard_of(event, version=version, created=created, account=account)
        return Decision(state=heard_of, outcome=Outcome.APPLIED, reread=True)
    counted = replace(current, version=version)
    if current.as_of is not None and created < current.as_of:
        return Decision(state=counted, outcome=Outcome.STALE, reread=True)
    if current.status not in (Status.ACTIVE, Status.TRIALING):
        # A first invoice leaves `incomplete`; `unpaid`, `paused` and `past_due` stay what they are.
        return Decision(state=counted, outcome=Outcome.UNCHANGED, reread=True)
    # An invoice is no snapshot: `as_of` stays, so that the subscription's own word of this second still counts.
    return Decision(state=replace(counted, status=Status.PAST_DUE), outcome=Outcome.APPLIED, reread=True)


def _heard_of(event: PaymentFailed, *, version: int, created: datetime, account: AccountId) -> Subscription:
    """Hold a place for a subscription that only an invoice has named, so that its version can move."""
    return Subscription(
        id=event.subscription,
        account=account,
        customer=event.customer,
        tier=Tier.FREE,
        status=Status.UNKNOWN,
        period_end=None,
        cancel_at_period_end=False,
        started_at=created,
        as_of=None,
        version=version,
    )


def settle(
    current: Subscription | None, snapshot: Snapshot, *, read_at: datetime, account: AccountId, catalogue: Catalogue
) -> Decision:
    """Apply what a re-read of Stripe answered; the caller has checked that `version` did not move meanwhile.

    `read_at` is when the re-read began.

    Neither `as_of` nor `version` moves: a re-read is no event. What has ended stays ended.
    """
    if current is not None and current.status.has_ended and not snapshot.status.has_ended:
        return Decision(state=current, outcome=Outcome.STALE)
    as_of, version = (current.as_of, current.version) if current else (None, 0)
    decision = _adopt(current, snapshot, version=version, as_of=as_of, account=account, catalogue=catalogue)
    state = replace(decision.state, read_at=read_at.replace(microsecond=0)) if decision.state else None
    return replace(decision, state=state, reread=False)


def _adopt(
    current: Subscription | None,
    snapshot: Snapshot,
    *,
    version: int,
    as_of: datetime | None,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Take a snapshot's word for everything, but keep the last good tier where its prices are not ours."""
    tier = catalogue.tier_of(snapshot.prices)
    state = Subscription(
        id=snapshot.subscription,
        account=account,
        customer=snapshot.customer,
        tier=tier if tier is not None else current.tier if current else Tier.FREE,
        status=snapshot.status,
        period_end=snapshot.period_end,
        cancel_at_period_end=snapshot.cancel_at_period_end and not snapshot.status.has_ended,
        started_at=snapshot.started_at,
        as_of=as_of,
        version=version,
        read_at=current.read_at if current else None,
    )
    unchanged = current is not None and _word(state) == _word(current)
    alerts = _alerts(current, snapshot, tier_known=tier is not None)
    return Decision(
        state=state,
        outcome=Outcome.UNCHANGED if unchanged else Outcome.APPLIED,
        reread=tier is None,
        alerts=alerts,
    )


def _word(held: Subscription) -> tuple[object, ...]:
    """Answer what Stripe says of a subscription, without when it said so and how often."""
    return (
        held.customer,
        held.tier,
        held.status,
        held.period_end,
        held.cancel_at_period_end,
        held.started_at,
    )


def _alerts(current: Subscription | None, snapshot: Snapshot, *, tier_known: bool) -> tuple[Alert, ...]:
    alerts: list[Alert] = []
    if not tier_known:
        alerts.append(Alert.UNKNOWN_PRICE)
    if snapshot.status is Status.UNKNOWN:
        alerts.append(Alert.UNKNOWN_STATUS)
    if current is not None and not is_expected(current.status, snapshot.status):
        alerts.append(Alert.UNEXPECTED_TRANSITION)
    return tuple(alerts)


def _later(current: Subscription | None, created: datetime) -> datetime:
    return max(created, current.as_of) if current and current.as_of else created
