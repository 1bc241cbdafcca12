"""Stripe's statuses: what each means, and what is expected to follow what, over every pair of them."""

from itertools import product

import pytest

from billing.idempotency import Alert, Outcome, decide, settle
from billing.plans import Tier
from billing.subscription import EXPECTED_NEXT, Status, is_expected
from support.domain_things import ANN, CATALOGUE, at, changed, snapshot, subscription

ORDER = [
    Status.INCOMPLETE,
    Status.INCOMPLETE_EXPIRED,
    Status.TRIALING,
    Status.ACTIVE,
    Status.PAST_DUE,
    Status.UNPAID,
    Status.PAUSED,
    Status.CANCELED,
    Status.UNKNOWN,
]
# A row for each status before, a column for each after, both in the order above; `x` is expected, `.` raises an alert.
TABLE = """
    incomplete          x x x x . . . x x
    incomplete_expired  . x . . . . . . x
    trialing            . . x x x x x x x
    active              . . x x x x x x x
    past_due            . . . x x x x x x
    unpaid              . . . x . x . x x
    paused              . . . x x . x x x
    canceled            . . . . . . . x x
    unknown             x x x x x x x x x
"""
EXPECTED = {
    (Status(row[0]), after): mark == "x"
    for row in (line.split() for line in TABLE.strip().splitlines())
    for after, mark in zip(ORDER, row[1:], strict=True)
}
ENDED = {Status.CANCELED, Status.INCOMPLETE_EXPIRED}


@pytest.mark.parametrize(
    ("status", "grants", "is_live", "has_ended"),
    [
        (Status.INCOMPLETE, False, False, False),
        (Status.INCOMPLETE_EXPIRED, False, False, True),
        (Status.TRIALING, True, True, False),
        (Status.ACTIVE, True, True, False),
        (Status.PAST_DUE, True, True, False),
        (Status.UNPAID, False, True, False),
        (Status.PAUSED, False, True, False),
        (Status.CANCELED, False, False, True),
        (Status.UNKNOWN, False, True, False),
    ],
)
def test_what_a_status_means(status: Status, *, grants: bool, is_live: bool, has_ended: bool) -> None:
    """Each status grants access, is live, has ended, or not; the unknown one may be live but grants nothing."""
    assert (status.grants_access, status.is_live, status.has_ended) == (grants, is_live, has_ended)
    assert subscription(status, tier=Tier.PRO).granted is (Tier.PRO if grants else Tier.FREE)


@pytest.mark.parametrize("status", Status)
def test_a_status_is_read_by_stripes_word(status: Status) -> None:
    """Stripe's own words are understood."""
    assert Status.parse(status.value) is status


@pytest.mark.parametrize("word", ["", "Active", "ACTIVE", "frozen", "trial", "cancelled"])
def test_a_word_that_is_not_known_is_unknown(word: str) -> None:
    """A status that Stripe adds later neither breaks nor grants."""
    assert Status.parse(word) is Status.UNKNOWN


def test_the_table_is_about_every_status() -> None:
    """No status can be added without a decision on every pair with it."""
    assert set(EXPECTED) == set(product(Status, Status))
    assert set(EXPECTED_NEXT) == set(Status)


@pytest.mark.parametrize(("before", "after"), list(product(ORDER, ORDER)))
def test_which_step_is_expected(before: Status, after: Status) -> None:
    """What the code expects of each pair of statuses is what the table above says."""
    assert is_expected(before, after) is EXPECTED[before, after]


@pytest.mark.parametrize(("before", "after"), list(product(ORDER, ORDER)))
def test_every_step_is_decided(before: Status, after: Status) -> None:
    """A newer snapshot is taken at its word whatever the step; only what has ended stays; jumps raise an alert."""
    current = subscription(before, as_of=at(1), version=7)
    decision = decide(current, changed(snapshot(after)), created=at(2), account=ANN, catalogue=CATALOGUE)
    assert decision.state is not None
    assert decision.state.version == 8
    if before in ENDED:
        assert (decision.state.status, decision.outcome, decision.alerts) == (before, Outcome.STALE, ())
        return
    assert decision.state.status is after
    assert decision.outcome is (Outcome.UNCHANGED if before is after else Outcome.APPLIED)
    assert (Alert.UNEXPECTED_TRANSITION in decision.alerts) is not EXPECTED[before, after]
    assert (Alert.UNKNOWN_STATUS in decision.alerts) is (after is Status.UNKNOWN)
    assert not decision.reread


@pytest.mark.parametrize(("before", "after"), list(product(ORDER, ORDER)))
def test_every_step_is_settled(before: Status, after: Status) -> None:
    """A re-read is Stripe's word for every pair as well, but does not bring back what has ended."""
    current = subscription(before, as_of=at(1), version=7)
    decision = settle(current, snapshot(after), read_at=at(9), account=ANN, catalogue=CATALOGUE)
    assert decision.state is not None
    assert (decision.state.version, decision.state.as_of, decision.reread) == (7, at(1), False)
    assert decision.state.status is (before if before in ENDED and after not in ENDED else after)
