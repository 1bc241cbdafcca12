"""Migrations: Alembic, run from here; there is no configuration file.

Any number of replicas may call this at once: one migrates, the others wait and find it done.
"""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from billing.errors import StoreUnavailable
from billing_sql import schema
from billing_sql.addresses import PostgresAddress, SqliteAddress, parse_address
from billing_sql.database import SqlDatabase
from billing_sql.dialects.engine import Limits
from billing_sql.dialects.postgresql import LOCK_NOT_AVAILABLE
from billing_sql.dialects.postgresql_engine import PostgresEngine
from billing_sql.dialects.sqlite_engine import BEGIN
from billing_sql.errors import DatabaseUnusable, SchemaAhead

SCRIPTS = Path(__file__).parent / "migrations"
BASE = "base"
"""The revision before the first: no schema at all."""
WAIT_SECONDS = 120.0
"""How long to wait for another replica that migrates, and for tables that are in use."""
TABLE_SECONDS = 1.0
"""How long to wait for a table at a time: behind whoever waits to change it, all its readers wait, too."""
PAUSE_SECONDS = 2.0
"""How long readers have the tables to themselves in between."""
STATEMENT_SECONDS = 3600.0
_LOCK = 0x62696C6C696E67
"""PostgreSQL's advisory lock that means: billing is being migrated. ("billing" in ASCII.)"""
_RETRY_SECONDS = 0.05


async def migrate(url: str, *, to: str = schema.HEAD) -> str:
    """Bring the database at a URL to a revision, older ones too, and answer it; a SQLite file is made if need be.

    Raises `DatabaseUnusable`, `SchemaAhead` and `StoreUnavailable`. It is all one transaction.
    """
    address = parse_address(url)
    if isinstance(address, SqliteAddress):
        await _migrate_sqlite(address.path, to)
    else:
        await _migrate_postgres(address, to)
    return to


async def _migrate_postgres(address: PostgresAddress, to: str) -> None:
    # Whether there is a PgBouncer or not: what works through one works without, too.
    limits = Limits(pool_size=1, lock_seconds=WAIT_SECONDS, statement_seconds=STATEMENT_SECONDS, behind_pgbouncer=True)
    database = SqlDatabase(PostgresEngine(address, limits))

    def run(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = {round(TABLE_SECONDS * 1000)}"))
        _run(connection, to)

    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while True:
            try:
                return await database.write(run)
            except StoreUnavailable as unavailable:
                if not _is_in_use(unavailable) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await database.close()


def _is_in_use(unavailable: StoreUnavailable) -> bool:
    return getattr(unavailable.__cause__, "sqlstate", None) == LOCK_NOT_AVAILABLE


async def _migrate_sqlite(path: Path, to: str) -> None:
    await asyncio.to_thread(_begin_log, path)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"isolation_level": None, "timeout": WAIT_SECONDS},
    )

    def run(connection: Connection) -> None:
        # The lock that writers take, before the revision is read; SQLite can roll back changes to a schema, too.
        connection.exec_driver_sql(BEGIN)
        _run(connection, to)

    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    except DBAPIError as error:
        raise StoreUnavailable from error.driver_exception


def _begin_log(path: Path) -> None:
    """Make the file if need be, and have it write ahead; SQLite does not wait in line for that, so we do."""
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            while not _is_logging(connection):
                if time.monotonic() > deadline:
                    raise StoreUnavailable
                time.sleep(_RETRY_SECONDS)
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"the database {path} cannot be made or changed: {error}") from error


def _is_logging(connection: sqlite3.Connection) -> bool:
    try:
        return bool(connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",))
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False


def _run(connection: Connection, to: str) -> None:
    current = schema.current_revision(connection)
    if current is not None and current not in schema.REVISIONS:
        raise SchemaAhead(current=current, needed=schema.HEAD)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if _age(to) < _age(current):
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)


def _age(revision: str | None) -> int:
    return -1 if revision is None or revision == BASE else schema.REVISIONS.index(revision)
