"""What the control room's buttons do: the same functions as the `/_sandbox` calls of the same names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.api.faults import Fault
from stripe_sandbox.billing import ending, pausing, portal, renewing
from stripe_sandbox.objects.subscription import ENDED
from stripe_sandbox.pages.forms import Form
from stripe_sandbox.resource import Resource
from stripe_sandbox.timesteps import RENEWABLE, STEPS, Step
from stripe_sandbox.world.world import World

SWITCHES: Final = {
    "paused": "Hold everything back",
    "ties": "All events say one and the same second",
    "double_events": "Two events, with two ids, for each change",
    "bad_signature": "Sign with a wrong secret",
    "stale_signature": "Sign an hour too old",
    "thin": "Thin payloads",
}
"""The delivery settings that are on or off."""
NUMBERS: Final = {
    "duplicate": "Copies of each event",
    "reorder": "Shuffle in groups of",
    "delay_seconds": "Delay, seconds",
    "drop": "Share dropped, 0 to 1",
    "concurrency": "Requests at once",
    "max_retries": "Most retries",
}
"""The delivery settings that are numbers."""
MODES: Final[Mapping[str, bool | None]] = {"": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button beside a subscription."""

    label: str
    run: Callable[[World, Resource, Form], object]
    fits: Callable[[Resource], bool]
    look: str | None = None


def _while_in(*states: str) -> Callable[[Resource], bool]:
    return lambda row: row["status"] in states


def _lives(row: Resource) -> bool:
    return row["status"] not in ENDED


def _change_price(world: World, row: Resource, form: Form) -> object:
    if not form.get("price"):
        raise missing_parameter("price")
    return portal.change_price(world, row, form["price"])


SUBSCRIPTION_ACTIONS: Final[Mapping[str, Action]] = {
    "renew": Action(
        label="Renew now", run=lambda world, row, _: renewing.renew(world, row), fits=_while_in(*RENEWABLE)
    ),
    "fail_payment": Action(
        label="Fail a renewal",
        run=lambda world, row, _: renewing.renew(world, row, charge="declined"),
        fits=_while_in(*RENEWABLE),
    ),
    "recover": Action(
        label="Pay what is open",
        run=lambda world, row, _: renewing.recover(world, row),
        fits=_while_in("past_due", "unpaid", "incomplete"),
    ),
    "exhaust_retries": Action(
        label="Use up all retries",
        run=lambda world, row, form: renewing.exhaust_retries(world, row, form.get("outcome", "canceled")),
        fits=_while_in("active", "past_due", "incomplete"),
    ),
    "pause": Action(
        label="Pause",
        run=lambda world, row, _: pausing.pause(world, row),
        fits=_while_in("active", "trialing", "past_due"),
    ),
    "resume": Action(label="Resume", run=lambda world, row, _: pausing.resume(world, row), fits=_while_in("paused")),
    "cancel_at_period_end": Action(
        label="Cancel at period end",
        run=lambda world, row, _: ending.cancel_at_period_end(world, row),
        fits=lambda row: _lives(row) and row["cancel_at"] is None,
    ),
    "keep": Action(
        label="Do not cancel",
        run=lambda world, row, _: ending.keep_going(world, row),
        fits=lambda row: _lives(row) and row["cancel_at"] is not None,
    ),
    "cancel": Action(label="Cancel now", run=lambda world, row, _: portal.cancel(world, row), fits=_lives, look="harm"),
    "change_price": Action(label="Change price", run=_change_price, fits=_while_in(*RENEWABLE, "incomplete")),
}
"""By the name of their call; `keep` is `cancel_at_period_end` with `{"value": false}`."""


def step_of(form: Form) -> Step:
    """Which step a clock's button goes."""
    for step in STEPS:
        if form.get("step") == step:
            return step
    raise ApiError(f"The clock knows no such step: {form.get('step', '')}", param="step")


def delivery_changes(form: Form) -> dict[str, object]:
    """What the delivery form says, as `PUT /_sandbox/delivery` takes it; an absent tick is off."""
    changes: dict[str, object] = {name: name in form for name in SWITCHES}
    changes |= {name: _number(name, form[name]) for name in NUMBERS if form.get(name)}
    changes["livemode"] = MODES.get(form.get("livemode", ""))
    changes["types"] = form.get("types", "").replace(",", " ").split()
    return changes


def _number(name: str, text: str) -> int | float:
    try:
        number = float(text)
    except ValueError as error:
        raise ApiError(f"This is no number: {text}", param=name) from error
    return int(number) if number.is_integer() else number


def fault_of(form: Form) -> Fault:
    """The fault that the form describes; without a count it strikes until it is removed."""
    given: dict[str, object] = {name: value for name, value in form.items() if value}
    try:
        return msgspec.convert({"count": None, **given}, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(str(error)) from error
