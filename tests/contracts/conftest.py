"""Every contract test runs over each store: in memory, SQLite, PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.contracts import Stores
from support.contracts_postgres import NoPostgres, PostgresServer, postgres_server
from support.contracts_stores import SqliteTemplate, memory_stores, sql_stores
from support.contracts_world import World, world_over


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer, None, None]:
    """Give a PostgreSQL server, or skip the test where there is none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server())
        except NoPostgres as reason:
            pytest.skip(str(reason))
        yield server
        asyncio.run(server.close())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """Give the SQLite file that is migrated once, and copied for each test."""
    return SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def replicas(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: SqliteTemplate
) -> AsyncGenerator[tuple[Stores, Stores], None]:
    """Give two replicas of the service their ports of one empty store, each over connections of its own."""
    match request.param:
        case "memory":
            yield memory_stores()
        case "sqlite":
            async with sql_stores(await sqlite_template.copy(tmp_path)) as stores:
                yield stores
        case _:
            server: PostgresServer = request.getfixturevalue("postgres")
            async with server.database() as url, sql_stores(url) as stores:
                yield stores


@pytest.fixture
def store(replicas: tuple[Stores, Stores]) -> Stores:
    """Give one replica's ports of an empty store."""
    return replicas[0]


@pytest.fixture
def world(replicas: tuple[Stores, Stores]) -> World:
    """Give two replicas of the service over one empty store, and a Stripe that follows a script."""
    return world_over(replicas)
