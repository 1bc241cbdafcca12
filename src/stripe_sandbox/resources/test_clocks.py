"""https://docs.stripe.com/api/test_clocks: time that stands still until it is advanced, for some customers."""

from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.lists import page_of
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import PAGE, integer, text, unsupported
from stripe_sandbox.billing.periods import DAY_SECONDS, period_end
from stripe_sandbox.billing.schedule import run_due
from stripe_sandbox.objects.account import test_clock
from stripe_sandbox.objects.subscription import ENDED, items_of
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.common import deleted
from stripe_sandbox.world.clock import END_OF_TIME
from stripe_sandbox.world.world import World

CLOCK: Final = "test_helpers.test_clock"
_KEPT_SECONDS: Final = 30 * DAY_SECONDS
_FROZEN: Final = integer(least=0, most=END_OF_TIME - 1)


def _create(world: World, call: Call) -> Resource:
    now = world.now()
    row = test_clock(
        world.ids.long("clock"),
        frozen_time=call.params["frozen_time"],
        name=call.params.get("name"),
        created=now,
        deletes_after=now + _KEPT_SECONDS,
    )
    world.emit("test_helpers.test_clock.created", row)
    return row


def _advance(world: World, call: Call) -> Resource:
    """Move a clock forward and do all that falls due; Stripe takes a while for it, the sandbox does not."""
    row = world.get(CLOCK, call.target)
    if call.params["frozen_time"] < row["frozen_time"]:
        raise ApiError("A test clock can only be advanced to a time after its frozen_time.", param="frozen_time")
    if call.params["frozen_time"] > _farthest(world, row):
        raise ApiError(
            "A test clock can be advanced by at most two intervals of the shortest subscription on it.",
            param="frozen_time",
        )
    row.update(frozen_time=call.params["frozen_time"], status="advancing")
    row["status_details"] = {"advancing": {"target_frozen_time": row["frozen_time"]}}
    world.emit("test_helpers.test_clock.advancing", row)
    answer = {**row}
    run_due(world, clock=row["id"])
    row.update(status="ready", status_details={})
    world.emit("test_helpers.test_clock.ready", row)
    return answer


def _farthest(world: World, row: Resource) -> int:
    """How far one call may go: https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage."""
    now: int = row["frozen_time"]
    rhythms = [
        (str(item["price"]["recurring"]["interval"]), int(item["price"]["recurring"]["interval_count"]))
        for subscription in world.rows("subscription").values()
        if subscription["test_clock"] == row["id"] and subscription["status"] not in ENDED
        for item in items_of(subscription)
    ]
    return min(
        (period_end(now, now, interval=interval, interval_count=2 * count) for interval, count in rhythms),
        default=END_OF_TIME,
    )


def _retrieve(world: World, call: Call) -> Resource:
    return world.get(CLOCK, call.target)


def _delete(world: World, call: Call) -> Resource:
    """Deleting a clock deletes its customers and all that is theirs."""
    row = world.get(CLOCK, call.target)
    for kind in ("customer", "subscription", "invoice"):
        for key in [key for key, owned in world.rows(kind).items() if owned.get("test_clock") == row["id"]]:
            world.store.remove(kind, key)
    world.store.remove(CLOCK, row["id"])
    return deleted(row)


def _list(world: World, call: Call) -> Resource:
    return page_of(world, call, CLOCK, lambda row: True)  # noqa: ARG005  # every clock is listed


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "POST",
        "/v1/test_helpers/test_clocks",
        _create,
        required=("frozen_time",),
        params={"frozen_time": _FROZEN, "name": text(longest=300), **unsupported("customer")},
    ),
    operation("GET", "/v1/test_helpers/test_clocks", _list, params={**PAGE}),
    operation("GET", "/v1/test_helpers/test_clocks/{id}", _retrieve),
    operation("DELETE", "/v1/test_helpers/test_clocks/{id}", _delete),
    operation(
        "POST",
        "/v1/test_helpers/test_clocks/{id}/advance",
        _advance,
        required=("frozen_time",),
        params={"frozen_time": _FROZEN},
    ),
)
