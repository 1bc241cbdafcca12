"""How work runs on a database: reads, and transactions, each given as functions of a connection.

The functions are plain, not `async`: on PostgreSQL they run in a greenlet over asyncpg, on SQLite in a thread. A whole
transaction costs one switch that way, not several for each statement.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from billing_sql.dialects.difference import Difference

Answer = TypeVar("Answer")
Work = Callable[[Connection], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many connections, and how long anything may take, in seconds."""

    pool_size: int = 8
    """Connections for transactions that one process keeps on PostgreSQL; two more are for reads."""
    connect_seconds: float = 5.0
    """How long a connection may take to be made, for each host."""
    wait_seconds: float = 5.0
    """How long to wait for a free connection, and on SQLite for the other transactions of this process."""
    lock_seconds: float = 5.0
    """How long to wait for rows that others have locked, and on SQLite for other processes."""
    statement_seconds: float = 10.0
    """How long PostgreSQL may work on one statement; this side gives up a little later."""
    behind_pgbouncer: bool = False
    """Whether a PgBouncer in transaction mode stands before PostgreSQL: nothing then outlives a transaction."""


class Transaction(Protocol):
    """One transaction on one connection. It begins with the first work."""

    async def run(self, work: Work[Answer]) -> Answer:
        """Do some work in it."""
        ...

    async def restart(self) -> None:
        """Roll back and begin again."""
        ...

    async def commit(self) -> None:
        """Make it durable."""
        ...


class Engine(Protocol):
    """A database that is open. Everything raises the drivers' own errors."""

    @property
    def difference(self) -> Difference:
        """How statements are made for this database."""
        ...

    async def read(self, work: Work[Answer]) -> Answer:
        """Do work that reads with one statement, outside of any transaction."""
        ...

    async def write(self, work: Work[Answer]) -> Answer:
        """Do work in a transaction of its own, and commit it."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; leaving it without `commit` rolls it back."""
        ...

    async def doubts(self) -> Sequence[str]:
        """Say, a sentence each, why what is committed here might be lost all the same."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
