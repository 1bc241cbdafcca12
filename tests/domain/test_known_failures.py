"""What peers of this service are known to get wrong, told as stories. Each was somebody's lost plan or free lunch."""

import pytest

from billing.events import CustomerDeleted, SubscriptionChanged
from billing.idempotency import Alert, Outcome
from billing.identifiers import CustomerId, SubscriptionId
from billing.plans import Tier
from billing.standing import NEVER_SUBSCRIBED
from billing.subscription import Snapshot, Status
from support.domain_things import (
    ANN,
    BOB,
    CUSTOMER,
    ENTERPRISE,
    FOREIGN_PRICE,
    NOON,
    PERIOD,
    SUBSCRIPTION,
    at,
    changed,
    completed,
    delivery,
    ended,
    payment_failed,
    snapshot,
)
from support.memory_world import MemoryWorld

OTHER = SubscriptionId("sub_2")
STRANGER = CustomerId("cus_stranger")


@pytest.fixture
def ann(world: MemoryWorld) -> MemoryWorld:
    """Give a world in which Ann has begun a checkout, so that her customer is known."""
    world.add_account(ANN, customer=CUSTOMER)
    return world


def _plan(world: MemoryWorld) -> Tier:
    return world.standing(ANN).plan


def _subscribe(world: MemoryWorld, said: Snapshot | None = None) -> None:
    assert world.deliver(delivery("evt_begin", changed(said or snapshot()))) == [Outcome.APPLIED]


def test_a_late_completed_after_deleted_revives_nothing(ann: MemoryWorld) -> None:
    """The cancelled subscription's own `checkout.session.completed` comes last, and gives no plan."""
    _subscribe(ann)
    ann.deliver(delivery("evt_end", ended(snapshot(Status.CANCELED)), second=60))
    assert ann.deliver(delivery("evt_late", completed())) == [Outcome.STALE]
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.FREE, Status.CANCELED)


def test_a_late_completed_gives_nothing_where_deleted_came_first_of_all(ann: MemoryWorld) -> None:
    """`deleted` is the first thing ever heard of a subscription; what was before it comes later and changes nothing."""
    ann.deliver(delivery("evt_end", ended(snapshot(Status.CANCELED)), second=60))
    late = [delivery("evt_1", completed()), delivery("evt_2", changed(snapshot())), delivery("evt_3", payment_failed())]
    assert ann.deliver(*late) == [Outcome.STALE] * 3
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.FREE, Status.CANCELED)


def test_an_old_subscriptions_deleted_leaves_the_new_one(ann: MemoryWorld) -> None:
    """The end of an old subscription arrives after a new one is active, and does not take its tier."""
    _subscribe(ann)
    ann.deliver(delivery("evt_new", changed(snapshot(id_=OTHER, started_at=at(50))), second=50))
    ann.deliver(delivery("evt_end", ended(snapshot(Status.CANCELED)), second=40))
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.PRO, Status.ACTIVE)
    assert ann.held(SUBSCRIPTION).status is Status.CANCELED


def test_updated_before_completed(ann: MemoryWorld) -> None:
    """`updated` arrives before `checkout.session.completed`, and keeps its word: the later tier and the period end."""
    _subscribe(ann, snapshot(Status.TRIALING, prices=(ENTERPRISE,)))
    assert ann.deliver(delivery("evt_done", completed(tier=Tier.PRO))) == [Outcome.UNCHANGED]
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.ENTERPRISE, Status.TRIALING)
    assert ann.standing(ANN).period_end == NOON + PERIOD


def test_updated_before_completed_of_a_customer_nobody_knows(world: MemoryWorld) -> None:
    """A payment link sold it: what came before `completed` named the account was ignored, and the re-read mends it."""
    world.add_account(ANN)
    said = snapshot(Status.PAST_DUE, customer=STRANGER)
    assert world.deliver(delivery("evt_1", changed(said), second=9)) == [Outcome.IGNORED]
    assert world.deliver(delivery("evt_2", completed(customer=STRANGER), second=3)) == [Outcome.APPLIED]
    world.stripe.put_subscription(said)
    world.settle_all()
    assert world.standing(ANN).status is Status.PAST_DUE
    assert world.store.tables.customers_by_id[STRANGER] == (ANN, 1)


