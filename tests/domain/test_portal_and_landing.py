"""Back and forth between the product and Stripe's pages: the portal, and the return from a checkout."""

from dataclasses import replace

import pytest

from billing.checkout import SessionState
from billing.errors import BillingHistoryDeleted, NeverSubscribed, ProviderRefused, ProviderUnavailable
from billing.identifiers import CustomerId, SessionId, SubscriptionId
from billing.plans import Tier
from billing.subscription import Snapshot, Status
from billing_memory import Call
from billing_memory.gateway import StripeCustomer
from support.domain_things import ANN, CUSTOMER, at, changed, completed, delivery, ended, payment_failed, snapshot
from support.memory_world import MemoryWorld


@pytest.fixture
def ann(world: MemoryWorld) -> MemoryWorld:
    """Give a world in which Ann has begun a checkout and stands on Stripe's page."""
    world.add_account(ANN)
    world.run(world.checkout.execute(ANN, "pro"))
    return world


def _session(world: MemoryWorld) -> SessionId:
    [session] = world.stripe.sessions
    return session


def _customer(world: MemoryWorld) -> CustomerId:
    [customer] = world.stripe.customers
    return customer


def _pay(world: MemoryWorld) -> Snapshot:
    return world.stripe.pay(_session(world))


def _look(world: MemoryWorld) -> None:
    world.run(world.look.execute(ANN))


def _open_portal(world: MemoryWorld) -> str:
    return world.run(world.portal.execute(ANN))


# The landing


def test_the_plan_turns_true_without_any_webhook(ann: MemoryWorld) -> None:
    """The purchase is found and re-read; the attempt is closed only once the subscription is held."""
    _pay(ann)
    _look(ann)
    assert ANN in ann.store.tables.attempts
    ann.settle_all()
    assert ann.standing(ANN).plan is Tier.PRO
    _look(ann)
    assert ann.store.tables.attempts == {}
    assert ann.queued() == []


def test_a_purchase_that_a_webhook_told_of_closes_the_attempt(ann: MemoryWorld) -> None:
    """Where the subscription is held already, nothing is asked for again."""
    bought = _pay(ann)
    ann.deliver(delivery("evt_1", changed(bought)))
    _look(ann)
    assert (ann.store.tables.attempts, ann.queued()) == ({}, [])


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_a_session_that_is_over_closes_the_attempt(ann: MemoryWorld, *, is_forgotten: bool) -> None:
    """An expired session, or one that Stripe does not know, does not keep the account waiting."""
    if is_forgotten:
        ann.stripe.sessions.clear()
    else:
        ann.stripe.expire(_session(ann))
    _look(ann)
    assert ann.store.tables.attempts == {}


@pytest.mark.parametrize("state", [SessionState.OPEN, SessionState.COMPLETE])
def test_a_session_that_is_not_paid_yet_stays(ann: MemoryWorld, state: SessionState) -> None:
    """While the person is on the page, or a bank debit is on its way, nothing changes."""
    held = ann.stripe.sessions[_session(ann)]
    ann.stripe.sessions[_session(ann)] = replace(held, session=replace(held.session, state=state))
    _look(ann)
    assert ANN in ann.store.tables.attempts
    assert ann.queued() == []


def test_where_nothing_is_open_nobody_is_asked(world: MemoryWorld) -> None:
    """No attempt, or one whose session was never opened: Stripe is not asked."""
    world.add_account(ANN)
    _look(world)
    world.stripe.fail_next(ProviderUnavailable(), call=Call.CREATE_SESSION)
    with pytest.raises(ProviderUnavailable):
        world.run(world.checkout.execute(ANN, "pro"))
    _look(world)
    assert world.stripe.calls[Call.SESSION] == 0


@pytest.mark.parametrize("trouble", [ProviderUnavailable(), ProviderRefused()])
def test_a_look_that_fails_changes_nothing(ann: MemoryWorld, trouble: ProviderUnavailable | ProviderRefused) -> None:
    """Stripe's trouble is told to whoever looks in the background, and the next look finds all as it was."""
    _pay(ann)
    ann.stripe.fail_next(trouble, call=Call.SESSION)
    with pytest.raises(type(trouble)):
        _look(ann)
    assert ANN in ann.store.tables.attempts
    _look(ann)
    assert len(ann.queued()) == 1


