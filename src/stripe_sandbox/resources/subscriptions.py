"""https://docs.stripe.com/api/subscriptions."""

from typing import Any, Final

from stripe_sandbox.api import versions
from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.lists import equal, page_of, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import (
    PAGE,
    array,
    boolean,
    choice,
    choice_or,
    clearable,
    group,
    ignored,
    integer,
    metadata,
    text,
    time_range,
)
from stripe_sandbox.billing import changing, ending, pausing, starting
from stripe_sandbox.billing.cards import card_of, declined
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.billing.renewing import ENDED
from stripe_sandbox.objects.subscription import items_of, period_of, set_items, subscription_item
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.resources.common import assign, fresh_metadata, live_customer, merge_metadata
from stripe_sandbox.world.world import World

STATUSES: Final = (
    "active",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
_PERIOD_END_WORDS: Final = ("max_period_end", "min_period_end")


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
        payment_method=params.get("default_payment_method"),
    )
    row, invoice = starting.begin(world, order)
    card = card_of(world, row)
    charge = "declined" if card is None else card.absent
    behaviour = params.get("payment_behavior", "allow_incomplete")
    if invoice["amount_due"] == 0 or (charge == "succeeds" and behaviour != "default_incomplete"):
        starting.tell_paid(world, row, invoice)
    elif behaviour == "error_if_incomplete":
        raise declined(charge)
    else:
        starting.tell_unpaid(world, row, invoice, attempted=behaviour != "default_incomplete")
    return row


def _priced(world: World, given: dict[str, Any], index: int) -> tuple[Resource, int]:
    price = world.get("price", given["price"], param=f"items[{index}][price]")
    if price["recurring"] is None:
        raise ApiError(
            f"The price specified is set to `type=one_time` but this field only accepts prices with "
            f"`type=recurring`: {price['id']}",
            param=f"items[{index}][price]",
        )
    return price, given.get("quantity", 1)


def _first_trial_end(params: dict[str, Any], now: int) -> int | None:
    if "trial_period_days" in params:
        return now + int(params["trial_period_days"]) * DAY_SECONDS
    end = params.get("trial_end")
    return None if end == "now" else end


def _retrieve(world: World, call: Call) -> Resource:
    return world.get("subscription", call.target)


def _update(world: World, call: Call) -> Resource:
    row, params = world.get("subscription", call.target), call.params
    if row["status"] in ENDED and params.keys() - {"metadata", "cancellation_details", "expand"}:
        raise ApiError("A canceled subscription can only update its cancellation_details and metadata.")
    if "cancel_at" in params and "cancel_at_period_end" in params:
        raise ApiError("You may only specify one of these parameters: cancel_at, cancel_at_period_end.")
    if "items" in params:
        _update_items(world, row, params)
    before = snapshot(row)
    _apply(world, row, params)
    if row != before:
        world.emit("customer.subscription.updated", row, before=before)
    return row


def _apply(world: World, row: Resource, params: dict[str, Any]) -> None:
    if "metadata" in params:
        merge_metadata(row, params["metadata"])
    assign(row, params, "collection_method", "days_until_due", "description", "pause_collection")
    if (method := params.get("default_payment_method")) is not None:
        row["default_payment_method"] = world.get("payment_method", method, param="default_payment_method")["id"]
    row["cancellation_details"].update(params.get("cancellation_details", {}))
    if (pause := row["pause_collection"]) is not None:
        pause.setdefault("resumes_at", None)
    _apply_end(world, row, params)
    if "trial_end" in params:
        _move_trial(world, row, params["trial_end"])


def _apply_end(world: World, row: Resource, params: dict[str, Any]) -> None:
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
            ending.mark_ending(world, row, at=period_of(row)[1] if at in _PERIOD_END_WORDS else int(at), flag=False)


def _move_trial(world: World, row: Resource, end: int | str) -> None:
    now = world.now(row["test_clock"])
    if end == "now":
        row.update(status="active", trial_end=now)
        pausing.restart_period(world, row)
        return
    row.update(status="trialing", trial_end=end, trial_start=row["trial_start"] or now, billing_cycle_anchor=end)
    for item in items_of(row):
        item["current_period_end"] = item["billed_until"] = end


def _update_items(world: World, row: Resource, params: dict[str, Any]) -> None:
    def edit(target: Resource) -> None:
        for index, given in enumerate(params["items"]):
            _edit_item(world, target, given, index)

    changing.change(
        world,
        row,
        edit,
        prorations=params.get("proration_behavior", "create_prorations"),
        behaviour=params.get("payment_behavior", "allow_incomplete"),
    )


