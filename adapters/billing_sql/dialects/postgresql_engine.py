"""PostgreSQL through asyncpg: one pool for transactions, a small one for single statements."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, cast
from weakref import WeakSet

from sqlalchemy import Connection, event, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from billing_sql.addresses import PostgresAddress
from billing_sql.dialects.engine import Course, Limits, Work
from billing_sql.dialects.postgresql import PostgresDifference
from billing_sql.dialects.postgresql_connection import (
    LOST_STATES,
    KeptConnection,
    PooledConnection,
    PostgresTransaction,
    committing,
)
from billing_sql.dialects.prepared import Answer, Parameters, Prepared, Row, Step
from billing_sql.errors import DatabaseUnusable

READERS = 3
"""Connections that read with single statements: one for status reads, and two for whatever else comes."""
UPDATERS = 2
"""Connections for updates at a guess: one is kept for them. They come one after another, so the other is not made."""
GRACE_SECONDS = 2.0
"""How much longer than the server this side waits for a statement, so that the server's own limit comes first."""
CLOSE_SECONDS = 2.0
"""How long all connections together may take to say good-bye; then they are cut."""
APPLICATION_NAME = "billing-service"
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_UNSAFE = text(
    "SELECT name FROM pg_settings WHERE setting = 'off' AND name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
)


class BareAsyncpg(PGDialect_asyncpg):
    """SQLAlchemy's dialect without the round trips that it spends on JSON types for each new connection.

    There are no JSON columns; and a PgBouncer in transaction mode would let those queries stray.
    """

    supports_statement_cache = True
    commit_seconds: float
    """How long a commit may take. Set by whoever makes an engine."""

    def on_connect(self) -> Any:
        """Answer that there is nothing to do."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit, in a bounded time."""
        with committing(dbapi_connection.driver_connection, seconds=self.commit_seconds):
            dbapi_connection.commit()


registry.register("postgresql.billing", __name__, "BareAsyncpg")


