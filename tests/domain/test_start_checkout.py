"""Every way that a checkout can go: what is answered, and what Stripe was asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from billing.accounts import Customer
from billing.checkout import SESSION_LIFETIME, SLOWEST_PAYMENT, Addresses, CheckoutAttempt, SessionState
from billing.errors import (
    AlreadySubscribed,
    CheckoutInProgress,
    KeySpent,
    ProviderRefused,
    ProviderUnavailable,
    StoreUnavailable,
    TierNotSoldOnline,
    UnknownTier,
)
from billing.events import CustomerDeleted
from billing.identifiers import AttemptId, SessionId
from billing.plans import Catalogue, Plan, Tier
from billing.subscription import Status
from billing.use_cases.start_checkout import ROUNDS
from billing_memory import Call, MemoryCheckoutAttempts
from support.domain_things import ANN, ENTERPRISE, NOON, OLD_PRO, PRO, changed, delivery, ended, heard_of, snapshot
from support.memory_world import ADDRESSES, MemoryWorld

BOTH_SOLD = Catalogue.of(
    [
        Plan(tier=Tier.PRO, prices=(PRO, OLD_PRO), sold_online=True),
        Plan(tier=Tier.ENTERPRISE, prices=(ENTERPRISE,), sold_online=True),
    ]
)
DEARER = Catalogue.of([Plan(tier=Tier.PRO, prices=(OLD_PRO, PRO), sold_online=True)])


@pytest.fixture
def ann(world: MemoryWorld) -> MemoryWorld:
    """Give a world in which Ann has an account, and both tiers are sold online."""
    world.add_account(ANN)
    world.checkout = replace(world.checkout, catalogue=BOTH_SOLD)
    return world


def _start(world: MemoryWorld, tier: str = "pro") -> str:
    return world.run(world.checkout.execute(ANN, tier))


def _session(world: MemoryWorld) -> SessionId:
    [session] = world.stripe.open_sessions(ANN)
    return session


def _attempt(world: MemoryWorld) -> CheckoutAttempt:
    return world.store.tables.attempts[ANN]


def _change_session(world: MemoryWorld, id_: SessionId, state: SessionState) -> None:
    """Let a session at Stripe be over, with nothing bought."""
    held = world.stripe.sessions[id_]
    world.stripe.sessions[id_] = replace(held, session=replace(held.session, state=state, url=None))


def _start_around(world: MemoryWorld, call: Call, happen: Callable[[], Awaitable[object]], tier: str = "pro") -> str:
    """Start a checkout, and let something happen while Stripe's answer to a call is on its way."""

    async def around() -> str:
        gate = world.stripe.hold(call)
        starting = asyncio.create_task(world.checkout.execute(ANN, tier))
        await gate.reached.wait()
        await happen()
        gate.release()
        return await starting

    return world.run(around())


@pytest.mark.parametrize(
    ("tier", "error"),
    [
        ("", UnknownTier),
        ("premium", UnknownTier),
        ("PRO", UnknownTier),
        ("free", TierNotSoldOnline),
        ("enterprise", TierNotSoldOnline),
    ],
)
def test_what_is_not_sold_is_refused(
    world: MemoryWorld, tier: str, error: type[UnknownTier | TierNotSoldOnline]
) -> None:
    """A tier that does not exist or is not sold by checkout is refused before anybody is asked."""
    world.add_account(ANN)
    with pytest.raises(error):
        _start(world, tier)
    assert (world.stripe.calls.total(), world.store.tables.customers, world.store.tables.attempts) == (0, {}, {})


def test_a_first_checkout_makes_a_customer_and_a_session(ann: MemoryWorld) -> None:
    """The address is that of the one session, whose parameters are stored with the attempt."""
    url = _start(ann)
    session = ann.stripe.sessions[_session(ann)]
    assert url == session.session.url
    assert replace(_attempt(ann), session=None) == session.attempt
    [customer] = ann.stripe.customers.values()
    assert (customer.account, customer.email) == (ANN, "acct_ann@example.com")
    assert _attempt(ann) == CheckoutAttempt(
        id=_attempt(ann).id,
        account=ANN,
        customer=customer.id,
        tier=Tier.PRO,
        price=PRO,
        addresses=ADDRESSES,
        created_at=NOON,
        expires_at=NOON + SESSION_LIFETIME,
        session=session.session.id,
    )


def test_stripe_is_given_whole_seconds(ann: MemoryWorld) -> None:
    """A session's end is told to Stripe in whole seconds, so that a repetition is the same to the letter."""
    ann.clock.advance(timedelta(microseconds=123_456))
    _start(ann)
    assert _attempt(ann).expires_at == NOON + SESSION_LIFETIME


