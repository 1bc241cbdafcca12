"""What holds on both databases alike, beyond the contracts: cancellation, types, statements' texts."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Dialect, make_url

from billing.idempotency import Outcome
from billing.plans import Tier
from billing.ports import Changes, Claims, DecidedEvent
from billing.subscription import Status
from billing_memory import NOON
from billing_sql import SqlAccounts, SqlApiKeys, SqlDatabase, SqlTransactions
from billing_sql.column_types import EpochMicroseconds, EpochSeconds, StatusSlug, TierSlug
from billing_sql.dialects.prepared import Parameters, Prepared, Row
from support.contracts import account, api_key, key_hash, nothing_for_us, subscription, subscription_id
from support.sql import PATIENT, Open, add, count

ANOTHER_ZONE = timezone(timedelta(hours=5))
STORED = [
    (EpochSeconds(), datetime(2026, 3, 1, 12, 0, 0, 999_999, UTC), 1_772_366_400, datetime(2026, 3, 1, 12, tzinfo=UTC)),
    (
        EpochSeconds(),
        datetime(2026, 3, 1, 17, tzinfo=ANOTHER_ZONE),
        1_772_366_400,
        datetime(2026, 3, 1, 12, tzinfo=UTC),
    ),
    (
        EpochSeconds(),
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        -1,
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    ),
    (EpochMicroseconds(), datetime(2026, 3, 1, 12, 0, 0, 1, UTC), 1_772_366_400_000_001, None),
    (EpochSeconds(), None, None, None),
    (EpochMicroseconds(), None, None, None),
    (TierSlug(), Tier.PRO, "pro", Tier.PRO),
    (TierSlug(), None, None, None),
    (StatusSlug(), Status.PAST_DUE, "past_due", Status.PAST_DUE),
    (StatusSlug(), None, None, None),
]
UNKNOWN = [(TierSlug(), "galactic", Tier.FREE), (StatusSlug(), "hibernating", Status.UNKNOWN)]
DIALECTS: list[Dialect] = [make_url(f"{name}://").get_dialect()() for name in ("sqlite", "postgresql+asyncpg")]


@pytest.mark.parametrize("dialect", DIALECTS, ids=["sqlite", "postgresql"])
@pytest.mark.parametrize(("type_", "value", "stored", "read"), STORED)
def test_values_are_stored_as_documented(
    dialect: Dialect, type_: EpochSeconds, value: object, stored: object, read: object
) -> None:
    """Times are numbers since 1970 UTC, tiers and statuses their slugs, on both databases; and back."""
    assert type_.bind_processor(dialect)(value) == stored
    assert type_.result_processor(dialect, None)(stored) == (read or value)


@pytest.mark.parametrize(("type_", "stored", "read"), UNKNOWN)
def test_what_a_newer_version_stored_grants_nothing(type_: TierSlug, stored: str, read: object) -> None:
    """A tier or status that this version does not know is read as one that grants nothing."""
    assert type_.result_processor(DIALECTS[0], None)(stored) is read


@pytest.mark.parametrize("type_", [EpochSeconds(), EpochMicroseconds()])
def test_a_time_without_a_zone_is_refused(type_: EpochSeconds) -> None:
    """A naive time would be another one on another machine."""
    with pytest.raises(ValueError, match="no time zone"):
        type_.bind_processor(DIALECTS[0])(datetime(2026, 3, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.anyio
async def test_a_caller_that_goes_away_leaves_all_or_nothing(url: str, open_database: Open) -> None:
    """A transaction cancelled at any moment is written whole or not at all, and the next one goes on."""
    database = await open_database(url)
    for number in range(40):
        task = asyncio.create_task(deliver_with_reread(database, number))
        await asyncio.sleep(number / 4000)
        task.cancel()
        await asyncio.wait([task])
    await deliver_with_reread(database, 40)
    queued = text("SELECT subscription_id FROM rereads")
    names = await database.read(lambda connection: set(connection.execute(queued).scalars()))
    decided = text("SELECT id FROM events")
    ids = await database.read(lambda connection: set(connection.execute(decided).scalars()))
    assert names == {subscription_id(number) for number in range(41) if nothing_for_us(number).id in ids}
    assert nothing_for_us(40).id in ids


async def deliver_with_reread(database: SqlDatabase, number: int) -> None:
    """Write an event, and a re-read of its number, in one transaction."""
    decided = DecidedEvent(delivery=nothing_for_us(number), outcome=Outcome.IGNORED)
    changes = Changes(received_at=NOON, events=[decided], rereads={subscription_id(number)})
    async with SqlTransactions(database).begin() as transaction:
        await transaction.load(Claims(events=frozenset({decided.delivery.id})))
        await transaction.save(changes)
        await transaction.commit()


@pytest.mark.anyio
async def test_half_a_transaction_is_never_committed(url: str, open_database: Open) -> None:
    """A transaction of which a part failed cannot be committed, whoever overlooked the failure."""
    database = await open_database(url)
    held = subscription(account().id)
    async with SqlTransactions(database).begin() as transaction:
        decided = DecidedEvent(delivery=nothing_for_us(1), outcome=Outcome.IGNORED)
        with pytest.raises(database.difference.errors):
            # The event can be written, the subscription of an account that is not there cannot.
            await transaction.save(Changes(received_at=NOON, events=[decided], subscriptions={held.id: held}))
        with pytest.raises(RuntimeError, match="had failed"):
            await transaction.commit()
    assert await count(database, "events") == 0


class CountingDatabase(SqlDatabase):
    """Counts what it is asked to read."""

    asked = 0

    async def ask(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """Count, then ask."""
        self.asked += 1
        return await super().ask(statement, parameters)


@pytest.mark.anyio
async def test_reads_asked_at_once_are_one_round_trip(url: str) -> None:
    """However many keys are looked up at a time, each is answered with its own account, from one statement."""
    database = await CountingDatabase.open(url, limits=PATIENT)
    try:
        owners = [await add(database, number) for number in range(5)]
        accounts = SqlAccounts(database)
        views = await asyncio.gather(*(accounts.view_by_key(key_hash(number % 6)) for number in range(60)))
    finally:
        await database.close()
    assert [view.account.id if view else None for view in views] == [*owners, None] * 10
    assert database.asked == 1


@pytest.mark.anyio
async def test_a_revoked_key_is_revoked_at_once(url: str, open_database: Open) -> None:
    """A key that another replica has revoked opens nothing any more, also under a steady stream of reads."""
    mine, other = await open_database(url), await open_database(url)
    await add(mine)
    accounts = SqlAccounts(mine)
    stop = asyncio.Event()

    async def keep_reading() -> None:
        while not stop.is_set():
            await accounts.view_by_key(key_hash())

    readers = [asyncio.create_task(keep_reading()) for _ in range(8)]
    assert await accounts.view_by_key(key_hash()) is not None
    await SqlApiKeys(other).revoke(api_key(account().id).id, at=NOON)
    assert await accounts.view_by_key(key_hash()) is None
    stop.set()
    await asyncio.gather(*readers)
