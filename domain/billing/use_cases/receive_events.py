"""Stripe tells of events: verify, decide, commit, and only then acknowledge."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.errors import BillingError, Conflict, Contended, EventNotProcessed, StoreUnavailable
from billing.events import Delivery
from billing.idempotency import Alert, Outcome
from billing.ledger import Ledger, claims_of
from billing.plans import Catalogue
from billing.ports import (
    Alarm,
    Changes,
    Clock,
    FailedEvent,
    FailedEvents,
    Inbox,
    Loaded,
    Transactions,
    UndecodableEvent,
    WebhookReader,
)

TELLING_APART = timedelta(seconds=1.5)
"""How long it may take to tell contended events from the others of a batch, one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveWebhook:
    """One HTTP delivery, from its raw bytes to its committed effect."""

    reader: WebhookReader
    inbox: Inbox
    failed_events: FailedEvents
    clock: Clock
    alarm: Alarm

    async def execute(self, *, signature: str | None, body: bytes) -> Outcome:
        """Answer what became of the event; returning means that it is committed.

        Raises `SignatureInvalid`, `PayloadInvalid`, `EventNotProcessed`, `Overloaded`, `StoreUnavailable`.
        """
        try:
            delivery = self.reader.read(signature=signature, body=body)
        except UndecodableEvent as undecodable:
            await self.failed_events.keep(undecodable.failed, at=self.clock.now())
            self.alarm.raise_alert(Alert.FAILED_EVENT, undecodable.failed.id)
            raise EventNotProcessed from undecodable
        return await self.inbox.put(delivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideEvents:
    """A batch of verified events, decided and written in one transaction."""

    transactions: Transactions
    failed_events: FailedEvents
    catalogue: Catalogue
    clock: Clock
    alarm: Alarm
    on_reread: Callable[[], None]
    """Called after a commit that asks for re-reads: there is something to do now. Nobody may rely on it alone: whether
    a commit was made can remain unknown, and other replicas commit, too."""

    async def execute(self, deliveries: Sequence[Delivery], *, patient: bool = False) -> list[Outcome | BillingError]:
        """Answer the outcome of each delivery, in order, or the error its sender must hear.

        One event that cannot be written does not fail its neighbours: a batch that fails is tried one by one, and
        an event that fails alone is kept as a failed event. A database that is away fails them all at once.

        Nor does one whose account somebody else has locked: unless this is `patient`, it is soon answered with
        `Contended`, which its sender must not hear. It is then to be tried again, patiently, beside the others.
        """
        try:
            return list(await self._decide(deliveries, patient=patient))
        except StoreUnavailable as unavailable:
            return [_again(unavailable) for _ in deliveries]
        except Contended as contended:
            if len(deliveries) == 1:
                return [contended]
            until = self.clock.now() + TELLING_APART
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is kept with it and its neighbours go on
            if len(deliveries) == 1:
                return [await self._keep(deliveries[0], error)]
            until = None
        return await self._one_by_one(deliveries, patient=patient, until=until)

    async def _one_by_one(
        self, deliveries: Sequence[Delivery], *, patient: bool, until: datetime | None
    ) -> list[Outcome | BillingError]:
        """Decide each by itself; when the time is over, what is left together."""
        results: list[Outcome | BillingError] = []
        for place, delivery in enumerate(deliveries):
            if until is not None and self.clock.now() >= until:
                return [*results, *await self._together(deliveries[place:])]
            results += await self.execute([delivery], patient=patient)
        return results

    async def _together(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome | BillingError]:
        """Decide them all at once, or none: then they are to be tried again patiently, whatever it was."""
        try:
            return await self._decide(deliveries, patient=False)
        except Exception:  # noqa: BLE001 - it will come again there, and be looked at
            return [Contended() for _ in deliveries]

    async def _decide(self, deliveries: Sequence[Delivery], *, patient: bool) -> Sequence[Outcome]:
        try:
            return await self._transact(deliveries, patient=patient)
        except Conflict:
            # Another replica committed one of these events meanwhile. Now it is known, so it will be a duplicate.
            return await self._transact(deliveries, patient=patient)

    async def _transact(self, deliveries: Sequence[Delivery], *, patient: bool) -> Sequence[Outcome]:
        received_at = self.clock.now()

        def decide(loaded: Loaded) -> tuple[Changes, Sequence[Outcome]]:
            ledger = Ledger(loaded, self.catalogue, received_at=received_at)
            outcomes = [ledger.decide(delivery) for delivery in deliveries]
            return ledger.close(), outcomes

        changes, outcomes = await self.transactions.update(claims_of(deliveries), decide, patient=patient)
        for alert, subject in changes.alerts:
            self.alarm.raise_alert(alert, subject)
        if changes.rereads:
            self.on_reread()
        return outcomes

    async def _keep(self, delivery: Delivery, error: Exception) -> BillingError:
        failed = FailedEvent(
            id=delivery.id,
            type=delivery.type,
            created=delivery.created,
            reason=f"{type(error).__name__}: {error}"[:500],
            payload=delivery.payload,
        )
        try:
            await self.failed_events.keep(failed, at=self.clock.now())
        except StoreUnavailable as unavailable:
            return unavailable
        self.alarm.raise_alert(Alert.FAILED_EVENT, failed.id, cause=error)
        return EventNotProcessed()


def _again(unavailable: StoreUnavailable) -> StoreUnavailable:
    """Make one for each sender: a traceback that many raise grows with each of them."""
    one = StoreUnavailable()
    one.__cause__ = unavailable.__cause__
    return one
