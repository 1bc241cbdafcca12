"""What is special to PostgreSQL: its connections, its time-outs, its locks, and what may stand before it."""

import asyncio
import logging
import random
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from sqlalchemy import Connection, text

from billing.errors import Contended, StoreUnavailable
from billing.events import Delivery
from billing.identifiers import AccountId
from billing.plans import Tier
from billing.ports import Changes, Claims
from billing_memory import NOON
from billing_sql import DatabaseUnusable, SqlAccounts, SqlDatabase, SqlTransactions
from billing_sql.addresses import PostgresAddress, parse_address
from billing_sql.dialects import postgresql_engine
from support.contracts import (
    account,
    changed,
    customer_id,
    key_hash,
    noted,
    nothing_for_us,
    snapshot,
    subscription,
    subscription_id,
)
from support.sql import PATIENT, QUICK, Open, add, blocked, count, deliver, deliver_locked, write_from_processes

pytestmark = pytest.mark.anyio


async def execute(url: str, statement: str) -> None:
    """Execute a statement from the server's own database, next to the one at `url`."""
    base, question, options = url.partition("?")
    database = await SqlDatabase.open(f"{base.rpartition('/')[0]}/postgres{question}{options}", limits=PATIENT)
    try:
        await database.read(lambda connection: connection.execute(text(statement)).rowcount)
    finally:
        await database.close()


def name_of(url: str) -> str:
    """Answer the database's name."""
    return url.partition("?")[0].rpartition("/")[2]


async def cut_connections(url: str) -> None:
    """End every connection to a database, as a restart or a failover does."""
    await execute(
        url,
        f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name_of(url)}'",  # noqa: S608 - our own name
    )


@asynccontextmanager
async def away(url: str) -> AsyncGenerator[None, None]:
    """Have a database take no connections, nor keep those it has."""
    await execute(url, f'ALTER DATABASE "{name_of(url)}" ALLOW_CONNECTIONS false')
    await cut_connections(url)
    yield
    await execute(url, f'ALTER DATABASE "{name_of(url)}" ALLOW_CONNECTIONS true')


def owner(number: int) -> AccountId:
    """Name the account with this number."""
    return account(number).id


def settings(connection: Connection) -> dict[str, str]:
    """Answer how a connection is set up."""
    names = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    return {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in names}


async def test_every_connection_has_its_time_outs(postgres_url: str, open_database: Open) -> None:
    """Statements, locks and forgotten transactions are bounded by the server, for reads and for transactions."""
    limits = replace(PATIENT, lock_seconds=7, contended_seconds=3, statement_seconds=9)
    database = await open_database(postgres_url, limits=limits)
    expected = {
        "application_name": "billing-service",
        "statement_timeout": "9s",
        "lock_timeout": "7s",
        "idle_in_transaction_session_timeout": "9s",
    }
    assert await database.read(settings) == expected
    assert await database.write(settings) == expected


async def test_a_read_is_no_transaction(postgres_url: str, open_database: Open) -> None:
    """A read costs one round trip: no BEGIN before it and no COMMIT after it."""
    database = await open_database(postgres_url)
    begun = text("SELECT transaction_timestamp(), pg_sleep(0.001)")

    def transactions(connection: Connection) -> int:
        return len({connection.execute(begun).scalar_one() for _ in range(3)})

    assert await database.read(transactions) == 3
    assert await database.write(transactions) == 1


async def test_cut_connections_are_not_noticed(postgres_url: str, open_database: Open) -> None:
    """Connections that are cut while nobody uses them fail neither a read nor a transaction."""
    database = await open_database(postgres_url)
    await add(database)
    await deliver(database, [nothing_for_us(1)])
    accounts = SqlAccounts(database)
    assert await accounts.view_by_key(key_hash()) is not None
    for number in (2, 3):
        await cut_connections(postgres_url)
        await deliver(database, [nothing_for_us(number)])
        await cut_connections(postgres_url)
        assert await accounts.view_by_key(key_hash()) is not None
    assert await count(database, "events") == 3


async def test_a_connection_cut_in_a_transaction_is_unavailable(postgres_url: str, open_database: Open) -> None:
    """What was begun on a connection that is cut fails as a whole, and the next transaction works."""
    database = await open_database(postgres_url)
    async with SqlTransactions(database).begin() as transaction:
        await transaction.load(Claims(events=frozenset({nothing_for_us(1).id})))
        await cut_connections(postgres_url)
        with pytest.raises(StoreUnavailable):
            await transaction.save(Changes(received_at=NOON, rereads={subscription_id()}))
    assert await count(database, "rereads") == 0
    await deliver(database, [nothing_for_us(1)])


