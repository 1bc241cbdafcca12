"""https://docs.stripe.com/api/prices. Per-unit prices only: no tiers, no metering, no amount of the buyer's choice."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.api.lists import equal, page_of, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import (
    PAGE,
    array,
    boolean,
    choice,
    group,
    integer,
    metadata,
    text,
    time_range,
    unsupported,
)
from stripe_sandbox.objects.catalogue import plan_of, price, recurring
from stripe_sandbox.objects.subscription import items_of
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.resources.common import assign, fresh_metadata, merge_metadata
from stripe_sandbox.resources.products import make_product, must_be_new
from stripe_sandbox.world.world import World

INTERVALS: Final = ("day", "month", "week", "year")
_CURRENCY_WORDS: Final = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf "
    "clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf "
    "idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop "
    "mro mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar "
    "sbd scr sek sgd shp sle sll sos srd std svc szl thb tjs tnd top try ttd twd tzs uah ugx usd usdc uyu uzs vnd "
    "vuv wst xaf xcd xcg xof xpf yer zar zmw"
)
_CURRENCIES: Final = frozenset(_CURRENCY_WORDS.split())
"""https://docs.stripe.com/currencies, and those that were there once."""
_LONGEST: Final = {"day": 1_095, "week": 156, "month": 36, "year": 3}
"""Three years, which is as far apart as Stripe lets payments be."""
_MOST_AMOUNT: Final = 99_999_999_999
AMOUNT: Final = integer(least=0, most=_MOST_AMOUNT)
_RECURRING: Final = group(
    unsupported("meter"),
    required=("interval",),
    interval=choice(*INTERVALS),
    interval_count=integer(least=1),
    trial_period_days=integer(least=0, most=_LONGEST["day"]),
    usage_type=choice("licensed"),
)


def currency_code(word: str, param: str = "currency") -> str:
    if word.lower() not in _CURRENCIES:
        raise ApiError(f"Invalid currency: {word[:40]}.", param=param)
    return word.lower()


def _create(world: World, call: Call) -> Resource:
    params = call.params
    amount = unit_amount(params)
    rhythm = recurring_of(params.get("recurring"))
    product_id = _product_id(world, params)
    row = price(
        world.ids.long("price"),
        product_id=product_id,
        currency=currency_code(params["currency"]),
        unit_amount=amount,
        recurring=rhythm,
        created=world.now(),
    )
    row["metadata"] = fresh_metadata(params)
    assign(row, params, "active", "nickname", "tax_behavior")
    _take_lookup_key(world, row, params)
    world.emit("price.created", row)
    return row


def unit_amount(params: dict[str, Any], where: str = "{}") -> int:
    """The amount in the smallest unit, given in one of two ways; `where` makes a parameter's name of its own."""
    if "unit_amount" in params:
        return int(params["unit_amount"])
    if "unit_amount_decimal" not in params:
        raise missing_parameter(where.format("unit_amount"))
    name = where.format("unit_amount_decimal")
    try:
        amount = Decimal(params["unit_amount_decimal"])
        whole = amount.is_finite() and amount == int(amount)
    except (InvalidOperation, OverflowError) as error:
        raise ApiError(f"Invalid decimal: {params['unit_amount_decimal'][:40]}", param=name) from error
    if not whole or not 0 <= amount <= _MOST_AMOUNT:
        raise ApiError(
            f"Invalid decimal: {params['unit_amount_decimal'][:40]}; the sandbox has whole amounts of up to "
            f"{_MOST_AMOUNT} only.",
            param=name,
        )
    return int(amount)


def recurring_of(given: dict[str, Any] | None, where: str = "recurring") -> Resource | None:
    """The rhythm that was asked for; `where` is the group's name."""
    if given is None:
        return None
    interval, count = given["interval"], given.get("interval_count", 1)
    if count > _LONGEST[interval]:
        raise ApiError(
            f"The maximum interval is three years: {_LONGEST[interval]} {interval}s.",
            code="parameter_invalid_integer",
            param=f"{where}[interval_count]",
        )
    return recurring(interval=interval, interval_count=count, trial_period_days=given.get("trial_period_days"))


