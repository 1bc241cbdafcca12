"""A process that delivers webhooks to a database: `python -m support.sql_writer URL FIRST LAST`."""

import asyncio
import sys
from collections import Counter

from billing.use_cases.receive_events import DecideEvents
from billing_memory import MemoryAlarm, MemoryClock
from billing_sql import SqlDatabase, SqlFailedEvents, SqlTransactions
from support.contracts import CATALOGUE, nothing_for_us
from support.sql import PATIENT

BATCH = 7


async def main(url: str, first: int, last: int) -> None:
    """Deliver the events with these numbers, a few at a time; print how many were new."""
    database = await SqlDatabase.open(url, limits=PATIENT)
    decide = DecideEvents(
        transactions=SqlTransactions(database),
        failed_events=SqlFailedEvents(database),
        catalogue=CATALOGUE,
        clock=MemoryClock(),
        alarm=MemoryAlarm(),
        on_reread=lambda: None,
    )
    results: Counter[str] = Counter()
    for begin in range(first, last, BATCH):
        batch = [nothing_for_us(number) for number in range(begin, min(begin + BATCH, last))]
        results.update(str(result) for result in await decide.execute(batch))
    await database.close()
    print(*(f"{name}={number}" for name, number in sorted(results.items())))  # noqa: T201 - who started it reads this


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
