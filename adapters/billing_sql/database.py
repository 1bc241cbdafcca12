"""The database: opened once by each process, and handed to every repository."""

import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Self

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from billing.errors import Conflict, Contended, StoreUnavailable
from billing_sql import schema
from billing_sql.addresses import SqliteAddress, parse_address
from billing_sql.dialects.difference import Difference, Trouble
from billing_sql.dialects.engine import Course, Engine, Limits, Transaction, Work
from billing_sql.dialects.postgresql_engine import PostgresEngine
from billing_sql.dialects.prepared import Answer, Parameters, Prepared, Row, Step
from billing_sql.dialects.sqlite_engine import SqliteEngine
from billing_sql.errors import SchemaAhead, SchemaBehind

log = logging.getLogger("billing.sql")


class SqlDatabase:
    """A database that is open."""

    def __init__(self, engine: Engine) -> None:
        """Work on this engine. See `open`."""
        self._engine = engine
        self._reads = _Troubles(engine.difference, "read")
        self._writes = _Troubles(engine.difference, "written")

    @classmethod
    async def open(
        cls, url: str, *, pool_size: int | None = None, behind_pgbouncer: bool = False, limits: Limits | None = None
    ) -> Self:
        """Open the database at a URL, see `billing_sql.addresses`; raises `DatabaseUnusable`.

        PostgreSQL is connected to when it is first needed; a SQLite file must be there, see `migrate`.
        """
        limits = replace(limits or Limits(), behind_pgbouncer=behind_pgbouncer)
        if pool_size is not None:
            limits = replace(limits, pool_size=pool_size)
        address = parse_address(url)
        if isinstance(address, SqliteAddress):
            return cls(await SqliteEngine.open(address.path, limits))
        return cls(PostgresEngine(address, limits))

    @staticmethod
    async def migrate(url: str) -> str:
        """Bring the database to this version's schema and answer its revision. See `billing_sql.migrate`."""
        from billing_sql.migrate import migrate  # noqa: PLC0415 - Alembic is slow to load, and seldom needed

        return await migrate(url)

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.close()

    async def schema_state(self) -> tuple[str | None, str]:
        """Answer the schema's revision (`None`: there is no schema), and the one that this version needs."""
        return await self.read(schema.current_revision), schema.HEAD

    async def check_schema(self) -> None:
        """Raise `SchemaBehind` or `SchemaAhead` unless the schema is this version's.

        Also warns of a server that is set up to forget what it has committed.
        """
        current, needed = await self.schema_state()
        if current != needed and (current is None or current in schema.REVISIONS):
            raise SchemaBehind(current=current, needed=needed)
        if current != needed:
            raise SchemaAhead(current=current, needed=needed)
        with self._reads.telling():
            for doubt in await self._engine.doubts():
                log.warning(doubt)

    @property
    def difference(self) -> Difference:
        """How statements are made for this database."""
        return self._engine.difference

    async def read(self, work: Work[Answer]) -> Answer:
        """Do work that reads with one statement, outside of any transaction. Raises `StoreUnavailable`."""
        with self._reads.telling():
            answer = await self._engine.read(work)
        self._reads.worked()
        return answer

    async def write(self, work: Work[Answer]) -> Answer:
        """Do work in a transaction of its own, and commit it. Raises `StoreUnavailable`."""
        with self._writes.telling():
            answer = await self._engine.write(work)
        self._writes.worked()
        return answer

    async def ask(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """Read with one statement, outside of any transaction, the fast way. Raises `StoreUnavailable`."""
        with self._reads.telling():
            rows = await self._engine.ask(statement, parameters)
        self._reads.worked()
        return rows

    async def transact(self, step: Step[Answer], *, patient: bool = True) -> Answer:
        """Take one step in a transaction of its own, and commit it. Raises what `transaction` does.

        Whoever wrote something in it says so, see `written`. Without patience, what others have locked is hardly waited
        for: `Contended` is raised soon.
        """
        with self._writes.telling(patient=patient):
            return await self._engine.transact(step, patient=patient)

    async def statements(self, course: Course[Answer]) -> Answer | None:
        """Do what takes several statements without a transaction around them, if that is faster. See `Engine`.

        They raise what a transaction does, and `Contended` soon where others have locked something. Whoever wrote
        something says so, see `written`.
        """
        with self._writes.telling(patient=False):
            return await self._engine.statements(course)

    def written(self) -> None:
        """Note that something was written, by a step or a course: whatever was amiss is over."""
        self._writes.worked()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        """Begin a transaction, which is rolled back unless it is committed.

        What it does raises `StoreUnavailable`, and `Conflict` where a constraint decided for another transaction.
        """
        async with AsyncExitStack() as stack:
            with self._writes.telling():
                transaction = await stack.enter_async_context(self._engine.transaction())
            yield _ToldTransaction(transaction, self._writes)


class _Troubles:
    """Turns the drivers' errors into the domain's, and tells the operator, once until something works again."""

    def __init__(self, difference: Difference, what: str) -> None:
        self._difference = difference
        self._what = what
        self._told: str | None = None

    @contextmanager
    def telling(self, *, patient: bool = True) -> Generator[None, None, None]:
        try:
            yield
        except (OSError, PoolTimeoutError) as error:
            self._warn(error)
            raise StoreUnavailable from error
        except DBAPIError as error:
            self._tell(error, error.driver_exception, patient=patient)
            raise
        except self._difference.errors as error:
            self._tell(error, error, patient=patient)
            raise

    def _tell(self, error: Exception, cause: BaseException, *, patient: bool) -> None:
        """Raise what the error is to the domain; return if it is the fault of what was to be written."""
        match self._difference.trouble(cause):
            case Trouble.CONFLICT:
                raise Conflict from error
            case Trouble.CONTENTION if not patient:
                raise Contended from cause
            case Trouble.CONTENTION:
                log.warning("what is to be %s is locked by somebody else: %s", self._what, cause)
                raise StoreUnavailable from cause
            case Trouble.DATABASE:
                self._warn(cause)
                raise StoreUnavailable from cause
            case Trouble.DATA:
                return

    def worked(self) -> None:
        """Note that all is well."""
        if self._told is not None:
            log.info("the database can be %s again", self._what)
            self._told = None

    def _warn(self, error: BaseException) -> None:
        """Say what is wrong, never with parameters: they are other people's data."""
        kind = type(error).__name__
        if kind != self._told:
            self._told = kind
            log.warning("the database cannot be %s: %s: %s", self._what, kind, str(error).strip() or "it took too long")


class _ToldTransaction:
    """A transaction whose errors are the domain's."""

    def __init__(self, transaction: Transaction, troubles: _Troubles) -> None:
        self._transaction = transaction
        self._troubles = troubles

    async def run(self, step: Step[Answer]) -> Answer:
        with self._troubles.telling():
            return await self._transaction.run(step)

    async def restart(self) -> None:
        with self._troubles.telling():
            await self._transaction.restart()

    async def commit(self) -> None:
        with self._troubles.telling():
            await self._transaction.commit()
        self._troubles.worked()
