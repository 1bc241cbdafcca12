"""What is special to SQLite: its files, its settings, its one writer, its full disk."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from billing.errors import StoreUnavailable
from billing.events import Delivery
from billing.idempotency import Outcome
from billing_sql import DatabaseUnusable, SqlAccounts, SqlDatabase
from support.contracts import key_hash, nothing_for_us
from support.sql import QUICK, Open, add, count, deliver, write_from_processes

pytestmark = pytest.mark.anyio

PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 120_000}


def pragmas(connection: Connection) -> dict[str, object]:
    """Answer the settings of a connection."""
    return {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in (*PRAGMAS, "query_only")}


def path_of(url: str) -> Path:
    """Answer the file of a URL."""
    return Path(url.removeprefix("sqlite:///"))


@contextmanager
def locked(url: str) -> Generator[None, None, None]:
    """Hold the file's write lock, as another process would."""
    with closing(sqlite3.connect(path_of(url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def limit_pages(database: SqlDatabase, pages: int) -> None:
    """Give the database a disk of so many pages."""
    await database.write(lambda connection: connection.execute(text(f"PRAGMA max_page_count={pages}")).all())


def heavy(number: int) -> Delivery:
    """Make a webhook that needs pages of its own."""
    return replace(nothing_for_us(number), payload=b"x" * 1_000_000)


async def test_every_connection_has_its_settings(sqlite_url: str, open_database: Open) -> None:
    """The one that writes and those that read write ahead, sync fully and check foreign keys; readers only read."""
    database = await open_database(sqlite_url)
    assert await database.write(pragmas) == {**PRAGMAS, "query_only": 0}
    assert await database.read(pragmas) == {**PRAGMAS, "query_only": 1}


async def test_a_file_restored_without_its_log_writes_ahead_again(sqlite_url: str, open_database: Open) -> None:
    """A file whose journal mode was changed is put right by the first connection that writes."""
    with closing(sqlite3.connect(path_of(sqlite_url))) as other:
        other.execute("PRAGMA journal_mode=DELETE")
    database = await open_database(sqlite_url)
    assert (await database.write(pragmas))["journal_mode"] == "wal"


async def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    """Opening a file that is not there says what to run, and makes nothing."""
    with pytest.raises(DatabaseUnusable, match="run `billing migrate`"):
        await SqlDatabase.open(f"sqlite:///{tmp_path}/billing.db")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - a moment of blocking hurts no test


async def test_a_missing_folder_is_said_so(tmp_path: Path) -> None:
    """Neither opening nor migrating makes a folder; both name the file."""
    url = f"sqlite:///{tmp_path}/nowhere/billing.db"
    with pytest.raises(DatabaseUnusable, match=r"nowhere/billing\.db"):
        await SqlDatabase.open(url)
    with pytest.raises(DatabaseUnusable, match=r"nowhere/billing\.db"):
        await SqlDatabase.migrate(url)


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A path that is a folder is refused."""
    with pytest.raises(DatabaseUnusable, match="Is a directory"):
        await SqlDatabase.open(f"sqlite:///{tmp_path}")


async def test_another_file_is_no_database(tmp_path: Path) -> None:
    """A file of another kind is refused, and left as it is."""
    (tmp_path / "notes.txt").write_text("the quick brown fox jumps over the lazy dog")
    url = f"sqlite:///{tmp_path}/notes.txt"
    with pytest.raises(DatabaseUnusable, match="not a SQLite database"):
        await SqlDatabase.open(url)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        await SqlDatabase.migrate(url)
    assert (tmp_path / "notes.txt").read_text().startswith("the quick")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
async def test_a_forbidden_file_is_said_so(sqlite_url: str) -> None:
    """A file that may not be written is refused with the system's reason."""
    path_of(sqlite_url).chmod(0o400)
    with pytest.raises(DatabaseUnusable, match="Permission denied"):
        await SqlDatabase.open(sqlite_url)


async def test_a_locked_file_is_unavailable_and_then_not(sqlite_url: str, open_database: Open) -> None:
    """Another process that writes for too long makes writes fail, not reads, and only as long as it lasts."""
    database = await open_database(sqlite_url, limits=QUICK)
    await add(database)
    with locked(sqlite_url):
        with pytest.raises(StoreUnavailable) as unavailable:
            await deliver(database, [nothing_for_us(1)])
        assert isinstance(unavailable.value.__cause__, sqlite3.OperationalError)
        with pytest.raises(StoreUnavailable):
            await add(database, 2)
        assert await SqlAccounts(database).view_by_key(key_hash()) is not None
    await deliver(database, [nothing_for_us(1)])
    await add(database, 2)
    assert await count(database, "events") == 1


async def test_waiting_in_line_has_an_end(sqlite_url: str, open_database: Open) -> None:
    """A transaction that is not ended makes those of its own process give up, until it is."""
    database = await open_database(sqlite_url, limits=QUICK)
    async with database.transaction():
        with pytest.raises(StoreUnavailable):
            await add(database)
    await add(database)


async def test_writers_are_served_in_turn(sqlite_url: str, open_database: Open) -> None:
    """Transactions of one process commit in the order in which they were begun."""
    database = await open_database(sqlite_url)
    await asyncio.gather(*(deliver(database, [nothing_for_us(number)]) for number in range(20)))
    in_order = text("SELECT id FROM events ORDER BY rowid")
    ids = await database.read(lambda connection: connection.execute(in_order).scalars().all())
    assert ids == [nothing_for_us(number).id for number in range(20)]


async def test_a_full_disk_is_unavailable_and_then_not(
    sqlite_url: str, open_database: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk fails what is written to it, harms nothing that was committed, and is over when there is room."""
    database = await open_database(sqlite_url)
    await deliver(database, [nothing_for_us(1)])
    pages: int = await database.write(lambda connection: connection.execute(text("PRAGMA page_count")).scalar_one())
    await limit_pages(database, pages)
    with caplog.at_level(logging.WARNING, logger="billing.sql"):
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await deliver(database, [heavy(2)])
            # Nothing is written of an event that is known, so it is no sign of room.
            assert await deliver(database, [nothing_for_us(1)]) == [Outcome.DUPLICATE]
    assert [record.getMessage() for record in caplog.records] == [
        "the database cannot be written: OperationalError: database or disk is full"
    ]
    assert await count(database, "events") == 1
    await limit_pages(database, 1_000_000)
    await deliver(database, [heavy(2)])
    assert await count(database, "events") == 2


async def test_several_processes_write_one_file(sqlite_url: str) -> None:
    """Processes that deliver the same events at the same time write each of them once, and lose none."""
    results = await write_from_processes(sqlite_url, [(0, 210), (70, 280), (0, 210)])
    assert results == {"ignored": 280, "duplicate": 350}
    with closing(sqlite3.connect(path_of(sqlite_url))) as other:
        assert other.execute("SELECT count(*) FROM events").fetchone() == (280,)
