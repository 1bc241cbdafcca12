"""SQLite's connections through aiosqlite: made, given up, left by cancelled callers, ended with the process."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from billing.errors import StoreUnavailable
from billing_sql import SqlAccounts, SqlDatabase
from billing_sql.dialects.sqlite_engine import READERS
from support.contracts import key_hash, nothing_for_us
from support.sql import QUICK, Open, add, count, deliver

pytestmark = pytest.mark.anyio


async def run_module(name: str, *arguments: str) -> str:
    """Run one of the tests' modules as a process, and answer what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", name, *arguments),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return said.decode().strip()


def exchange(url: str, content: bytes) -> bytes:
    """Write a file's content, and answer what it was."""
    path = Path(url.removeprefix("sqlite:///"))
    before = path.read_bytes()
    path.write_bytes(content)
    return before


async def test_the_driver_is_aiosqlite(sqlite_url: str, open_database: Open) -> None:
    """What reads and what writes goes through aiosqlite."""
    database = await open_database(sqlite_url)
    assert await database.read(lambda connection: connection.dialect.driver) == "aiosqlite"
    assert await database.write(lambda connection: connection.dialect.driver) == "aiosqlite"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on files is told as a full disk")
@pytest.mark.parametrize(("way", "after"), [("transaction", 2), ("write", 3)])
async def test_a_disk_that_is_full_at_a_commit(sqlite_url: str, way: str, after: int) -> None:
    """A COMMIT that finds no space is unavailable, writes nothing, and does not spoil the connection for the next."""
    said = await run_module("support.sql_full_disk", sqlite_url, way)
    assert said == f"failed=3 during=1 after={after} check=ok"


async def test_an_open_database_does_not_keep_a_process_alive(sqlite_url: str) -> None:
    """A process that forgets to close its database ends all the same."""
    assert await run_module("support.sql_never_closed", sqlite_url) == "1"


async def test_a_write_whose_caller_goes_away_is_whole(sqlite_url: str, open_database: Open) -> None:
    """A write that is cancelled at any moment is done or not begun, and the next one goes on."""
    database = await open_database(sqlite_url)
    statements = [
        text(f"INSERT INTO rereads VALUES ('{letter}' || :number, 0, 0, NULL, NULL)")  # noqa: S608 - a test's own word
        for letter in "ab"
    ]

    def insert(number: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            for statement in statements:
                connection.execute(statement, {"number": number})

        return work

    for number in range(30):
        task = asyncio.create_task(database.write(insert(number)))
        await asyncio.sleep(number / 4000)
        task.cancel()
        await asyncio.wait([task])
    await database.write(insert(99))
    names: set[str] = await database.read(
        lambda connection: set(connection.execute(text("SELECT subscription_id FROM rereads")).scalars())
    )
    assert {"a99", "b99"} <= names
    assert {name[1:] for name in names if name[0] == "a"} == {name[1:] for name in names if name[0] == "b"}


async def test_readers_that_go_away_leave_their_connections(sqlite_url: str, open_database: Open) -> None:
    """Reads that are cancelled at any moment, the first ones too, cost no connection."""
    database = await open_database(sqlite_url, limits=QUICK)
    await add(database)
    for number in range(4 * READERS):
        asking = asyncio.create_task(SqlAccounts(database).view_by_key(key_hash()))
        reading = asyncio.create_task(count(database, "accounts"))
        await asyncio.sleep(number / 4000)
        for task in (asking, reading):
            task.cancel()
        await asyncio.wait([asking, reading])
    assert [await count(database, "accounts") for _ in range(2 * READERS)] == [1] * 2 * READERS


async def test_a_transaction_without_anything_in_it_can_be_committed(sqlite_url: str, open_database: Open) -> None:
    """Where nothing was to be done a commit does nothing."""
    database = await open_database(sqlite_url)
    async with database.transaction() as transaction:
        await transaction.commit()
    await add(database)


async def test_what_follows_a_commit_is_rolled_back(sqlite_url: str, open_database: Open) -> None:
    """A transaction that goes on after its commit begins another one, which nobody commits."""
    database = await open_database(sqlite_url)
    insert = database.difference.prepare(text("INSERT INTO rereads VALUES (:name, 0, 0, NULL, NULL)"))
    async with database.transaction() as transaction:
        await transaction.run(lambda session: session.execute(insert, {"name": "sub_a"}))
        await transaction.commit()
        await transaction.run(lambda session: session.execute(insert, {"name": "sub_b"}))
    await deliver(database, [nothing_for_us(1)])
    assert await count(database, "rereads") == 1


async def test_a_file_that_is_broken_meanwhile(sqlite_url: str, open_database: Open) -> None:
    """A file that is spoilt after it was opened is unavailable, and available again when it is mended."""
    database = await open_database(sqlite_url)
    whole = exchange(sqlite_url, b"spoilt" * 1000)
    with pytest.raises(StoreUnavailable):
        await add(database)
    with pytest.raises(StoreUnavailable):
        await count(database, "accounts")
    exchange(sqlite_url, whole)
    await add(database)
    assert await count(database, "accounts") == 1


async def test_a_closed_database_stays_closed(sqlite_url: str) -> None:
    """What comes after the end is refused, and opens nothing that nobody would close."""
    database = await SqlDatabase.open(sqlite_url)
    await add(database)
    await database.close()
    for late in (add(database, 2), count(database, "accounts"), SqlAccounts(database).view_by_key(key_hash())):
        with pytest.raises(RuntimeError, match="closed"):
            await late
