"""SQLite through aiosqlite: one connection that writes, a few that read, each with a thread of its own.

Transactions of one process wait in line for the writer, so that they are served in turn; those of other processes on
the same file are waited for by SQLite itself (`busy_timeout`). A prepared statement is one hand-over to the
connection's thread and back. What a connection's thread is given it does in order, so a rollback always follows the
work before it, also that of a caller who has gone away.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Connection
from sqlalchemy.engine.url import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from billing_sql.dialects.engine import Course, Limits, Work
from billing_sql.dialects.prepared import Answer, Parameters, Prepared, Row, Step
from billing_sql.dialects.sqlite import SqliteDifference
from billing_sql.errors import DatabaseUnusable

READERS = 2
OLDEST_SQLITE = (3, 38, 0)
CHECKPOINT_PAGES = 4000
"""How much of the log is gathered before it is copied into the file, in pages of 4 KiB."""
BEGIN = "BEGIN IMMEDIATE"
"""Begins a transaction that may write: it waits for the others now, where waiting is safe."""


class SqliteSession:
    """A connection of the driver's."""

    def __init__(self, driver: aiosqlite.Connection) -> None:
        """Execute on `driver`."""
        self.driver = driver

    async def execute(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Session`."""
        return statement.converted(await self.driver.execute_fetchall(statement.sql, statement.arguments(parameters)))

    async def execute_for_each(self, statement: Prepared, rows: Iterable[Sequence[object]]) -> None:
        """See `RepeatingSession`."""
        async with self.driver.executemany(statement.sql, rows):
            pass

    async def transact(self, step: Step[Answer]) -> Answer:
        """Take one step in a transaction of its own, all of it on the driver's thread: one hand-over, not many.

        The driver has no public word for running more than one statement there; SQLAlchemy reaches in likewise.
        """
        driver: Any = self.driver
        answer: Answer = await driver._execute(_transact, driver._conn, step)  # noqa: SLF001 - as said above
        return answer


class ThreadSession:
    """A connection as its own thread sees it: nothing has to be waited for."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Execute on `connection`."""
        self._connection = connection

    async def execute(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Session`."""
        return statement.converted(self._connection.execute(statement.sql, statement.arguments(parameters)))

    async def execute_for_each(self, statement: Prepared, rows: Iterable[Sequence[object]]) -> None:
        """See `RepeatingSession`."""
        self._connection.executemany(statement.sql, rows)


def _transact(connection: sqlite3.Connection, step: Step[Answer]) -> Answer:
    """Take a step. Whoever called rolls back what it leaves if it fails."""
    connection.execute(BEGIN)
    answer = _taken_at_once(step(ThreadSession(connection)))
    connection.execute("COMMIT")
    return answer


def _taken_at_once(step: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine that waits for nothing but such a session."""
    try:
        step.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    step.close()
    raise RuntimeError("a step of a transaction waited for something else than its session")


@dataclass(frozen=True, slots=True)
class _Open:
    connection: AsyncConnection
    session: SqliteSession


class SqliteConnection:
    """A connection that is made when it is first needed, and anew after it was given up."""

    def __init__(self, engine: AsyncEngine, pragmas: Sequence[str]) -> None:
        """Begin without; `pragmas` are its settings."""
        self._engine = engine
        self._pragmas = pragmas
        self._open: _Open | None = None
        self._opening: asyncio.Task[_Open] | None = None
        self._is_closed = False

    async def session(self) -> SqliteSession:
        """Answer the driver's connection."""
        opened = self._open or await self._opened()
        return opened.session

    async def run(self, work: Work[Answer]) -> Answer:
        """Do work on SQLAlchemy's connection. Not to be cancelled: SQLAlchemy would give the connection up."""
        opened = self._open or await self._opened()
        return await opened.connection.run_sync(work)

    async def roll_back(self) -> None:
        """Roll back what is not committed. A connection that cannot even do that is given up, whatever the reason."""
        if self._open is None:
            return
        try:
            # The driver's own, which asks SQLite whether there is a transaction: a failed one may have ended it.
            await self._open.session.driver.rollback()
        except Exception:  # noqa: BLE001 - as said above
            await self._give_up()
            return
        if self._open.connection.invalidated:
            await self._give_up()

    async def close(self) -> None:
        """Disconnect for good, and end the thread."""
        self._is_closed = True
        if self._opening is not None:
            await asyncio.wait([self._opening])
        await self._give_up()

    async def _give_up(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            with suppress(Exception):
                await opened.connection.invalidate()
            await opened.connection.close()

    async def _opened(self) -> _Open:
        """Connect. Who goes away meanwhile leaves the connection to the next one."""
        if self._is_closed:
            raise RuntimeError("the database is closed")
        if self._opening is None:
            self._opening = asyncio.create_task(self._connect())
        return await asyncio.shield(self._opening)

    async def _connect(self) -> _Open:
        try:
            connection = await self._engine.connect()
            try:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                for pragma in self._pragmas:
                    await driver.execute_fetchall(pragma)
            except BaseException:
                await connection.invalidate()
                await connection.close()
                raise
            self._open = _Open(connection, SqliteSession(driver))
            return self._open
        finally:
            self._opening = None


class SqliteTransaction:
    """One transaction of the connection that writes."""

    def __init__(self, writer: SqliteConnection) -> None:
        """Begin nothing yet."""
        self._writer = writer
        self._session: SqliteSession | None = None
        self._has_failed = False

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to roll back."""
        return self._session is None and not self._has_failed

    async def run(self, step: Step[Answer]) -> Answer:
        """See `Transaction`. After a failure SQLite may have no transaction any more, and would commit each step."""
        self._check()
        try:
            return await step(self._session or await self._begin())
        except BaseException:
            self._has_failed = True
            raise

    async def restart(self) -> None:
        """See `Transaction`."""
        await self._writer.roll_back()
        self._session = None
        self._has_failed = False

    async def commit(self) -> None:
        """See `Transaction`. SQLite itself would commit the half of a transaction that did not fail."""
        self._check()
        if self._session is None:
            return
        try:
            await self._session.driver.execute_fetchall("COMMIT")
        except BaseException:
            self._has_failed = True
            raise
        self._session = None

    async def _begin(self) -> SqliteSession:
        session = await self._writer.session()
        await session.driver.execute_fetchall(BEGIN)
        self._session = session
        return session

    def _check(self) -> None:
        if self._has_failed:
            raise RuntimeError("a transaction that had failed was to be continued or committed")


class SqliteEngine:
    """One SQLite file."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Describe it; `open` begins to use it."""
        self.difference = SqliteDifference()
        self._limits = limits
        self._engine = _engine(path, limits)
        pragmas = _pragmas(limits)
        self._writer = SqliteConnection(self._engine, ("PRAGMA journal_mode=WAL", *pragmas))
        self._turn = asyncio.Lock()
        self._readers = [SqliteConnection(self._engine, (*pragmas, "PRAGMA query_only=ON")) for _ in range(READERS)]
        self._free = asyncio.Semaphore(READERS)
        self._tasks = set[asyncio.Task[Any]]()

    @classmethod
    async def open(cls, path: Path, limits: Limits) -> "SqliteEngine":
        """Open the file; raises `DatabaseUnusable` if it cannot be used."""
        _check(path)
        return cls(path, limits)

    async def read(self, work: Work[Answer]) -> Answer:
        """See `Engine`."""
        await self._wait_for(self._free)
        return await self._finish(self._read(self._readers.pop(), work))

    async def write(self, work: Work[Answer]) -> Answer:
        """See `Engine`."""
        await self._wait_for(self._turn)
        return await self._finish(self._write(work))

    async def ask(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Engine`."""
        await self._wait_for(self._free)
        reader = self._readers.pop()
        try:
            return await (await reader.session()).execute(statement, parameters)
        finally:
            self._give_back(reader)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqliteTransaction, None]:
        """See `Engine`."""
        await self._wait_for(self._turn)
        transaction = SqliteTransaction(self._writer)
        try:
            yield transaction
        finally:
            if transaction.is_over:
                self._turn.release()
            else:
                await self._finish(self._end())

    async def transact(
        self,
        step: Step[Answer],
        *,
        patient: bool,  # noqa: ARG002 - there is one lock, so nobody is told apart
    ) -> Answer:
        """See `Engine`. If the caller goes away, the thread finishes what it was given before anything that follows."""
        await self._wait_for(self._turn)
        try:
            answer = await (await self._writer.session()).transact(step)
        except BaseException:
            await self._finish(self._end())
            raise
        self._turn.release()
        return answer

    async def statements(self, course: Course[Answer]) -> None:
        """See `Engine`. A transaction is one hand-over to the thread, and nobody else waits for its locks."""

    async def doubts(self) -> Sequence[str]:
        """See `Engine`. How safely SQLite writes is decided here, not by an operator."""
        return ()

    async def close(self) -> None:
        """See `Engine`."""
        async with self._turn:
            await self._writer.close()
        for _ in range(READERS):
            await self._free.acquire()
        for reader in self._readers:
            await reader.close()
            self._free.release()
        await self._engine.dispose()

    async def _wait_for(self, turn: asyncio.Lock | asyncio.Semaphore) -> None:
        if turn.locked():
            async with asyncio.timeout(self._limits.wait_seconds):
                await turn.acquire()
        else:
            await turn.acquire()

    async def _finish(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Finish what was begun, also if who waits for it goes away. The work itself ends the turn."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _read(self, reader: SqliteConnection, work: Work[Answer]) -> Answer:
        def read(connection: Connection) -> Answer:
            # That begins nothing at SQLite's; it is SQLAlchemy's own book-keeping, which ends with it.
            with connection.begin():
                return work(connection)

        try:
            return await reader.run(read)
        except BaseException:
            await reader.roll_back()
            raise
        finally:
            self._give_back(reader)

    async def _write(self, work: Work[Answer]) -> Answer:
        def transact(connection: Connection) -> Answer:
            with connection.begin():
                connection.exec_driver_sql(BEGIN)
                return work(connection)

        try:
            return await self._writer.run(transact)
        except BaseException:
            await self._writer.roll_back()
            raise
        finally:
            self._turn.release()

    async def _end(self) -> None:
        try:
            await self._writer.roll_back()
        finally:
            self._turn.release()

    def _give_back(self, reader: SqliteConnection) -> None:
        self._readers.append(reader)
        self._free.release()


def _check(path: Path) -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise DatabaseUnusable(f"this Python has SQLite {sqlite3.sqlite_version}; {needed} or newer is needed")
    try:
        with path.open("r+b") as file:
            header = file.read(16)
    except FileNotFoundError:
        raise DatabaseUnusable(f"there is no database at {path}: run `billing migrate` to make it") from None
    except OSError as error:
        raise DatabaseUnusable(f"the database {path} cannot be used: {error.strerror}") from error
    if header not in (b"", b"SQLite format 3\0"):
        raise DatabaseUnusable(f"{path} is not a SQLite database")


def _engine(path: Path, limits: Limits) -> AsyncEngine:
    return create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # The connections are few, and kept here: nobody else lends them.
        poolclass=NullPool,
        # The driver begins no transactions by itself; ours begin as they must, and reads have none.
        connect_args={"isolation_level": None, "timeout": limits.lock_seconds},
        hide_parameters=True,
    )


def _pragmas(limits: Limits) -> tuple[str, ...]:
    return (
        f"PRAGMA busy_timeout={round(limits.lock_seconds * 1000)}",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
    )
