"""How PostgreSQL goes about the statements of the service, and how its sessions are set up for that."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import text

from billing.idempotency import Alert, Outcome
from billing.ports import Changes, DecidedEvent
from billing.standing import NEVER_SUBSCRIBED
from billing_memory import NOON
from billing_sql import SqlDatabase, SqlRereadQueue
from billing_sql.dialects.prepared import Parameters, Prepared, Row
from billing_sql.finding import Finding
from billing_sql.saving import Saving
from support.contracts import account, customer_id, nothing_for_us, session_id, subscription
from support.sql import PATIENT, Open

pytestmark = pytest.mark.anyio

OWNER, OTHER = account(1).id, account(2).id
SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"}


@dataclass
class Recording:
    """A session that executes nothing, and remembers what it was asked."""

    statements: list[Prepared] = field(default_factory=list[Prepared])

    async def execute(self, statement: Prepared, parameters: Parameters) -> list[Row]:
        """See `Session`."""
        assert len(statement.arguments(parameters)) == len(statement.names)
        self.statements.append(statement)
        return []


def some_changes() -> Changes:
    """Make the changes of a usual batch: one account's standing changes, another one's does not."""
    first, second = subscription(OWNER, 1), subscription(OTHER, 2)
    changes = Changes(received_at=NOON, subscriptions={first.id: first, second.id: second})
    changes.events.append(DecidedEvent(delivery=nothing_for_us(1), outcome=Outcome.APPLIED, account=OWNER))
    changes.standings[OWNER] = NEVER_SUBSCRIBED
    changes.rereads.add(first.id)
    changes.alerts.append((Alert.UNKNOWN_PRICE, first.id))
    return changes


def all_changes() -> Changes:
    """Make changes of every kind."""
    changes = some_changes()
    changes.customers[customer_id(1)] = OWNER
    changes.customers_deleted.add(customer_id(2))
    changes.sessions_closed.add(session_id())
    return changes


async def statements_of(database: SqlDatabase) -> list[Prepared]:
    """Answer what deciding webhooks executes."""
    session = Recording()
    saving, finding = Saving(database.difference), Finding(database.difference)
    guarded = saving.guarded_writes(
        some_changes(), {OWNER: 1, OTHER: 1}, dict.fromkeys((OWNER, OTHER), NEVER_SUBSCRIBED)
    )
    assert guarded is not None
    await saving.write_all(session, guarded)
    await saving.write_all(session, saving.writes(all_changes()))
    assert finding.locking is not None
    return [*session.statements, finding.locking, finding.looking, finding.looking_at_held]


async def plan_of(database: SqlDatabase, statement: Prepared) -> dict[str, Any]:
    """Have a statement planned as it would be prepared."""
    nothing = ", ".join(["NULL"] * len(statement.names))
    rows = await database.write(
        lambda connection: (
            connection.exec_driver_sql(f"PREPARE planned AS {statement.sql}"),
            connection.execute(text(f"EXPLAIN (FORMAT JSON, COSTS OFF) EXECUTE planned({nothing})")).scalar_one(),
            connection.exec_driver_sql("DEALLOCATE planned"),
        )[1]
    )
    plan: dict[str, Any] = (json.loads(rows) if isinstance(rows, str) else rows)[0]["Plan"]
    return plan


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Go through all of a plan."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)


def scans_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Find where a plan reads tables."""
    return (found for found in nodes_of(node) if found["Node Type"] in SCANS)


async def test_what_was_planned_on_empty_tables_goes_by_the_indexes(postgres_url: str, open_database: Open) -> None:
    """No plan that is made on the first day, and kept, reads a whole table on the last."""
    database = await open_database(postgres_url)
    seen = set[tuple[str, bool]]()
    for statement in await statements_of(database):
        for scan in scans_of(await plan_of(database, statement)):
            by_index = "Index Cond" in scan or "Recheck Cond" in scan
            seen.add((scan["Relation Name"], by_index))
    indexed = {(table, True) for table in ("accounts", "customers", "subscriptions", "events", "failed_events")}
    # Of the attempts to buy there are as many as checkouts are open; those of a deleted customer are looked for.
    assert seen == {*indexed, ("checkout_attempts", True), ("checkout_attempts", False)}


async def test_accounts_are_locked_in_the_order_of_the_rows(postgres_url: str, open_database: Open) -> None:
    """With locks or without, accounts are gone through by their ids' code points: nobody waits in a circle."""
    database = await open_database(postgres_url)
    guarded, _, locking, *_ = await statements_of(database)
    (sort,) = (node for node in nodes_of(await plan_of(database, locking)) if node["Node Type"] == "Sort")
    assert sort["Sort Key"] == ['accounts.id COLLATE "C"']
    (moved,) = (node for node in nodes_of(await plan_of(database, guarded)) if node.get("Subplan Name") == "CTE moved")
    (loop,) = moved["Plans"]
    rows, account = loop["Plans"]
    assert (moved["Node Type"], loop["Node Type"]) == ("ModifyTable", "Nested Loop")
    assert (rows["Node Type"], account["Index Name"]) == ("Function Scan", "pk_accounts")


async def test_the_sweep_reads_its_table_from_one_end_to_the_other(postgres_url: str, open_database: Open) -> None:
    """What has no index is read in the order it lies in, and not row by row by another index."""
    database = await open_database(postgres_url, limits=replace(PATIENT, pool_size=1))
    await SqlRereadQueue(database).queue_overdue(ended_before=NOON, now=NOON)
    # The one connection tells what it did only now and then, unless it is asked to.
    tell = text("SELECT pg_stat_force_next_flush()")
    await database.write(lambda connection: connection.execute(tell).all())
    told = text("SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'subscriptions'")
    assert await database.read(lambda connection: connection.execute(told).one()) == (1, 0)


@pytest.mark.parametrize("behind_pgbouncer", [False, True])
async def test_sessions_are_told_how_to_plan(postgres_url: str, open_database: Open, *, behind_pgbouncer: bool) -> None:
    """Also behind a PgBouncer, where each transaction must say it."""
    database = await open_database(postgres_url, behind_pgbouncer=behind_pgbouncer)
    names = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
    settings = text("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    assert await database.write(lambda connection: connection.execute(settings).one()) == ("off",) * len(names)


async def test_a_single_statement_has_the_isolation_of_transactions(postgres_url: str, open_database: Open) -> None:
    """Whatever the server's default: under a stricter one, replicas would fail each other's updates."""
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    database = await open_database(postgres_url)
    stricter = text(f'ALTER DATABASE "{name}" SET default_transaction_isolation = serializable')
    await database.write(lambda connection: connection.execute(stricter).rowcount)
    other = await open_database(postgres_url)
    statement = Prepared(sql="SELECT current_setting('transaction_isolation')", names=(), constants={}, conversions=())
    assert await other.ask(statement, {}) == [["read committed"]]
