"""Where the order of events is in doubt, ask Stripe: the background re-read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.errors import ProviderRefused, ProviderUnavailable
from billing.idempotency import Alert, settle
from billing.ledger import Ledger
from billing.plans import Catalogue
from billing.ports import (
    Alarm,
    Claims,
    Clock,
    Reread,
    RereadQueue,
    Secrets,
    SubscriptionGateway,
    Transactions,
)
from billing.subscription import Snapshot

LEASE = timedelta(seconds=60)
"""How long a claim holds. Far longer than a request to Stripe with all its retries may take."""
OVERDUE = timedelta(hours=1)
"""How long after a period's end its renewal, failure or end must have been told of."""
BACK_OFF_FIRST = timedelta(seconds=1)
BACK_OFF_LONGEST = timedelta(seconds=60)


class Settlement(StrEnum):
    """How a re-read ended."""

    SETTLED = "settled"
    """What Stripe said now stands, or stood already."""
    OVERTAKEN = "overtaken"
    """An event was decided meanwhile: it will be fetched again at once."""
    POSTPONED = "postponed"
    """Stripe could not be asked: it will be tried again later."""
    DROPPED = "dropped"
    """It is not ours, Stripe does not know it, or another worker has it."""


def _ignore(_: float) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleSubscriptions:
    """Fetches subscriptions from Stripe, and writes what it says unless an event was decided meanwhile."""

    transactions: Transactions
    queue: RereadQueue
    gateway: SubscriptionGateway
    catalogue: Catalogue
    clock: Clock
    secrets: Secrets
    alarm: Alarm
    on_retry_after: Callable[[float], None] = _ignore
    """Told how many seconds Stripe asks to be left alone, for everything that asks it in the background."""

    async def claim(self, *, limit: int) -> Sequence[Reread]:
        """Lease some of what is due; whoever is given a re-read must `settle` it."""
        now = self.clock.now()
        return await self.queue.claim(
            limit=limit, now=now, leased_until=now + LEASE, lease=self.secrets.new_id("lease")
        )

    async def settle(self, reread: Reread) -> Settlement:
        """Fetch one subscription and write it, or put it back. No transaction is open while Stripe is asked.

        Raises `StoreUnavailable`; the lease then runs out, and nothing is lost.
        """
        read_at = self.clock.now()
        try:
            snapshot = await self.gateway.subscription(reread.subscription)
        except (ProviderUnavailable, ProviderRefused) as trouble:
            await self._postpone(reread, trouble)
            return Settlement.POSTPONED
        return await self._write(reread, snapshot, read_at)

    async def queue_overdue(self) -> int:
        """Queue what should have been told of by now, and was not; answer how many. To be called now and then."""
        now = self.clock.now()
        return await self.queue.queue_overdue(ended_before=now - OVERDUE, now=now)

    async def _write(self, reread: Reread, snapshot: Snapshot | None, read_at: datetime) -> Settlement:
        async with self.transactions.begin() as transaction:
            loaded = await transaction.load(_claims(reread, snapshot))
            ledger = Ledger(loaded, self.catalogue, received_at=self.clock.now())
            current = ledger.subscription(reread.subscription)
            overtaken = (current.version if current else 0) != reread.version
            if not overtaken:
                if not await transaction.finish_reread(reread):
                    return Settlement.DROPPED
                settlement = _apply(ledger, reread, snapshot, read_at, self.catalogue)
                changes = ledger.close()
                await transaction.save(changes)
                await transaction.commit()
                for alert, subject in changes.alerts:
                    self.alarm.raise_alert(alert, subject)
                return settlement
        await self.queue.put_back(reread, due_at=self.clock.now(), attempts=reread.attempts)
        return Settlement.OVERTAKEN

    async def _postpone(self, reread: Reread, trouble: ProviderUnavailable | ProviderRefused) -> None:
        asked = trouble.retry_after_seconds if isinstance(trouble, ProviderUnavailable) else None
        if asked:
            self.on_retry_after(asked)
        wait = back_off(attempts=reread.attempts, jitter=self.secrets.jitter())
        due_at = self.clock.now() + max(wait, timedelta(seconds=asked or 0))
        await self.queue.put_back(reread, due_at=due_at, attempts=reread.attempts + 1)


def back_off(*, attempts: int, jitter: float) -> timedelta:
    """Answer how long to wait after `attempts` failures: doubling, bounded, and spread over its upper half."""
    full = min(BACK_OFF_FIRST * (1 << min(attempts, 16)), BACK_OFF_LONGEST)
    return full * (0.5 + jitter / 2)


def _claims(reread: Reread, snapshot: Snapshot | None) -> Claims:
    if snapshot is None:
        return Claims(subscriptions=frozenset({reread.subscription}))
    return Claims(
        subscriptions=frozenset({reread.subscription}),
        customers=frozenset({snapshot.customer}),
        accounts=frozenset({snapshot.account} if snapshot.account else ()),
    )


def _apply(
    ledger: Ledger, reread: Reread, snapshot: Snapshot | None, read_at: datetime, catalogue: Catalogue
) -> Settlement:
    if snapshot is None:
        # Nothing is taken away for it: a key of another Stripe account must not end everybody's plan.
        ledger.changes.alerts.append((Alert.SUBSCRIPTION_MISSING, reread.subscription))
        return Settlement.DROPPED
    account = ledger.owner(reread.subscription, snapshot.customer, snapshot.account)
    if account is None:
        return Settlement.DROPPED
    current = ledger.subscription(reread.subscription)
    decision = settle(current, snapshot, read_at=read_at, account=account, catalogue=catalogue)
    ledger.take(reread.subscription, decision)
    return Settlement.SETTLED
