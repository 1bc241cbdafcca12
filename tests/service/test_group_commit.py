"""Group commit: what waits goes together, in order, bounded, and nobody's trouble is another's."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from billing.errors import BillingError, Contended, EventNotProcessed, Overloaded, StoreUnavailable
from billing.events import Delivery, Unhandled
from billing.idempotency import Outcome
from billing.use_cases.receive_events import DecideEvents
from billing_service.group_commit import GroupCommit
from support.domain_things import delivery

pytestmark = pytest.mark.anyio


class SlowDecisions:
    """Stands for `DecideEvents`: commits when it is told to."""

    def __init__(self) -> None:
        """Begin with the gate shut."""
        self.batches: list[list[str]] = []
        self.patient_batches: list[list[str]] = []
        self.locked: set[str] = set()
        """What can only be decided patiently, and then when `unlocked` is set."""
        self.unlocked = asyncio.Event()
        self.gate = asyncio.Event()
        self.refused: dict[str, BillingError] = {}
        self.bug: Exception | None = None

    async def execute(self, deliveries: Sequence[Delivery], *, patient: bool) -> list[Outcome | BillingError]:
        """Note the batch, then wait for the gate."""
        ids: list[str] = [held.id for held in deliveries]
        if patient:
            self.patient_batches.append(ids)
            await self.unlocked.wait()
            return [self.refused.get(id_, Outcome.APPLIED) for id_ in ids]
        self.batches.append(ids)
        await self.gate.wait()
        if self.bug is not None:
            raise self.bug
        return [Contended() if id_ in self.locked else self.refused.get(id_, Outcome.APPLIED) for id_ in ids]


def group_commit(decisions: SlowDecisions, *, max_batch: int = 3, max_waiting: int = 100) -> GroupCommit:
    """Answer an inbox over scripted decisions."""
    return GroupCommit(cast("DecideEvents", decisions), max_batch=max_batch, max_waiting=max_waiting)


def event(number: int) -> Delivery:
    """Answer the numbered delivery."""
    return delivery(f"evt_{number}", Unhandled(reason="test"))


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio."""
    return "asyncio"