def test_a_double_click_is_one_session(ann: MemoryWorld) -> None:
    """The open session's address is handed out again."""
    assert _start(ann) == _start(ann)
    assert (ann.stripe.calls[Call.CREATE_SESSION], ann.stripe.calls[Call.CREATE_CUSTOMER]) == (1, 1)


def test_two_clicks_at_once_are_one_session(ann: MemoryWorld) -> None:
    """Checkouts that race hand out one address, of one session of one customer."""

    async def race() -> list[str]:
        return await asyncio.gather(*(ann.checkout.execute(ANN, "pro") for _ in range(10)))

    assert len(set(ann.run(race()))) == 1
    assert (len(ann.stripe.sessions), len(ann.stripe.customers)) == (1, 1)


@pytest.mark.parametrize(
    ("tier", "catalogue", "addresses"),
    [
        pytest.param("enterprise", BOTH_SOLD, ADDRESSES, id="another tier"),
        pytest.param("pro", DEARER, ADDRESSES, id="another price"),
        pytest.param("pro", BOTH_SOLD, Addresses(success_url="https://new.test", cancel_url=""), id="other addresses"),
    ],
)
def test_an_open_session_that_does_not_fit_is_expired_first(
    ann: MemoryWorld, tier: str, catalogue: Catalogue, addresses: Addresses
) -> None:
    """Whoever wants something else, or would be sold it otherwise now, gets a new session; the old one is closed."""
    first = _start(ann)
    ann.checkout = replace(ann.checkout, catalogue=catalogue, addresses=addresses)
    assert _start(ann, tier) != first
    assert ann.stripe.sessions[_session(ann)].attempt.id == _attempt(ann).id
    assert ann.stripe.calls[Call.EXPIRE_SESSION] == 1


@pytest.mark.parametrize("status", [status for status in Status if status.is_live])
def test_a_live_subscription_is_not_bought_again(ann: MemoryWorld, status: Status) -> None:
    """Whoever has something to manage is sent to the portal, and nothing is created at Stripe."""
    ann.deliver(delivery("evt_1", changed(snapshot(status, account=ANN))))
    with pytest.raises(AlreadySubscribed):
        _start(ann)
    assert ann.stripe.calls.total() == 0


@pytest.mark.parametrize("status", [Status.CANCELED, Status.INCOMPLETE_EXPIRED, Status.INCOMPLETE])
def test_a_subscription_that_ended_or_never_began_can_be_bought_again(ann: MemoryWorld, status: Status) -> None:
    """The past does not stand in the way."""
    ann.deliver(delivery("evt_1", changed(snapshot(status, account=ANN))))
    assert _start(ann).startswith("https://")


def test_a_subscription_that_only_stripe_knows_is_not_bought_again(ann: MemoryWorld) -> None:
    """Bought in another way, and its webhook is late: Stripe is asked before a session is made, and it is re-read."""
    _start(ann)
    ann.stripe.put_subscription(snapshot(customer=_attempt(ann).customer))
    ann.run(ann.attempts.remove(_attempt(ann).id))
    with pytest.raises(AlreadySubscribed):
        _start(ann)
    assert ann.queued() == [snapshot().subscription]
    assert ann.stripe.calls[Call.CREATE_SESSION] == 1


def test_a_session_found_complete_is_a_purchase(ann: MemoryWorld) -> None:
    """The person comes back before the webhook and clicks again: 409 and a re-read, never a second session."""
    _start(ann)
    bought = ann.stripe.pay(_session(ann))
    with pytest.raises(AlreadySubscribed):
        _start(ann)
    assert ann.queued() == [bought.subscription]
    ann.settle_all()
    assert ann.standing(ANN).plan is Tier.PRO


def test_a_purchase_that_has_ended_since_can_be_bought_again(ann: MemoryWorld) -> None:
    """A complete session whose subscription we know to be over is forgotten."""
    _start(ann)
    bought = ann.stripe.pay(_session(ann))
    over = replace(bought, status=Status.CANCELED)
    ann.deliver(delivery("evt_1", ended(over)))
    ann.stripe.put_subscription(over)
    _start(ann)
    assert _attempt(ann).session == _session(ann)
    assert len(ann.stripe.sessions) == 2


def test_a_debit_on_its_way_stands_in_the_way(ann: MemoryWorld) -> None:
    """A complete session without a subscription may still be paid for two weeks; then it is forgotten."""
    _start(ann)
    _change_session(ann, _session(ann), SessionState.COMPLETE)
    ann.clock.advance(SLOWEST_PAYMENT - timedelta(seconds=1))
    with pytest.raises(AlreadySubscribed):
        _start(ann)
    ann.clock.advance(timedelta(seconds=1))
    assert _start(ann).startswith("https://")


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_a_session_that_is_over_is_replaced(ann: MemoryWorld, *, is_forgotten: bool) -> None:
    """An expired session, and one that Stripe does not know any more, make way for a new one."""
    first = _start(ann)
    if is_forgotten:
        ann.stripe.sessions.clear()
    else:
        ann.stripe.expire(_session(ann))
    assert _start(ann) != first
    assert _attempt(ann).session == _session(ann)


