"""https://docs.stripe.com/api/subscriptions."""

from typing import Any, Final

from stripe_sandbox.api import versions
from stripe_sandbox.api.errors import ApiError, missing_parameter, no_such
from stripe_sandbox.api.lists import equal, page_of, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.billing import changing, ending, pausing, starting
from stripe_sandbox.billing.cards import card_of, declined, no_method
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.billing.prices import must_be_active, must_recur
from stripe_sandbox.objects.subscription import ENDED, items_of, period_of, set_items
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.resources import subscription_params as parameters
from stripe_sandbox.resources.common import (
    assign,
    fresh_metadata,
    live_customer,
    merge_metadata,
    own_method,
    trial_until,
)
from stripe_sandbox.world.world import World

_PENDING: Final = frozenset(
    {
        "add_invoice_items",
        "billing_cycle_anchor",
        "discounts",
        "expand",
        "items",
        "payment_behavior",
        "proration_behavior",
        "proration_date",
        "trial_end",
        "trial_from_plan",
    }
)
"""What may wait for a payment: https://docs.stripe.com/billing/subscriptions/pending-updates-reference."""


def _create(world: World, call: Call) -> Resource:
    """Make a subscription without Checkout; an unpaid first invoice leaves it `incomplete`."""
    params = call.params
    customer = live_customer(world, params["customer"])
    now = world.now(customer["test_clock"])
    order = starting.Order(
        customer=customer,
        items=[_priced(world, given, index) for index, given in enumerate(params["items"])],
        metadata=fresh_metadata(params),
        description=params.get("description"),
        trial_end=_first_trial_end(params, now),
        billing_mode=params.get("billing_mode", {}).get("type") or versions.default_billing_mode(call.version),
        payment_method=own_method(world, params.get("default_payment_method"), customer["id"]),
    )
    row, invoice = starting.begin(world, order)
    _apply_end(world, row, params)
    card = card_of(world, row)
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if invoice["amount_due"] == 0:
        starting.tell_paid(world, row, invoice)
    elif behaviour == "default_incomplete":
        starting.tell_unpaid(world, row, invoice, attempted=False)
    elif card is None:
        raise no_method()
    elif card.absent == "succeeds":
        starting.tell_paid(world, row, invoice)
    elif behaviour == "error_if_incomplete":
        raise declined(card.absent)
    else:
        starting.tell_unpaid(world, row, invoice, attempted=True)
    return row


def _priced(world: World, given: dict[str, Any], index: int) -> tuple[Resource, int]:
    param = f"items[{index}][price]"
    price = world.get("price", given["price"], param=param)
    must_recur(price, param=param)
    must_be_active(price, param=param)
    return price, given.get("quantity", 1)


def _first_trial_end(params: dict[str, Any], now: int) -> int | None:
    if "trial_period_days" in params:
        return now + int(params["trial_period_days"]) * DAY_SECONDS
    end = params.get("trial_end")
    return None if end == "now" or end is None else trial_until(end, now)


def _retrieve(world: World, call: Call) -> Resource:
    return world.get("subscription", call.target)


def _update(world: World, call: Call) -> Resource:
    row, params = world.get("subscription", call.target), call.params
    if row["status"] in ENDED:
        return _update_ended(world, row, params)
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if behaviour == "pending_if_incomplete" and (others := sorted(params.keys() - _PENDING)):
        raise ApiError(
            f"With `payment_behavior=pending_if_incomplete` this parameter cannot be passed: {others[0]}.",
            param=others[0],
        )

    def edit(target: Resource) -> None:
        for index, given in enumerate(params.get("items", ())):
            _edit_item(world, target, given, index)
        _apply(world, target, params)

    if params.get("trial_end") == "now" and row["status"] == "trialing":
        return changing.end_trial(world, row, edit)
    prorations = params.get("proration_behavior", "create_prorations")
    return changing.change(world, row, edit, prorations=prorations, behaviour=behaviour)


def _update_ended(world: World, row: Resource, params: dict[str, Any]) -> Resource:
    if params.keys() - {"metadata", "cancellation_details", "expand"}:
        raise ApiError("A canceled subscription can only update its cancellation_details and metadata.")
    before = snapshot(row)
    _apply(world, row, params)
    if row != before:
        world.emit("customer.subscription.updated", row, before=before)
    return row


def _apply(world: World, row: Resource, params: dict[str, Any]) -> None:
    if "metadata" in params:
        merge_metadata(row, params["metadata"])
    assign(row, params, "collection_method", "description", "pause_collection")
    if "default_payment_method" in params:
        row["default_payment_method"] = own_method(world, params["default_payment_method"], row["customer"])
    row["cancellation_details"].update(params.get("cancellation_details", {}))
    if (pause := row["pause_collection"]) is not None:
        pause.setdefault("resumes_at", None)
    _apply_end(world, row, params)
    if (end := params.get("trial_end", "now")) != "now":
        _move_trial(world, row, end)


