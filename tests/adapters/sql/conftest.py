"""Databases for the SQL adapter's own tests: SQLite files, and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from billing_sql import Limits, SqlDatabase
from support.contracts_postgres import NoPostgres, PostgresServer, postgres_server
from support.pgbouncer import NoPgbouncer, pgbouncer
from support.sql import PATIENT, Open


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer, None, None]:
    """Give a PostgreSQL server, or skip the test where there is none."""
    opened = postgres_server()
    try:
        server = opened.__enter__()
    except NoPostgres as reason:
        pytest.skip(str(reason))
    yield server
    asyncio.run(server.close())
    opened.__exit__(None, None, None)


@pytest.fixture
async def sqlite_url(tmp_path: Path) -> str:
    """Give the URL of a migrated SQLite file."""
    url = f"sqlite:///{tmp_path}/billing.db"
    await SqlDatabase.migrate(url)
    return url


@pytest.fixture
async def postgres_url(postgres: PostgresServer) -> AsyncGenerator[str, None]:
    """Give the URL of a migrated PostgreSQL database."""
    async with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Give the URL of a migrated database, of each kind."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    given: str = request.getfixturevalue(name)
    return given


@pytest.fixture
async def open_database() -> AsyncGenerator[Open, None]:
    """Give a function that opens databases, and close them at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str, *, limits: Limits = PATIENT, behind_pgbouncer: bool = False) -> SqlDatabase:
            database = await SqlDatabase.open(url, limits=limits, behind_pgbouncer=behind_pgbouncer)
            stack.push_async_callback(database.close)
            return database

        yield open_one


@pytest.fixture
def pgbouncer_url(postgres: PostgresServer, postgres_url: str) -> Generator[str, None, None]:
    """Give the URL of a database behind a PgBouncer in transaction mode, or skip the test where there is none."""
    try:
        with pgbouncer(postgres_url) as url:
            yield url
    except NoPgbouncer as reason:
        pytest.skip(str(reason))
