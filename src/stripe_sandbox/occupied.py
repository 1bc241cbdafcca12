"""One program at a time may use a world's file: two would each write what the other does not know."""

import sys
from pathlib import Path
from typing import BinaryIO

from stripe_sandbox.world.store import DatabaseUnusable

if sys.platform != "win32":
    import fcntl


class Occupied:
    """Holds a file from the moment this is made until `release`, or until the process ends, however it ends.

    The lock is flock's, which has nothing to do with those that SQLite takes on the same file. It must be released
    after SQLite has closed the file, since closing any handle of a file ends all of SQLite's locks on it.
    """

    def __init__(self, database: Path | None) -> None:
        """Take the file, and make it where it is missing; raises `DatabaseUnusable` when another program has it."""
        self._file: BinaryIO | None = None
        if database is None or sys.platform == "win32":
            # Windows has no flock; there, nobody is kept out.
            return
        try:
            file = database.open("ab")
        except OSError:
            # SQLite cannot open it either, and says why.
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise DatabaseUnusable(database, "another program is using it") from error
        self._file = file

    def release(self) -> None:
        """Let others have the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
