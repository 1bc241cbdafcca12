"""The rule under test, and rules that are broken on purpose: a model that cannot find these proves nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from billing.events import CheckoutCompleted, PaymentFailed, SubscriptionChanged
from billing.idempotency import Decision, Outcome, SubscriptionEvent, decide, settle
from billing.identifiers import AccountId
from billing.plans import Catalogue
from billing.subscription import Snapshot, Status, Subscription


class Decide(Protocol):
    """What `billing.idempotency.decide` is."""

    def __call__(
        self,
        current: Subscription | None,
        event: SubscriptionEvent,
        *,
        created: datetime,
        account: AccountId,
        catalogue: Catalogue,
    ) -> Decision:
        """Decide one event."""
        ...


class Settle(Protocol):
    """What `billing.idempotency.settle` is."""

    def __call__(
        self,
        current: Subscription | None,
        snapshot: Snapshot,
        *,
        read_at: datetime,
        account: AccountId,
        catalogue: Catalogue,
    ) -> Decision:
        """Apply what a re-read answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Everything that convergence rests on."""

    decide: Decide = decide
    settle: Settle = settle
    knows_duplicates: bool = True
    """Whether the id of a decided event is remembered."""
    heeds_version: bool = True
    """Whether a re-read that was overtaken by an event is thrown away."""
    fetches_again: bool = True
    """Whether a re-read that was thrown away is asked for again."""
    heeds_lease: bool = True
    """Whether a re-read whose lease was lost is thrown away."""
    settle_moves_clock: bool = False
    """Whether a re-read sets `as_of` to the second in which it was fetched."""


NEAR = timedelta(seconds=2)

Amend = Callable[[Subscription | None, SubscriptionEvent, datetime, Decision], Decision]


def _amended(amend: Amend) -> Decide:
    """Answer a rule that changes what the right one decided."""

    def decide_wrongly(
        current: Subscription | None,
        event: SubscriptionEvent,
        *,
        created: datetime,
        account: AccountId,
        catalogue: Catalogue,
    ) -> Decision:
        decision = decide(current, event, created=created, account=account, catalogue=catalogue)
        return amend(current, event, created, decision)

    return decide_wrongly


def _version_stays_if_unchanged(
    current: Subscription | None, event: SubscriptionEvent, created: datetime, decision: Decision
) -> Decision:
    if current is None or decision.state is None or decision.outcome is not Outcome.UNCHANGED:
        return decision
    return replace(decision, state=replace(decision.state, version=current.version))


def _no_reread_where(doubtful: Callable[[Subscription | None, SubscriptionEvent, datetime], bool]) -> Decide:
    def amend(
        current: Subscription | None, event: SubscriptionEvent, created: datetime, decision: Decision
    ) -> Decision:
        return replace(decision, reread=False) if doubtful(current, event, created) else decision

    return _amended(amend)


def _is_tied(current: Subscription | None, event: SubscriptionEvent, created: datetime) -> bool:
    return isinstance(event, SubscriptionChanged) and current is not None and current.as_of == created


def _is_older(current: Subscription | None, event: SubscriptionEvent, created: datetime) -> bool:
    return isinstance(event, SubscriptionChanged) and _precedes(current, created)


def _precedes(current: Subscription | None, created: datetime) -> bool:
    return current is not None and current.as_of is not None and created < current.as_of


def _is_failed_payment(current: Subscription | None, event: SubscriptionEvent, created: datetime) -> bool:
    return isinstance(event, PaymentFailed)


def _doubt_what_is_near(
    current: Subscription | None, event: SubscriptionEvent, created: datetime, decision: Decision
) -> Decision:
    if current is None or current.as_of is None or decision.outcome is not Outcome.APPLIED:
        return decision
    is_near = isinstance(event, SubscriptionChanged) and created - current.as_of <= NEAR
    return replace(decision, reread=True) if is_near else decision


def _apply_older(
    current: Subscription | None,
    event: SubscriptionEvent,
    *,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Take every snapshot's word in order of arrival, as most peers do."""
    if current is not None and isinstance(event, SubscriptionChanged) and not current.status.has_ended:
        current = replace(current, as_of=None)
    return decide(current, event, created=created, account=account, catalogue=catalogue)


