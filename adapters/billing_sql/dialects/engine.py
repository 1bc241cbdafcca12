"""How work runs on a database: in two ways.

- `Work` is a plain function of SQLAlchemy's connection, for what is seldom done. It runs in a greenlet, over asyncpg
  or aiosqlite.
- A `Step` is a coroutine that executes `Prepared` statements on the driver itself, for what webhooks and status reads
  do. See `billing_sql.dialects.prepared`.
"""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection

from billing_sql.dialects.difference import Difference
from billing_sql.dialects.prepared import Answer, Parameters, Prepared, Row, Step

Work = Callable[[Connection], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many connections, and how long anything may take, in seconds."""

    pool_size: int = 8
    """Connections for transactions that one process keeps on PostgreSQL; four more are for single statements."""
    connect_seconds: float = 5.0
    """How long a connection may take to be made, for each host."""
    wait_seconds: float = 5.0
    """How long to wait for a free connection, and on SQLite for the other transactions of this process."""
    lock_seconds: float = 5.0
    """How long to wait for rows that others have locked, and on SQLite for other processes."""
    contended_seconds: float = 0.25
    """How long webhooks wait together for rows that others have locked on PostgreSQL, before they are told apart."""
    statement_seconds: float = 10.0
    """How long PostgreSQL may work on one statement; this side gives up a little later."""
    behind_pgbouncer: bool = False
    """Whether a PgBouncer in transaction mode stands before PostgreSQL: nothing then outlives a transaction."""


class Transaction(Protocol):
    """One transaction on one connection. It begins with its first step."""

    async def run(self, step: Step[Answer]) -> Answer:
        """Take a step of it."""
        ...

    async def restart(self) -> None:
        """Roll back and begin again."""
        ...

    async def commit(self) -> None:
        """Make it durable."""
        ...


class Statements(Protocol):
    """Statements on one connection, each of which is a transaction of its own."""

    async def read(self, step: Step[Answer]) -> Answer:
        """Take a step that reads."""
        ...

    async def write(self, step: Step[Answer]) -> Answer:
        """Take a step of one statement, which is durable when this returns."""
        ...


Course = Callable[[Statements], Coroutine[Any, Any, Answer]]
"""What is done with such statements, one after another."""


class Engine(Protocol):
    """A database that is open. Everything raises the drivers' own errors, or SQLAlchemy's around them."""

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

    async def ask(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """Read with one statement, outside of any transaction, on the driver itself."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction on the driver itself; leaving it without `commit` rolls it back."""
        ...

    async def transact(self, step: Step[Answer], *, patient: bool) -> Answer:
        """Take one step in a transaction of its own, and commit it; wait for locks as long as the limits say."""
        ...

    async def statements(self, course: Course[Answer]) -> Answer | None:
        """Do what takes several statements without a transaction around them, and answer what it answers.

        `None`, and nothing is done, where they are no faster than in a transaction.
        """
        ...

    async def doubts(self) -> Sequence[str]:
        """Say, a sentence each, why what is committed here might be lost all the same."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