class PostgresEngine:
    """One PostgreSQL database, on one or several hosts."""

    def __init__(self, address: PostgresAddress, limits: Limits) -> None:
        """Describe it; connections are made when they are needed. Raises `DatabaseUnusable` without asyncpg."""
        asyncpg = _driver()
        self.difference = PostgresDifference(asyncpg)
        soon = replace(limits, lock_seconds=limits.contended_seconds)
        self._begin = _BEGIN
        self._begin_impatiently = f"{_BEGIN}; SET LOCAL lock_timeout = {_milliseconds(soon.lock_seconds)}"
        self._limits = limits
        self._hosts = Hosts(asyncpg, address)
        self._transactions = _engine(self._hosts, limits, pool_size=limits.pool_size, isolation_level="READ COMMITTED")
        if limits.behind_pgbouncer:
            # There the time-outs are set for each transaction: what is set for a session would be anybody's.
            limit_transaction = _limit_transaction(limits)
            self._begin = f"{_BEGIN}; {limit_transaction}"
            self._begin_impatiently = f"{_BEGIN}; {_limit_transaction(soon)}"
            event.listen(self._transactions.sync_engine, "begin", _executing(limit_transaction))
            # Outside of a transaction each message may reach another server, so that a read needs one, too.
            self._singles = self._guesses = self._transactions
        else:
            self._singles = _engine(self._hosts, limits, pool_size=READERS, isolation_level="AUTOCOMMIT")
            self._guesses = _engine(self._hosts, soon, pool_size=UPDATERS, isolation_level="AUTOCOMMIT")
        self._questions, self._updates = (
            # The server's own limit on a statement comes first; the driver's, which would cancel a commit, does not.
            KeptConnection(pool, self._hosts.distrust, write_seconds=limits.statement_seconds + GRACE_SECONDS / 2)
            for pool in (self._singles, self._guesses)
        )

    async def read(self, work: Work[Answer]) -> Answer:
        """See `Engine`."""
        async with self._singles.connect() as connection:
            return await self._run(connection, work)

    async def write(self, work: Work[Answer]) -> Answer:
        """See `Engine`."""
        async with self._transactions.connect() as connection:
            answer = await self._run(connection, work)
            try:
                await connection.commit()
            except TimeoutError:
                self._hosts.distrust()
                raise
        return answer

    async def ask(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Engine`."""
        if self._singles is self._transactions:
            async with self.transaction() as transaction:
                return await transaction.run(lambda session: session.execute(statement, parameters))
        return await self._questions.use(
            lambda statements: statements.read(lambda session: session.execute(statement, parameters))
        )

    @asynccontextmanager
    async def transaction(self, *, patient: bool = True) -> AsyncGenerator[PostgresTransaction, None]:
        """See `Engine`."""
        async with self._transactions.connect() as connection:
            transaction = PostgresTransaction(
                PooledConnection(connection, self._hosts.distrust),
                self._begin if patient else self._begin_impatiently,
                commit_seconds=self._limits.statement_seconds,
            )
            try:
                yield transaction
            finally:
                await transaction.end()

    async def transact(self, step: Step[Answer], *, patient: bool) -> Answer:
        """See `Engine`."""
        async with self.transaction(patient=patient) as transaction:
            answer = await transaction.run(step)
            await transaction.commit()
        return answer

    async def statements(self, course: Course[Answer]) -> Answer | None:
        """See `Engine`. Behind a PgBouncer there must be a transaction, in which the time-outs are set."""
        return None if self._singles is self._transactions else await self._updates.use(course)

    async def doubts(self) -> Sequence[str]:
        """See `Engine`."""
        rows = await self.read(lambda connection: connection.execute(_UNSAFE).all())
        return [f"PostgreSQL runs with {name} = off: a crash loses what was acknowledged" for (name,) in rows]

    async def close(self) -> None:
        """See `Engine`. In a bounded time: a server that is silent would let each connection wait on its own."""
        cut = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._hosts.cut_all)
        try:
            await self._questions.close()
            await self._updates.close()
            for pool in (self._transactions, self._singles, self._guesses):
                await pool.dispose()
        finally:
            cut.cancel()

    async def _run(self, connection: AsyncConnection, work: Work[Answer]) -> Answer:
        """Do work; once again, if the connection turned out to have been cut: then nothing of it is done."""
        try:
            return await connection.run_sync(work)
        except TimeoutError:
            # The server did not answer in time: who knows what it is doing on this connection.
            self._hosts.distrust()
            await connection.invalidate()
            raise
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        await connection.rollback()
        return await connection.run_sync(work)


def _engine(hosts: "Hosts", limits: Limits, *, pool_size: int, isolation_level: Any) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+billing://",
        async_creator=partial(hosts.connect, limits),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=limits.wait_seconds,
        isolation_level=isolation_level,
        # What it would cost to ask a connection whether it lives before each use is saved: see `PostgresTransaction`.
        pool_pre_ping=False,
        hide_parameters=True,
        connect_args={"prepared_statement_cache_size": 0 if limits.behind_pgbouncer else 200},
    )
    cast("BareAsyncpg", engine.dialect).commit_seconds = limits.statement_seconds
    event.listen(engine.sync_engine, "handle_error", _give_up_lost_connection)
    return engine


def _give_up_lost_connection(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlstate", None) in LOST_STATES:
        context.is_disconnect = True


def _driver() -> Any:
    try:
        return import_module("asyncpg")
    except ImportError:
        raise DatabaseUnusable(
            "PostgreSQL needs the driver asyncpg, which comes with the extra: pip install '.[postgres]'"
        ) from None


class Hosts:
    """Makes the connections, and gives them up together."""

    def __init__(self, asyncpg: Any, address: PostgresAddress) -> None:
        """Connect to the hosts of `address`."""
        self._asyncpg = asyncpg
        self._urls = list(address.urls)
        self._connections: WeakSet[Any] = WeakSet()

    async def connect(self, limits: Limits, **_: object) -> Any:
        """Connect to the host that took the last connection, else to the first one that takes it."""
        trouble: Exception | None = None
        for url in tuple(self._urls):
            try:
                connection = await self._connect_to(url, limits)
            # The last kind is a host that answers but does not take writes, such as a standby named first.
            except (
                OSError,
                self._asyncpg.PostgresError,
                self._asyncpg.InterfaceError,
                self._asyncpg.InternalClientError,
            ) as error:
                trouble = error
            else:
                self._urls.remove(url)
                self._urls.insert(0, url)
                self._connections.add(connection)
                return connection
        raise trouble or OSError("no host to connect to")

    def distrust(self) -> None:
        """Cut what is connected and not in a transaction, after a server has been silent.

        It may be gone without having closed anything, and each connection would have to wait for it once more. An
        update in flight is cut, too, and its events are sent again: it would hardly have been answered.
        """
        for connection in tuple(self._connections):
            if not connection.is_closed() and not connection.is_in_transaction():
                connection.terminate()

    def cut_all(self) -> None:
        """Cut all connections, without waiting for anything."""
        for connection in tuple(self._connections):
            connection.terminate()

    async def _connect_to(self, url: str, limits: Limits) -> Any:
        return await self._asyncpg.connect(
            url,
            timeout=limits.connect_seconds,
            command_timeout=limits.statement_seconds + GRACE_SECONDS,
            statement_cache_size=0 if limits.behind_pgbouncer else 200,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            server_settings=None if limits.behind_pgbouncer else _server_settings(limits),
        )


_KEPT_ALIVE = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
"""The server says a word now and then, so that nothing in between forgets a connection that is quiet."""


def _server_settings(limits: Limits) -> Mapping[str, str]:
    # A statement without a transaction around it has the isolation that transactions here ask for.
    isolation = {"default_transaction_isolation": "read committed"}
    return {"application_name": APPLICATION_NAME, **isolation, **_KEPT_ALIVE, **_settings(limits)}


def _settings(limits: Limits) -> Mapping[str, str]:
    """Answer what PostgreSQL is told for each session, or behind a PgBouncer for each transaction.

    Every statement that is frequent finds its rows by their keys, so the plan that looks up one row after the other by
    the indexes is the right one whatever the tables' sizes. Left to itself PostgreSQL plans statements with sets anew
    each time, which takes longer than to execute them; reads whole tables where it expects a hundred rows; and may keep
    to a plan it made for an empty table.
    """
    return {
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "jit": "off",
        **_timeouts(limits),
    }


def _timeouts(limits: Limits) -> Mapping[str, str]:
    statement = str(_milliseconds(limits.statement_seconds))
    return {
        "statement_timeout": statement,
        "lock_timeout": str(_milliseconds(limits.lock_seconds)),
        # A replica that hangs in the middle of a transaction must not hold its locks for ever.
        "idle_in_transaction_session_timeout": statement,
    }


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _executing(sql: str) -> Callable[[Connection], None]:
    def execute(connection: Connection) -> None:
        connection.exec_driver_sql(sql)

    return execute


def _limit_transaction(limits: Limits) -> str:
    settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _settings(limits).items())
    return f"SELECT {settings}"
