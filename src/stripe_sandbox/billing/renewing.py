"""Renewals: the next period, its charge, and what follows when the charge fails."""

from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing import ending, invoicing
from stripe_sandbox.billing.cards import Charge, card_of
from stripe_sandbox.billing.periods import DAY_SECONDS, period_end
from stripe_sandbox.objects.subscription import items_of
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

ENDED: Final = frozenset({"canceled", "incomplete_expired"})
_OUTCOMES: Final = ("canceled", "unpaid", "past_due")


def must_live(row: Resource) -> None:
    if row["status"] in ENDED:
        raise ApiError(f"The subscription {row['id']} has ended: it is {row['status']}.")


def charge_of(world: World, row: Resource) -> Charge:
    """What a charge of this subscription would do now, with nobody present."""
    card = card_of(world, row)
    return "declined" if card is None else card.absent


def renew(world: World, row: Resource, *, charge: Charge | None = None) -> Resource:
    """Begin the next period and charge for it; `charge` overrides what the card would do."""
    must_live(row)
    before = snapshot(row)
    _next_period(row)
    if row["status"] == "trialing":
        row["status"] = "active"
    invoice = invoicing.draw_up(world, row, reason="subscription_cycle")
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


def _next_period(row: Resource) -> None:
    for item in items_of(row):
        rhythm, start = item["price"]["recurring"], item["current_period_end"]
        item["current_period_start"] = start
        item["current_period_end"] = item["billed_until"] = period_end(
            row["billing_cycle_anchor"],
            start,
            interval=rhythm["interval"],
            interval_count=rhythm["interval_count"],
        )


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
        follow_payment(world, row)
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


def follow_payment(world: World, row: Resource) -> None:
    if row["status"] in {"past_due", "unpaid", "incomplete"}:
        set_status(world, row, "active")


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
    for invoice in world.store.table("invoice").newest_first():
        details = invoice["parent"]["subscription_details"]
        if details["subscription"] == row["id"] and invoicing.is_payable(invoice):
            return invoice
    raise ApiError(f"The subscription {row['id']} has no open invoice.")


def recover(world: World, row: Resource) -> Resource:
    """Pay the open invoice, whatever the card; the subscription becomes active again."""
    must_live(row)
    settle(world, row, open_invoice(world, row), charge="succeeds")
    return row


def exhaust_retries(world: World, row: Resource, outcome: str) -> Resource:
    """Let the last attempt fail now and give up on the invoice."""
    must_live(row)
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
