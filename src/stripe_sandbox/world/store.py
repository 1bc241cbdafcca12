"""Rows by kind and id, in memory, and in a SQLite file when one is named."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from stripe_sandbox.resource import Resource, decode, encode
from stripe_sandbox.world.table import Journal, Table

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""
_APPLICATION: Final = 0x53_42_4F_58
"""Marks a file as a sandbox's: "SBOX" in the header's application id."""
_VERSION: Final = 1
"""Of the file's format, in the header's user version."""


class DatabaseUnusable(Exception):
    """The file named for the world cannot be opened, or does not hold a world. Nothing in it is overwritten."""

    def __init__(self, database: Path, reason: object) -> None:
        super().__init__(f"Cannot use {database} as the sandbox's database: {reason}.")


class Store:
    """All tables; `commit` makes the changes since the last one durable together."""

    def __init__(self, database: Path | None = None) -> None:
        """Load the world from the file, if one is named; raises `DatabaseUnusable`."""
        self._tables: dict[str, Table] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._journals: list[Journal] = []
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
        rows = connection.execute("SELECT kind, key, position, body FROM rows ORDER BY kind, position")
        for kind, key, position, body in rows:
            self.table(kind).load(key, decode(body), position)

    def table(self, kind: str) -> Table:
        if (table := self._tables.get(kind)) is None:
            table = self._tables[kind] = Table(kind, self._journals)
        return table

    def put(self, kind: str, key: str, row: Resource) -> None:
        self.table(kind).put(key, row)
        if self._connection is not None:
            self._dirty.add((kind, key))

    def remove(self, kind: str, key: str) -> None:
        self.table(kind).remove(key)
        if self._connection is not None:
            self._dirty.add((kind, key))

    @contextmanager
    def attempt(self) -> Generator[Callable[[], None]]:
        """Note what rows are before they change; calling what this yields puts them back.

        Attempts stand within one another. Rows are to be read inside: one read before and changed inside stays so.
        """
        journal = Journal()
        self._journals.append(journal)
        try:
            yield journal.restore
        finally:
            self._journals.pop()
            if self._journals:
                self._journals[-1].absorb(journal)

    def clear(self) -> None:
        self._tables.clear()
        self._dirty.clear()
        if self._connection is not None:
            with self._connection:
                self._connection.execute("DELETE FROM rows")

    def commit(self) -> None:
        """Write what changed; within an attempt nothing, since it may yet be taken back."""
        if self._connection is None or not self._dirty or self._journals:
            return
        with self._connection:
            for kind, key in self._dirty:
                self._write(self._connection, kind, key)
        self._dirty.clear()

    def _write(self, connection: sqlite3.Connection, kind: str, key: str) -> None:
        table = self.table(kind)
        if key not in table:
            connection.execute("DELETE FROM rows WHERE kind = ? AND key = ?", (kind, key))
        else:
            connection.execute(
                "INSERT OR REPLACE INTO rows (kind, key, position, body) VALUES (?, ?, ?, ?)",
                (kind, key, table.position(key), encode(table[key])),
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
    _recognise(connection)
    connection.execute("PRAGMA journal_mode = WAL")
    # With a write-ahead log, NORMAL loses nothing when the process is killed, only when the power fails.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(_SCHEMA)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.commit()


def _recognise(connection: sqlite3.Connection) -> None:
    """Raise `sqlite3.DatabaseError` for a file that is not ours; worlds of before they were marked are."""
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if mark not in (0, _APPLICATION) or tables - {"rows"}:
        raise sqlite3.DatabaseError("it is another program's database")
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"a newer version wrote it (its format is {version}, not {_VERSION})")
