"""https://docs.stripe.com/api/customers."""

from typing import Final

from stripe_sandbox.api.errors import no_such
from stripe_sandbox.api.lists import equal, page_of, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import (
    PAGE,
    array,
    choice,
    clearable,
    email,
    group,
    ignored,
    integer,
    metadata,
    text,
    time_range,
)
from stripe_sandbox.billing.checkout import subscriptions_of
from stripe_sandbox.billing.ending import cancel_now
from stripe_sandbox.objects.customer import customer
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.resources.common import assign, deleted, fresh_metadata, merge_metadata, own_method
from stripe_sandbox.world.world import World

_ADDRESS: Final = clearable(
    group(
        city=text(),
        country=text(),
        line1=text(),
        line2=text(),
        postal_code=text(),
        state=text(),
    )
)
_FIELDS: Final = {
    "address": _ADDRESS,
    "balance": integer(),
    "business_name": text(),
    "description": text(),
    "email": email(),
    "individual_name": text(),
    "invoice_prefix": text(),
    "invoice_settings": group(
        default_payment_method=text(),
        footer=text(),
        unused=(
            "custom_fields",
            "rendering_options",
        ),
    ),
    "metadata": metadata(),
    "name": text(longest=256),
    "next_invoice_sequence": integer(least=1),
    "phone": text(longest=20),
    "preferred_locales": array(text()),
    "shipping": clearable(group(required=("address", "name"), address=_ADDRESS, name=text(), phone=text())),
    "tax_exempt": clearable(choice("exempt", "none", "reverse")),
    **ignored("cash_balance", "source", "tax", "validate"),
}
_PLAIN: Final = (
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
)


def _create(world: World, call: Call) -> Resource:
    clock = call.params.get("test_clock")
    if clock is not None:
        world.get("test_helpers.test_clock", clock, param="test_clock")
    row = customer(world.ids.short("cus"), created=world.now(clock), invoice_prefix=world.ids.invoice_prefix())
    row["metadata"] = fresh_metadata(call.params)
    row["test_clock"] = clock
    _apply(world, row, call)
    world.emit("customer.created", row)
    return row


def _apply(world: World, row: Resource, call: Call) -> None:
    assign(row, call.params, *_PLAIN)
    if "tax_exempt" in call.params:
        row["tax_exempt"] = call.params["tax_exempt"] or "none"
    for name, value in call.params.get("invoice_settings", {}).items():
        if name == "default_payment_method":
            own_method(world, value, row["id"], param="invoice_settings[default_payment_method]")
        row["invoice_settings"][name] = value


def _update(world: World, call: Call) -> Resource:
    row = _living(world, call.target)
    before = snapshot(row)
    if "metadata" in call.params:
        merge_metadata(row, call.params["metadata"])
    _apply(world, row, call)
    if row != before:
        world.emit("customer.updated", row, before=before)
    return row


def _living(world: World, customer_id: str) -> Resource:
    """A deleted customer can still be read, and nothing else."""
    row = world.get("customer", customer_id)
    if row.get("deleted"):
        raise no_such("customer", customer_id)
    return row


def _retrieve(world: World, call: Call) -> Resource:
    return world.get("customer", call.target)


def _delete(world: World, call: Call) -> Resource:
    """Deleting a customer cancels its subscriptions at once; what remains answers `deleted: true`."""
    row = _living(world, call.target)
    for subscription in subscriptions_of(world, row["id"]):
        cancel_now(world, subscription)
    world.emit_snapshot("customer.deleted", row)
    stub = deleted(row)
    world.put(stub)
    return stub


def _list(world: World, call: Call) -> Resource:
    def keep(row: Resource) -> bool:
        return (
            not row.get("deleted")
            and equal(call.params, row, "email")
            # What is on a test clock is listed with its clock only.
            and row["test_clock"] == call.params.get("test_clock")
            and within(call.params.get("created"), row["created"])
        )

    return page_of(world, call, "customer", keep)


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "POST",
        "/v1/customers",
        _create,
        params={**_FIELDS, "test_clock": text(clearable=False), **ignored("payment_method", "tax_id_data")},
    ),
    operation(
        "GET",
        "/v1/customers",
        _list,
        params={**PAGE, "created": time_range(), "email": text(), "test_clock": text()},
    ),
    operation("GET", "/v1/customers/{id}", _retrieve),
    operation("POST", "/v1/customers/{id}", _update, params={**_FIELDS, **ignored("default_source")}),
    operation("DELETE", "/v1/customers/{id}", _delete),
)