# The portal


def test_a_subscriber_gets_an_address(ann: MemoryWorld) -> None:
    """The portal opens for the subscription's customer, and each address is a new one."""
    ann.deliver(delivery("evt_1", changed(_pay(ann))))
    first, second = _open_portal(ann), _open_portal(ann)
    assert first.startswith("https://billing.stripe.test/")
    assert first != second


def test_the_past_is_enough(ann: MemoryWorld) -> None:
    """After the end of a subscription its invoices can still be seen."""
    ann.deliver(delivery("evt_1", ended(replace(_pay(ann), status=Status.CANCELED))))
    assert _open_portal(ann).startswith("https://")


def test_an_abandoned_checkout_is_no_history(ann: MemoryWorld) -> None:
    """A customer that was made for a checkout has nothing to show."""
    assert _customer(ann)
    with pytest.raises(NeverSubscribed):
        _open_portal(ann)
    assert ann.stripe.calls[Call.OPEN_PORTAL] == 0


def test_a_failed_first_invoice_alone_is_no_history(ann: MemoryWorld) -> None:
    """A subscription that only an invoice has named may never have begun."""
    ann.deliver(delivery("evt_1", payment_failed(customer=_customer(ann))))
    with pytest.raises(NeverSubscribed):
        _open_portal(ann)


def test_of_two_customers_the_better_subscriptions_one_counts(ann: MemoryWorld) -> None:
    """The portal shows the customer whose subscription speaks for the account."""
    other = CustomerId("cus_other")
    ann.deliver(
        delivery("evt_1", ended(replace(_pay(ann), status=Status.CANCELED))),
        delivery("evt_2", completed(id_=SubscriptionId("sub_2"), customer=other), second=9),
    )
    ann.stripe.delete_customer(_customer(ann))
    ann.stripe.customers[other] = StripeCustomer(id=other, account=ANN, email="ann@example.com", name=None)
    assert _open_portal(ann).startswith("https://")


def test_a_deleted_customer_has_no_history_any_more(ann: MemoryWorld) -> None:
    """The account is told so, and its next checkout makes another customer."""
    ann.deliver(delivery("evt_1", ended(replace(_pay(ann), status=Status.CANCELED, period_end=at(9)))))
    first = _customer(ann)
    ann.stripe.delete_customer(first)
    with pytest.raises(BillingHistoryDeleted):
        _open_portal(ann)
    ann.run(ann.checkout.execute(ANN, "pro"))
    assert ann.store.tables.attempts[ANN].customer != first


def test_a_portal_that_finds_the_customer_deleted_has_its_subscriptions_read_again(world: MemoryWorld) -> None:
    """The deletion was never told of: no dead end of a plan that cannot be managed and cannot be bought again."""
    world.add_account(ANN, customer=CUSTOMER)
    world.deliver(delivery("evt_1", changed(snapshot())))
    world.stripe.put_subscription(snapshot(Status.CANCELED))
    with pytest.raises(BillingHistoryDeleted):
        _open_portal(world)
    world.settle_all()
    assert world.standing(ANN).plan is Tier.FREE
    world.run(world.checkout.execute(ANN, "pro"))
    assert world.store.tables.attempts[ANN].customer != CUSTOMER


@pytest.mark.parametrize("trouble", [ProviderUnavailable(), ProviderRefused()])
def test_stripes_trouble_is_told(world: MemoryWorld, trouble: ProviderUnavailable | ProviderRefused) -> None:
    """No portal configuration, or no answer: the caller hears which of the two."""
    world.add_account(ANN, customer=CUSTOMER)
    world.deliver(delivery("evt_1", changed(snapshot())))
    world.stripe.fail_next(trouble)
    with pytest.raises(type(trouble)):
        _open_portal(world)
