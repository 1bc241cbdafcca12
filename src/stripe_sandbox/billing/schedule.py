"""Time passing: what is due of subscriptions and sessions, and doing it at its moment."""

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from stripe_sandbox.billing import checkout, ending, pausing, renewing
from stripe_sandbox.billing.cards import card_of
from stripe_sandbox.billing.periods import DAY_SECONDS, HOUR_SECONDS
from stripe_sandbox.objects.subscription import ENDED, period_of
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.agenda import Entry
from stripe_sandbox.world.world import World

_INCOMPLETE_SECONDS: Final = 23 * HOUR_SECONDS
_WILL_END_SECONDS: Final = 3 * DAY_SECONDS
_logger: Final = logging.getLogger(__name__)
_STEPS_AT_ONCE: Final = 100_000


class Step(NamedTuple):
    at: int
    run: Callable[[World, Resource], object]


def install(world: World) -> None:
    """Keep the agenda true to every object that is put, and to those loaded from a file."""
    world.on_put = lambda row: plan(world, row)
    for kind in ("subscription", checkout.SESSION):
        for row in world.rows(kind).values():
            plan(world, row)


def plan(world: World, row: Resource) -> None:
    if (step := next_step(world, row)) is not None:
        entry = Entry(at=step.at, kind=row["object"], key=row["id"])
        world.agenda.add(entry, clock=world.test_clock_of(row))


def next_step(world: World, row: Resource) -> Step | None:
    if row["object"] == checkout.SESSION:
        return _session_step(world, row)
    if row["object"] != "subscription" or row["status"] in ENDED:
        return None
    return min(_subscription_steps(world, row), key=lambda step: step.at, default=None)


def _session_step(world: World, row: Resource) -> Step | None:
    if row["status"] != "open":
        return None
    return Step(int(world.private(row["id"])["due_at"]), _expire)


def _expire(world: World, row: Resource) -> None:
    checkout.expire(world, row["id"])


def _subscription_steps(world: World, row: Resource) -> list[Step]:
    steps: list[Step] = []
    if row["cancel_at"] is not None:
        steps.append(Step(row["cancel_at"], ending.cancel_now))
    match row["status"]:
        case "incomplete":
            steps.append(Step(row["created"] + _INCOMPLETE_SECONDS, ending.expire_incomplete))
        case "trialing":
            steps.extend(_trial_steps(world, row))
        case "active" | "past_due" | "unpaid":
            steps.append(Step(period_of(row)[1], renewing.renew))
            steps.extend(_retry_steps(world, row))
        case _:
            pass
    if (update := row["pending_update"]) is not None:
        steps.append(Step(update["expires_at"], renewing.expire_pending))
    if (pause := row["pause_collection"]) is not None and pause["resumes_at"] is not None:
        steps.append(Step(pause["resumes_at"], _collect_again))
    return steps


def _trial_steps(world: World, row: Resource) -> list[Step]:
    steps = [Step(row["trial_end"], _end_trial)]
    warned = world.private(row["id"]).get("trial_end_told") == row["trial_end"]
    if not warned:
        steps.append(Step(max(row["trial_end"] - _WILL_END_SECONDS, row["created"]), _tell_trial_end))
    return steps


def _tell_trial_end(world: World, row: Resource) -> None:
    world.keep(row["id"], trial_end_told=row["trial_end"])
    world.emit("customer.subscription.trial_will_end", row)


def _end_trial(world: World, row: Resource) -> None:
    missing = row["trial_settings"]["end_behavior"]["missing_payment_method"]
    if card_of(world, row) is None and missing == "pause":
        pausing.pause(world, row, reason="trial_end_without_payment_method")
    elif card_of(world, row) is None and missing == "cancel":
        ending.cancel_now(world, row)
    else:
        renewing.renew(world, row)


def _retry_steps(world: World, row: Resource) -> list[Step]:
    if row["status"] != "past_due" or (invoice := world.find("invoice", row["latest_invoice"])) is None:
        return []
    at = invoice["next_payment_attempt"]
    return [] if at is None else [Step(at, renewing.retry)]


def _collect_again(world: World, row: Resource) -> None:
    before = snapshot(row)
    row["pause_collection"] = None
    world.emit("customer.subscription.updated", row, before=before)


def run_due(world: World, *, clock: str | None = None) -> int:
    """Do everything a clock has reached, each at its own moment and in order; answers how many steps."""
    until, done = world.now(clock), 0
    while done < _STEPS_AT_ONCE and (entry := world.agenda.pop_due(until, clock=clock)) is not None:
        try:
            with world.attempt(), world.at(entry.at):
                done += _do(world, entry)
        except Exception:
            # What cannot be done now is undone and left alone until the object changes again: time must not stop
            # for the others.
            _logger.exception("%s %s could not do what was due", entry.kind, entry.key)
    return done


def _do(world: World, entry: Entry) -> bool:
    """Do what an entry of the agenda stands for, unless it is out of date; answers whether anything was done."""
    row = world.find(entry.kind, entry.key)
    step = None if row is None else next_step(world, row)
    if row is None or step is None or step.at != entry.at:
        return False
    step.run(world, row)
    plan(world, row)
    return True
