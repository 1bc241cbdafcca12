"""https://docs.stripe.com/api/invoices: those of subscriptions, to read and to pay."""

from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.lists import equal, page_of, page_within, within
from stripe_sandbox.api.operation import Call, Operation, operation
from stripe_sandbox.api.params import PAGE, boolean, choice, ignored, text, time_range
from stripe_sandbox.billing import invoicing, renewing
from stripe_sandbox.billing.cards import Charge, charge_to, declined
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.common import own_method
from stripe_sandbox.world.world import World


def _retrieve(world: World, call: Call) -> Resource:
    return world.get("invoice", call.target)


def _list(world: World, call: Call) -> Resource:
    wanted = call.params.get("subscription")

    def keep(row: Resource) -> bool:
        return (
            equal(call.params, row, "customer", "status", "collection_method")
            and (wanted is None or invoicing.subscription_of(row) == wanted)
            and within(call.params.get("created"), row["created"])
        )

    return page_of(world, call, "invoice", keep)


def _list_lines(world: World, call: Call) -> Resource:
    return page_within(call, "line item", world.get("invoice", call.target)["lines"]["data"])


def _pay(world: World, call: Call) -> Resource:
    """Charge the subscription's card for an open invoice; a refusal is a 402, and an attempt all the same."""
    row = world.get("invoice", call.target)
    if not invoicing.is_payable(row):
        raise ApiError("Invoice is already paid" if row["status"] == "paid" else "This invoice cannot be paid.")
    subscription = world.get("subscription", invoicing.subscription_of(row) or "")
    if call.params.get("paid_out_of_band"):
        charge: Charge = "succeeds"
    elif (method := call.params.get("payment_method")) is not None:
        own_method(world, method, subscription["customer"], param="payment_method")
        charge = charge_to(world, method)
    else:
        charge = renewing.charge_of(world, subscription)
    if charge != "succeeds":
        invoicing.mark_failed(
            world, row, next_attempt=row["next_payment_attempt"], needs_action=charge == "authentication"
        )
        raise declined(charge, changes_stand=True)
    renewing.settle(world, subscription, row, charge=charge)
    return row


def _void(world: World, call: Call) -> Resource:
    row = world.get("invoice", call.target)
    if not invoicing.is_payable(row):
        raise ApiError("You can only void an invoice that is open or uncollectible.")
    invoicing.void(world, row)
    return row


OPERATIONS: Final[tuple[Operation, ...]] = (
    operation(
        "GET",
        "/v1/invoices",
        _list,
        params={
            **PAGE,
            "collection_method": choice("charge_automatically", "send_invoice"),
            "created": time_range(),
            "customer": text(),
            "due_date": time_range(),
            "status": choice("draft", "open", "paid", "uncollectible", "void"),
            "subscription": text(),
            **ignored("customer_account"),
        },
    ),
    operation("GET", "/v1/invoices/{id}", _retrieve),
    operation("GET", "/v1/invoices/{id}/lines", _list_lines, params={**PAGE}),
    operation(
        "POST",
        "/v1/invoices/{id}/pay",
        _pay,
        params={
            "off_session": boolean(),
            "paid_out_of_band": boolean(),
            "payment_method": text(clearable=False),
            **ignored("forgive", "mandate", "source"),
        },
    ),
    operation("POST", "/v1/invoices/{id}/void", _void),
)