async def settle() -> None:
    """Let everything that can run, run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_arrives_during_a_commit_goes_together_in_order() -> None:
    """The first is alone, since nothing was in flight; the others follow in batches of at most three."""
    decisions = SlowDecisions()
    inbox = group_commit(decisions)
    in_flight = asyncio.create_task(inbox.put(event(0)))
    await settle()
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(1, 6)]
    await settle()
    decisions.gate.set()
    assert await asyncio.gather(in_flight, *waiting) == [Outcome.APPLIED] * 6
    assert decisions.batches == [["evt_0"], ["evt_1", "evt_2", "evt_3"], ["evt_4", "evt_5"]]


async def test_an_idle_inbox_commits_at_once() -> None:
    """There is no timer: one delivery is one batch, begun before anything else happens."""
    decisions = SlowDecisions()
    decisions.gate.set()
    inbox = group_commit(decisions)
    assert await inbox.put(event(1)) is Outcome.APPLIED
    assert await inbox.put(event(2)) is Outcome.APPLIED
    assert decisions.batches == [["evt_1"], ["evt_2"]]


async def test_each_sender_hears_of_its_own_event() -> None:
    """One event that failed alone does not fail its neighbours."""
    decisions = SlowDecisions()
    decisions.refused["evt_1"] = EventNotProcessed()
    decisions.gate.set()
    inbox = group_commit(decisions)
    first, second, third = await asyncio.gather(
        *(inbox.put(event(number)) for number in range(3)), return_exceptions=True
    )
    assert (first, third) == (Outcome.APPLIED, Outcome.APPLIED)
    assert isinstance(second, EventNotProcessed)


async def test_a_bug_fails_its_batch_and_not_the_inbox() -> None:
    """Nobody waits for ever, and the next batch is tried."""
    decisions = SlowDecisions()
    decisions.gate.set()
    decisions.bug = ValueError("a bug")
    inbox = group_commit(decisions)
    with pytest.raises(ValueError, match="a bug"):
        await inbox.put(event(1))
    decisions.bug = None
    assert await inbox.put(event(2)) is Outcome.APPLIED


async def test_a_full_inbox_refuses_instead_of_growing() -> None:
    """Beyond its bound it raises at once, and what waited before is still committed."""
    decisions = SlowDecisions()
    inbox = group_commit(decisions, max_batch=1, max_waiting=2)
    in_flight = asyncio.create_task(inbox.put(event(0)))
    await settle()
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in (1, 2)]
    await settle()
    with pytest.raises(Overloaded):
        await inbox.put(event(3))
    decisions.gate.set()
    assert await asyncio.gather(in_flight, *waiting) == [Outcome.APPLIED] * 3
    assert decisions.batches == [["evt_0"], ["evt_1"], ["evt_2"]]


async def test_a_sender_that_goes_away_changes_nothing_for_the_others() -> None:
    """Its event is committed all the same: it was received."""
    decisions = SlowDecisions()
    inbox = group_commit(decisions)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(3)]
    await settle()
    waiting[0].cancel()
    waiting[2].cancel()
    decisions.gate.set()
    assert await waiting[1] is Outcome.APPLIED
    assert [held for batch in decisions.batches for held in batch] == ["evt_0", "evt_1", "evt_2"]


async def test_closing_waits_for_everything_that_waits() -> None:
    """A stop commits what was received before it lets go of the database."""
    decisions = SlowDecisions()
    inbox = group_commit(decisions, max_batch=2)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(5)]
    await settle()
    closing = asyncio.create_task(inbox.close())
    await settle()
    assert not closing.done()
    decisions.gate.set()
    await closing
    assert await asyncio.gather(*waiting) == [Outcome.APPLIED] * 5


async def test_what_is_locked_waits_beside_the_others() -> None:
    """Whoever else sends is answered meanwhile. One waits for its lock; then all that were put off come back."""
    decisions = SlowDecisions()
    decisions.locked = {"evt_1", "evt_3"}
    decisions.gate.set()
    inbox = group_commit(decisions, max_batch=5)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(5)]
    assert await asyncio.gather(*(waiting[number] for number in (0, 2, 4))) == [Outcome.APPLIED] * 3
    assert await inbox.put(event(5)) is Outcome.APPLIED
    assert decisions.patient_batches == [["evt_1"]]
    assert not waiting[1].done()
    assert not waiting[3].done()
    decisions.locked = set()
    decisions.unlocked.set()
    assert await asyncio.gather(*(waiting[number] for number in (1, 3))) == [Outcome.APPLIED] * 2
    assert (decisions.patient_batches, decisions.batches[-1]) == ([["evt_1"]], ["evt_3"])


async def test_another_lock_that_is_free_by_then_is_not_waited_for() -> None:
    """Who waits for a lock in vain is refused, and nobody else is."""
    decisions = SlowDecisions()
    decisions.locked = {"evt_0", "evt_1"}
    decisions.refused = {"evt_0": StoreUnavailable()}
    decisions.gate.set()
    inbox = group_commit(decisions)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(2)]
    await settle()
    decisions.locked = {"evt_0"}
    decisions.unlocked.set()
    refused, decided = await asyncio.gather(*waiting, return_exceptions=True)
    assert (type(refused), decided) == (StoreUnavailable, Outcome.APPLIED)


async def test_what_is_locked_for_too_long_is_refused() -> None:
    """It is tried once more when its patience is over, and not for ever."""
    decisions = SlowDecisions()
    decisions.locked = {"evt_0", "evt_1", "evt_2"}
    decisions.gate.set()
    decisions.unlocked.set()
    inbox = GroupCommit(cast("DecideEvents", decisions), patience=0.0)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(3)]
    first, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert first is Outcome.APPLIED
    assert [type(other) for other in others] == [StoreUnavailable] * 2
    assert decisions.patient_batches == [["evt_0"]]


async def test_what_is_locked_is_tried_until_its_patience_is_over() -> None:
    """Each of them waits for the lock by itself, if it comes to that."""
    decisions = SlowDecisions()
    decisions.locked = {"evt_0", "evt_1", "evt_2"}
    decisions.gate.set()
    decisions.unlocked.set()
    inbox = group_commit(decisions)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(3)]
    assert await asyncio.gather(*waiting) == [Outcome.APPLIED] * 3
    assert decisions.patient_batches == [["evt_0"], ["evt_1"], ["evt_2"]]


async def test_those_that_were_put_off_count_as_waiting() -> None:
    """There are never more than so many, wherever they wait."""
    decisions = SlowDecisions()
    decisions.locked = {"evt_0", "evt_1", "evt_2"}
    decisions.gate.set()
    inbox = group_commit(decisions, max_batch=1, max_waiting=2)
    waiting: list[asyncio.Task[Outcome]] = []
    for number in range(3):
        waiting.append(asyncio.create_task(inbox.put(event(number))))
        await settle()
    assert decisions.patient_batches == [["evt_0"]]
    with pytest.raises(Overloaded):
        await inbox.put(event(3))
    decisions.unlocked.set()
    assert await asyncio.gather(*waiting) == [Outcome.APPLIED] * 3


async def test_closing_waits_for_those_that_were_put_off() -> None:
    """Also for those that are only put off while it waits, and for those that come back."""
    decisions = SlowDecisions()
    decisions.locked = {"evt_0", "evt_1"}
    inbox = group_commit(decisions)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(2)]
    await settle()
    closing = asyncio.create_task(inbox.close())
    decisions.gate.set()
    await settle()
    assert not closing.done()
    decisions.unlocked.set()
    await closing
    assert await asyncio.gather(*waiting) == [Outcome.APPLIED] * 2


async def test_nobody_is_left_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a stop cannot wait any longer: neither who is being decided, nor who waits, nor who was put off."""
    monkeypatch.setattr("billing_service.group_commit.CLOSE_SECONDS", 0.05)
    decisions = SlowDecisions()
    decisions.locked = {"evt_0", "evt_1"}
    decisions.gate.set()
    inbox = group_commit(decisions, max_batch=2)
    waiting = [asyncio.create_task(inbox.put(event(number))) for number in range(2)]
    await settle()
    decisions.gate.clear()
    waiting += [asyncio.create_task(inbox.put(event(number))) for number in range(2, 6)]
    await settle()
    async with asyncio.timeout(10):
        await inbox.close()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Overloaded] * 6
