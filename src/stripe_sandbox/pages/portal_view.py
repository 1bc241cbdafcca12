"""How the portal looks, and what it offers."""

from typing import Final

from litestar import Response

from stripe_sandbox.billing import portal
from stripe_sandbox.billing.cards import CARDS, Card, card_of
from stripe_sandbox.objects.subscription import ENDED, items_of, period_of
from stripe_sandbox.pages.frame import button, note, page, section, select, spread, web_link
from stripe_sandbox.pages.markup import Child, Markup, tag
from stripe_sandbox.pages.words import badge, billed, day, money, rate
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World

_PAUSABLE: Final = frozenset({"active", "past_due", "trialing"})


def show_portal(world: World, session: Resource, *, done: str | None) -> Response[str]:
    """Plans, payment method, invoices, and what the customer may do about them."""
    rows = portal.subscriptions_of(world, session)
    plans = [_plan(world, session, row) for row in rows if row["status"] not in ENDED]
    buyer = world.find("customer", session["customer"]) or {}
    return page(
        "Your plan",
        note(done) if done else None,
        tag(
            "div",
            tag("h1", "Your plan"),
            tag("p", buyer.get("email") or buyer.get("name") or session["customer"], class_="soft"),
        ),
        plans or section("No running plan", tag("p", "There is nothing to pay.", class_="soft"), key="none"),
        card_form(world, session, rows) if portal.offers(world, session, "update_card") else None,
        _invoices(world, session),
        _past(world, [row for row in rows if row["status"] in ENDED]),
        way_back(world, session),
        width="narrow",
        brand=world.config.account_name,
    )


def way_back(world: World, session: Resource) -> Markup:
    """To where the shop said."""
    return tag("p", web_link(session["return_url"], f"Return to {world.config.account_name}"))


def _plan(world: World, session: Resource, row: Resource) -> Markup:
    item = items_of(row)[0]
    return section(
        plan_name(world, row),
        tag("p", badge(row["status"]), " ", tag("span", rate(item["price"], item["quantity"]), class_="strong")),
        tag("p", *outlook(row)),
        changes(world, session, row),
        _ending(world, session, row),
        key=row["id"],
    )


def plan_name(world: World, row: Resource) -> str:
    """The product of a subscription's first item, with its quantity when there are several."""
    item = items_of(row)[0]
    name = product_name(world, item["price"])
    return name if item["quantity"] == 1 else f"{name} × {item['quantity']}"  # noqa: RUF001  # a multiplication sign


def outlook(row: Resource) -> tuple[Child, ...]:
    """What happens to a subscription next, as a sentence."""
    end = day(period_of(row)[1])
    if row["status"] in ENDED:
        return ("Ended on ", day(row["ended_at"] or row["created"]), ".")
    if row["cancel_at"] is not None:
        return ("Ends on ", day(row["cancel_at"]), " and will not be renewed.")
    match row["status"]:
        case "paused":
            return ("Paused: nothing is charged until you resume.",)
        case "past_due" | "unpaid":
            return ("The last payment failed. Another card may help.",)
        case "trialing":
            return ("The trial ends on ", end, ", then the first payment is due.")
        case _:
            return ("Renews on ", end, ".")


def changes(world: World, session: Resource, row: Resource) -> Markup | None:
    """A button for each price that the plan can change to; nothing where there is none."""
    prices = portal.other_prices(world, row, session)
    if not prices or not portal.offers(world, session, "change_price") or row["status"] == "paused":
        return None
    buttons = [
        button(
            f"/portal/{session['id']}/change_price",
            f"Change to {product_name(world, price)}, {rate(price)}",
            subscription=row["id"],
            price=price["id"],
        )
        for price in prices
    ]
    hint = tag("p", billed(row, prices), class_="small soft")
    return tag("div", tag("h3", "Change plan"), tag("div", *buttons, class_="row"), hint, class_="stack")


def product_name(world: World, price: Resource) -> str:
    """What a price is the price of."""
    product = world.find("product", price["product"])
    return str(product["name"]) if product else str(price["id"])


def _ending(world: World, session: Resource, row: Resource) -> Markup:
    base, named = f"/portal/{session['id']}", {"subscription": row["id"]}
    buttons: list[Child] = []
    if row["status"] == "paused":
        buttons.append(button(f"{base}/resume", "Resume the plan", look="main", **named))
    if row["cancel_at"] is not None:
        buttons.append(button(f"{base}/keep", "Resume: do not cancel", look="main", **named))
    elif portal.offers(world, session, "cancel_at_period_end"):
        buttons.append(button(f"{base}/cancel_at_period_end", "Cancel at the end of the period", **named))
    if row["status"] in _PAUSABLE and portal.offers(world, session, "pause"):
        buttons.append(button(f"{base}/pause", "Pause", **named))
    if portal.offers(world, session, "cancel"):
        ask = f"{base}/confirm_cancel?subscription={row['id']}"
        buttons.append(tag("a", "Cancel now…", href=ask, class_="button"))
    return tag("div", *buttons, class_="row")


def card_form(world: World, session: Resource, rows: list[Resource]) -> Markup:
    """The card that is charged, and a form for another."""
    current = _current_card(world, session, rows)
    now = (
        f"{current.label}, ending in {current.number[-4:]}."
        if current
        else "No card is saved: a renewal would be declined."
    )
    names = {card.name: f"{card.label} (…{card.number[-4:]})" for card in CARDS.values()}
    form = tag(
        "form",
        select("Another test card", "card", names, key="card", chosen=current.name if current else None),
        tag("button", "Update card"),
        method="post",
        action=f"/portal/{session['id']}/update_card",
        class_="inline",
    )
    return section("Payment method", tag("p", now), form, key="payment-method")


def _current_card(world: World, session: Resource, rows: list[Resource]) -> Card | None:
    for row in rows:
        if row["status"] not in ENDED:
            return card_of(world, row)
    buyer = world.find("customer", session["customer"])
    method: str | None = buyer["invoice_settings"]["default_payment_method"] if buyer else None
    return CARDS.get(world.private(method).get("card", "")) if method else None


def _invoices(world: World, session: Resource) -> Markup | None:
    if not portal.features(world, session)["invoice_history"]["enabled"]:
        return None
    rows = [
        spread(
            tag("span", tag("a", row["number"] or "Draft", href=f"/invoice/{row['id']}"), " ", badge(row["status"])),
            tag("span", day(row["created"]), class_="soft small"),
            tag("span", money(row["total"], row["currency"]), class_="strong"),
            name="li",
        )
        for row in portal.invoices_of(world, session)
    ]
    nothing = tag("p", "There are none yet.", class_="soft")
    return section("Invoices", tag("ul", *rows, class_="rows") if rows else nothing, key="invoices")


def _past(world: World, rows: list[Resource]) -> Markup | None:
    if not rows:
        return None
    items = [
        spread(
            tag("span", plan_name(world, row), " ", badge(row["status"])),
            tag("span", *outlook(row), class_="soft small"),
            name="li",
        )
        for row in rows
    ]
    return section("Past plans", tag("ul", *items, class_="rows"), key="past")
