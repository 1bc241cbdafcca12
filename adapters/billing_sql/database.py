"""The database: opened once by each process, and handed to every repository."""

import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from billing.errors import Conflict, StoreUnavailable
from billing_sql import schema
from billing_sql.addresses import SqliteAddress, parse_address
from billing_sql.dialects.difference import Difference, Trouble
from billing_sql.dialects.engine import Answer, Engine, Limits, Transaction, Work
from billing_sql.dialects.postgresql_engine import PostgresEngine
from billing_sql.dialects.sqlite_engine import SqliteEngine
from billing_sql.errors import SchemaAhead, SchemaBehind

log = logging.getLogger("billing.sql")


class SqlDatabase:
    """A database that is open."""

    def __init__(self, engine: Engine) -> None:
        """Work on this engine. See `open`."""
        self._engine = engine
        self._trouble: str | None = None

    @classmethod
    async def open(
        cls, url: str, *, pool_size: int | None = None, behind_pgbouncer: bool = False, limits: Limits | None = None
    ) -> "SqlDatabase":
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
        with self._telling():
            for doubt in await self._engine.doubts():
                log.warning(doubt)

    @property
    def difference(self) -> Difference:
        """How statements are made for this database."""
        return self._engine.difference

    async def read(self, work: Work[Answer]) -> Answer:
        """Do work that reads with one statement, outside of any transaction. Raises `StoreUnavailable`."""
        with self._telling():
            return await self._engine.read(work)

    async def write(self, work: Work[Answer]) -> Answer:
        """Do work in a transaction of its own, and commit it. Raises `StoreUnavailable`."""
        with self._telling():
            return await self._engine.write(work)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        """Begin a transaction, which is rolled back unless it is committed.

        What it does raises `StoreUnavailable`, and `Conflict` where a constraint decided for another transaction.
        """
        async with AsyncExitStack() as stack:
            with self._telling():
                transaction = await stack.enter_async_context(self._engine.transaction())
            yield _TellingTransaction(transaction, self._telling)

    @contextmanager
    def _telling(self) -> Generator[None, None, None]:
        """Turn the drivers' errors into the domain's."""
        try:
            yield
        except DBAPIError as error:
            match self._engine.difference.trouble(error):
                case Trouble.CONFLICT:
                    raise Conflict from error
                case Trouble.DATA:
                    raise
                case Trouble.DATABASE:
                    self._warn(error.driver_exception)
                    raise StoreUnavailable from error.driver_exception
        except (OSError, PoolTimeoutError) as error:
            self._warn(error)
            raise StoreUnavailable from error
        if self._trouble is not None:
            log.info("the database is available again")
            self._trouble = None

    def _warn(self, error: BaseException) -> None:
        """Say what is wrong, once for each kind of trouble until something works again. Never with parameters."""
        trouble = type(error).__name__
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("the database is unavailable: %s: %s", trouble, str(error).strip() or "no reason given")


class _TellingTransaction:
    """A transaction whose errors are the domain's."""

    def __init__(self, transaction: Transaction, telling: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._telling = telling

    async def run(self, work: Work[Answer]) -> Answer:
        with self._telling():
            return await self._transaction.run(work)

    async def restart(self) -> None:
        with self._telling():
            await self._transaction.restart()

    async def commit(self) -> None:
        with self._telling():
            await self._transaction.commit()
