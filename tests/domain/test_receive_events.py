"""From a webhook's bytes to its committed effect."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from billing.errors import Contended, EventNotProcessed, PayloadInvalid, SignatureInvalid, StoreUnavailable
from billing.events import Delivery, Unhandled
from billing.idempotency import Alert, Outcome
from billing.identifiers import EventId, SubscriptionId
from billing.plans import Tier
from billing.ports import Answer, Changes, Claims, Decide, FailedEvent, UndecodableEvent, UnitOfWork
from billing.subscription import Status
from billing.use_cases.receive_events import ReceiveWebhook
from billing_memory import MemoryClock, MemoryInbox, MemoryTransactions
from support.domain_things import ANN, CUSTOMER, SUBSCRIPTION, at, changed, delivery, snapshot
from support.memory_world import MemoryWorld

ACTIVE = delivery("evt_1", changed(snapshot()))
UNWRITABLE = delivery("evt_bad", changed(snapshot(id_=SubscriptionId("sub_\0"))))
BORING = delivery("evt_boring", Unhandled(reason="of no interest"))
FAILED = FailedEvent(
    id=EventId("evt_odd"), type="invoice.payment_failed", created=at(0), reason="no object", payload=b""
)


@pytest.fixture
def ann(world: MemoryWorld) -> MemoryWorld:
    """Give a world in which Ann's customer is known."""
    world.add_account(ANN, customer=CUSTOMER)
    return world


