"""Whose turn it is: one caller after another, and the event loop's other work in between."""

import asyncio

import pytest

from billing_http.turns import PACE_SECONDS, Turns

pytestmark = pytest.mark.anyio


class Line:
    """Callers, and in which turn of the event loop each of them went on."""

    def __init__(self, *, seconds_of_a_turn: float = 0.0) -> None:
        """Begin with nobody. The clock only moves with the event loop."""
        self.now = 0.0
        self.turns = Turns(clock=lambda: self.now)
        self.loop_turn = 0
        self.went_on: list[tuple[str, int]] = []
        self._seconds_of_a_turn = seconds_of_a_turn

    @property
    def names(self) -> str:
        """Who went on, in their order."""
        return "".join(name for name, _ in self.went_on)

    async def caller(self, name: str) -> None:
        """Wait for a turn."""
        await self.turns.take()
        self.went_on.append((name, self.loop_turn))

    async def pass_by(self, loop_turns: int) -> None:
        """Let the event loop go on."""
        for _ in range(loop_turns):
            self.loop_turn += 1
            self.now += self._seconds_of_a_turn
            await asyncio.sleep(0)

    def come(self, names: str) -> dict[str, asyncio.Task[None]]:
        """Have one caller for each letter come, all at once."""
        return {name: asyncio.create_task(self.caller(name)) for name in names}


async def test_who_is_alone_does_not_wait() -> None:
    """Not even for a turn of the event loop."""
    line = Line()
    for name in "abc":
        before = line.loop_turn
        await line.caller(name)
        assert line.went_on[-1] == (name, before)
        await line.pass_by(3)


async def test_those_who_come_at_once_go_on_one_by_one_in_their_order() -> None:
    """Between two of them whatever else is ready has its turn."""
    line = Line()
    line.come("abcde")
    await line.pass_by(10)
    assert line.names == "abcde"
    turns = [turn for _, turn in line.went_on]
    assert len(set(turns)) == 5
    # And nobody waits for nothing.
    assert turns[-1] <= 6


@pytest.mark.parametrize("after", range(8))
async def test_who_comes_later_is_behind(after: int) -> None:
    """Nobody is overtaken, also when the line is about to end; then two may go on in one turn, never more."""
    line = Line()
    line.come("abc")
    await line.pass_by(after)
    line.come("de")
    await line.pass_by(10)
    assert line.names == "abcde"
    turns = [turn for _, turn in line.went_on]
    assert max(turns.count(turn) for turn in turns) <= 2


async def test_where_turns_are_long_more_go_on_in_each() -> None:
    """A loop that is busy with other things does not keep those in line from their share."""
    line = Line(seconds_of_a_turn=3.5 * PACE_SECONDS)
    line.come("abcdefghijk")
    await line.pass_by(10)
    assert line.names == "abcdefghijk"
    turns = [turn for _, turn in line.went_on]
    assert [turns.count(turn) for turn in sorted(set(turns))] == [1, 3, 3, 3, 1]


@pytest.mark.parametrize("leaving", ["b", "e", "bc", "bcde"])
@pytest.mark.parametrize("seconds_of_a_turn", [0.0, 2 * PACE_SECONDS])
async def test_who_leaves_holds_up_nobody(leaving: str, seconds_of_a_turn: float) -> None:
    """Neither those in line, nor those who come when the line is empty again."""
    line = Line(seconds_of_a_turn=seconds_of_a_turn)
    tasks = line.come("abcde")
    await line.pass_by(1)
    for name in leaving:
        tasks[name].cancel()
    await line.pass_by(10)
    assert line.names == "".join(name for name in "abcde" if name not in leaving)
    await line.caller("f")
    assert line.went_on[-1] == ("f", line.loop_turn)


async def test_who_leaves_when_called_holds_up_nobody() -> None:
    """Its turn is lost, and the next one's comes."""
    line = Line()
    turns_of_a, second, third = line.come("abc").values()
    await line.pass_by(2)
    assert line.names == "a"
    second.cancel()
    await line.pass_by(10)
    assert (line.names, second.cancelled(), third.done(), turns_of_a.done()) == ("ac", True, True, True)
