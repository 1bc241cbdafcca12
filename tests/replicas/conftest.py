"""The databases under the replicas, and servers that may be broken."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.contracts_postgres import NoPostgres, PostgresServer, postgres_server
from support.pgbouncer import NoPgbouncer, pgbouncer
from support.postgres_nodes import PostgresNode, postgres_node, primary_and_standby
from support.replicas import Replicas, replicas_on, rows


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A PostgreSQL server, or a skip where there is none."""
    opened = postgres_server()
    try:
        server = opened.__enter__()
    except NoPostgres as reason:
        pytest.skip(str(reason))
    yield server
    asyncio.run(server.close())
    opened.__exit__(None, None, None)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """The URL of a database without any tables."""
    with _database(kind, request, tmp_path) as url:
        if kind == "postgresql":
            rows(url, "DROP SCHEMA public CASCADE")
            rows(url, "CREATE SCHEMA public")
        yield url


@pytest.fixture(scope="module")
def replicas(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Replicas]:
    """Two service processes on one database, and a sandbox; a test makes accounts of its own."""
    folder = tmp_path_factory.mktemp(kind)
    with _database(kind, request, folder) as url, replicas_on(url, folder, random_seed=17) as opened:
        yield opened


@pytest.fixture
def pooled(postgres: PostgresServer) -> Generator[tuple[str, str]]:
    """The URL of a PgBouncer, or a skip where there is none, and that of the database behind it."""
    with _postgres_database(postgres) as url:
        try:
            with pgbouncer(url) as pooled_url:
                yield pooled_url, url
        except NoPgbouncer as reason:
            pytest.skip(str(reason))


@contextmanager
def _database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Generator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/billing.db"
        return
    with _postgres_database(request.getfixturevalue("postgres")) as url:
        yield url


@contextmanager
def _postgres_database(server: PostgresServer) -> Generator[str]:
    with asyncio.Runner() as runner:
        database = server.database()
        yield runner.run(database.__aenter__())
        runner.run(database.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def node() -> Generator[PostgresNode]:
    """A PostgreSQL server that tests may break, with few connections."""
    try:
        with postgres_node(max_connections="30") as opened:
            yield opened
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.fixture
def pair() -> Generator[tuple[PostgresNode, PostgresNode]]:
    """A primary that the test may kill, and its synchronous standby."""
    try:
        with primary_and_standby() as opened:
            yield opened
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a test's figures, also when it passes."""

    def say(figures: str) -> None:
        with capsys.disabled():
            print(f"\n{request.node.name}: {figures}")  # noqa: T201 - the figures are what the test is run for

    return say
