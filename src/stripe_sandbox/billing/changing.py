"""Another price or quantity for a running subscription."""

from collections.abc import Callable
from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing import ending, invoicing
from stripe_sandbox.billing.cards import declined
from stripe_sandbox.billing.pausing import restart_period
from stripe_sandbox.billing.periods import HOUR_SECONDS
from stripe_sandbox.billing.prices import must_be_active, must_differ, must_match, must_recur, rhythm_of
from stripe_sandbox.billing.renewing import charge_of, renew, settle
from stripe_sandbox.billing.starting import first_period_end
from stripe_sandbox.objects.catalogue import plan_of
from stripe_sandbox.objects.invoice import invoice_line
from stripe_sandbox.objects.subscription import items_of, period_of, subscription_item
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

Edit = Callable[[Resource], None]
_PENDING_UPDATE_SECONDS: Final = 23 * HOUR_SECONDS


def change_price(world: World, row: Resource, price: Resource) -> Resource:
    """Move a subscription's first item to another price, with prorations on the next invoice."""

    def edit(target: Resource) -> None:
        set_price(items_of(target)[0], price)

    return change(world, row, edit)


def set_price(item: Resource, price: Resource, *, param: str = "price") -> None:
    """Sell something else by an item; a price it has already may have become inactive since."""
    must_recur(price, param=param)
    if price["id"] != item["price"]["id"]:
        must_be_active(price, param=param)
    item.update(price=snapshot(price), plan=plan_of(price))


def change(
    world: World,
    row: Resource,
    edit: Edit,
    *,
    prorations: str = "create_prorations",
    behaviour: str = "allow_incomplete",
) -> Resource:
    """Apply an edit to a subscription and bill as told for what it makes of the items.

    The edit is made twice: on a copy first, to see what it leads to. One event tells of all of it.
    """
    ending.must_live(row)
    before, planned = snapshot(row), snapshot(row)
    edit(planned)
    _check_items(planned)
    if items_of(planned) == items_of(before):
        edit(row)
        if row != before:
            world.emit("customer.subscription.updated", row, before=before)
        return row
    at_once = prorations == "always_invoice" or _rhythm(planned) != _rhythm(before)
    if at_once and (refusal := _refused(world, planned)) and behaviour != "allow_incomplete":
        return _do_not_apply(world, row, planned, behaviour, refusal)
    edit(row)
    if _rhythm(planned) != _rhythm(before) and row["status"] != "trialing":
        restart_period(world, row)
    lines = [] if prorations == "none" or row["status"] == "trialing" else _prorations(world, before, row)
    _bill(world, row, before, lines, at_once=at_once)
    return row


def end_trial(world: World, row: Resource, edit: Edit) -> Resource:
    """End a trial now, with whatever else is edited: the first period that is paid for begins."""
    before = snapshot(row)
    edit(row)
    _check_items(row)
    now, old_end = world.now(row["test_clock"]), period_of(row)[1]
    row.update(trial_end=now, billing_cycle_anchor=now)
    for item in items_of(row):
        item["current_period_end"] = now
    new_end = min(first_period_end(now, item["price"]) for item in items_of(row))
    ending.follow_period(row, old_end=old_end, new_end=new_end)
    return renew(world, row, before=before)


def new_item(world: World, row: Resource, price: Resource, quantity: int) -> Resource:
    """One more item, whose period is that of an item of the same rhythm, or one of its own."""
    now = world.now(row["test_clock"])
    like = next((item for item in items_of(row) if rhythm_of(item["price"]) == rhythm_of(price)), None)
    period = (now, first_period_end(now, price))
    if like is not None or row["status"] == "trialing":
        period = period_of(row) if like is None else (like["current_period_start"], like["current_period_end"])
    return subscription_item(
        world.ids.short("si"),
        subscription_id=row["id"],
        price=price,
        quantity=quantity,
        created=now,
        period=period,
    )


def _check_items(row: Resource) -> None:
    prices = [item["price"] for item in items_of(row)]
    must_differ(prices)
    must_match(prices, billing_mode=row["billing_mode"]["type"])


def _refused(world: World, row: Resource) -> ApiError | None:
    charge = charge_of(world, row)
    return None if charge == "succeeds" else declined(charge)


def _do_not_apply(world: World, row: Resource, planned: Resource, behaviour: str, refusal: ApiError) -> Resource:
    """The payment fails, so the update waits (`pending_if_incomplete`) or is refused (`error_if_incomplete`)."""
    if behaviour == "error_if_incomplete":
        raise refusal
    before = snapshot(row)
    row["pending_update"] = {
        "billing_cycle_anchor": None,
        "expires_at": world.now(row["test_clock"]) + _PENDING_UPDATE_SECONDS,
        "subscription_items": items_of(planned),
        "trial_end": None,
        "trial_from_plan": None,
    }
    invoice = invoicing.draw_up(world, planned, reason="subscription_update", lines=_prorations(world, before, planned))
    row["latest_invoice"] = invoice["id"]
    world.keep(row["id"], pending_invoice=invoice["id"])
    world.emit("customer.subscription.updated", row, before=before)
    invoicing.announce(world, invoice)
    invoicing.mark_failed(world, invoice, next_attempt=None)
    return row


def _bill(world: World, row: Resource, before: Resource, lines: list[Resource], *, at_once: bool) -> None:
    if not at_once or row["status"] == "trialing":
        if lines:
            world.keep(row["id"], prorations=[*world.private(row["id"]).get("prorations", []), *lines])
        world.emit("customer.subscription.updated", row, before=before)
        return
    invoice = invoicing.draw_up(world, row, reason="subscription_update", lines=lines)
    row["latest_invoice"] = invoice["id"]
    world.emit("customer.subscription.updated", row, before=before)
    invoicing.announce(world, invoice)
    settle(world, row, invoice, charge=charge_of(world, row))


def _rhythm(row: Resource) -> tuple[str, int]:
    return rhythm_of(items_of(row)[0]["price"])


def _prorations(world: World, before: Resource, after: Resource) -> list[Resource]:
    """A credit for the unused part of what was changed, and a charge for the rest of the period on what it became."""
    now = world.now(before["test_clock"])
    old, new = items_of(before), items_of(after)
    return [
        *(_line(world, before, item, now, sign=-1) for item in old if item not in new),
        *(_line(world, after, item, now, sign=1) for item in new if item not in old),
    ]


def _line(world: World, row: Resource, item: Resource, now: int, *, sign: int) -> Resource:
    start, end = item["current_period_start"], item["current_period_end"]
    left, whole = min(max(end - now, 0), end - start), max(end - start, 1)
    full = int(item["price"]["unit_amount"]) * int(item["quantity"])
    words = "Unused time on" if sign < 0 else "Remaining time on"
    return invoice_line(
        world.ids.long("il"),
        subscription=row,
        item=item,
        amount=sign * ((2 * full * left + whole) // (2 * whole)),
        period=(now, end),
        description=f"{words} {invoicing.name_of(world, item['price'])}",
        proration=True,
    )
