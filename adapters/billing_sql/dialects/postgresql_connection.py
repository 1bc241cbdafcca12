"""One connection to PostgreSQL, used on asyncpg itself, and a transaction on it."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing_sql.dialects.engine import Course
from billing_sql.dialects.prepared import Answer, Parameters, Prepared, Row, Step

LOST_STATES = frozenset({"25006", "57P01", "57P02", "57P03"})
"""A connection that says so is of no use any more: the server is read-only (a primary that was), or going away."""


@contextmanager
def committing(driver: Any, *, seconds: float) -> Generator[None, None, None]:
    """Bound a commit by cutting the connection; raises `TimeoutError`. It may be done or not, as with any lost answer.

    The driver would ask the server to cancel it, and one that waits for a synchronous standby would then be done on the
    primary alone. What it wrote would be there when it is sent again, and be acknowledged as known: to be lost with the
    primary. While nobody cancels it, it stays invisible, and its rows locked, until the standby has it.
    """
    is_late = False

    def cut() -> None:
        nonlocal is_late
        is_late = True
        driver.terminate()

    clock = asyncio.get_running_loop().call_later(seconds, cut)
    try:
        yield
    except BaseException as error:
        if is_late:
            raise TimeoutError(f"no commit in {seconds:g} s; a synchronous standby may be away") from error
        if isinstance(error, asyncio.CancelledError):
            driver.terminate()
        raise
    finally:
        clock.cancel()


class PostgresSession:
    """A connection of the driver's."""

    def __init__(self, driver: Any) -> None:
        """Execute on `driver`, asyncpg's connection."""
        self._driver = driver

    async def execute(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Session`."""
        return statement.converted(await self._driver.fetch(statement.sql, *statement.arguments(parameters)))


class PooledConnection:
    """A connection of the pool's."""

    def __init__(self, connection: AsyncConnection, on_silence: Callable[[], None]) -> None:
        """Use this one; `on_silence` is called when the server has not answered in time."""
        self._connection = connection
        self._on_silence = on_silence
        self._driver: Any = None

    async def driver(self) -> Any:
        """Answer asyncpg's connection: a new one, if the one in the pool was cut while nobody used it."""
        if self._driver is None:
            driver = (await self._connection.get_raw_connection()).driver_connection
            if driver is None or driver.is_closed():
                await self._connection.invalidate()
                driver = (await self._connection.get_raw_connection()).driver_connection
            self._driver = driver
        return self._driver

    async def is_lost(self, error: Exception) -> bool:
        """Judge by an error whether the connection is of any use still; if not, the pool makes a new one."""
        if self._driver is None:
            return False
        is_lost = (
            self._driver.is_closed()
            or getattr(error, "sqlstate", None) in LOST_STATES
            # The server did not answer in time: who knows what it is doing on this connection.
            or isinstance(error, TimeoutError)
        )
        if isinstance(error, TimeoutError):
            self.abandon()
            self._on_silence()
        if is_lost:
            self._driver = None
            await self._connection.invalidate()
        return is_lost

    def forget_if_cut(self) -> None:
        """Have a connection that was cut since its last use made anew. Not to be asked within a transaction."""
        if self._driver is not None and self._driver.is_closed():
            self._driver = None

    async def give_back(self) -> None:
        """Give the connection back to the pool."""
        await self._connection.close()

    def abandon(self) -> None:
        """Cut the connection, without waiting for anything; whoever gets it from the pool will see that."""
        if self._driver is not None:
            self._driver.terminate()


class PostgresStatements:
    """Statements on one connection of the pool, each a transaction of its own."""

    def __init__(self, connection: PooledConnection, *, write_seconds: float) -> None:
        """Execute on `connection`; what writes may take `write_seconds`, with its commit."""
        self._connection = connection
        self._write_seconds = write_seconds

    async def read(self, step: Step[Answer]) -> Answer:
        """See `Statements`. Once again, if the connection turned out to have been cut."""
        try:
            return await step(PostgresSession(await self._connection.driver()))
        except Exception as error:
            if not await self._connection.is_lost(error) or isinstance(error, TimeoutError):
                raise
        return await step(PostgresSession(await self._connection.driver()))

    async def write(self, step: Step[Answer]) -> Answer:
        """See `Statements`. Once: if the connection is cut, it may be done or not."""
        driver = await self._connection.driver()
        try:
            with committing(driver, seconds=self._write_seconds):
                return await step(PostgresSession(driver))
        except Exception as error:
            await self._connection.is_lost(error)
            raise


class KeptConnection:
    """One connection for statements that are each alone, kept between uses.

    Lending one from the pool and giving it back costs more than a small statement does. Whoever comes while it is in
    use gets one from the pool.
    """

    def __init__(self, pool: AsyncEngine, on_silence: Callable[[], None], *, write_seconds: float) -> None:
        """Take it from `pool` when it is first needed."""
        self._pool = pool
        self._on_silence = on_silence
        self._write_seconds = write_seconds
        self._idle: PooledConnection | None = None
        self._is_closed = False

    async def use(self, course: Course[Answer]) -> Answer:
        """Do this with it. After any failure it goes back to the pool, which knows how to make it usable again."""
        connection, self._idle = self._idle, None
        if connection is None:
            connection = PooledConnection(await self._pool.connect(), self._on_silence)
        connection.forget_if_cut()
        try:
            answer = await course(PostgresStatements(connection, write_seconds=self._write_seconds))
        except BaseException:
            await connection.give_back()
            raise
        if self._may_keep():
            self._idle = connection
        else:
            await connection.give_back()
        return answer

    def _may_keep(self) -> bool:
        return self._idle is None and not self._is_closed

    async def close(self) -> None:
        """Give it back for good."""
        self._is_closed = True
        if self._idle is not None:
            await self._idle.give_back()


class PostgresTransaction:
    """One transaction on one connection of the pool."""

    def __init__(self, connection: PooledConnection, begin: str, *, commit_seconds: float) -> None:
        """Begin nothing yet; `begin` is what begins it."""
        self._connection = connection
        self._begin = begin
        self._commit_seconds = commit_seconds
        self._is_open = False

    async def run(self, step: Step[Answer]) -> Answer:
        """See `Transaction`.

        A connection may have been cut without our knowing. If that shows in the first step, nothing is done yet, and
        the step is taken again on a new connection.
        """
        is_first = not self._is_open
        try:
            return await self._run(step)
        except Exception as error:
            is_lost = await self._connection.is_lost(error)
            self._is_open = self._is_open and not is_lost
            if not (is_first and is_lost) or isinstance(error, TimeoutError):
                raise
        return await self._run(step)

    async def restart(self) -> None:
        """See `Transaction`."""
        await (await self._connection.driver()).execute("ROLLBACK")
        self._is_open = False

    async def commit(self) -> None:
        """See `Transaction`."""
        driver = await self._connection.driver()
        try:
            with committing(driver, seconds=self._commit_seconds):
                status = await driver.execute("COMMIT")
        except Exception as error:
            self._is_open = self._is_open and not await self._connection.is_lost(error)
            raise
        self._is_open = False
        if status != "COMMIT":
            # PostgreSQL answers the COMMIT of a transaction that has failed with a rollback, and calls it a success.
            raise RuntimeError("a transaction that had failed was to be committed")

    async def end(self) -> None:
        """Roll back what is not committed; a connection that cannot even do that is given up."""
        if not self._is_open:
            return
        try:
            await self.restart()
        except BaseException as error:
            self._connection.abandon()
            if not isinstance(error, Exception):
                raise

    async def _run(self, step: Step[Answer]) -> Answer:
        driver = await self._connection.driver()
        if not self._is_open:
            # Whatever comes of it: what may be open must be ended.
            self._is_open = True
            await driver.execute(self._begin)
        return await step(PostgresSession(driver))
