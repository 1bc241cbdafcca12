"""`World.attempt`: what is refused changes nothing, and nobody hears of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.world.world import World

Row = dict[str, Any]


def thing(number: int) -> Row:
    return {"id": f"t_{number}", "object": "thing", "parts": [number]}


@pytest.fixture
def world() -> World:
    """Three things, of which the outside has heard."""
    made = World(SandboxConfig())
    for number in range(3):
        made.put(thing(number))
    return made


def ids(world: World) -> list[str]:
    return [row["id"] for row in world.store.table("thing").newest_first()]


def change_all(world: World) -> None:
    """Change in depth, add, remove, replace, make again."""
    world.get("thing", "t_0")["parts"].append("changed without a put")
    world.put({**thing(1), "parts": ["replaced"]})
    world.store.remove("thing", "t_2")
    world.emit("thing.created", thing(3))
    world.store.remove("thing", "t_0")
    world.put(thing(0))
    world.keep("t_1", secret="s")
    world.advance(100)


def failing(world: World, change: Callable[[World], object]) -> None:
    """Make a change within an attempt that fails after it."""
    with world.attempt():
        change(world)
        raise ZeroDivisionError


def test_a_failed_attempt_restores_all(world: World) -> None:
    """Rows changed in place, replaced, removed, made again or added are as they were, in their order too."""
    now = world.clock.offset_seconds
    with pytest.raises(ZeroDivisionError):
        failing(world, change_all)
    assert [world.get("thing", f"t_{number}") for number in range(3)] == [thing(number) for number in range(3)]
    assert ids(world) == ["t_2", "t_1", "t_0"]
    assert list(world.rows("thing")) == ["t_0", "t_1", "t_2"]
    assert (len(world.rows("event")), world.private("t_1"), world.clock.offset_seconds) == (0, {}, now)


def test_a_row_keeps_its_identity(world: World) -> None:
    """Who holds a row from before a failed attempt holds the row of the world still."""
    before = world.get("thing", "t_1")
    with pytest.raises(ZeroDivisionError):
        failing(world, change_all)
    assert world.get("thing", "t_1") is before


def test_a_failure_inside_takes_back_only_what_is_its_own(world: World) -> None:
    """An attempt within another fails for itself; the outer one can still be kept, or taken back in whole."""

    def inner(world: World) -> None:
        world.get("thing", "t_0")["parts"].append("inner")
        world.get("thing", "t_1")["parts"].append("inner")

    def outer(world: World) -> None:
        world.get("thing", "t_0")["parts"].append("outer")
        with pytest.raises(ZeroDivisionError):
            failing(world, inner)

    with world.attempt():
        outer(world)
    assert [row["parts"] for row in world.rows("thing").values()] == [[0, "outer"], [1], [2]]
    with pytest.raises(ZeroDivisionError):
        failing(world, outer)
    assert [row["parts"] for row in world.rows("thing").values()] == [[0, "outer"], [1], [2]]


def test_listeners_hear_of_what_stands_only(world: World) -> None:
    """Events are told when the outermost attempt has succeeded, in their order; those of a failed one never."""
    heard: list[str] = []
    world.listeners.append(lambda record: heard.append(record["type"]))
    with world.attempt():
        world.emit("first", thing(5))
        with pytest.raises(ZeroDivisionError):
            failing(world, lambda world: world.emit("taken back", thing(6)))
        world.emit("second", thing(7))
        assert heard == []
    assert heard == ["first", "second"]
    assert [row["type"] for row in world.rows("event").values()] == ["first", "second"]


def test_a_refusal_may_be_something_that_happened(world: World) -> None:
    """An `ApiError` that says so keeps its changes, and its events are told."""
    heard: list[str] = []
    world.listeners.append(lambda record: heard.append(record["type"]))

    def decline(world: World) -> None:
        world.emit("payment_failed", thing(5))
        raise ApiError("Your card was declined.", changes_stand=True)

    with pytest.raises(ApiError):
        failing(world, decline)
    assert ("t_5" in world.rows("thing"), heard) == (True, ["payment_failed"])


def test_a_failed_attempt_leaves_the_file_alone(tmp_path: Path) -> None:
    """After a failed attempt and a restart the file holds what was there before, in its order."""
    config = SandboxConfig(database=tmp_path / "world.db")
    world = World(config)
    for number in range(3):
        world.put(thing(number))
    world.commit()

    def change_and_commit(world: World) -> None:
        change_all(world)
        world.commit()

    with pytest.raises(ZeroDivisionError):
        failing(world, change_and_commit)
    world.store.close()
    again = World(config)
    assert [again.get("thing", f"t_{number}") for number in range(3)] == [thing(number) for number in range(3)]
    assert ids(again) == ["t_2", "t_1", "t_0"]
    again.store.close()


def test_only_what_is_wanted_is_copied(world: World) -> None:
    """`where` finds rows oldest first, and what it hands out is restored as well."""

    def change_some(world: World) -> None:
        for row in world.rows("thing").where(lambda row: row["id"] != "t_1"):
            row["parts"].append("changed")

    with pytest.raises(ZeroDivisionError):
        failing(world, change_some)
    assert [row["parts"] for row in world.rows("thing").values()] == [[0], [1], [2]]
