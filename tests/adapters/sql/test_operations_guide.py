"""What the operator's guide says to type into the database does what it says, on both databases."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import CursorResult, text

from billing_sql import SqlDatabase, SqlRereadQueue
from support.sql import Open

pytestmark = pytest.mark.anyio

GUIDE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
STATEMENTS = [
    statement.strip()
    for block in re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
    for statement in re.sub(r"^--.*$", "", block, flags=re.MULTILINE).split(";")
    if statement.strip()
]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LEASED_UNTIL = NOW + timedelta(minutes=1)


async def execute(database: SqlDatabase, statement: str) -> None:
    """Type it."""
    # A colon would be a parameter's.
    await database.write(lambda connection: connection.execute(text(statement.replace(":", r"\:"))).rowcount)


async def leased(queue: SqlRereadQueue, lease: str = "lease_1") -> list[str]:
    """Claim what is due."""
    claimed = await queue.claim(limit=10, now=NOW, leased_until=LEASED_UNTIL, lease=lease)
    return [reread.subscription for reread in claimed]


def test_there_are_statements() -> None:
    """The guide has questions, and two ways to have subscriptions read again."""
    assert len([one for one in STATEMENTS if one.startswith("SELECT")]) >= 5
    assert len([one for one in STATEMENTS if one.startswith("INSERT")]) == 2


@pytest.mark.parametrize("statement", [one for one in STATEMENTS if one.startswith("SELECT")])
async def test_the_questions_can_be_asked(url: str, open_database: Open, statement: str) -> None:
    """Tables and columns are named as they are."""
    database = await open_database(url)

    def ask(result: CursorResult[tuple[object, ...]]) -> int:
        return len(result.all())

    assert await database.read(lambda connection: ask(connection.execute(text(statement)))) == 0


async def test_a_subscription_is_read_again(url: str, open_database: Open) -> None:
    """Whether it waits already, is being read at this moment, or neither."""
    database = await open_database(url)
    queue = SqlRereadQueue(database)
    (read_one,) = [one for one in STATEMENTS if one.startswith("INSERT") and "'sub_...'" in one]
    await execute(database, read_one)
    await execute(database, read_one)
    assert await leased(queue) == ["sub_..."]
    assert await leased(queue) == []
    await execute(database, read_one)
    assert await leased(queue, "lease_2") == ["sub_..."]


async def test_what_an_alert_named_is_read_again(url: str, open_database: Open) -> None:
    """Whatever else there are alerts about, and whether or not something waits."""
    database = await open_database(url)
    queue = SqlRereadQueue(database)
    (read_all,) = [one for one in STATEMENTS if one.startswith("INSERT") and "unknown_price" in one]
    for kind, subject in [("unknown_price", "sub_1"), ("unknown_price", "sub_2"), ("unknown_status", "sub_3")]:
        await execute(database, f"INSERT INTO alerts VALUES ('{kind}', '{subject}', 1, 1, 1)")  # noqa: S608 - our own
    await execute(database, "INSERT INTO rereads (subscription_id, due_at, attempts) VALUES ('sub_1', 1, 7)")
    await execute(database, read_all)
    assert sorted(await leased(queue)) == ["sub_1", "sub_2"]
