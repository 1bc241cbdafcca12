"""Whose turn it is: one caller in each turn of the event loop."""

import asyncio

import pytest

from billing_http.turns import Turns

pytestmark = pytest.mark.anyio


class Line:
    """Callers, and in which turn of the event loop each of them went on."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.turns = Turns()
        self.loop_turn = 0
        self.went_on: list[tuple[str, int]] = []

    async def caller(self, name: str) -> None:
        """Wait for a turn."""
        await self.turns.take()
        self.went_on.append((name, self.loop_turn))

    async def pass_by(self, loop_turns: int) -> None:
        """Let the event loop go on."""
        for _ in range(loop_turns):
            self.loop_turn += 1
            await asyncio.sleep(0)

    def come(self, names: str) -> list[asyncio.Task[None]]:
        """Have one caller for each letter come, all at once."""
        return [asyncio.create_task(self.caller(name)) for name in names]


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
    tasks = line.come("abcde")
    await line.pass_by(10)
    assert [name for name, _ in line.went_on] == list("abcde")
    turns = [turn for _, turn in line.went_on]
    assert len(set(turns)) == 5
    # And nobody waits for nothing.
    assert turns[-1] <= 6
    await asyncio.gather(*tasks)


async def test_who_comes_later_is_behind() -> None:
    """Nobody is overtaken."""
    line = Line()
    tasks = line.come("abc")
    await line.pass_by(2)
    tasks += line.come("d")
    await line.pass_by(10)
    assert [name for name, _ in line.went_on] == list("abcd")
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("leaving", ["b", "e", "bc", "bcde"])
async def test_who_leaves_holds_up_nobody(leaving: str) -> None:
    """Neither those in line, nor those who come when the line is empty again."""
    line = Line()
    tasks = dict(zip("abcde", line.come("abcde"), strict=True))
    await line.pass_by(1)
    for name in leaving:
        tasks[name].cancel()
    await line.pass_by(10)
    assert [name for name, _ in line.went_on] == [name for name in "abcde" if name not in leaving]
    await line.caller("f")
    assert line.went_on[-1] == ("f", line.loop_turn)


async def test_who_leaves_when_called_holds_up_nobody() -> None:
    """Its turn is lost, and the next one's comes."""
    line = Line()
    first, second, third = line.come("abc")
    while not line.went_on:
        await line.pass_by(1)
    await line.pass_by(1)
    second.cancel()
    await asyncio.wait_for(third, 1)
    assert {name for name, _ in line.went_on} >= {"a", "c"}
    await asyncio.gather(first, second, return_exceptions=True)
