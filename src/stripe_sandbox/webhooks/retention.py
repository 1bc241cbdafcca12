"""How long events are kept."""

from itertools import islice
from typing import Final

from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.webhooks.attempts import AttemptLog
from stripe_sandbox.webhooks.envelope import PENDING
from stripe_sandbox.world.world import EVENT, World

MOST_OLD_EVENTS: Final = 10_000
_LISTED_SECONDS: Final = 30 * DAY_SECONDS


def forget_old_events(world: World, attempts: AttemptLog) -> int:
    """Forget events that the API lists no more, but for the newest, which the time line shows; answers how many.

    An event that still has to be delivered stays.
    """
    surplus = len(world.rows(EVENT)) - MOST_OLD_EVENTS
    if surplus <= 0:
        return 0
    oldest = world.now() - _LISTED_SECONDS
    old = [
        record["id"]
        for record in islice(world.store.table(EVENT).oldest_first(), surplus)
        if record["created"] < oldest and PENDING not in record["deliveries"].values()
    ]
    for event in old:
        world.store.remove(EVENT, event)
        attempts.forget(event)
    world.commit()
    return len(old)