@dataclass(slots=True)
class ScriptedReader:
    """Reads every webhook as the same delivery, or as the same trouble."""

    answer: Delivery | Exception

    def read(self, *, signature: str | None, body: bytes) -> Delivery:
        """See `billing.ports.WebhookReader`."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _receiver(world: MemoryWorld, answer: Delivery | Exception) -> ReceiveWebhook:
    return ReceiveWebhook(
        reader=ScriptedReader(answer),
        inbox=MemoryInbox(world.decide),
        failed_events=world.failed_events,
        clock=world.clock,
        alarm=world.alarm,
    )


@dataclass(slots=True)
class RacingTransactions:
    """Transactions of which the first do not see the events that others committed since they began."""

    inner: MemoryTransactions
    overtaken: int
    begun: int = 0

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """See `billing.ports.Transactions`."""
        return self.inner.begin()

    async def update(self, claims: Claims, decide: Decide[Answer], *, patient: bool = False) -> tuple[Changes, Answer]:
        """See `billing.ports.Transactions`."""
        self.begun += 1
        if self.begun > self.overtaken:
            return await self.inner.update(claims, decide, patient=patient)
        return await self.inner.update(
            claims, lambda loaded: decide(replace(loaded, known_events=frozenset())), patient=patient
        )


@dataclass(slots=True)
class LockedTransactions:
    """Transactions that find an account locked, if they concern some events and are not patient."""

    inner: MemoryTransactions
    clock: MemoryClock
    locked: frozenset[EventId]
    waited: int = 0
    found_locked: int = 0

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """See `billing.ports.Transactions`."""
        return self.inner.begin()

    async def update(self, claims: Claims, decide: Decide[Answer], *, patient: bool = False) -> tuple[Changes, Answer]:
        """See `billing.ports.Transactions`."""
        if self.locked & claims.events and not patient:
            self.found_locked += 1
            self.clock.advance(timedelta(seconds=0.25))
            raise Contended
        self.waited += patient
        return await self.inner.update(claims, decide, patient=patient)


@dataclass(slots=True)
class BrokenTransactions:
    """Transactions that cannot even begin, for a reason nobody thought of; and then the database goes away."""

    world: MemoryWorld

    def begin(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """See `billing.ports.Transactions`."""
        raise ArithmeticError("a full moon")

    async def update(self, claims: Claims, decide: Decide[Answer], *, patient: bool = False) -> tuple[Changes, Answer]:
        """See `billing.ports.Transactions`."""
        self.world.store.is_away = True
        raise ArithmeticError("a full moon")


def test_what_was_read_is_decided_and_committed(ann: MemoryWorld) -> None:
    """The answer comes when the event and its effect are stored."""
    assert ann.run(_receiver(ann, ACTIVE).execute(signature="t=1", body=b"{}")) is Outcome.APPLIED
    assert ann.standing(ANN).plan is Tier.PRO
    assert ann.store.tables.events.keys() == {ACTIVE.id}
    assert ann.run(_receiver(ann, ACTIVE).execute(signature="t=1", body=b"{}")) is Outcome.DUPLICATE


@pytest.mark.parametrize("trouble", [SignatureInvalid("too old"), PayloadInvalid("not JSON")])
def test_what_is_not_stripes_is_refused_and_not_kept(
    ann: MemoryWorld, trouble: SignatureInvalid | PayloadInvalid
) -> None:
    """Nobody can fill the store with unsigned bodies."""
    with pytest.raises(type(trouble)):
        ann.run(_receiver(ann, trouble).execute(signature=None, body=b""))
    assert ann.store.tables.failed_events == {}


def test_an_undecodable_event_is_kept_and_asked_for_again(ann: MemoryWorld) -> None:
    """A verified event that makes no sense is kept with its reason, counted, and told of; Stripe must send it again."""
    for _ in range(2):
        with pytest.raises(EventNotProcessed):
            ann.run(_receiver(ann, UndecodableEvent(FAILED)).execute(signature="t=1", body=b""))
    kept = ann.store.tables.failed_events[FAILED.id]
    assert (kept.failed, kept.attempts) == (FAILED, 2)
    assert ann.alarm.alerts == [(Alert.FAILED_EVENT, FAILED.id)] * 2
    assert ann.store.tables.events == {}


def test_an_event_that_failed_and_is_understood_later_is_processed(ann: MemoryWorld) -> None:
    """After the service was mended, the same event comes again and leaves the failed ones."""
    odd = replace(ACTIVE, id=FAILED.id)
    with pytest.raises(EventNotProcessed):
        ann.run(_receiver(ann, UndecodableEvent(FAILED)).execute(signature="t=1", body=b""))
    assert ann.run(_receiver(ann, odd).execute(signature="t=2", body=b"")) is Outcome.APPLIED
    assert ann.store.tables.failed_events == {}


def test_a_locked_account_holds_up_its_own_events_alone(ann: MemoryWorld) -> None:
    """The neighbours are decided; what is contended is neither kept as failed nor told of, and decided patiently."""
    transactions = LockedTransactions(MemoryTransactions(ann.store), ann.clock, locked=frozenset({ACTIVE.id}))
    decide = replace(ann.decide, transactions=transactions)
    locked, boring = ann.run(decide.execute([ACTIVE, BORING]))
    assert (type(locked), boring) == (Contended, Outcome.IGNORED)
    assert transactions.found_locked == 2
    assert (ann.store.tables.failed_events, ann.alarm.alerts) == ({}, [])
    assert ann.run(decide.execute([ACTIVE], patient=True)) == [Outcome.APPLIED]
    assert transactions.waited == 1


@pytest.mark.parametrize("locked", [6, 7, 20])
def test_locked_accounts_are_told_apart_for_a_while(ann: MemoryWorld, locked: int) -> None:
    """With each of them the others wait longer. What is left then is tried once more, all together."""
    deliveries = [replace(BORING, id=EventId(f"evt_{number}")) for number in range(30)]
    ids = frozenset(held.id for held in deliveries[:locked])
    transactions = LockedTransactions(MemoryTransactions(ann.store), ann.clock, locked=ids)
    results = ann.run(replace(ann.decide, transactions=transactions).execute(deliveries))
    # The batch, six by themselves (a second and a half), and perhaps the rest together.
    assert transactions.found_locked == (7 if locked == 6 else 8)
    put_off = [isinstance(result, Contended) for result in results]
    assert put_off == [True] * locked + [locked > 6] * (30 - locked)
    assert len(ann.store.tables.events) == put_off.count(False)


def test_one_bad_event_fails_alone(ann: MemoryWorld) -> None:
    """A batch with one event that cannot be written: its neighbours are decided, in their order."""
    after = delivery("evt_2", changed(snapshot(cancel=True)), second=5)
    first, bad, boring, last = ann.deliver(ACTIVE, UNWRITABLE, BORING, after)
    assert (first, boring, last) == (Outcome.APPLIED, Outcome.IGNORED, Outcome.APPLIED)
    assert isinstance(bad, EventNotProcessed)
    assert ann.standing(ANN).cancel_at_period_end is True
    assert list(ann.store.tables.failed_events) == [UNWRITABLE.id]
    assert (Alert.FAILED_EVENT, UNWRITABLE.id) in ann.alarm.alerts


def test_a_failed_event_keeps_its_reason_and_its_payload(ann: MemoryWorld) -> None:
    """An operator can see what was wrong, and what Stripe said."""
    ann.deliver(UNWRITABLE)
    kept = ann.store.tables.failed_events[UNWRITABLE.id].failed
    assert kept.reason.startswith("NotWritable: ")
    assert (kept.type, kept.created, kept.payload) == (UNWRITABLE.type, UNWRITABLE.created, UNWRITABLE.payload)


def test_an_event_that_another_replica_committed_meanwhile_is_a_duplicate(ann: MemoryWorld) -> None:
    """A conflict is mended by deciding again: by now the event is known, and its neighbours lose nothing."""
    ann.deliver(ACTIVE)
    racing = RacingTransactions(ann.transactions, overtaken=1)
    decide = replace(ann.decide, transactions=racing)
    assert ann.run(decide.execute([ACTIVE, BORING])) == [Outcome.DUPLICATE, Outcome.IGNORED]
    assert racing.begun == 2
    assert ann.held(SUBSCRIPTION).version == 1


def test_an_event_that_conflicts_again_and_again_is_asked_for_again(ann: MemoryWorld) -> None:
    """Nothing is tried for ever on Stripe's time; when it comes again it is a duplicate."""
    ann.deliver(ACTIVE)
    racing = RacingTransactions(ann.transactions, overtaken=100)
    [outcome] = ann.run(replace(ann.decide, transactions=racing).execute([ACTIVE]))
    assert isinstance(outcome, EventNotProcessed)
    assert racing.begun == 2
    assert ann.deliver(ACTIVE) == [Outcome.DUPLICATE]


