"""Renewals: the next period, its charge, and what follows when the charge fails."""

from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing import ending, invoicing
from stripe_sandbox.billing.cards import Charge, card_of
from stripe_sandbox.billing.periods import DAY_SECONDS, period_end
from stripe_sandbox.objects.subscription import items_of, period_of, set_items
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

_RENEWABLE: Final = frozenset({"active", "past_due", "trialing", "unpaid"})
_OUTCOMES: Final = ("canceled", "unpaid", "past_due")


def charge_of(world: World, row: Resource) -> Charge:
    """What a charge of this subscription would do now, with nobody present."""
    card = card_of(world, row)
    return "declined" if card is None else card.absent


def renew(world: World, row: Resource, *, charge: Charge | None = None, before: Resource | None = None) -> Resource:
    """Begin the next period of the items whose period ends first, and charge for it.

    `charge` overrides what the card would do; `before` is what the subscription was, if it has been changed already.
    """
    ending.must_live(row)
    if row["status"] not in _RENEWABLE:
        raise ApiError(f"A subscription that is {row['status']} cannot be renewed.")
    before = snapshot(row) if before is None else before
    items = _next_period(row)
    if row["status"] == "trialing":
        row["status"] = "active"
    lines = invoicing.cycle_lines(world, row, items)
    invoice = invoicing.draw_up(world, row, reason="subscription_cycle", lines=lines)
    row["latest_invoice"] = invoice["id"]
    world.emit("customer.subscription.updated", row, before=before)
    if row["status"] == "unpaid":
        invoicing.announce(world, invoice, finalise=False)
    elif row["pause_collection"] is not None:
        _leave_uncollected(world, row, invoice)
    else:
        invoicing.announce(world, invoice)
        settle(world, row, invoice, charge=charge or charge_of(world, row))
    return row


def _next_period(row: Resource) -> list[Resource]:
    """Move on the items whose period is the first to end, and only those: others are paid for longer."""
    start = period_of(row)[1]
    ended = [item for item in items_of(row) if item["current_period_end"] == start]
    for item in ended:
        rhythm = item["price"]["recurring"]
        item["current_period_start"] = start
        item["current_period_end"] = item["billed_until"] = period_end(
            row["billing_cycle_anchor"],
            start,
            interval=rhythm["interval"],
            interval_count=rhythm["interval_count"],
        )
    return ended


def _leave_uncollected(world: World, row: Resource, invoice: Resource) -> None:
    """While collection is paused an invoice is drawn up and not charged; the status stays."""
    behaviour = row["pause_collection"]["behavior"]
    invoicing.announce(world, invoice, finalise=behaviour != "keep_as_draft")
    if behaviour == "void":
        invoicing.void(world, invoice)
    elif behaviour == "mark_uncollectible":
        invoicing.mark_uncollectible(world, invoice)


def settle(world: World, row: Resource, invoice: Resource, *, charge: Charge) -> None:
    """Charge for an open invoice and let the subscription's status follow."""
    if charge == "succeeds" or invoice["amount_due"] == 0:
        invoicing.mark_paid(world, invoice)
        follow_payment(world, row, invoice)
        return
    invoicing.mark_failed(
        world, invoice, next_attempt=_next_attempt(world, invoice), needs_action=charge == "authentication"
    )
    if row["status"] in {"active", "trialing"}:
        set_status(world, row, "past_due")


def _next_attempt(world: World, invoice: Resource) -> int | None:
    days = world.config.payment_retry_days
    made = int(invoice["attempt_count"])
    return world.now(invoice["test_clock"]) + days[made] * DAY_SECONDS if made < len(days) else None


def follow_payment(world: World, row: Resource, invoice: Resource) -> None:
    """What a paid invoice does to its subscription: an update that waited for it, and the status."""
    if row["pending_update"] is not None and world.private(row["id"]).get("pending_invoice") == invoice["id"]:
        _apply_pending(world, row)
    if row["status"] in {"past_due", "unpaid", "incomplete"}:
        set_status(world, row, "active")


def _apply_pending(world: World, row: Resource) -> None:
    before = snapshot(row)
    items: list[Resource] = row["pending_update"]["subscription_items"]
    row["pending_update"] = None
    set_items(row, items)
    world.emit("customer.subscription.pending_update_applied", row, before=before)
    world.emit("customer.subscription.updated", row, before=before)


def expire_pending(world: World, row: Resource) -> None:
    """Nobody paid for an update in time: it is dropped, and its invoice with it."""
    before = snapshot(row)
    row["pending_update"] = None
    invoice = world.find("invoice", world.private(row["id"]).get("pending_invoice"))
    if invoice is not None and invoicing.is_payable(invoice):
        invoicing.void(world, invoice)
    world.emit("customer.subscription.pending_update_expired", row, before=before)
    world.emit("customer.subscription.updated", row, before=before)


def set_status(world: World, row: Resource, status: str) -> None:
    before = snapshot(row)
    row["status"] = status
    world.emit("customer.subscription.updated", row, before=before)


def retry(world: World, row: Resource, *, charge: Charge | None = None) -> None:
    """Charge again for the open invoice; the last failure brings the account's chosen outcome."""
    invoice = open_invoice(world, row)
    outcome = charge or charge_of(world, row)
    settle(world, row, invoice, charge=outcome)
    if outcome != "succeeds" and invoice["next_payment_attempt"] is None:
        give_up(world, row, world.config.exhausted_outcome)


def open_invoice(world: World, row: Resource) -> Resource:
    """The newest invoice of a subscription that can still be paid."""
    latest = invoicing.latest_of(world, row)
    if latest is not None and invoicing.is_payable(latest):
        return latest
    if waiting := invoicing.payable_of(world, row):
        return waiting[-1]
    raise ApiError(f"The subscription {row['id']} has no open invoice.")


def recover(world: World, row: Resource) -> Resource:
    """Pay the open invoice, whatever the card; the subscription becomes active again."""
    ending.must_live(row)
    settle(world, row, open_invoice(world, row), charge="succeeds")
    return row


def exhaust_retries(world: World, row: Resource, outcome: str) -> Resource:
    """Let the last attempt fail now and give up on the invoice."""
    ending.must_live(row)
    if outcome not in _OUTCOMES:
        raise ApiError(f"Invalid outcome: must be one of {', '.join(_OUTCOMES)}", param="outcome")
    if row["status"] not in {"past_due", "incomplete"}:
        renew(world, row, charge="declined")
    invoicing.mark_failed(world, open_invoice(world, row), next_attempt=None)
    give_up(world, row, outcome)
    return row


def give_up(world: World, row: Resource, outcome: str) -> None:
    if outcome == "canceled":
        ending.cancel_now(world, row, reason="payment_failed")
    elif outcome != row["status"]:
        set_status(world, row, outcome)
