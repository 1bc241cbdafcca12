"""The floor's PostgreSQL: asyncpg, one statement for a whole batch, connections that are not reset between uses."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.floor import Row, Standing

WRITE = """
WITH said AS (
  SELECT said.*, customers.account_id
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[], $8::text[],
              $9::text[], $10::bigint[], $11::boolean[], $12::bigint[])
    AS said (id, type, created, received_at, payload, subscription, customer, tier, status, period_end, cancel,
             started_at)
  LEFT JOIN customers ON customers.customer_id = said.customer
), fresh AS (
  INSERT INTO events (id, type, created, received_at, outcome, account_id, subscription_id, payload)
  SELECT id, type, created, received_at, 'applied', account_id, subscription, payload FROM said ORDER BY id
  ON CONFLICT (id) DO NOTHING
  RETURNING id
), newest AS (
  SELECT DISTINCT ON (subscription) said.*
  FROM said JOIN fresh ON fresh.id = said.id
  WHERE said.account_id IS NOT NULL
  ORDER BY subscription, created DESC
), held AS (
  INSERT INTO subscriptions AS held (id, account_id, customer_id, tier, status, period_end, cancel_at_period_end,
                                     started_at, as_of, version)
  SELECT subscription, account_id, customer, tier, status, period_end, cancel, started_at, created, 1 FROM newest
  ON CONFLICT (id) DO UPDATE SET
    tier = excluded.tier, status = excluded.status, period_end = excluded.period_end,
    cancel_at_period_end = excluded.cancel_at_period_end, as_of = excluded.as_of, version = held.version + 1
  WHERE held.as_of <= excluded.as_of
  RETURNING account_id, tier, status, period_end, cancel_at_period_end
), standings AS (
  UPDATE accounts SET plan_tier = held.tier, status = held.status, current_period_end = held.period_end,
    cancel_at_period_end = held.cancel_at_period_end
  FROM held WHERE accounts.id = held.account_id
)
SELECT id FROM fresh
"""
READ = """
SELECT accounts.plan_tier, accounts.status, accounts.current_period_end, accounts.cancel_at_period_end
FROM api_keys JOIN accounts ON accounts.id = api_keys.account_id
WHERE api_keys.hash = $1 AND api_keys.revoked_at IS NULL
"""


class PostgresStore:
    """One pool; each use is one statement, so no transaction is ever left open and nothing needs resetting."""

    def __init__(self, pool: Any) -> None:
        """Use a pool of asyncpg's."""
        self._pool = pool

    @classmethod
    async def open(cls, url: str) -> "PostgresStore":
        """Connect."""

        async def leave_alone(_: Any) -> None:
            pass

        # It has no type hints of its own.
        asyncpg: Any = import_module("asyncpg")
        # One plan for each statement, made once: a single event takes three quarters of the time.
        settings = {"plan_cache_mode": "force_generic_plan", "jit": "off"}
        pool = await asyncpg.create_pool(url, min_size=8, max_size=8, reset=leave_alone, server_settings=settings)
        return cls(pool)

    async def write(self, rows: Sequence[Row]) -> set[str]:
        """See `Store`."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        return {id_ for (id_,) in await self._pool.fetch(WRITE, *columns)}

    async def read(self, key_hash: str) -> Standing | None:
        """See `Store`."""
        row: Standing | None = await self._pool.fetchrow(READ, key_hash)
        return row

    async def close(self) -> None:
        """See `Store`."""
        await self._pool.close()
