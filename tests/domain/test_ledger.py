"""One transaction in memory: whose each event is, and what is to be written of a batch."""

from dataclasses import replace

import pytest

from billing.events import CheckoutClosed, CustomerDeleted, Delivery, Event, Unhandled
from billing.idempotency import Alert, Outcome, settle
from billing.identifiers import AccountId, CustomerId, EventId, SessionId, SubscriptionId
from billing.ledger import Ledger, claims_of
from billing.plans import Tier
from billing.ports import Claims, Loaded, Named
from billing.standing import NEVER_SUBSCRIBED, Standing, standing_of
from billing.subscription import Status, Subscription
from support.domain_things import (
    ANN,
    BOB,
    CATALOGUE,
    CUSTOMER,
    NOON,
    SESSION,
    SUBSCRIPTION,
    at,
    changed,
    completed,
    delivery,
    ended,
    payment_failed,
    snapshot,
    subscription,
)

OTHER = SubscriptionId("sub_2")
NEWER = CustomerId("cus_newer")
NAMED = frozenset({Named(subscription=SUBSCRIPTION, customer=CUSTOMER, account=None)})


def _ledger(
    *held: Subscription,
    customers: dict[CustomerId, AccountId] | None = None,
    events: frozenset[EventId] = frozenset(),
    standings: dict[AccountId, Standing] | None = None,
) -> Ledger:
    """Open a ledger on Ann's account, which holds these subscriptions and whose customer is known."""
    loaded = Loaded(
        known_events=events,
        owners=customers if customers is not None else {CUSTOMER: ANN},
        standings=standings or {ANN: standing_of(held)},
        subscriptions={one.id: one for one in held},
    )
    return Ledger(loaded, CATALOGUE, received_at=NOON)


