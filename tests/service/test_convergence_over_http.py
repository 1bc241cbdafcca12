"""Histories over real HTTP: whatever delivery does, and whatever dies, the service ends where Stripe is."""

import contextlib
import random
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from stripe_sandbox.api.faults import Fault
from support.histories import Histories, differences, expected_billing, wait_until_converged
from support.service import Service, World, world_on

DISORDERS = {
    "duplicates": {"duplicate": 4},
    "reordering": {"reorder": 12},
    "ties-and-reordering": {"ties": True, "reorder": 12},
    "two-events-for-one-change": {"double_events": True, "reorder": 6},
    "old-shapes": {"api_version": "2024-06-20", "reorder": 6},
    "everything": {"duplicate": 3, "reorder": 20, "ties": True, "double_events": True, "delay_seconds": 0.2},
}


@pytest.mark.parametrize("disorder", DISORDERS.values(), ids=DISORDERS.keys())
def test_disordered_deliveries_converge(tmp_path: Path, disorder: dict[str, object]) -> None:
    """Six subscriptions live through a hundred and twenty events each way round, and end as Stripe has them."""
    with world_on(f"sqlite:///{tmp_path}/billing.db", tmp_path, random_seed=7) as world:
        histories = Histories(world=world, seed=7)
        histories.subscribe(6)
        world.box.control.set_delivery(**disorder, concurrency=16)
        for _ in range(60):
            histories.act()
        histories.end_some()
        world.box.control.flush(60)
        assert world.box.control.counts().failed == 0
        wait_until_converged(histories)


def test_lost_deliveries_do_not_hide_what_later_ones_tell(tmp_path: Path) -> None:
    """A third of the events never come; once each subscription has told of itself again, all is right."""
    with world_on(f"sqlite:///{tmp_path}/billing.db", tmp_path, random_seed=11) as world:
        histories = Histories(world=world, seed=11)
        histories.subscribe(4)
        world.box.control.set_delivery(drop=0.35, reorder=8)
        for _ in range(40):
            histories.act()
        world.box.control.flush(60)
        world.box.control.restore_delivery()
        time.sleep(1.1)  # a new second: what is told now is newer than all that was lost
        histories.end_some(1.0)
        world.box.control.flush(60)
        wait_until_converged(histories)


def test_stripe_unreachable_the_service_answers_all_along_and_settles_afterwards(tmp_path: Path) -> None:
    """While Stripe's API is away, webhooks are taken and statuses answered; afterwards the re-reads catch up."""
    with world_on(f"sqlite:///{tmp_path}/billing.db", tmp_path, random_seed=3) as world:
        histories = Histories(world=world, seed=3)
        histories.subscribe(4)
        world.box.control.flush(60)
        wait_until_converged(histories)
        world.box.control.add_fault(Fault(kind="drop_before", count=None))
        world.box.control.set_delivery(reorder=10, ties=True)
        for _ in range(30):
            histories.act()
        world.box.control.flush(60)
        assert world.box.control.counts().failed == 0
        for subscriber in histories.subscribers:
            assert subscriber.customer.billing()["status"] is not None
        buyer = world.customer("new@example.com")
        refused = buyer.call("POST", "/v1/billing/checkout", json={"tier": "pro"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        world.box.control.clear_faults()
        wait_until_converged(histories, 90)


class Killer(threading.Thread):
    """Kills the service with -9 at random moments and starts it again, until told to stop."""

    def __init__(self, service: Service, seed: int) -> None:
        """Prepare."""
        super().__init__(daemon=True)
        self._service = service
        self._random = random.Random(seed)
        self._done = threading.Event()
        self.kills = 0

    def run(self) -> None:
        """Kill, start, wait a little, and again."""
        while not self._done.wait(self._random.uniform(0.2, 1.2)):
            self._service.kill()
            self.kills += 1
            self._service.start()

    def stop(self) -> None:
        """End with a service that answers."""
        self._done.set()
        self.join()


def told_of(world: World) -> Counter[str]:
    """Answer how often each event was sent, whatever was answered."""
    return Counter(attempt.event for attempt in world.box.control.deliveries())


def acknowledged(world: World) -> Counter[str]:
    """Answer how often each event got a 2xx."""
    return Counter(
        attempt.event
        for attempt in world.box.control.deliveries()
        if attempt.status is not None and 200 <= attempt.status < 300
    )


def test_a_storm_survives_kill_9(tmp_path: Path) -> None:
    """The service is killed again and again in a storm of 2,000 events; what was acknowledged is there, once."""
    database = tmp_path / "billing.db"
    with world_on(f"sqlite:///{database}", tmp_path, random_seed=5) as world:
        histories = Histories(world=world, seed=5)
        histories.subscribe(8)
        world.box.control.flush(60)
        world.box.control.set_delivery(
            duplicate=2, reorder=8, max_retries=100, backoff_base_seconds=0.1, backoff_cap_seconds=1, concurrency=16
        )
        killer = Killer(world.service, seed=5)
        killer.start()
        while len(told_of(world)) < 2000 or killer.kills < 5:
            for _ in range(20):
                histories.act()
            time.sleep(0.1)
        killer.stop()
        world.box.control.flush(120)
        told = acknowledged(world)
        with contextlib.closing(sqlite3.connect(database)) as rows:
            held = {id_ for (id_,) in rows.execute("SELECT id FROM events")}
            (failed,) = rows.execute("SELECT count(*) FROM failed_events").fetchone()
            (decided,) = rows.execute("SELECT count(*) FROM events WHERE subscription_id IS NOT NULL").fetchone()
            (versions,) = rows.execute("SELECT sum(version) FROM subscriptions").fetchone()
        assert world.box.control.counts().failed == 0
        assert told.keys() <= held
        assert failed == 0
        # Every event that is decided moves the version of its subscription by one: none had two effects, or none.
        assert versions == decided
        wait_until_converged(histories, 90)
        for subscriber in histories.subscribers:
            assert subscriber.customer.billing() == expected_billing(world.box, subscriber.subscription)
        assert differences(histories) == {}