def _forget_rereads(
    current: Subscription | None,
    event: SubscriptionEvent,
    *,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Believe a snapshot that is newer than the last one, though a re-read has told of newer things."""
    known = replace(current, read_at=None) if current is not None else None
    return decide(known, event, created=created, account=account, catalogue=catalogue)


def _drop_ties(
    current: Subscription | None,
    event: SubscriptionEvent,
    *,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Believe that what was first within a second was also last."""
    if current is not None and _is_tied(current, event, created):
        return Decision(state=replace(current, version=current.version + 1), outcome=Outcome.STALE)
    return decide(current, event, created=created, account=account, catalogue=catalogue)


def _revive(
    current: Subscription | None,
    event: SubscriptionEvent,
    *,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Let a late event bring back what has ended."""
    if current is not None and current.status.has_ended and isinstance(event, SubscriptionChanged | CheckoutCompleted):
        revived = replace(current, status=Status.UNKNOWN, as_of=None)
        decision = decide(revived, event, created=created, account=account, catalogue=catalogue)
        return replace(decision, reread=True)
    return decide(current, event, created=created, account=account, catalogue=catalogue)


def _complete_by_overwriting(
    current: Subscription | None,
    event: SubscriptionEvent,
    *,
    created: datetime,
    account: AccountId,
    catalogue: Catalogue,
) -> Decision:
    """Let a completed checkout overwrite what snapshots said, without asking Stripe."""
    decision = decide(current, event, created=created, account=account, catalogue=catalogue)
    if not isinstance(event, CheckoutCompleted) or decision.state is None or decision.state.status.has_ended:
        return decision
    return replace(decision, state=replace(decision.state, status=Status.ACTIVE, tier=event.tier), reread=False)


def _settle_by_reviving(
    current: Subscription | None, snapshot: Snapshot, *, read_at: datetime, account: AccountId, catalogue: Catalogue
) -> Decision:
    """Let a re-read bring back what has ended."""
    if current is not None and current.status.has_ended:
        current = replace(current, status=Status.UNKNOWN)
    return settle(current, snapshot, read_at=read_at, account=account, catalogue=catalogue)


def _settle_nothing(
    current: Subscription | None, snapshot: Snapshot, *, read_at: datetime, account: AccountId, catalogue: Catalogue
) -> Decision:
    """Pass over what Stripe answered: the queue empties, and nothing is mended."""
    if current is None:
        return settle(current, snapshot, read_at=read_at, account=account, catalogue=catalogue)
    return Decision(state=current, outcome=Outcome.UNCHANGED)


RIGHT = Rule()
BROKEN: dict[str, Rule] = {
    "version stays on unchanged events": Rule(decide=_amended(_version_stays_if_unchanged)),
    "older snapshots are applied": Rule(decide=_apply_older),
    "no re-read on ties": Rule(decide=_no_reread_where(_is_tied)),
    "ties are dropped": Rule(decide=_drop_ties),
    "a snapshot from before a re-read is believed": Rule(decide=_forget_rereads),
    "no re-read on failed payments": Rule(decide=_no_reread_where(_is_failed_payment)),
    "a late event revives what has ended": Rule(decide=_revive),
    "a completed checkout overwrites": Rule(decide=_complete_by_overwriting),
    "a re-read is not written": Rule(settle=_settle_nothing),
    "events are decided again": Rule(knows_duplicates=False),
    "an overtaken re-read is written": Rule(heeds_version=False),
    "an overtaken re-read is forgotten": Rule(fetches_again=False),
    "a lost lease is ignored": Rule(heeds_lease=False),
}

REDUNDANT: dict[str, Rule] = {
    "no re-read on older snapshots": Rule(decide=_no_reread_where(_is_older)),
    "a re-read revives what has ended": Rule(settle=_settle_by_reviving),
    "a re-read moves the clock": Rule(settle_moves_clock=True),
}
"""Rules without a precaution that matters only where an event is lost or Stripe's clock or answer is wrong.

An older snapshot may be the later one if Stripe's clocks disagree; an answer may be older than the end it follows;
a clock moved by a re-read is ours, so that later events look old and wait for a Stripe that may be away.
"""

STRICTER: dict[str, Rule] = {"what is near in time is in doubt": Rule(decide=_amended(_doubt_what_is_near))}
"""Rules that ask Stripe more often: this one converges also where Stripe's clocks disagree by a second."""
