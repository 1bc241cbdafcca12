"""A process that ends with its database open: `python -m support.sql_never_closed URL`."""

import asyncio
import sys

from billing_sql import SqlDatabase
from support.sql import PATIENT, add, count

_LEFT_OPEN: list[SqlDatabase] = []


async def main(url: str) -> None:
    """Write and read, and leave."""
    database = await SqlDatabase.open(url, limits=PATIENT)
    _LEFT_OPEN.append(database)
    await add(database)
    print(await count(database, "accounts"))  # noqa: T201 - who started it reads this


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
