"""What a re-read's answer does to what is held."""

from dataclasses import dataclass, replace

import pytest

from billing.idempotency import Alert, Decision, Outcome, decide, settle
from billing.plans import Tier
from billing.subscription import Snapshot, Status, Subscription
from support.domain_things import (
    ANN,
    CATALOGUE,
    ENTERPRISE,
    FOREIGN_PRICE,
    NOON,
    PERIOD,
    at,
    changed,
    heard_of,
    snapshot,
    subscription,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is held, what Stripe answers, and what must come of it."""

    name: str
    current: Subscription | None
    answer: Snapshot
    state: Subscription
    outcome: Outcome
    alerts: tuple[Alert, ...] = ()


ROWS = [
    Row(
        name="says something else: it stands, and neither the clock nor the version moves",
        current=subscription(as_of=at(5), version=3),
        answer=snapshot(Status.PAST_DUE, prices=(ENTERPRISE,), period_end=NOON + 2 * PERIOD, cancel=True),
        state=subscription(
            Status.PAST_DUE, tier=Tier.ENTERPRISE, period_end=NOON + 2 * PERIOD, cancel=True, as_of=at(5), version=3
        ),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="says what is held: nothing changes",
        current=subscription(as_of=at(5), version=3),
        answer=snapshot(),
        state=subscription(as_of=at(5), version=3),
        outcome=Outcome.UNCHANGED,
    ),
    Row(
        name="never seen: inserted, so that the plan turns true without a webhook",
        current=None,
        answer=snapshot(),
        state=subscription(as_of=None, version=0),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="known by an invoice alone: now it is known",
        current=heard_of(version=2),
        answer=snapshot(Status.INCOMPLETE),
        state=subscription(Status.INCOMPLETE, as_of=None, version=2),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="ended there: ended here",
        current=subscription(as_of=at(5), version=3),
        answer=snapshot(Status.CANCELED, period_end=at(9), cancel=True),
        state=subscription(Status.CANCELED, period_end=at(9), as_of=at(5), version=3),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="ended here by its customer: Stripe knows its last day",
        current=subscription(Status.CANCELED, as_of=at(5), version=3),
        answer=snapshot(Status.CANCELED, period_end=at(9)),
        state=subscription(Status.CANCELED, period_end=at(9), as_of=at(5), version=3),
        outcome=Outcome.APPLIED,
    ),
    Row(
        name="ended here, live there: it stays ended",
        current=subscription(Status.CANCELED, as_of=at(5), version=3),
        answer=snapshot(Status.ACTIVE),
        state=subscription(Status.CANCELED, as_of=at(5), version=3),
        outcome=Outcome.STALE,
    ),
    Row(
        name="unknown price: the last good tier stands, and asking again would not help",
        current=subscription(as_of=at(5), version=3),
        answer=snapshot(prices=(FOREIGN_PRICE,)),
        state=subscription(as_of=at(5), version=3),
        outcome=Outcome.UNCHANGED,
        alerts=(Alert.UNKNOWN_PRICE,),
    ),
    Row(
        name="unknown status: it grants nothing",
        current=subscription(as_of=at(5), version=3),
        answer=snapshot(Status.UNKNOWN),
        state=subscription(Status.UNKNOWN, as_of=at(5), version=3),
        outcome=Outcome.APPLIED,
        alerts=(Alert.UNKNOWN_STATUS,),
    ),
    Row(
        name="a jump: believed, and told of",
        current=subscription(Status.UNPAID, as_of=at(5), version=3),
        answer=snapshot(Status.PAUSED),
        state=subscription(Status.PAUSED, as_of=at(5), version=3),
        outcome=Outcome.APPLIED,
        alerts=(Alert.UNEXPECTED_TRANSITION,),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_table(row: Row) -> None:
    """Stripe's answer stands, except where it would revive what has ended; it never asks for another re-read."""
    decision = settle(row.current, row.answer, read_at=at(10), account=ANN, catalogue=CATALOGUE)
    state = row.state if row.outcome is Outcome.STALE else replace(row.state, read_at=at(10))
    assert decision == Decision(state=state, outcome=row.outcome, alerts=row.alerts)


@pytest.mark.parametrize(("second", "is_doubted"), [(9, True), (10, True), (15, True), (16, False)])
def test_a_snapshot_that_a_reread_may_have_contained_is_doubted(second: int, *, is_doubted: bool) -> None:
    """Read again at second 10, then an event from before says something else: applied, but Stripe is asked.

    Whatever followed it may have been lost; of what is newer than the re-read, also by five seconds of skew between
    the clocks, there is nothing to doubt.
    """
    read = settle(subscription(as_of=at(5)), snapshot(Status.UNPAID), read_at=at(10), account=ANN, catalogue=CATALOGUE)
    late = changed(snapshot(Status.PAST_DUE))
    decision = decide(read.state, late, created=at(second), account=ANN, catalogue=CATALOGUE)
    assert (decision.outcome, decision.reread) == (Outcome.APPLIED, is_doubted)
    same = decide(read.state, changed(snapshot(Status.UNPAID)), created=at(second), account=ANN, catalogue=CATALOGUE)
    assert (same.outcome, same.reread) == (Outcome.UNCHANGED, False)
