"""https://docs.stripe.com/api/payment_methods: the saved cards, to read."""

from typing import Final

from stripe_sandbox.api.lists import equal, page_of
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import PAGE, ignored, text
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World


def _retrieve(world: World, call: Call) -> Resource:
    return world.get("payment_method", call.target)


def _list(world: World, call: Call) -> Resource:
    return page_of(world, call, "payment_method", lambda row: equal(call.params, row, "customer", "type"))


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "GET",
        "/v1/payment_methods",
        _list,
        params={**PAGE, "customer": text(), "type": text(), **ignored("allow_redisplay", "customer_account")},
    ),
    operation("GET", "/v1/payment_methods/{id}", _retrieve),
)
