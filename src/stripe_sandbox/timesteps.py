"""How far a clock goes when it is told a step instead of seconds."""

from typing import Final, Literal, TypeAlias, get_args

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing.periods import DAY_SECONDS, period_end
from stripe_sandbox.objects.subscription import period_of
from stripe_sandbox.world.world import World

Step: TypeAlias = Literal["day", "month", "renewal"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
RENEWABLE: Final = ("active", "trialing", "past_due", "unpaid")
"""The states in which a subscription has a next period."""


def next_renewal(world: World) -> int | None:
    """When the next period of a subscription on the world's clock ends, in seconds since 1970."""
    ends = [
        period_of(row)[1]
        for row in world.rows("subscription").values()
        if row["status"] in RENEWABLE and row["test_clock"] is None
    ]
    return min(ends, default=None)


def seconds_ahead(world: World, step: Step) -> int:
    """How many seconds a step is from now; raises `ApiError` where no subscription waits for a renewal."""
    now = world.now()
    match step:
        case "day":
            return DAY_SECONDS
        case "month":
            return period_end(now, now, interval="month", interval_count=1) - now
        case "renewal":
            if (due := next_renewal(world)) is None:
                raise ApiError("No subscription is waiting for a renewal.", param="step")
            return max(due - now, 0)