def test_updated_before_created(ann: MemoryWorld) -> None:
    """`created`, still `incomplete`, arrives after `updated` made it active: it is older, so it is only doubted."""
    ann.deliver(delivery("evt_updated", changed(snapshot()), second=2))
    assert ann.deliver(delivery("evt_created", changed(snapshot(Status.INCOMPLETE)), second=1)) == [Outcome.STALE]
    assert _plan(ann) is Tier.PRO
    assert ann.queued() == [SUBSCRIPTION]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_tie_in_one_second(ann: MemoryWorld, order: tuple[int, int]) -> None:
    """`created` and `updated` share a second: whichever comes last, in the end it is what Stripe says."""
    told = [
        delivery("evt_created", changed(snapshot(Status.INCOMPLETE)), second=1),
        delivery("evt_updated", changed(snapshot()), second=1),
    ]
    for index in order:
        ann.deliver(told[index])
    assert ann.queued() == [SUBSCRIPTION]
    ann.stripe.put_subscription(snapshot())
    ann.settle_all()
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.PRO, Status.ACTIVE)


def test_a_late_created_after_the_landing_is_doubted(ann: MemoryWorld) -> None:
    """The landing's re-read told of an active plan; a late `incomplete` cannot take it away for longer than a re-read.

    `updated`, which made it active, is never delivered here: nothing else would mend it.
    """
    ann.stripe.put_subscription(snapshot())
    ann.ask(SUBSCRIPTION)
    ann.settle_all()
    assert _plan(ann) is Tier.PRO
    ann.deliver(delivery("evt_created", changed(snapshot(Status.INCOMPLETE)), second=1))
    assert ann.queued() == [SUBSCRIPTION]
    ann.settle_all()
    assert _plan(ann) is Tier.PRO


def test_payment_failed_late_after_recovery(ann: MemoryWorld) -> None:
    """`invoice.payment_failed` arrives after the subscription recovered, and makes nothing past due."""
    _subscribe(ann)
    ann.deliver(delivery("evt_paid", changed(snapshot(period_end=NOON + 2 * PERIOD)), second=60))
    assert ann.deliver(delivery("evt_failed", payment_failed(), second=50)) == [Outcome.STALE]
    assert ann.standing(ANN).status is Status.ACTIVE


def test_payment_failed_in_the_second_of_the_recovery(ann: MemoryWorld) -> None:
    """In one second the order cannot be told: past due for now, and Stripe is asked."""
    _subscribe(ann)
    recovered = snapshot(period_end=NOON + 2 * PERIOD)
    ann.deliver(
        delivery("evt_paid", changed(recovered), second=60), delivery("evt_failed", payment_failed(), second=60)
    )
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.PRO, Status.PAST_DUE)
    ann.stripe.put_subscription(recovered)
    ann.settle_all()
    assert ann.standing(ANN).status is Status.ACTIVE


def test_payment_failed_on_a_first_invoice(ann: MemoryWorld) -> None:
    """A first invoice that fails leaves `incomplete`: past due would give a plan that was never paid."""
    _subscribe(ann, snapshot(Status.INCOMPLETE))
    assert ann.deliver(delivery("evt_failed", payment_failed(), second=5)) == [Outcome.UNCHANGED]
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.FREE, Status.INCOMPLETE)


def test_payment_failed_on_a_first_invoice_before_created(ann: MemoryWorld) -> None:
    """The failed first invoice is the first thing heard: no plan, no standing yet, and Stripe is asked."""
    ann.deliver(delivery("evt_failed", payment_failed(), second=5))
    assert ann.standing(ANN) == NEVER_SUBSCRIBED
    ann.stripe.put_subscription(snapshot(Status.INCOMPLETE))
    ann.settle_all()
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.FREE, Status.INCOMPLETE)


def test_paused_takes_the_plan_and_resumed_gives_it_back(ann: MemoryWorld) -> None:
    """`paused` is a status like any other: no plan while it lasts, but a subscription to manage."""
    _subscribe(ann)
    ann.deliver(delivery("evt_pause", changed(snapshot(Status.PAUSED)), second=5))
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.FREE, Status.PAUSED)
    ann.deliver(delivery("evt_resume", changed(snapshot()), second=9))
    assert (_plan(ann), ann.alarm.alerts) == (Tier.PRO, [])


