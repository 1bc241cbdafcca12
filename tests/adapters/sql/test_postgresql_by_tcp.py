"""PostgreSQL over a network: what a connection by a socket in the file system does not have."""

import asyncio
import logging
from collections.abc import Generator

import pytest
from sqlalchemy import text

from billing_sql import SqlDatabase
from support.contracts_postgres import NoPostgres
from support.postgres_nodes import PostgresNode, postgres_node
from support.sql import Open

pytestmark = pytest.mark.anyio


@pytest.fixture
def node() -> Generator[PostgresNode]:
    """Give a server of this test's own, or skip the test where there is none."""
    try:
        opened = postgres_node()
        with opened as node:
            yield node
    except NoPostgres as reason:
        pytest.skip(str(reason))


async def test_quiet_connections_are_kept_alive(node: PostgresNode, open_database: Open) -> None:
    """Routers and balancers forget connections of which they hear nothing; then the next read would hang."""
    database = await open_database(node.url)
    seconds = await database.read(lambda connection: connection.execute(text("SHOW tcp_keepalives_idle")).scalar_one())
    assert seconds == "30"


async def test_a_silent_server_does_not_hold_up_a_stop(node: PostgresNode, caplog: pytest.LogCaptureFixture) -> None:
    """All connections together are given up soon, however many they are, and without an error in the log."""
    database = await SqlDatabase.open(node.url)
    question = text("SELECT pg_sleep(0.2)")
    await asyncio.gather(
        *(database.read(lambda connection: connection.execute(question).scalar_one()) for _ in range(4)),
        *(database.write(lambda connection: connection.execute(question).scalar_one()) for _ in range(4)),
    )
    node.freeze()
    async with asyncio.timeout(10):
        await database.close()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
