"""An account's standing: many subscriptions, one answer."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.identifiers import SubscriptionId
from billing.plans import Tier
from billing.standing import NEVER_SUBSCRIBED, Standing, decisive, live_subscriptions, standing_of
from billing.subscription import Status, Subscription
from support.domain_strategies import PROPERTY, subscriptions
from support.domain_things import NOON, PERIOD, at, heard_of, subscription

OLD = SubscriptionId("sub_old")
NEW = SubscriptionId("sub_new")


def _one(
    status: Status = Status.ACTIVE,
    *,
    id_: SubscriptionId,
    tier: Tier = Tier.PRO,
    period_end: datetime | None = NOON + PERIOD,
    started: int = 0,
) -> Subscription:
    return subscription(status, id_=id_, tier=tier, period_end=period_end, started_at=at(started))


@pytest.mark.parametrize(
    ("held", "standing"),
    [
        pytest.param([], NEVER_SUBSCRIBED, id="never subscribed: free and three nulls"),
        pytest.param([heard_of()], NEVER_SUBSCRIBED, id="only an invoice has named one: as if never"),
        pytest.param(
            [subscription(cancel=True)],
            Standing(plan=Tier.PRO, status=Status.ACTIVE, period_end=NOON + PERIOD, cancel_at_period_end=True),
            id="cancelled at the period's end: still pro",
        ),
        pytest.param(
            [subscription(Status.PAST_DUE)],
            Standing(plan=Tier.PRO, status=Status.PAST_DUE, period_end=NOON + PERIOD, cancel_at_period_end=False),
            id="past due: the grace keeps the plan",
        ),
        *(
            pytest.param(
                [subscription(status)],
                Standing(plan=Tier.FREE, status=status, period_end=NOON + PERIOD, cancel_at_period_end=False),
                id=f"{status}: free, and the status is told",
            )
            for status in Status
            if status not in (Status.ACTIVE, Status.TRIALING, Status.PAST_DUE)
        ),
    ],
)
def test_one_subscription(held: list[Subscription], standing: Standing) -> None:
    """Of at most one subscription, the standing is what that one grants and says."""
    assert standing_of(held) == standing


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param(
            _one(Status.TRIALING, id_=OLD, started=0),
            _one(Status.CANCELED, id_=NEW, tier=Tier.ENTERPRISE, started=9),
            id="one that grants, before a newer and bigger one that does not",
        ),
        pytest.param(
            _one(Status.PAST_DUE, id_=OLD, tier=Tier.ENTERPRISE),
            _one(id_=NEW, started=9),
            id="the higher tier, though newer and healthier is the other",
        ),
        pytest.param(
            _one(id_=OLD), _one(Status.PAST_DUE, id_=NEW, started=9), id="of one tier the healthier, though older"
        ),
        pytest.param(_one(id_=NEW, started=9), _one(id_=OLD), id="of equals the later start"),
        pytest.param(
            _one(Status.UNPAID, id_=NEW, tier=Tier.PRO, started=9),
            _one(Status.CANCELED, id_=OLD, tier=Tier.ENTERPRISE),
            id="where none grants, the most recent, whatever its tier was",
        ),
        pytest.param(
            _one(Status.CANCELED, id_=NEW, started=9),
            _one(Status.PAUSED, id_=OLD),
            id="where none grants, the most recent, whatever its status is",
        ),
        pytest.param(_one(id_=OLD), _one(id_=NEW), id="at last the id, so that the answer is always one"),
        pytest.param(
            _one(Status.CANCELED, id_=OLD),
            replace(heard_of(), id=NEW, started_at=at(9)),
            id="a known one, before one heard of",
        ),
        pytest.param(
            _one(Status.UNKNOWN, id_=NEW, started=9),
            _one(Status.CANCELED, id_=OLD),
            id="a strange status that a snapshot told counts as known",
        ),
    ],
)
def test_the_better_of_two_decides(better: Subscription, worse: Subscription) -> None:
    """Of two subscriptions the better one speaks for the account, in whatever order the rows come."""
    assert decisive([better, worse]) == better
    assert decisive([worse, better]) == better


@PROPERTY
@given(held=st.lists(subscriptions(), max_size=5, unique_by=lambda one: one.id), data=st.data())
def test_the_order_of_the_rows_does_not_matter(held: list[Subscription], data: st.DataObject) -> None:
    """Any order of any subscriptions answers the same standing."""
    assert standing_of(data.draw(st.permutations(held))) == standing_of(held)


@PROPERTY
@given(held=st.lists(subscriptions(), max_size=5, unique_by=lambda one: one.id))
def test_the_plan_is_the_best_that_any_grants(held: list[Subscription]) -> None:
    """No subscription takes away what another one grants, and none grants more than it has."""
    assert standing_of(held).plan == max((one.granted for one in held), default=Tier.FREE)


def test_live_subscriptions_are_counted() -> None:
    """Everything that may be managed in the portal is live; what has ended, or was never paid for, is not."""
    assert live_subscriptions(subscription(status) for status in Status) == 6
    assert live_subscriptions([heard_of()]) == 0
