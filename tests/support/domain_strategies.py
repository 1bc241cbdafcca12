"""Hypothesis strategies for the domain's things, and how many examples its properties are tried with."""

import os
from datetime import datetime

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from billing.events import CheckoutCompleted, CustomerDeleted, PaymentFailed, SubscriptionChanged, SubscriptionEnded
from billing.idempotency import SubscriptionEvent
from billing.identifiers import SubscriptionId
from billing.plans import Tier
from billing.subscription import Snapshot, Status, Subscription
from support.domain_things import (
    ANN,
    CUSTOMER,
    ENTERPRISE,
    FOREIGN_PRICE,
    OLD_PRO,
    PRO,
    SESSION,
    SUBSCRIPTION,
    at,
)


def examples(by_default: int) -> int:
    """Answer how many examples to try: `BILLING_HYPOTHESIS_EXAMPLES`, else the default, which is small."""
    return int(os.environ.get("BILLING_HYPOTHESIS_EXAMPLES", by_default))


PROPERTY = settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How a property is tried. No time limits: a slow machine proves nothing."""


def seconds() -> st.SearchStrategy[datetime]:
    """Draw whole seconds, few enough to tie often."""
    return st.integers(0, 5).map(at)


def prices() -> st.SearchStrategy[tuple[str, ...]]:
    """Draw the prices of a subscription: ours, others', several, none."""
    return st.lists(st.sampled_from([PRO, OLD_PRO, ENTERPRISE, FOREIGN_PRICE]), max_size=3).map(tuple)


def snapshots() -> st.SearchStrategy[Snapshot]:
    """Draw what Stripe may say of the one subscription, sense or nonsense."""
    return st.builds(
        Snapshot,
        subscription=st.just(SUBSCRIPTION),
        customer=st.just(CUSTOMER),
        status=st.sampled_from(Status),
        prices=prices(),
        period_end=st.none() | seconds(),
        cancel_at_period_end=st.booleans(),
        started_at=seconds(),
        account=st.sampled_from([ANN, None]),
    )


def subscriptions() -> st.SearchStrategy[Subscription]:
    """Draw what may be held of a subscription of one account."""
    return st.builds(
        Subscription,
        id=st.sampled_from(["sub_1", "sub_2", "sub_3", "sub_4", "sub_5"]).map(SubscriptionId),
        account=st.just(ANN),
        customer=st.just(CUSTOMER),
        tier=st.sampled_from(Tier),
        status=st.sampled_from(Status),
        period_end=st.none() | seconds(),
        cancel_at_period_end=st.booleans(),
        started_at=seconds(),
        as_of=st.none() | seconds(),
        version=st.integers(0, 3),
    )


def events() -> st.SearchStrategy[SubscriptionEvent]:
    """Draw any event of the one subscription."""
    return st.one_of(
        st.builds(SubscriptionChanged, snapshot=snapshots()),
        st.builds(SubscriptionEnded, snapshot=snapshots()),
        st.builds(
            CheckoutCompleted,
            session=st.just(SESSION),
            subscription=st.just(SUBSCRIPTION),
            customer=st.just(CUSTOMER),
            account=st.sampled_from([ANN, None]),
            tier=st.sampled_from(Tier),
        ),
        st.just(PaymentFailed(subscription=SUBSCRIPTION, customer=CUSTOMER)),
        st.just(CustomerDeleted(customer=CUSTOMER)),
    )
