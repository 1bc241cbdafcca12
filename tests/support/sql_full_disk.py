"""A process whose disk fills up at a COMMIT: `python -m support.sql_full_disk URL transaction|write`.

No file of it may grow beyond a limit, which the system tells like a full disk. In WAL mode SQLite writes a small
transaction's pages at its COMMIT, so that is what fails; the limit is lifted after some failures, as space is made.
"""

import asyncio
import resource
import signal
import sys
from pathlib import Path

from sqlalchemy import text

from billing.errors import StoreUnavailable
from billing_sql import SqlAccounts, SqlDatabase
from support.contracts import key_hash, nothing_for_us
from support.sql import PATIENT, add, count, deliver

TRIES = 3


async def write(database: SqlDatabase, way: str, number: int) -> None:
    """Write one row, one way or the other."""
    if way == "transaction":
        await deliver(database, [nothing_for_us(number)])
    else:
        await add(database, number)


def size_of_log(url: str) -> int:
    """Answer how long the log is that is written ahead, in bytes."""
    return Path(url.removeprefix("sqlite:///") + "-wal").stat().st_size


async def main(url: str, way: str) -> None:
    """Write before, during and after; print how the tries ended."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    database = await SqlDatabase.open(url, limits=PATIENT)
    await write(database, way, 1)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_of_log(url), hard))
    failed = 0
    for _ in range(TRIES):
        try:
            await write(database, way, 2)
        except StoreUnavailable:
            failed += 1
    # What was committed can be read all the while.
    table = "events" if way == "transaction" else "accounts"
    during = await count(database, table)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await write(database, way, 2)
    # The other way, too, finds the connection as it should be.
    await add(database, 3)
    assert await SqlAccounts(database).view_by_key(key_hash(3)) is not None
    check = await database.read(lambda connection: connection.execute(text("PRAGMA integrity_check")).scalar_one())
    results = f"failed={failed} during={during} after={await count(database, table)} check={check}"
    print(results)  # noqa: T201 - who started it reads this
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
