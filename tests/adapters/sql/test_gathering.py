"""Questions of one kind that are asked together."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from billing.errors import StoreUnavailable
from billing_sql.gathering import MAX_TOGETHER, Gathering

pytestmark = pytest.mark.anyio


class Source:
    """Answers questions by doubling them, each time it is let go; an odd one has no answer."""

    def __init__(self) -> None:
        """Begin without questions."""
        self.asked: list[list[int]] = []
        self.trouble: Exception | None = None
        self._turns = asyncio.Semaphore(0)

    def let_go(self, turns: int = 1) -> None:
        """Let some more round trips end."""
        for _ in range(turns):
            self._turns.release()

    async def ask_all(self, questions: Sequence[int]) -> Mapping[int, int]:
        """Answer many questions."""
        self.asked.append(list(questions))
        await self._turns.acquire()
        if self.trouble is not None:
            raise self.trouble
        return {question: question * 2 for question in questions if question % 2 == 0}


async def settled() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_question_alone_is_asked_at_once() -> None:
    """No question waits for company."""
    source = Source()
    asked = asyncio.ensure_future(Gathering(source.ask_all).ask(2))
    await settled()
    assert source.asked == [[2]]
    source.let_go()
    assert await asked == 4


async def test_questions_asked_meanwhile_go_together() -> None:
    """What is asked while an answer is under way goes in the next round trip, never in one that has begun."""
    source = Source()
    gathering = Gathering(source.ask_all)
    first = asyncio.ensure_future(gathering.ask(2))
    await settled()
    others = asyncio.gather(*(gathering.ask(question) for question in (4, 2, 5)))
    await settled()
    source.let_go(2)
    assert await first == 4
    assert await others == [8, 4, None]
    assert source.asked == [[2], [4, 2, 5]]


async def test_one_round_trip_is_bounded() -> None:
    """However many wait, one round trip asks only so many."""
    source = Source()
    gathering = Gathering(source.ask_all)
    source.let_go(3)
    answers = await asyncio.gather(*(gathering.ask(2 * number) for number in range(MAX_TOGETHER + 1)))
    assert answers == [4 * number for number in range(MAX_TOGETHER + 1)]
    assert [len(questions) for questions in source.asked] == [MAX_TOGETHER, 1]


async def test_who_goes_away_changes_nothing_for_the_others() -> None:
    """A cancelled question leaves the others of its round trip alone."""
    source = Source()
    gathering = Gathering(source.ask_all)
    gone, staying = (asyncio.ensure_future(gathering.ask(question)) for question in (2, 4))
    await settled()
    gone.cancel()
    source.let_go(2)
    assert await staying == 8
    assert gone.cancelled()


async def test_trouble_is_told_to_all_and_forgotten() -> None:
    """A failing round trip fails those who asked in it, each with an error of their own, and no later one."""
    source = Source()
    gathering = Gathering(source.ask_all)
    source.trouble = StoreUnavailable()
    source.let_go()
    failed = await asyncio.gather(*(gathering.ask(question) for question in (2, 4)), return_exceptions=True)
    assert [type(error) for error in failed] == [StoreUnavailable, StoreUnavailable]
    assert failed[0] is not failed[1]
    source.trouble = None
    source.let_go()
    assert await gathering.ask(6) == 12


async def test_another_error_is_told_as_it_is() -> None:
    """An error that is not the database's reaches who asked."""
    source = Source()
    source.trouble = LookupError("what?")
    source.let_go()
    with pytest.raises(LookupError, match="what"):
        await Gathering(source.ask_all).ask(2)