async def test_a_database_that_is_away_and_comes_back(
    postgres_url: str, open_database: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """While the database is away everything is unavailable, said once each; afterwards everything works."""
    database = await open_database(postgres_url)
    await add(database)
    accounts = SqlAccounts(database)
    with caplog.at_level(logging.INFO, logger="billing.sql"):
        async with away(postgres_url):
            for number in range(3):
                with pytest.raises(StoreUnavailable):
                    await deliver(database, [nothing_for_us(number)])
                with pytest.raises(StoreUnavailable):
                    await accounts.view_by_key(key_hash())
        await deliver(database, [nothing_for_us(1)])
        assert await accounts.view_by_key(key_hash()) is not None
    said = [record.getMessage().split(":")[0] for record in caplog.records]
    assert said == [
        "the database cannot be written",
        "the database cannot be read",
        "the database can be written again",
        "the database can be read again",
    ]


async def test_nobody_listens(open_database: Open) -> None:
    """A server that is not there is unavailable, not an error of the program."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        database = await open_database(f"postgresql://u:p@127.0.0.1:{taken.getsockname()[1]}/billing")
        with pytest.raises(StoreUnavailable) as unavailable:
            await database.check_schema()
    assert isinstance(unavailable.value.__cause__, OSError)


async def test_a_locked_account_is_waited_for_and_given_up(postgres_url: str, open_database: Open) -> None:
    """A lock that is held for too long makes the others give up, and only as long as it is held."""
    database = await open_database(postgres_url, limits=QUICK)
    owner = await add(database)
    claims = Claims(accounts=frozenset({owner}))
    async with SqlTransactions(database).begin() as holder:
        await holder.load(claims)
        async with SqlTransactions(database).begin() as other:
            with pytest.raises(StoreUnavailable) as unavailable:
                await other.load(claims)
        assert type(unavailable.value.__cause__).__name__ == "LockNotAvailableError"
    async with SqlTransactions(database).begin() as other:
        assert owner in (await other.load(claims)).standings


@pytest.fixture(params=["at a guess", "under locks", "behind a pgbouncer"])
def way(request: pytest.FixtureRequest) -> str:
    """How an update is done."""
    given: str = request.param
    return given


@pytest.fixture
def url_for_way(request: pytest.FixtureRequest, way: str) -> str:
    """Give the URL of a database for it."""
    given: str = request.getfixturevalue("pgbouncer_url" if way == "behind a pgbouncer" else "postgres_url")
    return given


async def test_without_patience_a_locked_account_is_given_up_soon(
    url_for_way: str, way: str, open_database: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Others go on, a patient update gets it when it is free, and nobody warns of the database."""
    limits = replace(PATIENT, contended_seconds=0.1)
    database = await open_database(url_for_way, limits=limits, behind_pgbouncer=way == "behind a pgbouncer")
    locked, free = await add(database), await add(database, 2)
    transactions = SqlTransactions(database)

    async def update(number: int, owner: AccountId, *, patient: bool = False) -> None:
        changes = noted(number, owner, subscription(owner, number))
        if way == "under locks":
            # That a customer is attached cannot be written at a guess.
            changes.customers[customer_id(number)] = owner
        await transactions.update(Claims(accounts=frozenset({owner})), lambda _: (changes, None), patient=patient)

    async with transactions.begin() as holder:
        await holder.load(Claims(accounts=frozenset({locked})))
        with pytest.raises(Contended) as contended:
            await update(1, locked)
        assert type(contended.value.__cause__).__name__ == "LockNotAvailableError"
        await update(2, free)
        patient = asyncio.create_task(update(1, locked, patient=True))
        done, _ = await asyncio.wait([patient], timeout=5 * limits.contended_seconds)
        assert not done
    await patient
    assert await count(database, "subscriptions") == 2
    assert "cannot be written" not in caplog.text


async def test_an_exhausted_pool_is_unavailable(postgres_url: str, open_database: Open) -> None:
    """A transaction that finds no free connection in time gives up; when one is free again it works."""
    database = await open_database(postgres_url, limits=replace(QUICK, pool_size=1))
    async with SqlTransactions(database).begin() as holder:
        await holder.load(Claims(events=frozenset({nothing_for_us(1).id})))
        with pytest.raises(StoreUnavailable):
            await deliver_locked(database, [nothing_for_us(1)])
    await deliver_locked(database, [nothing_for_us(1)])


async def test_updates_do_not_wait_for_a_pool_that_is_exhausted(postgres_url: str, open_database: Open) -> None:
    """Transactions that hold all connections of the pool do not keep updates of other accounts waiting.

    Some of these wait for one another, for longer where the machine is busy.
    """
    database = await open_database(postgres_url, limits=replace(QUICK, pool_size=1, wait_seconds=10))
    async with SqlTransactions(database).begin() as holder:
        await holder.load(Claims(events=frozenset({nothing_for_us(1).id})))
        await asyncio.gather(*(deliver(database, [nothing_for_us(number)]) for number in range(2, 8)))
    assert await count(database, "events") == 6


async def test_a_server_that_hangs_is_given_up(
    postgres_url: str, open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that the server does not end in time is unavailable, and its connection is not used again."""
    monkeypatch.setattr(postgresql_engine, "GRACE_SECONDS", -19.5)
    database = await open_database(postgres_url, limits=replace(QUICK, pool_size=1))
    backend = text("SELECT pg_backend_pid()")
    before = await database.write(lambda connection: connection.execute(backend).scalar_one())
    with pytest.raises(StoreUnavailable) as unavailable:
        await database.write(lambda connection: connection.execute(text("SELECT pg_sleep(15)")).all())
    assert isinstance(unavailable.value.__cause__, TimeoutError)
    assert await database.write(lambda connection: connection.execute(backend).scalar_one()) != before


async def test_an_owner_that_appears_behind_the_locks(postgres_url: str, open_database: Open) -> None:
    """A customer attached while the locks are waited for is seen, with its account locked and read."""
    database = await open_database(postgres_url)
    first, second = await add(database, 1), await add(database, 2)
    claims = Claims(accounts=frozenset({first}), customers=frozenset({customer_id()}))
    async with SqlTransactions(database).begin() as holder, SqlTransactions(database).begin() as waiting:
        await holder.load(Claims(accounts=frozenset({first, second})))
        loading = asyncio.ensure_future(waiting.load(claims))
        await blocked(database)
        held = subscription(second)
        await holder.save(Changes(received_at=NOON, customers={customer_id(): second}, subscriptions={held.id: held}))
        await holder.commit()
        loaded = await loading
    assert loaded.owners == {customer_id(): second}
    assert set(loaded.standings) == {first, second}
    assert loaded.subscriptions == {held.id: held}


@pytest.mark.parametrize("ways", [(deliver_locked,), (deliver, deliver_locked)], ids=["locking", "both ways"])
async def test_replicas_do_not_deadlock(
    postgres_url: str,
    open_database: Open,
    ways: tuple[Callable[[SqlDatabase, Iterable[Delivery]], Awaitable[object]], ...],
) -> None:
    """Batches over the same accounts in whatever order, from two replicas at once, all commit."""
    replicas = [await open_database(postgres_url) for _ in range(2)]
    owners = [await add(replicas[0], number) for number in range(8)]
    dice = random.Random(7)

    async def deliver_batches(database: SqlDatabase, first: int) -> None:
        for begin in range(first, first + 40, 8):
            accounts = dice.sample(range(8), 8)
            batch = [changed(begin + place, snapshot(owners[number], number)) for place, number in enumerate(accounts)]
            await ways[begin // 8 % len(ways)](database, dice.sample(batch, 8))

    await asyncio.gather(*(deliver_batches(replicas[task % 2], task * 40) for task in range(6)))
    assert await count(replicas[0], "events") == 240


async def test_statements_are_prepared_once(postgres_url: str, open_database: Open) -> None:
    """Batches of every size use the same prepared statements."""
    database = await open_database(postgres_url, limits=replace(PATIENT, pool_size=1))
    owners = [await add(database, number) for number in range(10)]
    prepared = text("SELECT count(*) FROM pg_prepared_statements")
    counts: list[int] = []
    await deliver(database, [changed(1, snapshot(owners[0], 0))])
    for size in range(2, 10):
        batch = [changed(size * 10 + place, snapshot(owners[place], place)) for place in range(size)]
        await deliver(database, batch)
        counts.append(await database.write(lambda connection: connection.execute(prepared).scalar_one()))
    assert len(set(counts)) == 1


async def test_several_processes_write_one_database(postgres_url: str, open_database: Open) -> None:
    """Processes that deliver the same events at the same time write each of them once, and lose none."""
    results = await write_from_processes(postgres_url, [(0, 210), (70, 280), (0, 210)])
    assert results == {"ignored": 280, "duplicate": 350}
    assert await count(await open_database(postgres_url), "events") == 280


async def test_the_host_that_answers_is_used(postgres_url: str, open_database: Open) -> None:
    """Of several hosts the first that takes writes is used, and asked first the next time."""
    # The server listens at a socket in a folder; a folder without one is a host that is down.
    base, _, options = postgres_url.partition("?")
    alive = parse_qs(options).get("host")
    if alive is None:
        pytest.skip("the server given is not reached through a socket")
    address = parse_address(postgres_url)
    assert isinstance(address, PostgresAddress)
    urls = (f"{base}?host=%2Fnowhere", *address.urls)
    engine = postgresql_engine.PostgresEngine(PostgresAddress(urls=urls), PATIENT)
    database = SqlDatabase(engine)
    try:
        assert await count(database, "events") == 0
        await deliver(database, [nothing_for_us(1)])
    finally:
        await database.close()


async def test_a_host_that_only_reads_is_passed_over(postgres_url: str, open_database: Open) -> None:
    """A server that takes no writes is not used where one that does is asked for."""
    database = await open_database(
        f"{postgres_url}{'&' if '?' in postgres_url else '?'}target_session_attrs=read-write"
    )
    await deliver(database, [nothing_for_us(1)])
    await execute(postgres_url, f'ALTER DATABASE "{name_of(postgres_url)}" SET default_transaction_read_only = on')
    await cut_connections(postgres_url)
    with pytest.raises(StoreUnavailable):
        await deliver(database, [nothing_for_us(2)])
    await execute(postgres_url, f'ALTER DATABASE "{name_of(postgres_url)}" RESET default_transaction_read_only')
    await deliver(database, [nothing_for_us(2)])


async def test_a_primary_that_turns_read_only_is_left(postgres_url: str, open_database: Open) -> None:
    """A connection whose server refuses to write is given up, so that the next one may reach another server."""
    database = await open_database(postgres_url, limits=replace(PATIENT, pool_size=1))
    backend = text("SELECT pg_backend_pid()")
    before = await database.write(lambda connection: connection.execute(backend).scalar_one())

    def turn_read_only(connection: Connection) -> None:
        connection.execute(text("SET default_transaction_read_only = on"))

    await database.write(turn_read_only)
    with pytest.raises(StoreUnavailable):
        await deliver_locked(database, [nothing_for_us(1)])
    await deliver_locked(database, [nothing_for_us(1)])
    assert await database.write(lambda connection: connection.execute(backend).scalar_one()) != before


async def test_an_update_leaves_a_primary_that_turned_read_only(postgres_url: str, open_database: Open) -> None:
    """The connection that is kept for updates is given up, too, and the next update has a new one."""
    database = await open_database(postgres_url)
    await deliver(database, [nothing_for_us(1)])
    name = name_of(postgres_url)
    await execute(postgres_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await cut_connections(postgres_url)
    with pytest.raises(StoreUnavailable):
        await deliver(database, [nothing_for_us(2)])
    await execute(postgres_url, f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    await deliver(database, [nothing_for_us(2)])
    assert await count(database, "events") == 2


async def test_the_connections_that_are_kept_are_made_anew(postgres_url: str, open_database: Open) -> None:
    """A status read and an update whose connections were cut while nobody used them notice nothing."""
    database = await open_database(postgres_url)
    await add(database)
    for number in range(1, 4):
        await deliver(database, [nothing_for_us(number)])
        assert await SqlAccounts(database).view_by_key(key_hash()) is not None
        await cut_connections(postgres_url)
    assert await count(database, "events") == 3


async def test_a_server_that_forgets_is_warned_of(
    postgres_url: str, open_database: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """A server set up to acknowledge what it has not written down is named in a warning."""
    database = await open_database(postgres_url)
    await database.check_schema()
    assert "synchronous_commit" not in caplog.text
    await execute(postgres_url, f'ALTER DATABASE "{name_of(postgres_url)}" SET synchronous_commit = off')
    await (await open_database(postgres_url)).check_schema()
    assert "synchronous_commit = off" in caplog.text


async def test_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where asyncpg is not installed, the extra to install is named."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(DatabaseUnusable, match=r"pip install '\.\[postgres\]'"):
        await SqlDatabase.open("postgresql://host/billing")


async def test_behind_a_pgbouncer(pgbouncer_url: str, open_database: Open) -> None:
    """With a PgBouncer that hands every transaction to another connection, everything works, time-outs included."""
    assert await SqlDatabase.migrate(pgbouncer_url)
    database = await open_database(
        pgbouncer_url, limits=replace(PATIENT, lock_seconds=7, statement_seconds=9), behind_pgbouncer=True
    )
    await database.check_schema()
    for number in range(12):
        await add(database, number)
    await asyncio.gather(
        *(deliver(database, [changed(number, snapshot(owner(number), number))]) for number in range(12))
    )
    accounts = SqlAccounts(database)
    views = await asyncio.gather(*(accounts.view(owner(number)) for number in range(12)))
    assert {view.standing.plan for view in views} == {Tier.PRO}
    assert (await database.read(settings))["lock_timeout"] == "7s"
    assert await count(database, "events") == 12
