"""Opens each store for the contract tests, empty, with its ports and a look behind them."""

from collections import Counter
from collections.abc import Mapping

from billing.idempotency import Alert
from billing.identifiers import EventId
from billing_memory import (
    MemoryAccounts,
    MemoryApiKeys,
    MemoryCheckoutAttempts,
    MemoryCustomers,
    MemoryFailedEvents,
    MemoryRereadQueue,
    MemoryStore,
    MemoryTransactions,
)
from support.contracts import KeptEvent, Stores


class BehindMemory:
    """Looks into the tables in memory."""

    def __init__(self, store: MemoryStore) -> None:
        """Look into this one."""
        self._store = store

    async def events(self) -> frozenset[EventId]:
        """Answer the ids of all decided events."""
        return frozenset(self._store.tables.events)

    async def failed_events(self) -> Mapping[EventId, KeptEvent]:
        """Answer all failed events."""
        rows = self._store.tables.failed_events
        return {id_: KeptEvent(failed=row.failed, attempts=row.attempts) for id_, row in rows.items()}

    async def alerts(self) -> Mapping[Alert, int]:
        """Answer how often each kind of alert was raised."""
        counts: Counter[Alert] = Counter()
        for (alert, _), count in self._store.tables.alerts.items():
            counts[alert] += count
        return counts


def memory_stores(store: MemoryStore) -> Stores:
    """Answer the ports of a store in memory."""
    return Stores(
        transactions=MemoryTransactions(store),
        failed_events=MemoryFailedEvents(store),
        reread_queue=MemoryRereadQueue(store),
        attempts=MemoryCheckoutAttempts(store),
        customers=MemoryCustomers(store),
        accounts=MemoryAccounts(store),
        api_keys=MemoryApiKeys(store),
        behind=BehindMemory(store),
    )
