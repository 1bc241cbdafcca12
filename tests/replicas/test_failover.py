"""The primary dies in a storm, its synchronous standby takes over: nothing that was acknowledged is lost."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from billing.errors import StoreUnavailable
from billing_sql import Limits, SqlDatabase
from support.contracts import nothing_for_us
from support.histories import Histories
from support.postgres_nodes import DATABASE, SUPERUSER, PostgresNode
from support.replicas import (
    EXPECTED_REFUSALS,
    PATIENT_SENDER,
    Prober,
    Repeating,
    account_for,
    at_replica,
    held_events,
    is_taken,
    refusals,
    replicas_on,
    settle,
    unavailable_seconds,
    wait_until,
)
from support.sql import add, deliver

STORM_DELIVERIES = 400
"""How many are acknowledged before the fault, and again after it."""


@pytest.mark.parametrize("end", [PostgresNode.kill, PostgresNode.freeze])
def test_a_lost_primary_loses_nothing(
    pair: tuple[PostgresNode, PostgresNode],
    end: Callable[[PostgresNode], None],
    tmp_path: Path,
    report: Callable[[str], None],
) -> None:
    """A primary is killed, or falls silent: two replicas find the new one by themselves, and each event is there once.

    A killed one is named last in the URL, and a silent one first: the order is not to matter.
    """
    primary, standby = pair
    hosts = [standby.host, primary.host] if end is PostgresNode.kill else [primary.host, standby.host]
    url = f"postgresql://{SUPERUSER}@{','.join(hosts)}/{DATABASE}?target_session_attrs=read-write"
    with replicas_on(url, tmp_path, random_seed=23) as replicas:
        control = replicas.box.control
        histories = Histories(world=replicas, seed=23)
        histories.subscribe(8)
        settle(histories)
        control.set_delivery(**PATIENT_SENDER)
        with Repeating(histories.act, pause_seconds=0.05), Prober(histories.subscribers[0].customer):
            wait_until(lambda: control.counts().succeeded > STORM_DELIVERIES)
            end(primary)
            killed_at = time.time()
            time.sleep(1)
            standby.promote()
            promoted_at = time.time()
            taken = control.counts().succeeded
            wait_until(lambda: control.counts().succeeded > taken + STORM_DELIVERIES)
        settle(histories)
        settle(at_replica(histories, replicas, replicas.services[1]))
        attempts = control.deliveries()
        held = held_events(standby.url)
        figures = account_for(replicas.box, held)
        before = {attempt.event for attempt in attempts if is_taken(attempt) and attempt.at < killed_at}
        away = unavailable_seconds(attempts, killed_at)
        report(
            f"{figures}; acknowledged before the kill {len(before)}, of these found {len(before & held.keys())}; "
            f"no event taken for {away:.2f} s, {promoted_at - killed_at:.2f} s of it until the standby was promoted; "
            f"refusals {dict(refusals(attempts))}"
        )
        assert (figures.found, figures.lost, figures.doubled) == (figures.sent, 0, 0)
        assert figures.acknowledged == figures.sent
        assert before <= held.keys()
        assert refusals(attempts).keys() <= EXPECTED_REFUSALS


async def try_to_write(url: str, waiting: Callable[[], Awaitable[object]]) -> None:
    """Write in every way there is, and expect to be refused; give up the last of it once `waiting` is over."""
    database = await SqlDatabase.open(url, limits=Limits(lock_seconds=0.5, statement_seconds=0.5))
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await deliver(database, [nothing_for_us(1)])
            with pytest.raises(StoreUnavailable):
                await add(database, 1)
        last = [asyncio.create_task(deliver(database, [nothing_for_us(2)])), asyncio.create_task(add(database, 2))]
        await waiting()
        for one in last:
            one.cancel()
        await asyncio.wait(last)
    finally:
        await database.close()


def test_what_the_standby_has_not_is_neither_acknowledged_nor_known(pair: tuple[PostgresNode, PostgresNode]) -> None:
    """A commit that waits for the standby in vain is given up without being done on the primary alone.

    Else the event would be known when it is sent again, and be acknowledged, and be lost with the primary.
    """
    primary, standby = pair
    asyncio.run(SqlDatabase.migrate(primary.url))
    count = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM accounts)"
    commits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

    async def all_wait() -> None:
        await asyncio.to_thread(wait_until, lambda: primary.fetch(commits) == [(4,)])

    with standby.deaf():
        asyncio.run(try_to_write(primary.url, all_wait))
        # The second time around, what was sent waited for the locks of the first time.
        assert primary.fetch(commits) == [(4,)]
        assert primary.fetch(count) == [(0, 0)]
    wait_until(lambda: primary.fetch(commits) == [(0,)])
    assert primary.fetch(count) == [(2, 2)]
    wait_until(lambda: standby.fetch(count) == [(2, 2)])
