"""Lists with both cursors, newest first."""

from collections.abc import Callable, Iterable
from typing import Any

from stripe_sandbox.api.errors import ApiError, no_such
from stripe_sandbox.api.operation import Call
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.table import Table
from stripe_sandbox.world.world import World

Keep = Callable[[Resource], bool]


def page_of(
    world: World, call: Call, kind: str, keep: Keep, *, show: Callable[[Resource], Resource] | None = None
) -> Resource:
    """Answer a list request from a table, filtered."""
    table = world.store.table(kind)
    rows, more = _cut(table, call.params, keep, kind)
    return listing(call.path, [show(row) if show else row for row in rows], has_more=more)


def page_within(call: Call, kind: str, rows: list[Resource]) -> Resource:
    """Answer a list request from the few rows that belong to one object, in their own order."""
    table = Table(kind, [])
    for row in reversed(rows):
        table.put(row["id"], row)
    page, more = _cut(table, call.params, lambda row: True, kind)  # noqa: ARG005  # all of them are listed
    return listing(call.path, page, has_more=more)


def listing(url: str, data: list[Resource], *, has_more: bool = False) -> Resource:
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def _cut(table: Table, params: dict[str, Any], keep: Keep, kind: str) -> tuple[list[Resource], bool]:
    limit = int(params.get("limit", 10))
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise ApiError("You may only specify one of these parameters: starting_after, ending_before.")
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in table:
            raise no_such(kind, cursor, param=name)
    if before:
        rows, more = _take(table.oldest_first(after=before), keep, limit)
        return rows[::-1], more
    return _take(table.newest_first(before=after), keep, limit)


def _take(rows: Iterable[Resource], keep: Keep, limit: int) -> tuple[list[Resource], bool]:
    taken: list[Resource] = []
    for row in rows:
        if not keep(row):
            continue
        if len(taken) == limit:
            return taken, True
        taken.append(row)
    return taken, False


def within(bounds: dict[str, int] | None, moment: int) -> bool:
    """Whether a moment satisfies a `created`-like filter."""
    if bounds is None:
        return True
    return (
        moment > bounds.get("gt", moment - 1)
        and moment >= bounds.get("gte", moment)
        and moment < bounds.get("lt", moment + 1)
        and moment <= bounds.get("lte", moment)
    )


def equal(params: dict[str, Any], row: Resource, *names: str) -> bool:
    """Whether a row has the value of every one of these filters that was given."""
    return all(name not in params or row.get(name) == params[name] for name in names)