@pytest.mark.parametrize(
    ("event", "claims"),
    [
        (
            changed(snapshot(account=ANN)),
            Claims(
                subscriptions=frozenset({SUBSCRIPTION}),
                named=frozenset({Named(subscription=SUBSCRIPTION, customer=CUSTOMER, account=ANN)}),
            ),
        ),
        (ended(snapshot()), Claims(subscriptions=frozenset({SUBSCRIPTION}), named=NAMED)),
        (
            completed(account=BOB),
            Claims(
                subscriptions=frozenset({SUBSCRIPTION}),
                named=frozenset({Named(subscription=SUBSCRIPTION, customer=CUSTOMER, account=BOB)}),
            ),
        ),
        (payment_failed(), Claims(subscriptions=frozenset({SUBSCRIPTION}), named=NAMED)),
        (CustomerDeleted(customer=CUSTOMER), Claims(customers=frozenset({CUSTOMER}))),
        (CheckoutClosed(session=SESSION), Claims()),
        (Unhandled(reason="of no interest"), Claims()),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_an_event_speaks_of_is_loaded(event: Event, claims: Claims) -> None:
    """Everybody whom an event names is claimed, so that it is found and locked before it is decided."""
    said = claims_of([delivery("evt_1", event)])
    assert said == replace(claims, events=said.events)
    assert said.events == {"evt_1"}


def test_the_claims_of_a_batch_are_the_claims_of_all() -> None:
    """A batch is loaded in one go."""
    said = claims_of(
        [delivery("evt_1", changed(snapshot())), delivery("evt_2", payment_failed(id_=OTHER, customer=NEWER))]
    )
    assert said == Claims(
        events=frozenset({EventId("evt_1"), EventId("evt_2")}),
        subscriptions=frozenset({SUBSCRIPTION, OTHER}),
        named=NAMED | {Named(subscription=OTHER, customer=NEWER, account=None)},
    )


def test_a_known_event_writes_nothing() -> None:
    """A duplicate, of before or of the same batch, leaves nothing to write."""
    ledger = _ledger(events=frozenset({EventId("evt_1")}))
    assert ledger.decide(delivery("evt_1", changed(snapshot()))) is Outcome.DUPLICATE
    assert ledger.decide(delivery("evt_2", Unhandled(reason="of no interest"))) is Outcome.IGNORED
    assert ledger.decide(delivery("evt_2", changed(snapshot()))) is Outcome.DUPLICATE
    changes = ledger.close()
    assert [event.delivery.id for event in changes.events] == ["evt_2"]
    assert changes.subscriptions == {}


def test_events_of_a_batch_are_decided_one_after_another() -> None:
    """Each event of a batch finds what the one before it left."""
    ledger = _ledger()
    told: list[Delivery] = [
        delivery("evt_1", changed(snapshot()), second=1),
        delivery("evt_2", changed(snapshot(Status.PAST_DUE)), second=2),
        delivery("evt_3", ended(snapshot(Status.CANCELED)), second=3),
        delivery("evt_4", changed(snapshot()), second=4),
    ]
    outcomes = [ledger.decide(one) for one in told]
    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED, Outcome.APPLIED, Outcome.STALE]
    changes = ledger.close()
    assert changes.subscriptions[SUBSCRIPTION].version == 4
    assert [(event.account, event.subscription, event.outcome) for event in changes.events] == [
        (ANN, SUBSCRIPTION, outcome) for outcome in outcomes
    ]


def test_what_is_held_is_believed_before_what_is_named() -> None:
    """A subscription we hold stays its account's, whatever customer and account an event names for it."""
    ledger = _ledger(subscription(), customers={NEWER: BOB}, standings={ANN: NEVER_SUBSCRIBED, BOB: NEVER_SUBSCRIBED})
    assert ledger.owner(SUBSCRIPTION, NEWER, BOB) == ANN
    assert ledger.owner(OTHER, NEWER, ANN) == BOB
    assert ledger.close().customers == {}


def test_a_named_account_that_exists_gets_the_customer() -> None:
    """Where nothing is known, the account that Stripe's object names is believed, and its customer attached."""
    ledger = _ledger(customers={})
    assert ledger.owner(OTHER, NEWER, ANN) == ANN
    assert ledger.owner(SubscriptionId("sub_3"), NEWER, None) == ANN
    assert ledger.close().customers == {NEWER: ANN}


@pytest.mark.parametrize("claimed", [None, BOB])
def test_nobodys_subscription_is_nobodys(claimed: AccountId | None) -> None:
    """No account, or one that does not exist: it is not ours."""
    ledger = _ledger(customers={})
    assert ledger.owner(OTHER, NEWER, claimed) is None
    assert ledger.close().customers == {}


def test_a_standing_is_written_only_if_it_changed() -> None:
    """An event that moves a version only leaves the account's row alone."""
    ledger = _ledger(subscription())
    ledger.decide(delivery("evt_1", changed(snapshot()), second=5))
    changes = ledger.close()
    assert SUBSCRIPTION in changes.subscriptions
    assert changes.standings == {}


def test_a_standing_is_written_with_what_changed_it() -> None:
    """The end of the only subscription takes the plan in the same transaction."""
    ledger = _ledger(subscription())
    ledger.decide(delivery("evt_1", ended(snapshot(Status.CANCELED)), second=5))
    assert ledger.close().standings[ANN].plan is Tier.FREE


@pytest.mark.parametrize("account", [ANN, None])
def test_a_completed_checkout_closes_its_attempt(account: AccountId | None) -> None:
    """A session that was paid is closed, also where it turns out to be nobody's."""
    ledger = _ledger(customers={})
    ledger.decide(delivery("evt_1", completed(account=account)))
    assert ledger.close().sessions_closed == {SESSION}


def test_a_closed_checkout_closes_its_attempt_and_nothing_else() -> None:
    """`checkout.session.expired` and `.async_payment_failed` let the account buy again."""
    ledger = _ledger(subscription())
    session = SessionId("cs_9")
    assert ledger.decide(delivery("evt_1", CheckoutClosed(session=session))) is Outcome.UNCHANGED
    changes = ledger.close()
    assert changes.sessions_closed == {session}
    assert (changes.subscriptions, changes.standings, changes.rereads) == ({}, {}, set())


def test_a_deleted_customer_is_marked_even_without_subscriptions() -> None:
    """The next checkout must make another customer."""
    ledger = _ledger()
    assert ledger.decide(delivery("evt_1", CustomerDeleted(customer=CUSTOMER))) is Outcome.APPLIED
    assert ledger.close().customers_deleted == {CUSTOMER}


def test_a_second_live_subscription_is_told_of_once() -> None:
    """The alert comes when the number of live subscriptions grows beyond one, not each time they are touched."""
    one = subscription()
    growing = _ledger(one)
    growing.decide(delivery("evt_1", changed(snapshot(id_=OTHER))))
    assert growing.close().alerts == [(Alert.TWO_LIVE_SUBSCRIPTIONS, ANN)]
    staying = _ledger(one, subscription(id_=OTHER))
    staying.decide(delivery("evt_1", changed(snapshot(id_=OTHER)), second=5))
    assert staying.close().alerts == []


def test_a_settled_subscription_is_written_like_a_decided_one() -> None:
    """What a re-read found goes into the same changes: state, standing and alerts."""
    ledger = _ledger(subscription())
    ledger.take(
        SUBSCRIPTION,
        settle(subscription(), snapshot(Status.UNKNOWN), read_at=at(9), account=ANN, catalogue=CATALOGUE),
    )
    changes = ledger.close()
    assert changes.subscriptions[SUBSCRIPTION].status is Status.UNKNOWN
    assert changes.standings[ANN].plan is Tier.FREE
    assert changes.alerts == [(Alert.UNKNOWN_STATUS, SUBSCRIPTION)]
    assert changes.events == []