def test_a_status_that_does_not_exist_grants_nothing_and_breaks_nothing(ann: MemoryWorld) -> None:
    """Stripe invents a status: no plan, an alert, and the next known one counts again."""
    _subscribe(ann)
    ann.deliver(delivery("evt_strange", changed(snapshot(Status.parse("hibernating"))), second=5))
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.FREE, Status.UNKNOWN)
    assert ann.alarm.alerts == [(Alert.UNKNOWN_STATUS, SUBSCRIPTION)]
    ann.deliver(delivery("evt_known", changed(snapshot()), second=9))
    assert _plan(ann) is Tier.PRO


def test_an_event_for_an_unknown_customer_leaves_no_trace(ann: MemoryWorld) -> None:
    """Events of somebody else's customer are acknowledged, remembered and otherwise ignored."""
    told = [
        delivery("evt_1", changed(snapshot(id_=OTHER, customer=STRANGER))),
        delivery("evt_2", ended(snapshot(Status.CANCELED, id_=OTHER, customer=STRANGER))),
        delivery("evt_3", payment_failed(id_=OTHER, customer=STRANGER)),
        delivery("evt_4", CustomerDeleted(customer=STRANGER)),
        delivery("evt_5", completed(id_=OTHER, customer=STRANGER, account=None)),
    ]
    assert ann.deliver(*told) == [Outcome.IGNORED] * 5
    assert ann.deliver(*told) == [Outcome.DUPLICATE] * 5
    assert (ann.store.tables.subscriptions, ann.queued(), ann.alarm.alerts) == ({}, [], [])
    assert STRANGER not in ann.store.tables.customers_by_id


def test_a_foreign_applications_subscription_leaves_no_trace(ann: MemoryWorld) -> None:
    """Another application in the same Stripe account uses metadata of the same name: its accounts are not ours."""
    theirs = snapshot(id_=OTHER, customer=STRANGER, account=BOB)
    assert ann.deliver(delivery("evt_1", changed(theirs))) == [Outcome.IGNORED]
    assert ann.deliver(delivery("evt_2", completed(id_=OTHER, customer=STRANGER, account=BOB))) == [Outcome.IGNORED]
    assert ann.store.tables.subscriptions == {}


def test_a_claim_does_not_move_a_subscription_to_another_account(ann: MemoryWorld) -> None:
    """Metadata that names another account changes nothing about a customer or a subscription that we know."""
    ann.add_account(BOB)
    _subscribe(ann)
    ann.deliver(delivery("evt_1", changed(snapshot(account=BOB)), second=5))
    ann.deliver(delivery("evt_2", changed(snapshot(id_=OTHER, account=BOB)), second=5))
    assert ann.standing(BOB) == NEVER_SUBSCRIBED
    assert {one.account for one in ann.store.tables.subscriptions.values()} == {ANN}


def test_an_unknown_price_keeps_the_last_good_tier(ann: MemoryWorld) -> None:
    """An operator forgets to configure a new price: nobody loses the plan, an alert is raised and Stripe is asked."""
    _subscribe(ann)
    ann.deliver(delivery("evt_price", changed(snapshot(prices=(FOREIGN_PRICE,))), second=5))
    assert _plan(ann) is Tier.PRO
    assert ann.alarm.alerts == [(Alert.UNKNOWN_PRICE, SUBSCRIPTION)]
    assert ann.queued() == [SUBSCRIPTION]


def test_an_unknown_price_grants_nothing_to_a_new_subscription(ann: MemoryWorld) -> None:
    """Whoever buys something else in the same Stripe account does not get a plan for it."""
    _subscribe(ann, snapshot(prices=(FOREIGN_PRICE,)))
    assert (_plan(ann), ann.standing(ANN).status) == (Tier.FREE, Status.ACTIVE)


