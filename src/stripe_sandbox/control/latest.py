"""`latest` instead of an id, so that a line can be written down before the object exists."""

from typing import Final

from stripe_sandbox.world.world import World

LATEST: Final = "latest"


def named(world: World, kind: str, name: str) -> str:
    """The id that is meant: `latest` is that of the newest object of its kind, if there is one."""
    newest = next(world.store.table(kind).newest_first(), None) if name == LATEST else None
    return name if newest is None else str(newest["id"])