@pytest.mark.parametrize("was_cut_off", [False, True])
def test_a_customer_deleted_at_stripe_is_replaced(ann: MemoryWorld, *, was_cut_off: bool) -> None:
    """The next checkout makes a customer of the next generation, also if an attempt for the old one was cut off."""
    if was_cut_off:
        ann.stripe.fail_next(ProviderUnavailable(), call=Call.CREATE_SESSION)
        with pytest.raises(ProviderUnavailable):
            _start(ann)
    else:
        _start(ann)
        ann.run(ann.attempts.remove(_attempt(ann).id))
    [first] = ann.stripe.customers
    ann.stripe.delete_customer(first)
    _start(ann)
    assert _attempt(ann).customer != first
    assert ann.store.tables.customers[ANN, 1].is_deleted
    assert ann.store.tables.customers[ANN, 2].customer.id == _attempt(ann).customer


@pytest.mark.parametrize("call", [Call.CREATE_CUSTOMER, Call.CREATE_SESSION])
@pytest.mark.parametrize("is_done", [False, True])
def test_a_checkout_that_was_cut_off_is_repeated_to_the_letter(ann: MemoryWorld, call: Call, *, is_done: bool) -> None:
    """Stripe fails, before or after it did what was asked: the same request again makes one customer, one session."""
    ann.stripe.fail_next(ProviderUnavailable(), call=call, after_the_change=is_done)
    with pytest.raises(ProviderUnavailable):
        _start(ann)
    ann.clock.advance(timedelta(hours=5))
    assert _start(ann) == ann.stripe.sessions[_session(ann)].session.url
    assert (len(ann.stripe.customers), len(ann.stripe.sessions)) == (1, 1)


def test_an_attempt_that_was_cut_off_long_ago_is_forgotten(ann: MemoryWorld) -> None:
    """After half a session's life a repetition would come too close to the end: a new attempt is made."""
    ann.stripe.fail_next(ProviderUnavailable(), call=Call.CREATE_SESSION)
    with pytest.raises(ProviderUnavailable):
        _start(ann)
    cut_off = _attempt(ann)
    ann.clock.advance(SESSION_LIFETIME / 2 + timedelta(seconds=1))
    _start(ann)
    assert _attempt(ann).id != cut_off.id
    assert _attempt(ann).expires_at == ann.clock.now().replace(microsecond=0) + SESSION_LIFETIME


def test_anothers_attempt_is_looked_up_once_more(ann: MemoryWorld) -> None:
    """The repeated answer shows a session as it was when it was opened; if it was paid since, it is a purchase."""
    ann.stripe.fail_next(ProviderUnavailable(), call=Call.CREATE_SESSION, after_the_change=True)
    with pytest.raises(ProviderUnavailable):
        _start(ann)
    bought = ann.stripe.pay(_session(ann))
    with pytest.raises(AlreadySubscribed):
        _start(ann)
    assert ann.queued() == [bought.subscription]


def test_a_session_paid_while_it_is_to_be_expired_is_a_purchase(ann: MemoryWorld) -> None:
    """Somebody pays in one window and wants another tier in the other: the payment counts."""
    _start(ann)

    async def pay() -> None:
        ann.stripe.pay(_session(ann))

    with pytest.raises(AlreadySubscribed):
        _start_around(ann, Call.SESSION, pay, tier="enterprise")
    assert len(ann.queued()) == 1
    assert len(ann.stripe.sessions) == 1


def test_an_attempt_that_was_closed_meanwhile_is_not_handed_out(ann: MemoryWorld) -> None:
    """An address whose session is noted nowhere could not be expired: another round makes a new one."""

    async def close() -> None:
        await ann.attempts.remove(_attempt(ann).id)

    url = _start_around(ann, Call.CREATE_SESSION, close)
    [noted] = [held for held in ann.stripe.sessions.values() if held.session.id == _attempt(ann).session]
    assert url == noted.session.url


def test_a_webhook_that_comes_meanwhile_wins(ann: MemoryWorld) -> None:
    """The subscription turns live while the customer is being made: the reservation refuses."""

    async def webhook() -> None:
        await ann.decide.execute([delivery("evt_1", changed(snapshot(account=ANN)))])

    with pytest.raises(AlreadySubscribed):
        _start_around(ann, Call.CREATE_CUSTOMER, webhook)
    assert (ann.store.tables.attempts, ann.stripe.calls[Call.CREATE_SESSION]) == ({}, 0)