def _apply_end(world: World, row: Resource, params: dict[str, Any]) -> None:
    if "cancel_at" in params and "cancel_at_period_end" in params:
        raise ApiError("You may only specify one of these parameters: cancel_at, cancel_at_period_end.")
    flag = params.get("cancel_at_period_end")
    if flag and not row["cancel_at_period_end"]:
        ending.mark_ending(world, row, at=period_of(row)[1], flag=True)
    elif flag is False and (row["cancel_at_period_end"] or row["cancel_at"] is not None):
        ending.unmark_ending(row)
    if "cancel_at" in params:
        at = params["cancel_at"]
        if at is None:
            ending.unmark_ending(row)
        else:
            ending.mark_ending(world, row, at=_end_at(world, row, at), flag=False)


def _end_at(world: World, row: Resource, at: int | str) -> int:
    if at == "max_period_end":
        return max(int(item["current_period_end"]) for item in items_of(row))
    if at == "min_period_end":
        return period_of(row)[1]
    if int(at) <= world.now(row["test_clock"]):
        raise ApiError("cancel_at must be a timestamp in the future.", param="cancel_at")
    return int(at)


def _move_trial(world: World, row: Resource, end: int) -> None:
    now = world.now(row["test_clock"])
    trial_until(end, now)
    row.update(status="trialing", trial_end=end, trial_start=row["trial_start"] or now, billing_cycle_anchor=end)
    old_end = period_of(row)[1]
    for item in items_of(row):
        item["current_period_end"] = item["billed_until"] = end
    ending.follow_period(row, old_end=old_end, new_end=end)


def _edit_item(world: World, row: Resource, given: dict[str, Any], index: int) -> None:
    items = items_of(row)
    item = next((item for item in items if item["id"] == given.get("id")), None)
    if item is None and "id" in given:
        raise ApiError(
            f"No such subscription item: '{given['id'][:80]}'", code="resource_missing", param=f"items[{index}][id]"
        )
    if item is None:
        set_items(row, [*items, _new_item(world, row, given, index)])
    elif given.get("deleted"):
        if len(items) == 1:
            raise ApiError("A subscription must have at least one active plan.", param="items")
        set_items(row, [other for other in items if other is not item])
    else:
        _edit_existing(world, item, given, index)


def _new_item(world: World, row: Resource, given: dict[str, Any], index: int) -> Resource:
    if "price" not in given:
        raise missing_parameter(f"items[{index}][price]")
    price, quantity = _priced(world, given, index)
    return changing.new_item(world, row, price, quantity)


def _edit_existing(world: World, item: Resource, given: dict[str, Any], index: int) -> None:
    if "price" in given:
        param = f"items[{index}][price]"
        changing.set_price(item, world.get("price", given["price"], param=param), param=param)
    if "quantity" in given:
        item["quantity"] = given["quantity"]
    if "metadata" in given:
        merge_metadata(item, given["metadata"])


def _cancel(world: World, call: Call) -> Resource:
    row = world.get("subscription", call.target)
    if row["status"] in ENDED:
        raise no_such("subscription", row["id"])
    row["cancellation_details"].update(call.params.get("cancellation_details", {}))
    return ending.cancel_now(world, row)


def _pause(world: World, call: Call) -> Resource:
    row = world.get("subscription", call.target)
    if row["billing_mode"]["type"] != "flexible":
        raise ApiError("Only subscriptions with `billing_mode[type]=flexible` can be paused.")
    return pausing.pause(world, row)


def _resume(world: World, call: Call) -> Resource:
    return pausing.resume(world, world.get("subscription", call.target))


def _list(world: World, call: Call) -> Resource:
    params = call.params
    status, price = params.get("status"), params.get("price") or params.get("plan")

    def keep(row: Resource) -> bool:
        return (
            _has_status(row, status)
            and equal(params, row, "customer", "collection_method", "test_clock")
            # What is on a test clock is listed with its clock or its customer only.
            and (row["test_clock"] is None or "test_clock" in params or "customer" in params)
            and (price is None or any(item["price"]["id"] == price for item in items_of(row)))
            and within(params.get("created"), row["created"])
            and within(params.get("current_period_start"), period_of(row)[0])
            and within(params.get("current_period_end"), period_of(row)[1])
        )

    return page_of(world, call, "subscription", keep)


def _has_status(row: Resource, wanted: str | None) -> bool:
    """Without a status Stripe lists all that are not canceled; `ended` is both ends, `all` is all."""
    match wanted:
        case None:
            return bool(row["status"] != "canceled")
        case "all":
            return True
        case "ended":
            return row["status"] in ENDED
        case _:
            return bool(row["status"] == wanted)


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation("POST", "/v1/subscriptions", _create, required=("customer", "items"), params=parameters.CREATE),
    operation("GET", "/v1/subscriptions", _list, params=parameters.LIST),
    operation("GET", "/v1/subscriptions/{id}", _retrieve),
    operation("POST", "/v1/subscriptions/{id}", _update, params=parameters.UPDATE),
    operation("DELETE", "/v1/subscriptions/{id}", _cancel, params=parameters.CANCEL),
    operation("POST", "/v1/subscriptions/{id}/pause", _pause, since=versions.ENDIVE, params=parameters.PAUSE),
    operation("POST", "/v1/subscriptions/{id}/resume", _resume, params=parameters.RESUME),
)