def _product_id(world: World, params: dict[str, Any]) -> str:
    if (named := params.get("product")) is not None:
        return str(world.get("product", named, param="product")["id"])
    if (data := params.get("product_data")) is None:
        raise missing_parameter("product")
    must_be_new(world, data.get("id"), param="product_data[id]")
    row = make_product(world, name=data["name"], product_id=data.get("id"), metadata=fresh_metadata(data))
    world.emit("product.created", row)
    return str(row["id"])


def _take_lookup_key(world: World, row: Resource, params: dict[str, Any]) -> None:
    """A lookup key names one price; another one must be told to hand it over."""
    key = params.get("lookup_key")
    holders = world.rows("price").where(
        lambda other: key is not None and other["lookup_key"] == key and other["id"] != row["id"]
    )
    for other in holders:
        if not params.get("transfer_lookup_key"):
            raise ApiError(f"A price (`{other['id']}`) already uses that lookup key.", param="lookup_key")
        before = snapshot(other)
        other["lookup_key"] = None
        world.emit("price.updated", other, before=before)
    row["lookup_key"] = key


def _update(world: World, call: Call) -> Resource:
    row = world.get("price", call.target)
    before = snapshot(row)
    if "metadata" in call.params:
        merge_metadata(row, call.params["metadata"])
    assign(row, call.params, "active", "nickname", "tax_behavior")
    if "lookup_key" in call.params:
        _take_lookup_key(world, row, call.params)
    if row != before:
        world.emit("price.updated", row, before=before)
        _show_anew(world, row)
    return row


def _show_anew(world: World, price_row: Resource) -> None:
    """Subscriptions carry their prices, and show them as they are."""

    def sells(row: Resource) -> bool:
        return any(item["price"]["id"] == price_row["id"] for item in items_of(row))

    for row in world.rows("subscription").where(sells):
        for item in items_of(row):
            if item["price"]["id"] == price_row["id"]:
                item.update(price=snapshot(price_row), plan=plan_of(price_row))
        world.put(row)


def _retrieve(world: World, call: Call) -> Resource:
    return world.get("price", call.target)


def _list(world: World, call: Call) -> Resource:
    params = call.params
    keys, rhythm = params.get("lookup_keys"), params.get("recurring")

    def keep(row: Resource) -> bool:
        return (
            equal(params, row, "active", "currency", "product", "type")
            and (keys is None or row["lookup_key"] in keys)
            and (rhythm is None or (row["recurring"] is not None and equal(rhythm, row["recurring"], *rhythm)))
            and within(params.get("created"), row["created"])
        )

    return page_of(world, call, "price", keep)


_SHARED: Final = {
    "active": boolean(),
    "lookup_key": text(longest=200),
    "metadata": metadata(),
    "nickname": text(),
    "tax_behavior": choice("exclusive", "inclusive", "unspecified"),
    "transfer_lookup_key": boolean(),
}
OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "POST",
        "/v1/prices",
        _create,
        required=("currency",),
        params={
            **_SHARED,
            "billing_scheme": choice("per_unit"),
            "currency": text(clearable=False),
            "product": text(clearable=False),
            "product_data": group(
                required=("name",),
                id=text(),
                name=text(clearable=False),
                metadata=metadata(),
                unused=(
                    "active",
                    "statement_descriptor",
                    "tax_code",
                    "tax_details",
                    "unit_label",
                ),
            ),
            "recurring": _RECURRING,
            "unit_amount": AMOUNT,
            "unit_amount_decimal": text(clearable=False),
            **unsupported("currency_options", "custom_unit_amount", "tiers", "tiers_mode", "transform_quantity"),
        },
    ),
    operation(
        "GET",
        "/v1/prices",
        _list,
        params={
            **PAGE,
            "active": boolean(),
            "created": time_range(),
            "currency": text(),
            "lookup_keys": array(text(), most=10),
            "product": text(),
            "recurring": group(
                unsupported("meter"), interval=choice(*INTERVALS), usage_type=choice("licensed", "metered")
            ),
            "type": choice("one_time", "recurring"),
        },
    ),
    operation("GET", "/v1/prices/{id}", _retrieve),
    operation("POST", "/v1/prices/{id}", _update, params={**_SHARED, **unsupported("currency_options")}),
)