class OvertakenAttempts(MemoryCheckoutAttempts):
    """Reservations that others always close first."""

    async def opened(self, attempt: AttemptId, session: SessionId) -> bool:
        """See `billing.ports.CheckoutAttempts`."""
        await self.remove(attempt)
        return False


def test_a_checkout_that_is_always_overtaken_gives_up(ann: MemoryWorld) -> None:
    """Nobody waits for ever on others of the same account."""
    ann.checkout = replace(ann.checkout, attempts=OvertakenAttempts(ann.store))
    with pytest.raises(CheckoutInProgress):
        _start(ann)
    assert ann.stripe.calls[Call.CREATE_SESSION] == ROUNDS


@pytest.mark.parametrize("call", [Call.CREATE_CUSTOMER, Call.CREATE_SESSION])
def test_a_refusal_is_told(ann: MemoryWorld, call: Call) -> None:
    """What Stripe refuses is the operator's to mend: it is not tried again and again."""
    ann.stripe.fail_next(ProviderRefused(), call=call)
    with pytest.raises(ProviderRefused):
        _start(ann)
    assert ann.stripe.calls[call] == 1


def test_a_database_that_is_away_is_told(ann: MemoryWorld) -> None:
    """Without the store nothing is asked of Stripe."""
    ann.store.is_away = True
    with pytest.raises(StoreUnavailable):
        _start(ann)
    assert ann.stripe.calls.total() == 0


def test_the_keys_say_what_they_make() -> None:
    """A customer's key is its account and generation, a session's its attempt: the same for every repetition."""
    customer = Customer(account=ANN, generation=2, email="ann@example.com", name=None, id=None)
    assert customer.idempotency_key == "customer-acct_ann-2"
    attempt = CheckoutAttempt(
        id=AttemptId("try_1"),
        account=ANN,
        customer=heard_of().customer,
        tier=Tier.PRO,
        price=PRO,
        addresses=ADDRESSES,
        created_at=NOON,
        expires_at=NOON + SESSION_LIFETIME,
    )
    assert attempt.idempotency_key == "checkout-try_1"


def test_a_customers_spent_key_is_given_up(ann: MemoryWorld) -> None:
    """Stripe repeats a stored failure: this click is refused for the moment, the next one uses another key."""
    ann.stripe.fail_next(KeySpent(), call=Call.CREATE_CUSTOMER)
    with pytest.raises(ProviderUnavailable):
        _start(ann)
    assert _start(ann) == ann.stripe.sessions[_session(ann)].session.url
    [customer] = ann.stripe.customers.values()
    assert customer.account == ANN
    assert _attempt(ann).customer == customer.id


def test_a_sessions_spent_key_is_given_up(ann: MemoryWorld) -> None:
    """The attempt's address was never handed out, so another attempt with another key takes its place at once."""
    ann.stripe.fail_next(KeySpent(), call=Call.CREATE_SESSION)
    assert _start(ann) == ann.stripe.sessions[_session(ann)].session.url
    assert ann.stripe.calls[Call.CREATE_SESSION] == 2


def test_what_stripe_refused_is_not_repeated_once_its_cause_is_mended(ann: MemoryWorld) -> None:
    """A wrong price is refused; with the right price in the settings the next click sells that one."""
    ann.stripe.fail_next(ProviderRefused(), call=Call.CREATE_SESSION)
    with pytest.raises(ProviderRefused):
        _start(ann)
    assert ANN not in ann.store.tables.attempts
    ann.checkout = replace(ann.checkout, catalogue=DEARER)
    _start(ann)
    assert _attempt(ann).price == OLD_PRO


def test_an_attempt_that_was_cut_off_does_not_outlive_a_change_of_settings(ann: MemoryWorld) -> None:
    """Its answer never came; with another price in the settings by now, the old one is not asked for again."""
    ann.stripe.fail_next(ProviderUnavailable(), call=Call.CREATE_SESSION)
    with pytest.raises(ProviderUnavailable):
        _start(ann)
    ann.checkout = replace(ann.checkout, catalogue=DEARER)
    _start(ann)
    assert _attempt(ann).price == OLD_PRO


def test_an_open_session_of_a_deleted_customer_is_not_handed_out_again(ann: MemoryWorld) -> None:
    """Stripe tells that the customer is deleted: the next click makes another customer and another session."""
    first = _start(ann)
    [customer] = ann.stripe.customers
    ann.stripe.delete_customer(customer)
    ann.deliver(delivery("evt_deleted", CustomerDeleted(customer=customer)))
    assert _start(ann) != first
    assert _attempt(ann).customer != customer
