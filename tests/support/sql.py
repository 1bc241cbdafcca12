"""What the SQL adapter's own tests share."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import text

from billing.accounts import Account
from billing.errors import Contended
from billing.events import Delivery
from billing.idempotency import Outcome
from billing.identifiers import AccountId
from billing.ledger import Ledger, claims_of
from billing.ports import Changes, Loaded
from billing_memory import NOON
from billing_sql import Limits, SqlAccounts, SqlDatabase, SqlTransactions
from support.contracts import CATALOGUE, account, api_key, key_hash

QUICK = Limits(connect_seconds=20, wait_seconds=0.2, lock_seconds=0.2, contended_seconds=0.2, statement_seconds=20)
"""Gives up soon where another transaction is in the way, and nowhere else."""
PATIENT = Limits(connect_seconds=60, wait_seconds=120, lock_seconds=120, contended_seconds=120, statement_seconds=120)
"""On a busy machine a race may take long: only a hang fails a test, never a slow moment."""


class Open(Protocol):
    """Opens a database that is closed at the end of the test."""

    def __call__(self, url: str, *, limits: Limits = PATIENT, behind_pgbouncer: bool = False) -> Awaitable[SqlDatabase]:
        """Open the database at a URL."""
        ...


async def add(database: SqlDatabase, number: int = 1) -> AccountId:
    """Put an account and its key, both of this number, into a database."""
    new: Account = account(number)
    await SqlAccounts(database).add(new, key=api_key(new.id, number), hash_=key_hash(number))
    return new.id


async def deliver(database: SqlDatabase, deliveries: Iterable[Delivery]) -> Sequence[Outcome]:
    """Decide webhooks in one transaction, and patiently if an account is locked; a conflict is raised."""
    deliveries = tuple(deliveries)
    transactions = SqlTransactions(database)
    claims = claims_of(deliveries)
    try:
        _, outcomes = await transactions.update(claims, lambda loaded: _decide(loaded, deliveries))
    except Contended:
        _, outcomes = await transactions.update(claims, lambda loaded: _decide(loaded, deliveries), patient=True)
    return outcomes


async def deliver_locked(database: SqlDatabase, deliveries: Iterable[Delivery]) -> Sequence[Outcome]:
    """Decide webhooks under locks that are taken first, as a settled re-read is."""
    deliveries = tuple(deliveries)
    async with SqlTransactions(database).begin() as transaction:
        changes, outcomes = _decide(await transaction.load(claims_of(deliveries)), deliveries)
        await transaction.save(changes)
        await transaction.commit()
    return outcomes


def _decide(loaded: Loaded, deliveries: Sequence[Delivery]) -> tuple[Changes, Sequence[Outcome]]:
    ledger = Ledger(loaded, CATALOGUE, received_at=NOON)
    outcomes = [ledger.decide(delivery) for delivery in deliveries]
    return ledger.close(), outcomes


async def blocked(database: SqlDatabase) -> None:
    """Wait until a connection waits for a lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(60):
        # The server tells nobody, so it is asked again and again.
        while await database.read(lambda connection: connection.execute(waiting).scalar_one()) == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def count(database: SqlDatabase, table: str) -> int:
    """Count a table's rows."""
    statement = text(f"SELECT count(*) FROM {table}")  # noqa: S608 - a test's own word
    rows: int = await database.read(lambda connection: connection.execute(statement).scalar_one())
    return rows


async def write_from_processes(url: str, ranges: Iterable[tuple[int, int]]) -> Counter[str]:
    """Deliver ranges of events from as many processes at once; answer how often each outcome came about."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    writers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "support.sql_writer", url, str(first), str(last)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        for first, last in ranges
    ]
    async with asyncio.timeout(120):
        said = [(await writer.communicate())[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * len(writers)
    results = Counter[str]()
    for outcomes in said:
        results.update(
            {name: int(number) for name, _, number in (one.partition("=") for one in outcomes.decode().split())}
        )
    return results