def _edit_item(world: World, row: Resource, given: dict[str, Any], index: int) -> None:
    items = items_of(row)
    item = next((item for item in items if item["id"] == given.get("id")), None)
    if item is None and "id" in given:
        raise ApiError(
            f"No such subscription item: '{given['id']}'", code="resource_missing", param=f"items[{index}][id]"
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
        raise ApiError("Missing required param: items[0][price].", param=f"items[{index}][price]")
    price, quantity = _priced(world, given, index)
    if any(item["price"]["id"] == price["id"] for item in items_of(row)):
        raise ApiError(
            f"Cannot add multiple subscription items with the same plan: {price['id']}",
            param=f"items[{index}][price]",
        )
    return subscription_item(
        world.ids.short("si"),
        subscription_id=row["id"],
        price=price,
        quantity=quantity,
        created=world.now(row["test_clock"]),
        period=period_of(row),
    )


def _edit_existing(world: World, item: Resource, given: dict[str, Any], index: int) -> None:
    if "price" in given:
        changing.set_price(item, world.get("price", given["price"], param=f"items[{index}][price]"))
    if "quantity" in given:
        item["quantity"] = given["quantity"]
    if "metadata" in given:
        merge_metadata(item, given["metadata"])


def _cancel(world: World, call: Call) -> Resource:
    row = world.get("subscription", call.target)
    if row["status"] in ENDED:
        raise ApiError(f"No such subscription: '{row['id']}'", status=404, code="resource_missing", param="id")
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


_CANCELLATION: Final = group(
    comment=text(),
    feedback=clearable(
        choice(
            "customer_service",
            "low_quality",
            "missing_features",
            "other",
            "switched_service",
            "too_complex",
            "too_expensive",
            "unused",
        )
    ),
    unused=("feedback_option",),
)
_PRORATION: Final = choice("always_invoice", "create_prorations", "none")
_BEHAVIOUR: Final = choice("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")
_SHARED: Final = {
    "cancel_at_period_end": boolean(),
    "collection_method": choice("charge_automatically", "send_invoice"),
    "days_until_due": integer(least=0),
    "default_payment_method": text(),
    "description": text(longest=500),
    "metadata": metadata(),
    "payment_behavior": _BEHAVIOUR,
    "proration_behavior": _PRORATION,
    "trial_end": choice_or(integer(), "now"),
    **ignored(
        "add_invoice_items",
        "application_fee_percent",
        "automatic_tax",
        "billing_cycle_anchor",
        "billing_schedules",
        "billing_thresholds",
        "default_source",
        "default_tax_rates",
        "discounts",
        "invoice_settings",
        "off_session",
        "on_behalf_of",
        "payment_settings",
        "pending_invoice_item_interval",
        "transfer_data",
        "trial_from_plan",
        "trial_settings",
    ),
}
_ITEM: Final = {
    "metadata": metadata(),
    "price": text(clearable=False),
    "quantity": integer(least=0),
    **ignored("billing_thresholds", "discounts", "tax_rates"),
}
OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "POST",
        "/v1/subscriptions",
        _create,
        required=("customer", "items"),
        params={
            **_SHARED,
            "billing_mode": group(required=("type",), type=choice("classic", "flexible"), unused=("flexible",)),
            "customer": text(clearable=False),
            "items": array(group(_ITEM, required=("price",)), most=20),
            "trial_period_days": integer(least=1, most=730),
            **ignored(
                "backdate_start_date", "billing_cycle_anchor_config", "cancel_at", "currency", "customer_account"
            ),
        },
    ),
    operation(
        "GET",
        "/v1/subscriptions",
        _list,
        params={
            **PAGE,
            "collection_method": choice("charge_automatically", "send_invoice"),
            "created": time_range(),
            "current_period_end": time_range(),
            "current_period_start": time_range(),
            "customer": text(),
            "plan": text(),
            "price": text(),
            "status": choice(*STATUSES, "all", "ended"),
            "test_clock": text(),
            **ignored("automatic_tax", "customer_account"),
        },
    ),
    operation("GET", "/v1/subscriptions/{id}", _retrieve),
    operation(
        "POST",
        "/v1/subscriptions/{id}",
        _update,
        params={
            **_SHARED,
            "cancel_at": clearable(choice_or(integer(), *_PERIOD_END_WORDS)),
            "cancellation_details": _CANCELLATION,
            "items": array(group(_ITEM, id=text(clearable=False), deleted=boolean(), unused=("clear_usage",)), most=20),
            "pause_collection": clearable(
                group(
                    required=("behavior",),
                    behavior=choice("keep_as_draft", "mark_uncollectible", "void"),
                    resumes_at=integer(),
                )
            ),
            **ignored("proration_date"),
        },
    ),
    operation(
        "DELETE",
        "/v1/subscriptions/{id}",
        _cancel,
        params={"cancellation_details": _CANCELLATION, "invoice_now": boolean(), "prorate": boolean()},
    ),
    operation(
        "POST",
        "/v1/subscriptions/{id}/pause",
        _pause,
        since=versions.ENDIVE,
        params={
            "invoicing_behavior": choice("invoice", "pending_invoice_item"),
            "type": choice("subscription"),
            **ignored("bill_for"),
        },
    ),
    operation(
        "POST",
        "/v1/subscriptions/{id}/resume",
        _resume,
        params={
            "payment_behavior": choice("resume_on_payment_attempt", "resume_on_payment_success"),
            "proration_behavior": _PRORATION,
            **ignored("billing_cycle_anchor", "proration_date"),
        },
    ),
)