def test_a_database_that_is_away_fails_all_at_once(ann: MemoryWorld) -> None:
    """Nobody is acknowledged, nothing is kept as failed, and each sender hears of an error of its own."""
    ann.store.is_away = True
    outcomes = ann.deliver(ACTIVE, BORING, UNWRITABLE)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert len({id(outcome) for outcome in outcomes}) == 3
    ann.store.is_away = False
    assert (ann.store.tables.events, ann.store.tables.failed_events) == ({}, {})
    assert ann.deliver(ACTIVE) == [Outcome.APPLIED]


def test_a_failure_that_cannot_be_kept_is_an_unavailable_database(ann: MemoryWorld) -> None:
    """If the database goes away before the failed event is kept, Stripe is told to come again all the same."""
    [outcome] = ann.run(replace(ann.decide, transactions=BrokenTransactions(ann)).execute([ACTIVE]))
    assert isinstance(outcome, StoreUnavailable)
    assert ann.alarm.alerts == []


def test_an_alert_is_raised_once_it_is_committed(ann: MemoryWorld) -> None:
    """What could not be written is not told of as if it had happened."""
    second = delivery("evt_2", changed(snapshot(id_=SubscriptionId("sub_2"))))
    ann.store.is_away = True
    ann.deliver(ACTIVE, second)
    assert ann.alarm.alerts == []
    ann.store.is_away = False
    ann.deliver(ACTIVE, second)
    assert ann.alarm.alerts == [(Alert.TWO_LIVE_SUBSCRIPTIONS, ANN)]
    assert ann.store.tables.alerts == {(Alert.TWO_LIVE_SUBSCRIPTIONS, ANN): 1}


def test_no_events_are_no_work(ann: MemoryWorld) -> None:
    """An empty batch answers nothing and writes nothing."""
    assert ann.deliver() == []


def test_only_what_asks_for_a_reread_wakes_whoever_reads(ann: MemoryWorld) -> None:
    """A snapshot that settles everything leaves nobody anything to do; a purchase does, once for its batch."""
    ann.deliver(ACTIVE, BORING)
    assert ann.rings == 0

    ann.deliver(delivery("evt_2", changed(snapshot(Status.PAST_DUE))), delivery("evt_3", changed(snapshot())))
    assert ann.rings == 1
    assert ann.queued() == [SUBSCRIPTION]

    ann.deliver(delivery("evt_3", changed(snapshot())))
    assert ann.rings == 1
