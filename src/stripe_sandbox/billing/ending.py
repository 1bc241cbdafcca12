"""How a subscription ends, or is told to end later, or thinks better of it."""

from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing import invoicing
from stripe_sandbox.objects.subscription import ENDED, period_of
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

FLAG: Final = "flag"
CANCEL_AT: Final = "cancel_at"


def must_live(row: Resource) -> None:
    """Refuse what cannot be done to a subscription that has ended."""
    if row["status"] in ENDED:
        raise ApiError(f"The subscription {row['id']} has ended: it is {row['status']}.")


def cancel_now(world: World, row: Resource, *, reason: str = "cancellation_requested") -> Resource:
    """End a subscription at once; nothing revives it, and nobody goes on charging for its open invoices."""
    now = world.now(row["test_clock"])
    row.update(status="canceled", canceled_at=row["canceled_at"] or now, ended_at=now)
    row["cancellation_details"]["reason"] = row["cancellation_details"]["reason"] or reason
    row["pending_update"] = None
    world.emit("customer.subscription.deleted", row)
    for invoice in invoicing.payable_of(world, row):
        invoicing.leave(world, invoice)
    return row


def expire_incomplete(world: World, row: Resource) -> None:
    """Stripe's 23 hours for the first payment are over."""
    before = snapshot(row)
    row.update(status="incomplete_expired", ended_at=world.now(row["test_clock"]))
    world.emit("customer.subscription.updated", row, before=before)


def cancel_at_period_end(world: World, row: Resource, *, style: str | None = None) -> Resource:
    """End with the period. The style is the flag, or `cancel_at` alone as flexible billing's portal does it."""
    must_live(row)
    chosen = style or (CANCEL_AT if row["billing_mode"]["type"] == "flexible" else FLAG)
    if chosen not in {FLAG, CANCEL_AT}:
        raise ApiError(f"Invalid style: must be one of {FLAG}, or {CANCEL_AT}", param="style")
    before = snapshot(row)
    mark_ending(world, row, at=period_of(row)[1], flag=chosen == FLAG)
    world.emit("customer.subscription.updated", row, before=before)
    return row


def mark_ending(world: World, row: Resource, *, at: int, flag: bool) -> None:
    row.update(cancel_at=at, cancel_at_period_end=flag, canceled_at=world.now(row["test_clock"]))
    row["cancellation_details"]["reason"] = "cancellation_requested"


def follow_period(row: Resource, *, old_end: int, new_end: int) -> None:
    """Let an end that is planned for the end of the period go with it when the period moves."""
    if row["cancel_at_period_end"] or row["cancel_at"] == old_end:
        row["cancel_at"] = new_end


def unmark_ending(row: Resource) -> None:
    row.update(cancel_at=None, cancel_at_period_end=False, canceled_at=None)
    row["cancellation_details"].update(comment=None, feedback=None, reason=None)


def keep_going(world: World, row: Resource) -> Resource:
    """Take a planned end back."""
    must_live(row)
    before = snapshot(row)
    unmark_ending(row)
    world.emit("customer.subscription.updated", row, before=before)
    return row
