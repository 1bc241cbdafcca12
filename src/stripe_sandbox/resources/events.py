"""https://docs.stripe.com/api/events: what happened in the last 30 days."""

from fnmatch import fnmatchcase
from typing import Final

from stripe_sandbox.api.errors import ApiError, no_such
from stripe_sandbox.api.lists import page_of, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import PAGE, array, boolean, text, time_range
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.resource import Resource
from stripe_sandbox.webhooks.envelope import envelope, undelivered
from stripe_sandbox.world.world import EVENT, World

_KEPT_SECONDS: Final = 30 * DAY_SECONDS


def _retrieve(world: World, call: Call) -> Resource:
    record = world.rows(EVENT).get(call.target)
    if record is None or record["created"] < world.now() - _KEPT_SECONDS:
        raise no_such(EVENT, call.target)
    return envelope(record, record["api_version"])


def _list(world: World, call: Call) -> Resource:
    params = call.params
    if "type" in params and "types" in params:
        raise ApiError("You may only specify one of these parameters: type, types.")
    names, pattern = params.get("types"), params.get("type", "*")
    delivered = params.get("delivery_success")
    oldest = world.now() - _KEPT_SECONDS

    def keep(record: Resource) -> bool:
        return (
            record["created"] >= oldest
            and (record["type"] in names if names else fnmatchcase(record["type"], pattern))
            and (delivered is None or delivered is not bool(undelivered(record)))
            and within(params.get("created"), record["created"])
        )

    return page_of(world, call, EVENT, keep, show=lambda record: envelope(record, record["api_version"]))


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "GET",
        "/v1/events",
        _list,
        dated=True,
        params={
            **PAGE,
            "created": time_range(),
            "delivery_success": boolean(),
            "type": text(clearable=False),
            "types": array(text(clearable=False), most=20),
        },
    ),
    operation("GET", "/v1/events/{id}", _retrieve, dated=True),
)
