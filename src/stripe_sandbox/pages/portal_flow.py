"""Pages of the portal for one thing: what a session's flow asks for, and the question before a plan ends."""

from litestar import Response

from stripe_sandbox.billing import portal
from stripe_sandbox.billing.ending import must_live
from stripe_sandbox.objects.subscription import items_of
from stripe_sandbox.pages.frame import button, page, section
from stripe_sandbox.pages.markup import Child, Markup, tag
from stripe_sandbox.pages.portal_view import card_form, changes, outlook, plan_name, product_name, way_back
from stripe_sandbox.pages.words import billed, rate
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World


def show_flow(world: World, session: Resource) -> Response[str] | None:
    """The one thing that the session was made for; None where it was made for the whole portal, or for what we lack."""
    flow: Resource | None = session["flow"]
    kind = "" if flow is None else str(flow["type"])
    if flow is None or kind == "customer_update":
        return None
    if kind == "payment_method_update":
        rows = portal.subscriptions_of(world, session)
        offered = card_form(world, session, rows) if portal.offers(world, session, "update_card") else None
        return _narrowed(world, session, "Your payment method", offered)
    row = portal.subscription_of(world, session, flow[kind]["subscription"])
    must_live(row)
    match kind:
        case "subscription_cancel":
            return confirm_cancel(world, session, row, whole=False)
        case "subscription_pause":
            return _narrowed(world, session, f"Pause {plan_name(world, row)}", _pause(world, session, row))
        case "subscription_update":
            return _narrowed(world, session, f"Change {plan_name(world, row)}", _change(world, session, row))
        case _:
            return _narrowed(
                world, session, f"Confirm your change of {plan_name(world, row)}", _confirm(world, session)
            )


def _narrowed(world: World, session: Resource, title: str, body: Child) -> Response[str]:
    refused = tag("p", "This portal does not offer that: its configuration says so.", class_="note bad")
    return page(
        title,
        tag("h1", title),
        body or refused,
        way_back(world, session),
        width="narrow",
        brand=world.config.account_name,
    )


def _change(world: World, session: Resource, row: Resource) -> Markup | None:
    offered = changes(world, session, row)
    return None if offered is None else section(plan_name(world, row), tag("p", *outlook(row)), offered, key="plan")


def _pause(world: World, session: Resource, row: Resource) -> Markup | None:
    if not portal.offers(world, session, "pause"):
        return None
    pressed = button(f"/portal/{session['id']}/pause", "Pause the plan", look="main", subscription=row["id"])
    return section("Pause", tag("p", "Nothing is charged until you resume."), pressed, key="pause")


def _confirm(world: World, session: Resource) -> Markup | None:
    """The change that the shop has chosen; its first item alone, and its price alone."""
    details: Resource = session["flow"]["subscription_update_confirm"]
    row = portal.subscription_of(world, session, details["subscription"])
    price = world.find("price", details["items"][0].get("price") if details["items"] else None)
    if price is None or not portal.offers(world, session, "change_price"):
        return None
    item = items_of(row)[0]
    if item["price"]["id"] == price["id"]:
        return section("Nothing to confirm", tag("p", "The plan is changed already."), key="confirm")
    pressed = button(
        f"/portal/{session['id']}/change_price", "Confirm", look="main", subscription=row["id"], price=price["id"]
    )
    return section(
        f"{product_name(world, price)}, {rate(price, item['quantity'])}",
        tag("p", f"Instead of {product_name(world, item['price'])}, {rate(item['price'], item['quantity'])}."),
        tag("p", billed(row, [price]), class_="small soft"),
        pressed,
        key="confirm",
    )


def confirm_cancel(world: World, session: Resource, row: Resource, *, whole: bool = True) -> Response[str]:
    """The question before a plan ends: at once within the whole portal, else in each way that is offered."""
    base, named = f"/portal/{session['id']}", {"subscription": row["id"]}
    at_once = portal.offers(world, session, "cancel")
    later = not whole and row["cancel_at"] is None and portal.offers(world, session, "cancel_at_period_end")
    if not at_once and not later:
        ends = section("Cancelled already", tag("p", *outlook(row)), key="plan") if row["cancel_at"] else None
        return _narrowed(world, session, f"Cancel {plan_name(world, row)}", ends)
    words = "This plan ends at once, not at the end of the period. This cannot be taken back."
    choices: tuple[Child, ...] = (
        button(f"{base}/cancel_at_period_end", "Cancel at the end of the period", look="main", **named)
        if later
        else None,
        button(f"{base}/cancel", "Yes, cancel now" if whole else "Cancel now", look="harm", **named)
        if at_once
        else None,
        tag("a", "Keep the plan", href=base, class_="button") if whole else None,
    )
    return page(
        "Cancel now?" if whole else "Cancel your plan",
        tag(
            "section",
            tag("h1", f"Cancel {plan_name(world, row)} now?" if whole else f"Cancel {plan_name(world, row)}"),
            tag("p", words if whole else outlook(row)),
            tag("div", *choices, class_="row"),
            class_="card",
        ),
        None if whole else way_back(world, session),
        width="narrow",
        brand=world.config.account_name,
    )


def flow_done(world: World, session: Resource, message: str) -> Response[str]:
    """What a session shows whose flow ends with a confirmation."""
    return page(
        "Done",
        tag("section", tag("h1", "Done"), tag("p", message), class_="card"),
        way_back(world, session),
        width="narrow",
        brand=world.config.account_name,
    )
