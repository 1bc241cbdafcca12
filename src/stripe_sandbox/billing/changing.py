"""Another price or quantity for a running subscription."""

from collections.abc import Callable
from typing import Final

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing import invoicing
from stripe_sandbox.billing.cards import declined
from stripe_sandbox.billing.pausing import restart_period
from stripe_sandbox.billing.periods import HOUR_SECONDS
from stripe_sandbox.billing.renewing import charge_of, must_live, settle
from stripe_sandbox.objects.catalogue import plan_of
from stripe_sandbox.objects.invoice import invoice_line
from stripe_sandbox.objects.subscription import items_of, period_of
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

Edit = Callable[[Resource], None]
_PENDING_UPDATE_SECONDS: Final = 23 * HOUR_SECONDS


def change_price(world: World, row: Resource, price: Resource) -> Resource:
    """Move a subscription's first item to another price, with prorations on the next invoice."""

    def edit(target: Resource) -> None:
        set_price(items_of(target)[0], price)

    return change(world, row, edit)


def set_price(item: Resource, price: Resource) -> None:
    if price["recurring"] is None:
        raise ApiError(
            f"The price specified is set to `type=one_time` but this field only accepts prices with "
            f"`type=recurring`: {price['id']}",
            param="items[0][price]",
        )
    item.update(price=price, plan=plan_of(price))


def change(
    world: World,
    row: Resource,
    edit: Edit,
    *,
    prorations: str = "create_prorations",
    behaviour: str = "allow_incomplete",
) -> Resource:
    """Apply an edit to a subscription's items and bill for the difference as told."""
    must_live(row)
    before, planned = snapshot(row), snapshot(row)
    edit(planned)
    if items_of(planned) == items_of(before):
        edit(row)
        return row
    at_once = prorations == "always_invoice" or _rhythm(planned) != _rhythm(before)
    if at_once and (refusal := _refused(world, before)) and behaviour != "allow_incomplete":
        return _do_not_apply(world, row, planned, behaviour, refusal)
    edit(row)
    if _rhythm(planned) != _rhythm(before) and row["status"] != "trialing":
        restart_period(world, row)
    lines = [] if prorations == "none" or row["status"] == "trialing" else _prorations(world, before, row)
    _bill(world, row, before, lines, at_once=at_once)
    return row


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
    rhythm = items_of(row)[0]["price"]["recurring"]
    return rhythm["interval"], rhythm["interval_count"]


def _prorations(world: World, before: Resource, after: Resource) -> list[Resource]:
    """A credit for the unused part of the old items and a charge for the rest of the period on the new ones."""
    now = world.now(before["test_clock"])
    return [
        *(_line(world, before, item, now, sign=-1) for item in items_of(before)),
        *(_line(world, after, item, now, sign=1) for item in items_of(after)),
    ]


def _line(world: World, row: Resource, item: Resource, now: int, *, sign: int) -> Resource:
    start, end = period_of(row)
    share = max(end - now, 0) / max(end - start, 1)
    amount = sign * round(int(item["price"]["unit_amount"]) * int(item["quantity"]) * min(share, 1))
    product = world.find("product", item["price"]["product"])
    words = "Unused time on" if sign < 0 else "Remaining time on"
    return invoice_line(
        world.ids.long("il"),
        invoice_id="",
        subscription=row,
        item=item,
        amount=amount,
        period=(now, end),
        description=f"{words} {product['name'] if product else item['price']['id']}",
        proration=True,
    )
