"""https://docs.stripe.com/api/checkout/sessions."""

from typing import Any, Final

from stripe_sandbox.api import versions
from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.api.lists import equal, page_of, page_within, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import PAGE
from stripe_sandbox.billing import checkout
from stripe_sandbox.billing.periods import HOUR_SECONDS
from stripe_sandbox.billing.prices import must_differ, must_match
from stripe_sandbox.objects.checkout import checkout_session
from stripe_sandbox.resource import Resource, part
from stripe_sandbox.resources.checkout_lines import line_items, line_of
from stripe_sandbox.resources.checkout_params import CREATE, LIST, UPDATE
from stripe_sandbox.resources.common import assign, fresh_metadata, live_customer, merge_metadata, trial_until
from stripe_sandbox.world.world import World

_SHORTEST: Final = HOUR_SECONDS // 2
_LONGEST: Final = 24 * HOUR_SECONDS
_LEEWAY_SECONDS: Final = 60
_COPIED: Final = (
    "allow_promotion_codes",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer_email",
    "locale",
    "payment_method_collection",
    "success_url",
)
_NAMES_OLD: Final = {"hosted": "hosted_page", "embedded": "embedded_page", "custom": "elements"}


def _create(world: World, call: Call) -> Resource:
    params = call.params
    mode = params.get("mode", "payment")
    ui_mode = _ui_mode(params, call.version)
    customer = _customer(world, params)
    expires_at, due_at = _expiry(world, params, customer)
    lines = [line_of(world, given, index) for index, given in enumerate(params.get("line_items", []))]
    _check(params, mode, ui_mode, [price for price, _ in lines], call.version)
    now = world.now(customer["test_clock"] if customer else None)
    if (trial_end := params.get("subscription_data", {}).get("trial_end")) is not None:
        trial_until(trial_end, now, param="subscription_data[trial_end]")
    row = checkout_session(
        world.ids.checkout_session(),
        mode=mode,
        currency=lines[0][0]["currency"] if lines else params.get("currency"),
        amount=sum(
            int(price["unit_amount"]) * quantity
            for price, quantity in lines
            if price["recurring"] is None or not _trial(params)
        ),
        created=now,
        expires_at=expires_at,
    )
    assign(row, params, *_COPIED)
    row.update(metadata=fresh_metadata(params), ui_mode=ui_mode, customer=customer["id"] if customer else None)
    row["url"] = f"{world.config.base_url}/pay/{row['id']}" if ui_mode == "hosted_page" else None
    _keep_details(world, call, row, lines, due_at)
    world.put(row)
    return row


def _keep_details(world: World, call: Call, row: Resource, lines: list[tuple[Resource, int]], due_at: int) -> None:
    data = call.params.get("subscription_data", {})
    behaviour = data.get("trial_settings", {}).get("end_behavior", {}).get("missing_payment_method")
    world.keep(
        row["id"],
        lines=[[price["id"], quantity] for price, quantity in lines],
        line_ids=[world.ids.long("li") for _ in lines],
        subscription_data={**data, "metadata": fresh_metadata(data)},
        missing_payment_method=behaviour or "create_invoice",
        billing_mode=_billing_mode(call.params, call.version),
        due_at=due_at,
    )


def _ui_mode(params: dict[str, Any], version: str) -> str:
    """`hosted` became `hosted_page` with 2026-03-25.dahlia; each version refuses the other's word."""
    given = params.get("ui_mode")
    known = _NAMES_OLD if version < versions.DAHLIA else {word: word for word in (*_NAMES_OLD.values(), "form")}
    if given is None:
        return "hosted_page"
    if given not in known:
        raise ApiError(f"Invalid ui_mode: must be one of {', '.join(known)}", param="ui_mode")
    return known[given]


def _customer(world: World, params: dict[str, Any]) -> Resource | None:
    if (customer_id := params.get("customer")) is None:
        return None
    if params.get("customer_email"):
        raise ApiError("You may only specify one of these parameters: customer, customer_email.")
    return live_customer(world, customer_id)


def _expiry(world: World, params: dict[str, Any], customer: Resource | None) -> tuple[int, int]:
    """`expires_at` and the moment the session is due on its own clock.

    A caller's clock is the real one. When the world's has been advanced, a time that is right by the real
    clock is accepted too, and the session stays open as long as the caller meant.
    """
    now = world.now(customer["test_clock"] if customer else None)
    given = params.get("expires_at")
    if given is None:
        return now + _LONGEST, now + _LONGEST
    for clock in (now, int(world.clock.wall())):
        if _SHORTEST - _LEEWAY_SECONDS <= given - clock <= _LONGEST + _LEEWAY_SECONDS:
            return given, now + given - clock
    raise ApiError(
        "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout Session creation.",
        param="expires_at",
    )


def _check(params: dict[str, Any], mode: str, ui_mode: str, lines: list[Resource], version: str) -> None:
    if mode != "setup" and not lines:
        raise missing_parameter("line_items")
    if ui_mode == "hosted_page" and not params.get("success_url"):
        raise missing_parameter("success_url")
    recurring = [price for price in lines if price["recurring"] is not None]
    if mode == "subscription" and not recurring:
        raise ApiError("You must provide at least one recurring price in `subscription` mode when using prices.")
    if mode == "payment" and recurring:
        raise ApiError("You specified `payment` mode but passed a recurring price.", param="line_items")
    if mode != "subscription" and "subscription_data" in params:
        raise ApiError(f"You can not pass `subscription_data` in `{mode}` mode.", param="subscription_data")
    must_match(lines, billing_mode=_billing_mode(params, version), param="line_items")
    must_differ(recurring, param="line_items")


def _billing_mode(params: dict[str, Any], version: str) -> str:
    given: str | None = params.get("subscription_data", {}).get("billing_mode", {}).get("type")
    return given or versions.default_billing_mode(version)


def _trial(params: dict[str, Any]) -> bool:
    data = params.get("subscription_data", {})
    return bool(data.get("trial_period_days") or data.get("trial_end"))


def _retrieve(world: World, call: Call) -> Resource:
    return world.get(checkout.SESSION, call.target)


def _update(world: World, call: Call) -> Resource:
    row = world.get(checkout.SESSION, call.target)
    if "metadata" in call.params:
        merge_metadata(row, call.params["metadata"])
    world.put(row)
    return row


def _expire(world: World, call: Call) -> Resource:
    return checkout.expire(world, call.target)


def _list_line_items(world: World, call: Call) -> Resource:
    return page_within(call, "line item", line_items(world, world.get(checkout.SESSION, call.target)))


def _list(world: World, call: Call) -> Resource:
    email = call.params.get("customer_details", {}).get("email")

    def keep(row: Resource) -> bool:
        return (
            equal(call.params, row, "customer", "payment_intent", "payment_link", "status", "subscription")
            and (email is None or part(row, "customer_details").get("email") == email)
            and within(call.params.get("created"), row["created"])
        )

    return page_of(world, call, checkout.SESSION, keep)


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation("POST", "/v1/checkout/sessions", _create, params=CREATE),
    operation(
        "GET",
        "/v1/checkout/sessions",
        _list,
        params=LIST,
    ),
    operation("GET", "/v1/checkout/sessions/{id}", _retrieve),
    operation("POST", "/v1/checkout/sessions/{id}", _update, params=UPDATE),
    operation("POST", "/v1/checkout/sessions/{id}/expire", _expire),
    operation("GET", "/v1/checkout/sessions/{id}/line_items", _list_line_items, params={**PAGE}),
)
