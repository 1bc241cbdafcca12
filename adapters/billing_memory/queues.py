"""What waits: re-reads and failed events."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing.identifiers import SubscriptionId
from billing.ports import FailedEvent, Reread
from billing_memory.store import FailedRow, MemoryStore, RereadRow, Tables


class MemoryFailedEvents:
    """Verified events that could not be processed."""

    def __init__(self, store: MemoryStore) -> None:
        """Keep them in `store`."""
        self._store = store

    async def keep(self, failed: FailedEvent, *, at: datetime) -> None:
        """See `billing.ports.FailedEvents`. What has been processed meanwhile is not kept."""
        async with self._store.write() as tables:
            if failed.id in tables.events:
                return
            before = tables.failed_events.get(failed.id)
            attempts = before.attempts + 1 if before else 1
            tables.failed_events[failed.id] = FailedRow(failed=failed, attempts=attempts, last_at=at)


class MemoryRereadQueue:
    """The queue of re-reads."""

    def __init__(self, store: MemoryStore) -> None:
        """Keep it in `store`."""
        self._store = store

    async def claim(self, *, limit: int, now: datetime, leased_until: datetime, lease: str) -> Sequence[Reread]:
        """See `billing.ports.RereadQueue`."""
        async with self._store.write() as tables:
            free = [(row.due_at, id_) for id_, row in tables.rereads.items() if _free_at(row, now) <= now]
            claimed = [id_ for _, id_ in sorted(free)[:limit]]
            for id_ in claimed:
                tables.rereads[id_] = replace(tables.rereads[id_], lease=lease, leased_until=leased_until)
            return [_reread(tables, id_, lease) for id_ in claimed]

    async def queue_overdue(self, *, ended_before: datetime, now: datetime) -> int:
        """See `billing.ports.RereadQueue`."""
        async with self._store.write() as tables:
            overdue = {
                held.id
                for held in tables.subscriptions.values()
                if held.status.grants_access and held.period_end is not None and held.period_end < ended_before
            }
            new = overdue - tables.rereads.keys()
            tables.rereads.update({id_: RereadRow(due_at=now) for id_ in new})
            return len(new)

    async def next_due(self, *, now: datetime) -> datetime | None:
        """See `billing.ports.RereadQueue`."""
        tables = await self._store.read()
        return min((_free_at(row, now) for row in tables.rereads.values()), default=None)

    async def put_back(self, reread: Reread, *, due_at: datetime, attempts: int) -> None:
        """See `billing.ports.RereadQueue`."""
        async with self._store.write() as tables:
            row = tables.rereads.get(reread.subscription)
            if row is not None and row.lease == reread.lease:
                tables.rereads[reread.subscription] = RereadRow(due_at=due_at, attempts=attempts)


def _free_at(row: RereadRow, now: datetime) -> datetime:
    """Answer when a row can be claimed: when it is due, and not before its lease has run out."""
    if row.leased_until is None or row.leased_until <= now:
        return row.due_at
    return max(row.due_at, row.leased_until)


def _reread(tables: Tables, id_: SubscriptionId, lease: str) -> Reread:
    held = tables.subscriptions.get(id_)
    return Reread(
        subscription=id_,
        attempts=tables.rereads[id_].attempts,
        version=held.version if held else 0,
        lease=lease,
    )