def test_customer_deleted_ends_all_of_its_subscriptions(ann: MemoryWorld) -> None:
    """`customer.deleted` takes the plan at once, though `deleted` of its subscriptions is late, and then agrees."""
    _subscribe(ann)
    ann.deliver(delivery("evt_second", changed(snapshot(id_=OTHER))))
    assert ann.deliver(delivery("evt_gone", CustomerDeleted(customer=CUSTOMER), second=9)) == [Outcome.APPLIED]
    assert {one.status for one in ann.store.tables.subscriptions.values()} == {Status.CANCELED}
    assert (_plan(ann), ann.queued()) == (Tier.FREE, [SUBSCRIPTION, OTHER])
    late = [
        delivery("evt_late", changed(snapshot()), second=9),
        delivery("evt_end", ended(snapshot(Status.CANCELED, period_end=at(9))), second=9),
    ]
    assert ann.deliver(*late) == [Outcome.STALE, Outcome.APPLIED]
    assert (_plan(ann), ann.held(SUBSCRIPTION).period_end) == (Tier.FREE, at(9))


def test_a_new_customers_subscription_survives_the_old_customers_end(ann: MemoryWorld) -> None:
    """Only the deleted customer's subscriptions end; the account's next customer keeps what it bought."""
    _subscribe(ann)
    newer = CustomerId("cus_ann_2")
    ann.deliver(delivery("evt_new", completed(id_=OTHER, customer=newer)))
    ann.deliver(delivery("evt_gone", CustomerDeleted(customer=CUSTOMER), second=9))
    assert (_plan(ann), ann.held(OTHER).status) == (Tier.PRO, Status.ACTIVE)


def test_two_live_subscriptions_are_detected_and_the_better_counts(ann: MemoryWorld) -> None:
    """An account that pays twice is told of once, and has the better plan until one of them ends."""
    _subscribe(ann)
    better = snapshot(id_=OTHER, prices=(ENTERPRISE,))
    ann.deliver(delivery("evt_second", changed(better), second=5))
    assert (_plan(ann), ann.alarm.alerts) == (Tier.ENTERPRISE, [(Alert.TWO_LIVE_SUBSCRIPTIONS, ANN)])
    ann.deliver(delivery("evt_same", changed(better), second=6))
    assert len(ann.alarm.alerts) == 1
    ann.deliver(delivery("evt_end", ended(snapshot(Status.CANCELED, id_=OTHER)), second=7))
    assert _plan(ann) is Tier.PRO


def test_a_failed_first_invoice_is_no_second_subscription(ann: MemoryWorld) -> None:
    """A subscription that only a failed invoice has named may never begin: nobody is told of two."""
    _subscribe(ann)
    ann.deliver(delivery("evt_failed", payment_failed(id_=OTHER), second=5))
    assert ann.alarm.alerts == []


def test_two_events_for_one_change(ann: MemoryWorld) -> None:
    """Two Event objects with different ids describe one change: the second says nothing new."""
    _subscribe(ann)
    twins = [delivery(id_, changed(snapshot(Status.PAST_DUE)), second=5) for id_ in ("evt_twin_1", "evt_twin_2")]
    assert ann.deliver(*twins) == [Outcome.APPLIED, Outcome.UNCHANGED]
    assert ann.queued() == []


def test_one_event_delivered_many_times(ann: MemoryWorld) -> None:
    """Duplicates in one batch and across batches have one effect, and do not even move the version."""
    one = delivery("evt_1", SubscriptionChanged(snapshot=snapshot()))
    assert ann.deliver(one, one, one) == [Outcome.APPLIED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert ann.deliver(one) == [Outcome.DUPLICATE]
    assert ann.held(SUBSCRIPTION).version == 1


def test_nothing_is_asked_of_stripe_where_the_order_is_clear(ann: MemoryWorld) -> None:
    """Stripe is away and the deliveries come in order: every payload's word stands, and no re-read waits."""
    said = [snapshot(Status.TRIALING), snapshot(), snapshot(Status.PAST_DUE), snapshot(cancel=True)]
    for second, one in enumerate(said):
        ann.deliver(delivery(f"evt_{second}", changed(one), second=second))
    assert (ann.standing(ANN).status, ann.standing(ANN).cancel_at_period_end) == (Status.ACTIVE, True)
    assert (ann.queued(), ann.stripe.calls.total()) == ([], 0)
