"""Pause and resume, as Stripe has them since 2026-09-30.endive, and the pause at the end of a trial."""

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing import ending, invoicing
from stripe_sandbox.billing.renewing import charge_of, settle
from stripe_sandbox.billing.starting import first_period_end
from stripe_sandbox.objects.subscription import items_of, period_of
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World


def pause(world: World, row: Resource, *, reason: str = "pause_requested") -> Resource:
    """Stop a subscription until it is resumed: no invoices, no access."""
    if row["status"] not in {"active", "past_due", "trialing"}:
        raise ApiError(f"A subscription that is {row['status']} cannot be paused.")
    before = snapshot(row)
    row["status"] = "paused"
    row["status_details"] = {
        "paused": {
            "subscription": {"type": reason},
            "transitioned_at": world.now(row["test_clock"]),
            "type": "subscription",
        }
    }
    world.emit("customer.subscription.paused", row)
    world.emit("customer.subscription.updated", row, before=before)
    return row


def resume(world: World, row: Resource) -> Resource:
    """Go on with a new period from now; a refused charge leaves the subscription past due."""
    if row["status"] != "paused":
        raise ApiError(f"A subscription that is {row['status']} cannot be resumed.")
    before = snapshot(row)
    restart_period(world, row)
    row.update(status="active", status_details=None)
    invoice = invoicing.draw_up(world, row, reason="subscription_cycle")
    row["latest_invoice"] = invoice["id"]
    world.emit("customer.subscription.resumed", row)
    world.emit("customer.subscription.updated", row, before=before)
    invoicing.announce(world, invoice)
    settle(world, row, invoice, charge=charge_of(world, row))
    return row


def restart_period(world: World, row: Resource) -> None:
    """Anchor the billing cycle to now; an end planned for the end of the period is the new one's."""
    now, old_end = world.now(row["test_clock"]), period_of(row)[1]
    row["billing_cycle_anchor"] = now
    for item in items_of(row):
        item["current_period_start"] = now
        item["current_period_end"] = item["billed_until"] = first_period_end(now, item["price"])
    ending.follow_period(row, old_end=old_end, new_end=period_of(row)[1])
