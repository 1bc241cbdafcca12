"""How a subscription begins."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stripe_sandbox.billing import invoicing
from stripe_sandbox.billing.periods import period_end
from stripe_sandbox.billing.prices import must_differ, must_match
from stripe_sandbox.objects.invoice import one_time_line
from stripe_sandbox.objects.subscription import set_items, subscription, subscription_item
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody subscribes to."""

    customer: Resource
    items: Sequence[tuple[Resource, int]]
    """Prices and quantities; what does not recur is on the first invoice only."""
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    description: str | None = None
    trial_end: int | None = None
    billing_mode: str = "flexible"
    payment_method: str | None = None
    missing_payment_method: str = "create_invoice"


def begin(world: World, order: Order) -> tuple[Resource, Resource]:
    """Make a subscription, `incomplete` or `trialing`, and its draft first invoice; nothing is told yet."""
    prices = [price for price, _ in order.items]
    must_match(prices, billing_mode=order.billing_mode)
    must_differ([price for price in prices if price["recurring"] is not None])
    now = world.now(order.customer["test_clock"])
    row = subscription(
        world.ids.long("sub"),
        customer_id=order.customer["id"],
        currency=order.items[0][0]["currency"],
        created=now,
        billing_mode=order.billing_mode,
    )
    row.update(
        metadata=dict(order.metadata),
        description=order.description,
        test_clock=order.customer["test_clock"],
        default_payment_method=order.payment_method,
    )
    row["trial_settings"]["end_behavior"]["missing_payment_method"] = order.missing_payment_method
    if order.trial_end is not None:
        row.update(status="trialing", trial_start=now, trial_end=order.trial_end, billing_cycle_anchor=order.trial_end)
    _add_items(world, row, order, now)
    invoice = _first_invoice(world, row, order)
    row["latest_invoice"] = invoice["id"]
    return row, invoice


def _add_items(world: World, row: Resource, order: Order, now: int) -> None:
    items = [
        subscription_item(
            world.ids.short("si"),
            subscription_id=row["id"],
            price=price,
            quantity=quantity,
            created=now,
            period=(now, order.trial_end or first_period_end(now, price)),
        )
        for price, quantity in order.items
        if price["recurring"] is not None
    ]
    set_items(row, items)


def first_period_end(start: int, price: Resource) -> int:
    rhythm = price["recurring"]
    return period_end(start, start, interval=rhythm["interval"], interval_count=rhythm["interval_count"])


def _first_invoice(world: World, row: Resource, order: Order) -> Resource:
    once = [
        one_time_line(
            world.ids.long("il"),
            item_id=world.ids.long("ii"),
            subscription=row,
            price=price,
            quantity=quantity,
            description=invoicing.name_of(world, price),
            now=row["created"],
        )
        for price, quantity in order.items
        if price["recurring"] is None
    ]
    lines = [*invoicing.cycle_lines(world, row, free=row["status"] == "trialing"), *once]
    invoice = invoicing.draw_up(world, row, reason="subscription_create", lines=lines)
    invoice["period_start"] = invoice["period_end"] = invoice["created"]
    return invoice


def tell_paid(world: World, row: Resource, invoice: Resource) -> None:
    """Tell of a subscription whose first invoice was paid at once, or asked for nothing."""
    if row["status"] != "trialing":
        row["status"] = "active"
    world.emit("customer.subscription.created", row)
    invoicing.announce(world, invoice)
    invoicing.mark_paid(world, invoice)


def tell_unpaid(world: World, row: Resource, invoice: Resource, *, attempted: bool) -> None:
    """Tell of a subscription that waits for its first payment."""
    world.emit("customer.subscription.created", row)
    invoicing.announce(world, invoice)
    if attempted:
        invoicing.mark_failed(world, invoice, next_attempt=None)
