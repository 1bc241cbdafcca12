"""The table at the top of `billing.idempotency`, row by row."""

from dataclasses import dataclass, replace

import pytest

from billing.events import CustomerDeleted
from billing.idempotency import Alert, Decision, Outcome, SubscriptionEvent, decide
from billing.plans import Tier
from billing.subscription import Status, Subscription
from support.domain_things import (
    ANN,
    CATALOGUE,
    CUSTOMER,
    ENTERPRISE,
    FOREIGN_PRICE,
    NOON,
    PERIOD,
    at,
    changed,
    completed,
    ended,
    heard_of,
    payment_failed,
    snapshot,
    subscription,
)

DELETED = CustomerDeleted(customer=CUSTOMER)
LATER_END = NOON + 2 * PERIOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is held, what comes, and what must come of it."""

    name: str
    current: Subscription | None
    event: SubscriptionEvent
    second: int
    state: Subscription | None
    outcome: Outcome
    reread: bool = False
    alerts: tuple[Alert, ...] = ()


def _of_second_5(status: Status = Status.ACTIVE) -> Subscription:
    """Answer a pro subscription whose newest snapshot is of second 5."""
    return subscription(status, as_of=at(5), version=3)


SNAPSHOTS = [
    Row(
        name="never seen: inserted from the snapshot",
        current=None,
        event=changed(snapshot()),
        second=5,
        state=subscription(as_of=at(5), version=1),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="strictly newer: applied",
        current=_of_second_5(),
        event=changed(snapshot(Status.PAST_DUE, prices=(ENTERPRISE,), period_end=LATER_END, cancel=True)),
        second=6,
        state=subscription(
            Status.PAST_DUE, tier=Tier.ENTERPRISE, period_end=LATER_END, cancel=True, as_of=at(6), version=4
        ),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="strictly newer, nothing new: only the clock and the version move",
        current=_of_second_5(),
        event=changed(snapshot()),
        second=6,
        state=subscription(as_of=at(6), version=4),
        outcome=Outcome.UNCHANGED,
    ),
    Row(
        name="same second, something else: applied in order of arrival, and re-read",
        current=_of_second_5(),
        event=changed(snapshot(Status.PAST_DUE)),
        second=5,
        state=subscription(Status.PAST_DUE, as_of=at(5), version=4),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    Row(
        name="same second, nothing new: the version moves all the same",
        current=_of_second_5(),
        event=changed(snapshot()),
        second=5,
        state=subscription(as_of=at(5), version=4),
        outcome=Outcome.UNCHANGED,
    ),
    Row(
        name="older: not applied, and re-read",
        current=_of_second_5(),
        event=changed(snapshot(Status.PAST_DUE)),
        second=4,
        state=subscription(as_of=at(5), version=4),
        outcome=Outcome.STALE,
        reread=True,
    ),
    Row(
        name="known by an invoice alone: the first snapshot tells all, and the order is in doubt",
        current=heard_of(version=2),
        event=changed(snapshot(Status.INCOMPLETE)),
        second=3,
        state=subscription(Status.INCOMPLETE, as_of=at(3), version=3),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    Row(
        name="known by a re-read alone: what says something else may be older than it, so re-read",
        current=subscription(as_of=None, version=0),
        event=changed(snapshot(Status.INCOMPLETE)),
        second=3,
        state=subscription(Status.INCOMPLETE, as_of=at(3), version=1),
        outcome=Outcome.APPLIED,
        reread=True,
        alerts=(Alert.UNEXPECTED_TRANSITION,),
    ),
    Row(
        name="known by a re-read alone: what says the same settles the clock",
        current=subscription(as_of=None, version=0),
        event=changed(snapshot()),
        second=3,
        state=subscription(as_of=at(3), version=1),
        outcome=Outcome.UNCHANGED,
    ),
    Row(
        name="it has ended: nothing revives it, however new",
        current=_of_second_5(Status.CANCELED),
        event=changed(snapshot()),
        second=900,
        state=replace(_of_second_5(Status.CANCELED), version=4),
        outcome=Outcome.STALE,
    ),
    Row(
        name="it has expired unpaid: nothing revives it either",
        current=_of_second_5(Status.INCOMPLETE_EXPIRED),
        event=changed(snapshot()),
        second=900,
        state=replace(_of_second_5(Status.INCOMPLETE_EXPIRED), version=4),
        outcome=Outcome.STALE,
    ),
]

UNKNOWNS = [
    Row(
        name="unknown price: the last good tier stands, an alert, a re-read",
        current=_of_second_5(),
        event=changed(snapshot(prices=(FOREIGN_PRICE,), period_end=LATER_END)),
        second=6,
        state=subscription(tier=Tier.PRO, period_end=LATER_END, as_of=at(6), version=4),
        outcome=Outcome.APPLIED,
        reread=True,
        alerts=(Alert.UNKNOWN_PRICE,),
    ),
    Row(
        name="unknown price, never seen: it grants nothing",
        current=None,
        event=changed(snapshot(prices=(FOREIGN_PRICE,))),
        second=6,
        state=subscription(tier=Tier.FREE, as_of=at(6), version=1),
        outcome=Outcome.APPLIED,
        reread=True,
        alerts=(Alert.UNKNOWN_PRICE,),
    ),
    Row(
        name="no price at all: as an unknown one",
        current=_of_second_5(),
        event=changed(snapshot(prices=())),
        second=6,
        state=subscription(as_of=at(6), version=4),
        outcome=Outcome.UNCHANGED,
        reread=True,
        alerts=(Alert.UNKNOWN_PRICE,),
    ),
    Row(
        name="unknown status: it grants nothing, and an alert",
        current=_of_second_5(),
        event=changed(snapshot(Status.UNKNOWN)),
        second=6,
        state=subscription(Status.UNKNOWN, as_of=at(6), version=4),
        outcome=Outcome.APPLIED,
        alerts=(Alert.UNKNOWN_STATUS,),
    ),
]

ENDS = [
    Row(
        name="deleted: ended",
        current=_of_second_5(),
        event=ended(snapshot(Status.CANCELED, period_end=at(6), cancel=True)),
        second=6,
        state=subscription(Status.CANCELED, period_end=at(6), as_of=at(6), version=4),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="deleted, older than what is held: ended whatever the order, and the clock does not go back",
        current=_of_second_5(),
        event=ended(snapshot(Status.CANCELED, period_end=at(4))),
        second=4,
        state=subscription(Status.CANCELED, period_end=at(4), as_of=at(5), version=4),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="deleted, whatever status it shows: ended",
        current=_of_second_5(),
        event=ended(snapshot(Status.ACTIVE)),
        second=6,
        state=subscription(Status.CANCELED, as_of=at(6), version=4),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="deleted, never seen: inserted as ended, so that nothing late can grant",
        current=None,
        event=ended(snapshot(Status.CANCELED)),
        second=6,
        state=subscription(Status.CANCELED, as_of=at(6), version=1),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="deleted again: nothing new",
        current=_of_second_5(Status.CANCELED),
        event=ended(snapshot(Status.CANCELED)),
        second=6,
        state=subscription(Status.CANCELED, as_of=at(6), version=4),
        outcome=Outcome.UNCHANGED,
    ),
    Row(
        name="deleted after its customer was: its last word counts, for it knows its last day",
        current=_of_second_5(Status.CANCELED),
        event=ended(snapshot(Status.CANCELED, period_end=at(5))),
        second=5,
        state=subscription(Status.CANCELED, period_end=at(5), as_of=at(5), version=4),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="customer deleted: ended, and re-read for its last day",
        current=subscription(cancel=True, as_of=at(5), version=3),
        event=DELETED,
        second=4,
        state=subscription(Status.CANCELED, as_of=at(5), version=4),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    Row(
        name="customer deleted, ended before: nothing new",
        current=_of_second_5(Status.INCOMPLETE_EXPIRED),
        event=DELETED,
        second=6,
        state=replace(_of_second_5(Status.INCOMPLETE_EXPIRED), version=4),
        outcome=Outcome.UNCHANGED,
    ),
    Row(
        name="customer deleted, nothing held: nothing to end",
        current=None,
        event=DELETED,
        second=6,
        state=None,
        outcome=Outcome.IGNORED,
    ),
]

CHECKOUTS = [
    Row(
        name="completed, not seen yet: active with the tier sold, and re-read",
        current=None,
        event=completed(tier=Tier.PRO),
        second=5,
        state=subscription(period_end=None, started_at=at(5), as_of=at(5), version=1),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    Row(
        name="completed, known by an invoice alone: as not seen yet",
        current=heard_of(version=4),
        event=completed(tier=Tier.PRO),
        second=5,
        state=subscription(period_end=None, started_at=at(5), as_of=at(5), version=5),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    Row(
        name="completed, known: its state stays, and re-read",
        current=_of_second_5(Status.PAST_DUE),
        event=completed(tier=Tier.ENTERPRISE),
        second=9,
        state=replace(_of_second_5(Status.PAST_DUE), version=4),
        outcome=Outcome.UNCHANGED,
        reread=True,
    ),
    Row(
        name="completed, known by a re-read alone: its state stays",
        current=subscription(Status.TRIALING, as_of=None, version=0),
        event=completed(tier=Tier.ENTERPRISE),
        second=9,
        state=subscription(Status.TRIALING, as_of=None, version=1),
        outcome=Outcome.UNCHANGED,
        reread=True,
    ),
    Row(
        name="completed, known by a price that is not ours: the tier sold counts",
        current=subscription(tier=Tier.FREE, as_of=at(5), version=3),
        event=completed(tier=Tier.PRO),
        second=5,
        state=subscription(tier=Tier.PRO, as_of=at(5), version=4),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    Row(
        name="completed, ended: nothing revives it",
        current=_of_second_5(Status.CANCELED),
        event=completed(tier=Tier.PRO),
        second=9,
        state=replace(_of_second_5(Status.CANCELED), version=4),
        outcome=Outcome.STALE,
    ),
    Row(
        name="completed, tier not said: it grants nothing until it is re-read",
        current=None,
        event=completed(tier=Tier.FREE),
        second=5,
        state=subscription(tier=Tier.FREE, period_end=None, started_at=at(5), as_of=at(5), version=1),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
]


def _failed(before: Status, after: Status, *, second: int, outcome: Outcome) -> Row:
    return Row(
        name=f"payment failed in second {second}: {before} becomes {after}",
        current=_of_second_5(before),
        event=payment_failed(),
        second=second,
        state=replace(_of_second_5(after), version=4),
        outcome=outcome,
        reread=outcome is not Outcome.STALE or not before.has_ended,
    )


PAYMENTS = [
    Row(
        name="payment failed, never seen: heard of, grants nothing, and re-read",
        current=None,
        event=payment_failed(),
        second=5,
        state=heard_of(started_at=at(5), version=1),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    Row(
        name="payment failed, known by a re-read alone: past due, and the clock stays unset",
        current=subscription(as_of=None, version=0),
        event=payment_failed(),
        second=5,
        state=subscription(Status.PAST_DUE, as_of=None, version=1),
        outcome=Outcome.APPLIED,
        reread=True,
    ),
    _failed(Status.ACTIVE, Status.PAST_DUE, second=6, outcome=Outcome.APPLIED),
    _failed(Status.ACTIVE, Status.PAST_DUE, second=5, outcome=Outcome.APPLIED),
    _failed(Status.TRIALING, Status.PAST_DUE, second=6, outcome=Outcome.APPLIED),
    _failed(Status.ACTIVE, Status.ACTIVE, second=4, outcome=Outcome.STALE),
    _failed(Status.TRIALING, Status.TRIALING, second=4, outcome=Outcome.STALE),
    _failed(Status.INCOMPLETE, Status.INCOMPLETE, second=6, outcome=Outcome.UNCHANGED),
    _failed(Status.PAST_DUE, Status.PAST_DUE, second=6, outcome=Outcome.UNCHANGED),
    _failed(Status.UNPAID, Status.UNPAID, second=6, outcome=Outcome.UNCHANGED),
    _failed(Status.PAUSED, Status.PAUSED, second=6, outcome=Outcome.UNCHANGED),
    _failed(Status.UNKNOWN, Status.UNKNOWN, second=6, outcome=Outcome.UNCHANGED),
    _failed(Status.CANCELED, Status.CANCELED, second=6, outcome=Outcome.STALE),
    _failed(Status.INCOMPLETE_EXPIRED, Status.INCOMPLETE_EXPIRED, second=6, outcome=Outcome.STALE),
]


@pytest.mark.parametrize(
    "row",
    [*SNAPSHOTS, *UNKNOWNS, *ENDS, *CHECKOUTS, *PAYMENTS],
    ids=lambda row: row.name if isinstance(row, Row) else "",
)
def test_the_table(row: Row) -> None:
    """Each row of the rule: what is held and what comes decide what is held then, and whether Stripe is asked."""
    decision = decide(row.current, row.event, created=at(row.second), account=ANN, catalogue=CATALOGUE)
    assert decision == Decision(state=row.state, outcome=row.outcome, reread=row.reread, alerts=row.alerts)


@pytest.mark.parametrize("row", [row for row in PAYMENTS if row.current and row.state], ids=lambda row: row.name)
def test_an_invoice_is_no_snapshot(row: Row) -> None:
    """A failed payment leaves `as_of` where it is, so that the subscription's own word of that second counts."""
    assert row.current is not None
    decision = decide(row.current, row.event, created=at(row.second), account=ANN, catalogue=CATALOGUE)
    assert decision.state is not None
    assert decision.state.as_of == row.current.as_of
