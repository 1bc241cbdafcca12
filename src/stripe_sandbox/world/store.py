"""Rows by kind and id, in memory, and in a SQLite file when one is named."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from stripe_sandbox.resource import Resource, decode, encode

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""


class DatabaseUnusable(Exception):
    """The file named for the world cannot be opened, or does not hold a world. Nothing in it is overwritten."""

    def __init__(self, database: Path, reason: object) -> None:
        super().__init__(f"Cannot use {database} as the sandbox's database: {reason}.")


class Table:
    """The rows of one kind, in the order they were first put."""

    def __init__(self) -> None:
        self.rows: dict[str, Resource] = {}
        self._keys: list[str] = []
        self._positions: dict[str, int] = {}

    def put(self, key: str, row: Resource) -> int:
        if key not in self._positions:
            self._positions[key] = len(self._keys)
            self._keys.append(key)
        self.rows[key] = row
        return self._positions[key]

    def remove(self, key: str) -> None:
        self.rows.pop(key, None)

    def newest_first(self, *, before: str | None = None) -> Iterator[Resource]:
        """Rows older than `before`, or all, from the newest on."""
        start = len(self._keys) if before is None else self._positions[before]
        for index in range(start - 1, -1, -1):
            if (row := self.rows.get(self._keys[index])) is not None:
                yield row

    def oldest_first(self, *, after: str | None = None) -> Iterator[Resource]:
        """Rows newer than `after`, or all, from the oldest on."""
        start = 0 if after is None else self._positions[after] + 1
        for index in range(start, len(self._keys)):
            if (row := self.rows.get(self._keys[index])) is not None:
                yield row

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def __len__(self) -> int:
        return len(self.rows)


class Store:
    """All tables; `commit` makes the changes since the last one durable together."""

    def __init__(self, database: Path | None = None) -> None:
        """Load the world from the file, if one is named; raises `DatabaseUnusable`."""
        self._tables: dict[str, Table] = {}
        self._dirty: dict[tuple[str, str], int | None] = {}
        self._connection = None if database is None else self._opened(database)

    def _opened(self, database: Path) -> sqlite3.Connection:
        try:
            # The app is made in one thread and may be served in another; only one of them uses it at a time.
            connection = sqlite3.connect(database, check_same_thread=False)
            try:
                _prepare(connection)
                self._load(connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, msgspec.MsgspecError, TypeError, UnicodeDecodeError) as error:
            raise DatabaseUnusable(database, error) from error
        return connection

    def _load(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT kind, key, body FROM rows ORDER BY kind, position")
        for kind, key, body in rows:
            self.table(kind).put(key, decode(body))

    def table(self, kind: str) -> Table:
        if (table := self._tables.get(kind)) is None:
            table = self._tables[kind] = Table()
        return table

    def put(self, kind: str, key: str, row: Resource) -> None:
        position = self.table(kind).put(key, row)
        if self._connection is not None:
            self._dirty[kind, key] = position

    def remove(self, kind: str, key: str) -> None:
        self.table(kind).remove(key)
        if self._connection is not None:
            self._dirty[kind, key] = None

    def clear(self) -> None:
        self._tables.clear()
        self._dirty.clear()
        if self._connection is not None:
            with self._connection:
                self._connection.execute("DELETE FROM rows")

    def commit(self) -> None:
        if self._connection is None or not self._dirty:
            return
        with self._connection:
            for (kind, key), position in self._dirty.items():
                self._write(self._connection, kind, key, position)
        self._dirty.clear()

    def _write(self, connection: sqlite3.Connection, kind: str, key: str, position: int | None) -> None:
        if position is None:
            connection.execute("DELETE FROM rows WHERE kind = ? AND key = ?", (kind, key))
        else:
            connection.execute(
                "INSERT OR REPLACE INTO rows (kind, key, position, body) VALUES (?, ?, ?, ?)",
                (kind, key, position, encode(self.table(kind).rows[key])),
            )

    def close(self) -> None:
        self.commit()
        self.abandon()

    def abandon(self) -> None:
        """Close the file without what was not committed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # With a write-ahead log, NORMAL loses nothing when the process is killed, only when the power fails.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(_SCHEMA)
    connection.commit()
