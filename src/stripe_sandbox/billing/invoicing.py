"""Invoices: drawn up, finalised, paid, failed."""

from typing import Final

from stripe_sandbox.objects.invoice import invoice, invoice_line
from stripe_sandbox.objects.subscription import items_of, period_of
from stripe_sandbox.resource import Resource, part, snapshot
from stripe_sandbox.world.world import World

_PAYABLE: Final = frozenset({"open", "uncollectible"})


def draw_up(world: World, subscription: Resource, *, reason: str, lines: list[Resource] | None = None) -> Resource:
    """Make a draft invoice of the running period, not yet told to anybody; `announce` does that.

    Prorations that waited for the next invoice go onto it.
    """
    customer = world.get("customer", subscription["customer"])
    waiting = world.private(subscription["id"]).get("prorations", [])
    if waiting:
        world.keep(subscription["id"], prorations=[])
    row = invoice(
        world.ids.long("in"),
        subscription=subscription,
        customer=customer,
        lines=[*waiting, *(cycle_lines(world, subscription) if lines is None else lines)],
        created=world.now(subscription["test_clock"]),
    )
    start, end = period_of(subscription)
    row.update(account_name=world.config.account_name, billing_reason=reason, period_start=start, period_end=end)
    return row


def cycle_lines(
    world: World, subscription: Resource, items: list[Resource] | None = None, *, free: bool = False
) -> list[Resource]:
    """A line for the running period of each item, or of those named; a trial's are free."""
    return [
        invoice_line(
            world.ids.long("il"),
            subscription=subscription,
            item=item,
            amount=0 if free else int(item["price"]["unit_amount"]) * int(item["quantity"]),
            period=(item["current_period_start"], item["current_period_end"]),
            description=f"Trial period for {name_of(world, item['price'])}" if free else describe(world, item),
        )
        for item in (items_of(subscription) if items is None else items)
    ]


def describe(world: World, item: Resource) -> str:
    return f"{item['quantity']} × {name_of(world, item['price'])}"  # noqa: RUF001  # as Stripe writes it


def name_of(world: World, price: Resource) -> str:
    product = world.find("product", price["product"])
    return str(product["name"] if product else price["id"])


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


def payable_of(world: World, subscription: Resource) -> list[Resource]:
    """A subscription's invoices that can still be paid, the oldest first."""
    return world.rows("invoice").where(lambda row: is_payable(row) and subscription_of(row) == subscription["id"])


def subscription_of(row: Resource) -> str | None:
    subscription: str | None = part(row, "parent", "subscription_details").get("subscription")
    return subscription


def leave(world: World, row: Resource) -> None:
    """Stop trying to collect an invoice; it stays open, for who wants to pay it."""
    before = snapshot(row)
    row.update(auto_advance=False, next_payment_attempt=None)
    if row != before:
        world.emit("invoice.updated", row, before=before)


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
