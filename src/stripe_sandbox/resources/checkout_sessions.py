"""https://docs.stripe.com/api/checkout/sessions."""

from typing import Any, Final

from stripe_sandbox.api import versions
from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.api.lists import equal, listing, page_of, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import (
    PAGE,
    array,
    boolean,
    choice,
    group,
    ignored,
    integer,
    metadata,
    text,
    time_range,
)
from stripe_sandbox.billing import checkout
from stripe_sandbox.billing.periods import HOUR_SECONDS
from stripe_sandbox.objects.catalogue import price as new_price
from stripe_sandbox.objects.checkout import checkout_session, line_item
from stripe_sandbox.resource import Resource, part
from stripe_sandbox.resources.common import assign, fresh_metadata, live_customer
from stripe_sandbox.resources.prices import INTERVALS, currency_code, recurring_of, unit_amount
from stripe_sandbox.resources.products import make_product
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
    lines = [_line(world, given, index) for index, given in enumerate(params.get("line_items", []))]
    _check(params, mode, ui_mode, lines)
    row = checkout_session(
        world.ids.checkout_session(),
        mode=mode,
        currency=lines[0][0]["currency"] if lines else params.get("currency"),
        amount=0 if _trial(params) else sum(int(price["unit_amount"]) * quantity for price, quantity in lines),
        created=world.now(customer["test_clock"] if customer else None),
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
        billing_mode=data.get("billing_mode", {}).get("type") or versions.default_billing_mode(call.version),
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


def _check(params: dict[str, Any], mode: str, ui_mode: str, lines: list[tuple[Resource, int]]) -> None:
    if mode != "setup" and not lines:
        raise missing_parameter("line_items")
    if ui_mode == "hosted_page" and not params.get("success_url"):
        raise missing_parameter("success_url")
    rhythms = [price["recurring"] for price, _ in lines]
    if mode == "subscription" and not any(rhythms):
        raise ApiError("You must provide at least one recurring price in `subscription` mode when using prices.")
    if mode == "payment" and any(rhythms):
        raise ApiError("You specified `payment` mode but passed a recurring price.", param="line_items")
    if mode != "subscription" and "subscription_data" in params:
        raise ApiError("You can not pass `subscription_data` in `payment` mode.", param="subscription_data")


def _trial(params: dict[str, Any]) -> bool:
    data = params.get("subscription_data", {})
    return bool(data.get("trial_period_days") or data.get("trial_end"))


def _line(world: World, given: dict[str, Any], index: int) -> tuple[Resource, int]:
    quantity = given.get("quantity", 1)
    if (price_id := given.get("price")) is not None:
        price = world.get("price", price_id, param=f"line_items[{index}][price]")
        if not price["active"]:
            raise ApiError(f"The price specified is inactive: {price_id}.", param=f"line_items[{index}][price]")
        return price, quantity
    if (data := given.get("price_data")) is None:
        raise missing_parameter(f"line_items[{index}][price]")
    return _price_from_data(world, data), quantity


def _price_from_data(world: World, data: dict[str, Any]) -> Resource:
    if (product_id := data.get("product")) is None:
        product = make_product(world, name=data.get("product_data", {}).get("name", "Product"))
        world.put(product)
        product_id = product["id"]
    row = new_price(
        world.ids.long("price"),
        product_id=world.get("product", product_id, param="line_items[0][price_data][product]")["id"],
        currency=currency_code(data["currency"]),
        unit_amount=unit_amount(data),
        recurring=recurring_of(data.get("recurring")),
        created=world.now(),
    )
    world.put(row)
    return row


def line_items(world: World, session: Resource) -> list[Resource]:
    details = world.private(session["id"])
    rows: list[Resource] = []
    for item_id, (price_id, quantity) in zip(details["line_ids"], details["lines"], strict=True):
        price = world.get("price", price_id)
        product = world.get("product", price["product"])
        rows.append(line_item(item_id, price=price, product_name=product["name"], quantity=quantity))
    return rows


def included_line_items(world: World, session: Resource) -> Resource:
    """The list that `expand[]=line_items` adds."""
    return listing(f"/v1/checkout/sessions/{session['id']}/line_items", line_items(world, session))


def _retrieve(world: World, call: Call) -> Resource:
    return world.get(checkout.SESSION, call.target)


def _update(world: World, call: Call) -> Resource:
    row = world.get(checkout.SESSION, call.target)
    if "metadata" in call.params:
        row["metadata"] = {**row["metadata"], **fresh_metadata(call.params)}
    world.put(row)
    return row


def _expire(world: World, call: Call) -> Resource:
    return checkout.expire(world, call.target)


def _list_line_items(world: World, call: Call) -> Resource:
    return listing(call.path, line_items(world, world.get(checkout.SESSION, call.target)))


def _list(world: World, call: Call) -> Resource:
    email = call.params.get("customer_details", {}).get("email")

    def keep(row: Resource) -> bool:
        return (
            equal(call.params, row, "customer", "payment_intent", "payment_link", "status", "subscription")
            and (email is None or part(row, "customer_details").get("email") == email)
            and within(call.params.get("created"), row["created"])
        )

    return page_of(world, call, checkout.SESSION, keep)


_PRICE_DATA: Final = group(
    required=("currency",),
    currency=text(clearable=False),
    product=text(clearable=False),
    product_data=group(
        required=("name",),
        name=text(clearable=False),
        unused=(
            "description",
            "images",
            "metadata",
        ),
    ),
    recurring=group(required=("interval",), interval=choice(*INTERVALS), interval_count=integer(least=1)),
    tax_behavior=choice("exclusive", "inclusive", "unspecified"),
    unit_amount=integer(least=0),
    unit_amount_decimal=text(clearable=False),
)
_SUBSCRIPTION_DATA: Final = group(
    billing_mode=group(required=("type",), type=choice("classic", "flexible"), unused=("flexible",)),
    description=text(longest=500),
    metadata=metadata(),
    trial_end=integer(),
    trial_period_days=integer(least=1, most=730),
    trial_settings=group(
        required=("end_behavior",),
        end_behavior=group(missing_payment_method=choice("cancel", "create_invoice", "pause")),
    ),
    unused=(
        "application_fee_percent",
        "billing_cycle_anchor",
        "default_tax_rates",
        "invoice_settings",
        "on_behalf_of",
        "pending_invoice_item_interval",
        "proration_behavior",
        "transfer_data",
    ),
)
_CREATE: Final = {
    "allow_promotion_codes": boolean(),
    "billing_address_collection": choice("auto", "required"),
    "cancel_url": text(),
    "client_reference_id": text(longest=200, clearable=False),
    "currency": text(),
    "customer": text(clearable=False),
    "customer_creation": choice("always", "if_required"),
    "customer_email": text(longest=800, clearable=False),
    "expires_at": integer(),
    "line_items": array(
        group(
            price=text(clearable=False),
            price_data=_PRICE_DATA,
            quantity=integer(least=1),
            unused=(
                "adjustable_quantity",
                "dynamic_tax_rates",
                "metadata",
                "tax_rates",
            ),
        )
    ),
    "locale": text(longest=10),
    "metadata": metadata(),
    "mode": choice("payment", "setup", "subscription"),
    "payment_method_collection": choice("always", "if_required"),
    "submit_type": choice("auto", "book", "donate", "pay", "subscribe"),
    "subscription_data": _SUBSCRIPTION_DATA,
    "success_url": text(clearable=False),
    "ui_mode": text(clearable=False),
    **ignored(
        "adaptive_pricing",
        "after_expiration",
        "allowed_payment_method_types",
        "automatic_tax",
        "branding_settings",
        "consent_collection",
        "custom_fields",
        "custom_text",
        "customer_account",
        "customer_update",
        "discounts",
        "excluded_payment_method_types",
        "integration_identifier",
        "invoice_creation",
        "managed_payments",
        "name_collection",
        "optional_items",
        "origin_context",
        "payment_intent_data",
        "payment_method_configuration",
        "payment_method_data",
        "payment_method_options",
        "payment_method_types",
        "permissions",
        "phone_number_collection",
        "redirect_on_completion",
        "return_url",
        "saved_payment_method_options",
        "setup_intent_data",
        "shipping_address_collection",
        "shipping_options",
        "tax_id_collection",
        "wallet_options",
    ),
}
OPERATIONS: Final[tuple[Operation, ...]] = (
    operation("POST", "/v1/checkout/sessions", _create, params=_CREATE),
    operation(
        "GET",
        "/v1/checkout/sessions",
        _list,
        params={
            **PAGE,
            "created": time_range(),
            "customer": text(),
            "customer_account": text(),
            "customer_details": group(email=text()),
            "payment_intent": text(),
            "payment_link": text(),
            "status": choice("complete", "expired", "open"),
            "subscription": text(),
        },
    ),
    operation("GET", "/v1/checkout/sessions/{id}", _retrieve),
    operation("POST", "/v1/checkout/sessions/{id}", _update, params={"metadata": metadata()}),
    operation("POST", "/v1/checkout/sessions/{id}/expire", _expire),
    operation("GET", "/v1/checkout/sessions/{id}/line_items", _list_line_items, params={**PAGE}),
)
