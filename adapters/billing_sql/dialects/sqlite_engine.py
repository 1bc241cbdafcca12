"""SQLite: one thread that writes, a few that read, each with a connection of its own.

Transactions of one process wait in line for the writer, so that they are served in turn; those of other processes on
the same file are waited for by SQLite itself (`busy_timeout`). Driving the threads here, instead of one call of the
driver at a time through aiosqlite, makes a transaction two or three hand-overs between threads, not dozens.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, event
from sqlalchemy import Engine as SyncEngine
from sqlalchemy.engine import create_engine
from sqlalchemy.engine.url import URL
from sqlalchemy.pool import QueuePool

from billing_sql.dialects.engine import Limits, Work
from billing_sql.dialects.prepared import Answer, Parameters, Prepared, Row, Step
from billing_sql.dialects.sqlite import SqliteDifference
from billing_sql.errors import DatabaseUnusable

READERS = 2
OLDEST_SQLITE = (3, 38, 0)
CHECKPOINT_PAGES = 4000
"""How much of the log is gathered before it is copied into the file, in pages of 4 KiB."""
BEGIN = "BEGIN IMMEDIATE"
"""Begins a transaction that may write: it waits for the others now, where waiting is safe."""

Result = TypeVar("Result")


class SqliteSession:
    """A connection of the driver's, in the thread that it belongs to."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        """Execute on `driver`."""
        self._driver = driver

    async def execute(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Session`. It never waits: see `_take`."""
        return execute_now(self._driver, statement, parameters)


def execute_now(driver: sqlite3.Connection, statement: Prepared, parameters: Parameters) -> list[Row]:
    """Execute a statement in this thread and answer all rows."""
    return statement.converted(driver.execute(statement.sql, statement.arguments(parameters)).fetchall())


def _driver_of(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _take(step: Step[Answer], session: SqliteSession) -> Answer:
    """Take a step to its end, in this thread and without an event loop."""
    coroutine = step(session)
    try:
        coroutine.send(None)
    except StopIteration as end:
        answer: Answer = end.value
        return answer
    coroutine.close()
    raise RuntimeError("a step of a transaction waited for something else than its session")


class Writer:
    """The thread that writes. What it is given it does in order, so a rollback always follows the work before it."""

    def __init__(self, engine: SyncEngine) -> None:
        """Connect when there is something to do."""
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="billing-sqlite-writer")
        self._connection: Connection | None = None

    async def run(self, step: Step[Answer]) -> Answer:
        """Take a step of the transaction, which begins if there is none."""
        return await _wait(self._thread.submit(self._run, step))

    async def commit(self) -> None:
        """Commit the transaction."""
        await _wait(self._thread.submit(self._commit))

    async def end(self) -> None:
        """Roll back what is not committed."""
        await _wait(self._thread.submit(self._end))

    async def write(self, work: Work[Answer]) -> Answer:
        """Do work in a transaction of its own."""
        return await _wait(self._thread.submit(self._write, work))

    async def close(self) -> None:
        """Roll back, disconnect, and end the thread."""
        await _wait(self._thread.submit(self._disconnect))
        self._thread.shutdown(wait=False)

    def _run(self, step: Step[Answer]) -> Answer:
        driver = _driver_of(self._connected())
        if not driver.in_transaction:
            driver.execute(BEGIN)
        return _take(step, SqliteSession(driver))

    def _commit(self) -> None:
        _driver_of(self._connected()).execute("COMMIT")

    def _end(self) -> None:
        if self._connection is None:
            return
        try:
            driver = _driver_of(self._connection)
            if driver.in_transaction:
                driver.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - a connection that cannot even roll back is given up, whatever the reason
            self._disconnect()

    def _write(self, work: Work[Answer]) -> Answer:
        connection = self._connected()
        with connection.begin():
            return work(connection)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
            connection.close()


class SqliteTransaction:
    """One transaction on the writer's thread."""

    def __init__(self, writer: Writer) -> None:
        """Begin nothing yet."""
        self._writer = writer
        self._has_failed = False

    async def run(self, step: Step[Answer]) -> Answer:
        """See `Transaction`."""
        try:
            return await self._writer.run(step)
        except BaseException:
            self._has_failed = True
            raise

    async def restart(self) -> None:
        """See `Transaction`."""
        await self._writer.end()
        self._has_failed = False

    async def commit(self) -> None:
        """See `Transaction`. SQLite itself would commit the half of a transaction that did not fail."""
        if self._has_failed:
            raise RuntimeError("a transaction that had failed was to be committed")
        await self._writer.commit()


class SqliteEngine:
    """One SQLite file."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Describe it; `open` begins to use it."""
        self.difference = SqliteDifference()
        self._limits = limits
        self._write_engine = _engine(path, limits, pool_size=1, pragmas=("PRAGMA journal_mode=WAL",))
        event.listen(self._write_engine, "begin", begin_immediate)
        self._read_engine = _engine(path, limits, pool_size=READERS, pragmas=("PRAGMA query_only=ON",))
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="billing-sqlite-reader")
        self._writer = Writer(self._write_engine)
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, limits: Limits) -> "SqliteEngine":
        """Open the file; raises `DatabaseUnusable` if it cannot be used."""
        _check(path)
        return cls(path, limits)

    async def read(self, work: Work[Answer]) -> Answer:
        """See `Engine`."""
        return await _wait(self._readers.submit(self._read, work))

    async def write(self, work: Work[Answer]) -> Answer:
        """See `Engine`."""
        async with self._taking_turns():
            return await self._writer.write(work)

    async def ask(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Engine`."""
        return await _wait(self._readers.submit(self._ask, statement, parameters))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqliteTransaction, None]:
        """See `Engine`."""
        async with self._taking_turns():
            try:
                yield SqliteTransaction(self._writer)
            finally:
                await self._writer.end()

    async def doubts(self) -> Sequence[str]:
        """See `Engine`. How safely SQLite writes is decided here, not by an operator."""
        return ()

    async def close(self) -> None:
        """See `Engine`."""
        async with self._turn:
            await self._writer.close()
        await _wait(self._readers.submit(self._read_engine.dispose))
        self._readers.shutdown(wait=False)
        self._write_engine.dispose()

    @asynccontextmanager
    async def _taking_turns(self) -> AsyncGenerator[None, None]:
        async with asyncio.timeout(self._limits.wait_seconds):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    def _read(self, work: Work[Answer]) -> Answer:
        with self._read_engine.connect() as connection:
            return work(connection)

    def _ask(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        with self._read_engine.connect() as connection:
            return execute_now(_driver_of(connection), statement, parameters)


async def _wait(future: "Future[Result]") -> Result:
    """Wait for a thread. Who goes away meanwhile does not stop what has been handed over."""
    return await asyncio.shield(asyncio.wrap_future(future))


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


def _engine(path: Path, limits: Limits, *, pool_size: int, pragmas: tuple[str, ...]) -> SyncEngine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=limits.wait_seconds,
        # The driver begins no transactions by itself; ours begin as they must, and reads have none.
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": limits.lock_seconds},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _on_connect((*_pragmas(limits), *pragmas)))
    return engine


def _pragmas(limits: Limits) -> tuple[str, ...]:
    return (
        f"PRAGMA busy_timeout={round(limits.lock_seconds * 1000)}",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
    )


def _on_connect(pragmas: tuple[str, ...]) -> Callable[[Any, Any], None]:
    def prepare(connection: Any, _: Any) -> None:
        for pragma in pragmas:
            connection.execute(pragma)

    return prepare


def begin_immediate(connection: Connection) -> None:
    """Begin SQLAlchemy's transactions as ours."""
    connection.exec_driver_sql(BEGIN)
