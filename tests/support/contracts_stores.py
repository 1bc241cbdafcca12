"""Opens each store for the contract tests, empty, with its ports and a look behind them."""

import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Executable, Row, func, select

from billing.idempotency import Alert
from billing.identifiers import EventId
from billing.ports import FailedEvent
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
from billing_sql import (
    SqlAccounts,
    SqlApiKeys,
    SqlCheckoutAttempts,
    SqlCustomers,
    SqlDatabase,
    SqlFailedEvents,
    SqlRereadQueue,
    SqlTransactions,
)
from billing_sql.tables import alerts, events, failed_events
from support.contracts import KeptEvent, Stores
from support.sql import PATIENT


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


class BehindSql:
    """Looks into the tables of a database."""

    def __init__(self, database: SqlDatabase) -> None:
        """Look into this one."""
        self._database = database

    async def events(self) -> frozenset[EventId]:
        """Answer the ids of all decided events."""
        return frozenset(EventId(row.id) for row in await self._rows(select(events.c.id)))

    async def failed_events(self) -> Mapping[EventId, KeptEvent]:
        """Answer all failed events."""
        return {row.id: _kept(row) for row in await self._rows(select(failed_events))}

    async def alerts(self) -> Mapping[Alert, int]:
        """Answer how often each kind of alert was raised."""
        total = func.sum(alerts.c.count).label("total")
        rows = await self._rows(select(alerts.c.kind, total).group_by(alerts.c.kind))
        return {Alert(row.kind): int(row.total) for row in rows}

    async def _rows(self, query: Executable) -> Sequence[Row[Any]]:
        def fetch(connection: Connection) -> Sequence[Row[Any]]:
            return connection.execute(query).all()

        return await self._database.read(fetch)


def _kept(row: Row[Any]) -> KeptEvent:
    failed = FailedEvent(id=row.id, type=row.type, created=row.created, reason=row.reason, payload=row.payload)
    return KeptEvent(failed=failed, attempts=row.attempts)


def memory_stores() -> tuple[Stores, Stores]:
    """Give two replicas a store in memory; they have nothing of their own."""
    store = MemoryStore()
    ports = Stores(
        transactions=MemoryTransactions(store),
        failed_events=MemoryFailedEvents(store),
        reread_queue=MemoryRereadQueue(store),
        attempts=MemoryCheckoutAttempts(store),
        customers=MemoryCustomers(store),
        accounts=MemoryAccounts(store),
        api_keys=MemoryApiKeys(store),
        behind=BehindMemory(store),
    )
    return ports, ports


@asynccontextmanager
async def sql_stores(url: str) -> AsyncGenerator[tuple[Stores, Stores], None]:
    """Give two replicas the database at `url`, each over connections of its own."""
    async with AsyncExitStack() as stack:
        ports: list[Stores] = []
        for _ in range(2):
            database = await SqlDatabase.open(url, limits=PATIENT)
            stack.push_async_callback(database.close)
            ports.append(_sql_ports(database))
        first, second = ports
        yield first, second


class SqliteTemplate:
    """An empty SQLite file that is migrated once, and copied for each test."""

    def __init__(self, folder: Path) -> None:
        """Keep it in this folder."""
        self._file = folder / "template.db"
        self._is_migrated = False

    async def copy(self, folder: Path) -> str:
        """Make an empty file with the current schema in a folder, and answer its URL."""
        if not self._is_migrated:
            await SqlDatabase.migrate(f"sqlite:///{self._file}")
            self._is_migrated = True
        return f"sqlite:///{shutil.copy(self._file, folder / 'billing.db')}"


def _sql_ports(database: SqlDatabase) -> Stores:
    return Stores(
        transactions=SqlTransactions(database),
        failed_events=SqlFailedEvents(database),
        reread_queue=SqlRereadQueue(database),
        attempts=SqlCheckoutAttempts(database),
        customers=SqlCustomers(database),
        accounts=SqlAccounts(database),
        api_keys=SqlApiKeys(database),
        behind=BehindSql(database),
    )
