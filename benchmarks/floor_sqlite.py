"""The floor's SQLite: the standard library's driver, one thread that writes.

Reads are made on the event loop: one takes less time than it takes to hand it to a thread and back. A disk that is
slow to answer would stop everybody; the floor need not care.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.floor import Row, Standing

PRAGMAS = ("busy_timeout=5000", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=4000")
EVENT = """
INSERT INTO events (id, type, created, received_at, outcome, payload, subscription_id, account_id)
VALUES (?, ?, ?, ?, 'applied', ?, ?, (SELECT account_id FROM customers WHERE customer_id = ?))
ON CONFLICT (id) DO NOTHING
"""
SUBSCRIPTION = """
INSERT INTO subscriptions AS held (id, account_id, customer_id, tier, status, period_end, cancel_at_period_end,
                                   started_at, as_of, version)
SELECT :subscription, account_id, :customer, :tier, :status, :period_end, :cancel, :started_at, :created, 1
FROM customers WHERE customer_id = :customer
ON CONFLICT (id) DO UPDATE SET
  tier = excluded.tier, status = excluded.status, period_end = excluded.period_end,
  cancel_at_period_end = excluded.cancel_at_period_end, as_of = excluded.as_of, version = held.version + 1
WHERE held.as_of <= excluded.as_of
"""
STANDING = """
UPDATE accounts
SET (plan_tier, status, current_period_end, cancel_at_period_end) =
    (SELECT tier, status, period_end, cancel_at_period_end FROM subscriptions WHERE id = :subscription)
WHERE id = (SELECT account_id FROM customers WHERE customer_id = :customer)
"""
READ = """
SELECT accounts.plan_tier, accounts.status, accounts.current_period_end, accounts.cancel_at_period_end
FROM api_keys JOIN accounts ON accounts.id = api_keys.account_id
WHERE api_keys.hash = ? AND api_keys.revoked_at IS NULL
"""


class SqliteStore:
    """One file."""

    def __init__(self, path: str) -> None:
        """Open it when it is first used."""
        self._path = path
        self._connections = threading.local()
        self._writer = ThreadPoolExecutor(1)

    async def write(self, rows: Sequence[Row]) -> set[str]:
        """See `Store`."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, rows)

    async def read(self, key_hash: str) -> Standing | None:
        """See `Store`."""
        row: Standing | None = self._connection().execute(READ, (key_hash,)).fetchone()
        return row

    async def close(self) -> None:
        """See `Store`."""
        self._writer.shutdown()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._connections, "one", None)
        if connection is None:
            connection = self._connections.one = sqlite3.connect(self._path, isolation_level=None)
            for pragma in PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        return connection

    def _write(self, rows: Sequence[Row]) -> set[str]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            fresh = [row for row in rows if connection.execute(EVENT, row[:7]).rowcount]
            said = [row._asdict() for row in fresh if row.subscription is not None]
            if said:
                connection.executemany(SUBSCRIPTION, said)
                connection.executemany(STANDING, said)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return {row.id for row in fresh}
