"""Invoices: drawn up, finalised, paid, failed."""

from typing import Final

from stripe_sandbox.objects.invoice import invoice, invoice_line
from stripe_sandbox.objects.subscription import items_of, period_of
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

_PAYABLE: Final = frozenset({"open", "uncollectible"})


def draw_up(world: World, subscription: Resource, *, reason: str, lines: list[Resource] | None = None) -> Resource:
    """Make a draft invoice of the running period, not yet told to anybody; `announce` does that.

    Prorations that waited for the next invoice go onto it.
    """
    customer = world.get("customer", subscription["customer"])
    invoice_id = world.ids.long("in")
    rows = cycle_lines(world, subscription, invoice_id) if lines is None else lines
    waiting = world.private(subscription["id"]).get("prorations", [])
    if waiting:
        world.keep(subscription["id"], prorations=[])
    for line in waiting:
        line["invoice"] = invoice_id
    row = invoice(
        invoice_id,
        subscription=subscription,
        customer=customer,
        lines=[*waiting, *rows],
        created=world.now(subscription["test_clock"]),
    )
    start, end = period_of(subscription)
    row.update(
        account_name=world.config.account_name,
        billing_reason=reason,
        period_start=start,
        period_end=end,
        default_payment_method=None,
    )
    return row


def cycle_lines(world: World, subscription: Resource, invoice_id: str, *, free: bool = False) -> list[Resource]:
    return [
        invoice_line(
            world.ids.long("il"),
            invoice_id=invoice_id,
            subscription=subscription,
            item=item,
            amount=0 if free else int(item["price"]["unit_amount"]) * int(item["quantity"]),
            period=(item["current_period_start"], item["current_period_end"]),
            description=_describe(world, item, free=free),
        )
        for item in items_of(subscription)
    ]


def _describe(world: World, item: Resource, *, free: bool) -> str:
    product = world.find("product", item["price"]["product"])
    name = product["name"] if product else item["price"]["id"]
    return f"Trial period for {name}" if free else f"{item['quantity']} × {name}"  # noqa: RUF001  # as Stripe writes


def announce(world: World, row: Resource, *, finalise: bool = True) -> None:
    world.emit("invoice.created", row)
    if finalise:
        _finalise(world, row)


def _finalise(world: World, row: Resource) -> None:
    customer = world.get("customer", row["customer"])
    number = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = number + 1
    world.put(customer)
    row["number"] = f"{customer['invoice_prefix']}-{number:04d}"
    row["status"] = "open"
    row["status_transitions"]["finalized_at"] = world.now(row["test_clock"])
    row["hosted_invoice_url"] = f"{world.config.base_url}/invoice/{row['id']}"
    row["invoice_pdf"] = f"{world.config.base_url}/invoice/{row['id']}/pdf"
    world.emit("invoice.finalized", row)


def is_payable(row: Resource) -> bool:
    return row["status"] in _PAYABLE


def mark_paid(world: World, row: Resource) -> None:
    """Settle an invoice in full and say so, with both of Stripe's events for it."""
    attempts = int(row["amount_due"] > 0)
    row.update(
        status="paid",
        amount_paid=row["amount_due"],
        amount_remaining=0,
        attempted=True,
        attempt_count=row["attempt_count"] + attempts,
        auto_advance=False,
        next_payment_attempt=None,
    )
    row["status_transitions"]["paid_at"] = world.now(row["test_clock"])
    world.emit("invoice.paid", row)
    world.emit("invoice.payment_succeeded", row)


def mark_failed(world: World, row: Resource, *, next_attempt: int | None, needs_action: bool = False) -> None:
    before = snapshot(row)
    row.update(attempted=True, attempt_count=row["attempt_count"] + 1, next_payment_attempt=next_attempt)
    row["auto_advance"] = next_attempt is not None
    world.emit("invoice.updated", row, before=before)
    world.emit("invoice.payment_failed", row)
    if needs_action:
        world.emit("invoice.payment_action_required", row)


def void(world: World, row: Resource) -> None:
    row.update(status="void", auto_advance=False, next_payment_attempt=None)
    row["status_transitions"]["voided_at"] = world.now(row["test_clock"])
    world.emit("invoice.voided", row)


def mark_uncollectible(world: World, row: Resource) -> None:
    row.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    row["status_transitions"]["marked_uncollectible_at"] = world.now(row["test_clock"])
    world.emit("invoice.marked_uncollectible", row)


def latest_of(world: World, subscription: Resource) -> Resource | None:
    return world.find("invoice", subscription["latest_invoice"])
