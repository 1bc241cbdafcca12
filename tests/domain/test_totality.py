"""Whatever is held and whatever comes: the rule answers, and keeps what it must keep."""

from dataclasses import replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from billing.events import (
    CheckoutCompleted,
    CustomerDeleted,
    PaymentFailed,
    SubscriptionChanged,
    SubscriptionEnded,
)
from billing.idempotency import Decision, Outcome, SubscriptionEvent, decide, settle
from billing.plans import Tier
from billing.subscription import Snapshot, Subscription
from support.domain_strategies import PROPERTY, events, seconds, snapshots, subscriptions
from support.domain_things import ANN, CATALOGUE, NOON, SUBSCRIPTION

HELD = st.none() | subscriptions().map(lambda one: replace(one, id=SUBSCRIPTION))


def _decide(current: Subscription | None, event: SubscriptionEvent, created: datetime) -> Decision:
    return decide(current, event, created=created, account=ANN, catalogue=CATALOGUE)


@PROPERTY
@given(current=HELD, event=events(), created=seconds())
def test_every_event_moves_the_version_by_one(
    current: Subscription | None, event: SubscriptionEvent, created: datetime
) -> None:
    """Every decision but that on nothing at all moves the version by one, so that a re-read is overtaken."""
    decision = _decide(current, event, created)
    if decision.state is None:
        assert current is None
        assert isinstance(event, CustomerDeleted)
    else:
        assert decision.state.version == (current.version + 1 if current else 1)


@PROPERTY
@given(current=subscriptions(), event=events(), created=seconds())
def test_what_has_ended_stays_ended_and_grants_nothing(
    current: Subscription, event: SubscriptionEvent, created: datetime
) -> None:
    """No event of any order revives a subscription that has ended; an end always ends."""
    state = _decide(current, event, created).state
    assert state is not None
    if current.status.has_ended or isinstance(event, SubscriptionEnded | CustomerDeleted):
        assert state.status.has_ended
        assert state.granted is Tier.FREE


@PROPERTY
@given(current=HELD, event=events(), created=seconds())
def test_the_clock_never_goes_back(current: Subscription | None, event: SubscriptionEvent, created: datetime) -> None:
    """`as_of` only grows, and never beyond the event's own second."""
    state = _decide(current, event, created).state
    before = current.as_of if current else None
    if state is not None and before is not None:
        assert state.as_of is not None
        assert before <= state.as_of <= max(before, created)
    elif state is not None:
        assert state.as_of in (None, created)


@PROPERTY
@given(current=HELD, event=events(), created=seconds())
def test_nothing_grants_more_than_what_was_sold(
    current: Subscription | None, event: SubscriptionEvent, created: datetime
) -> None:
    """A tier comes from a known price, from the checkout that sold it or from before; never from anywhere else."""
    state = _decide(current, event, created).state
    known = {Tier.FREE, current.tier if current else Tier.FREE, *_tiers_told(event)}
    assert state is None or state.tier in known


@PROPERTY
@given(current=HELD, event=events(), created=seconds())
def test_access_never_comes_from_an_invoice_or_a_customers_end(
    current: Subscription | None, event: SubscriptionEvent, created: datetime
) -> None:
    """Only a snapshot or a completed checkout can grant what was not granted before."""
    state = _decide(current, event, created).state
    if state is not None and isinstance(event, PaymentFailed | CustomerDeleted):
        assert state.granted <= (current.granted if current else Tier.FREE)


@PROPERTY
@given(current=HELD, event=events(), created=seconds())
def test_an_outcome_says_what_happened(
    current: Subscription | None, event: SubscriptionEvent, created: datetime
) -> None:
    """`applied` means that what is held has changed, every other outcome that it has not."""
    decision = _decide(current, event, created)
    assert decision.outcome is not Outcome.DUPLICATE
    if current is not None and decision.state is not None:
        facts = replace(decision.state, version=current.version, as_of=current.as_of)
        assert (facts != current) is (decision.outcome is Outcome.APPLIED)


@PROPERTY
@given(current=HELD, event=events(), created=seconds())
def test_the_same_event_again_says_nothing_new(
    current: Subscription | None, event: SubscriptionEvent, created: datetime
) -> None:
    """A second Event object about the same change, right after the first, changes nothing more."""
    once = _decide(current, event, created).state
    if once is not None:
        twice = _decide(once, event, created).state
        assert twice is not None
        assert replace(twice, version=once.version) == once


@PROPERTY
@given(current=HELD, snapshot=snapshots())
def test_a_reread_moves_neither_clock_nor_version(current: Subscription | None, snapshot: Snapshot) -> None:
    """Settling is no event: it leaves `as_of` and `version`, asks for nothing, and revives nothing."""
    decision = settle(current, snapshot, read_at=NOON, account=ANN, catalogue=CATALOGUE)
    state = decision.state
    assert state is not None
    assert not decision.reread
    assert (state.as_of, state.version) == ((current.as_of, current.version) if current else (None, 0))
    assert state.status.has_ended or current is None or not current.status.has_ended


@PROPERTY
@given(current=HELD, snapshot=snapshots())
def test_settling_twice_is_settling_once(current: Subscription | None, snapshot: Snapshot) -> None:
    """The same answer again is unchanged, or as stale as before."""
    once = settle(current, snapshot, read_at=NOON, account=ANN, catalogue=CATALOGUE).state
    twice = settle(once, snapshot, read_at=NOON, account=ANN, catalogue=CATALOGUE)
    assert twice.state == once
    assert twice.outcome in (Outcome.UNCHANGED, Outcome.STALE)


def _tiers_told(event: SubscriptionEvent) -> set[Tier]:
    match event:
        case SubscriptionChanged(snapshot=snapshot) | SubscriptionEnded(snapshot=snapshot):
            tier = CATALOGUE.tier_of(snapshot.prices)
            return set() if tier is None else {tier}
        case CheckoutCompleted(tier=tier):
            return {tier}
        case _:
            return set()
