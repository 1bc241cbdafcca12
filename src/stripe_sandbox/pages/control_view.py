"""How the control room looks."""

from itertools import islice
from typing import Final

from litestar import Response

from stripe_sandbox.billing import checkout, portal
from stripe_sandbox.billing.cards import CARDS
from stripe_sandbox.objects.subscription import ENDED, items_of
from stripe_sandbox.pages import control_levers as levers
from stripe_sandbox.pages.control_actions import SUBSCRIPTION_ACTIONS
from stripe_sandbox.pages.frame import button, note, page, section, select, spread
from stripe_sandbox.pages.markup import Child, Markup, tag
from stripe_sandbox.pages.portal_view import outlook, plan_name, product_name
from stripe_sandbox.pages.timeline import time_line
from stripe_sandbox.pages.words import badge, card_number, clock_time, money, rate
from stripe_sandbox.resource import Resource
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.world.world import World

_SHOWN: Final = 25
_REFRESH_SECONDS: Final = 5
_PLACES: Final = {
    "clock": "Clock",
    "subscriptions": "Subscriptions",
    "events": "Events",
    "customers": "Customers",
    "checkouts": "Checkouts",
    "endpoints": "Webhook endpoints",
    "delivery": "Webhook disorder",
    "faults": "API faults",
    "connect": "Connect",
    "reset": "Begin anew",
}
"""The sections in the page's order, by the names of their places."""


def show_room(sandbox: Sandbox, *, done: str | None, before: str | None, refresh: bool) -> Response[str]:
    """The whole room; `before` pages the time line."""
    world = sandbox.world
    left = (
        _subscriptions(world),
        time_line(sandbox, before=before, refresh=refresh),
        _customers(world),
        _checkouts(world),
    )
    right = (
        levers.endpoints(world),
        levers.delivery(sandbox.deliverer.settings),
        levers.faults(sandbox.faults.active),
        levers.connection(sandbox),
        levers.reset(),
    )
    places = tag("ul", *(tag("li", tag("a", words, href=f"#{key}")) for key, words in _PLACES.items()))
    return page(
        "Control room",
        note(done) if done else None,
        tag("div", tag("h1", "Control room"), _counts(sandbox), class_="stack"),
        tag("nav", places, aria_label="On this page"),
        levers.clock(world),
        tag("div", tag("div", *left), tag("div", *right), class_="room"),
        width="wide",
        brand="Stripe sandbox",
        skip_to="#events",
        refresh_seconds=_REFRESH_SECONDS if refresh else None,
    )


def _counts(sandbox: Sandbox) -> Markup:
    counts, world = sandbox.deliverer.counts(), sandbox.world
    return tag(
        "p",
        f"{_many(len(world.rows('customer')), 'customer')}, {_many(len(world.rows('subscription')), 'subscription')}, ",
        f"{_many(len(world.rows('event')), 'event')}. Deliveries: {counts.succeeded} succeeded, ",
        f"{counts.failed} failed, {counts.pending} pending",
        f" ({counts.held} held back)" if counts.held else None,
        ".",
        class_="soft",
    )


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _listed(world: World, kind: str, nothing: str) -> tuple[list[Resource], Markup | None]:
    """The newest rows of a kind, and what to say when there are none or more."""
    rows = list(islice(world.store.table(kind).newest_first(), _SHOWN))
    count = len(world.rows(kind))
    if not rows:
        return rows, tag("p", nothing, class_="soft")
    more = f"The newest {len(rows)} of {count}." if count > len(rows) else None
    return rows, tag("p", more, class_="small soft") if more else None


def _subscriptions(world: World) -> Markup:
    rows, remark = _listed(world, "subscription", "There are none. Somebody has to buy first.")
    items = [tag("li", _subscription(world, row), class_="stack") for row in rows]
    return section("Subscriptions", tag("ul", *items, class_="rows") if items else None, remark, key="subscriptions")


def _subscription(world: World, row: Resource) -> tuple[Child, ...]:
    item, name = items_of(row)[0], f"{plan_name(world, row)} of {_customer_name(world, row['customer'])}"
    return (
        spread(tag("h3", name), badge(row["status"])),
        tag("p", rate(item["price"], item["quantity"]), ". ", *outlook(row)),
        tag("p", row["id"], class_="code soft"),
        _test_clock(world, row),
        None if row["status"] in ENDED else _subscription_buttons(world, row, name),
    )


def _test_clock(world: World, row: Resource) -> Markup | None:
    if (clock := world.find("test_helpers.test_clock", row["test_clock"])) is None:
        return None
    return tag("p", "On a test clock: ", clock_time(clock["frozen_time"]), class_="small soft")


def _subscription_buttons(world: World, row: Resource, name: str) -> Markup:
    base = f"/control/subscriptions/{row['id']}"
    buttons = [
        button(f"{base}/{key}", action.label, look=action.look, says=f"{action.label}: {name}")
        for key, action in SUBSCRIPTION_ACTIONS.items()
        if key != "change_price" and action.fits(row)
    ]
    prices = {price["id"]: f"{product_name(world, price)}, {rate(price)}" for price in portal.other_prices(world, row)}
    change = tag(
        "form",
        select("Another price", "price", prices, key=f"price-{row['id']}"),
        tag("button", "Change price", aria_label=f"Change price: {name}"),
        method="post",
        action=f"{base}/change_price",
        class_="inline",
    )
    offered = change if prices and SUBSCRIPTION_ACTIONS["change_price"].fits(row) else None
    summary = tag("summary", "What can happen to it", tag("span", f": {name}", class_="unseen"))
    return tag("details", summary, tag("div", tag("div", *buttons, class_="row"), offered, class_="stack"))


def _customer_name(world: World, customer_id: str) -> str:
    row = world.find("customer", customer_id) or {}
    return str(row.get("name") or row.get("email") or customer_id)


def _customers(world: World) -> Markup:
    rows, remark = _listed(world, "customer", "There are none yet.")
    items = [tag("li", _customer(world, row), class_="stack") for row in rows]
    return section("Customers", tag("ul", *items, class_="rows") if items else None, remark, key="customers")


def _customer(world: World, row: Resource) -> tuple[Child, ...]:
    if row.get("deleted"):
        return (tag("h3", row["id"], class_="code"), badge("deleted"))
    name = _customer_name(world, row["id"])
    cards = {card.name: f"{card.label} ({card_number(card.number)})" for card in CARDS.values()}
    method = row["invoice_settings"]["default_payment_method"]
    form = tag(
        "form",
        select(f"Card of {name}", "card", cards, key=f"card-{row['id']}", chosen=_card_name(world, method)),
        tag("button", "Give this card", aria_label=f"Give this card to {name}"),
        method="post",
        action=f"/control/customers/{row['id']}/card",
        class_="inline",
    )
    email = tag("span", row["email"], class_="soft small") if row["email"] != name else None
    return (
        spread(tag("h3", name), email),
        tag("p", row["id"], class_="code soft"),
        _test_clock(world, row),
        tag("details", tag("summary", "Change the card", tag("span", f" of {name}", class_="unseen")), form),
    )


def _card_name(world: World, method: str | None) -> str | None:
    return None if method is None else world.private(method).get("card")


def _checkouts(world: World) -> Markup:
    rows, remark = _listed(world, checkout.SESSION, "Nobody has gone to the checkout yet.")
    items = [tag("li", _checkout(world, row), class_="stack") for row in rows]
    return section("Checkouts", tag("ul", *items, class_="rows") if items else None, remark, key="checkouts")


def _checkout(world: World, row: Resource) -> tuple[Child, ...]:
    base, amount = f"/control/checkout_sessions/{row['id']}", money(row["amount_total"] or 0, row["currency"] or "")
    buttons: list[Child] = []
    if row["status"] == "open":
        buttons.append(tag("a", "Open the page", href=row["url"] or f"/pay/{row['id']}", class_="button"))
        buttons.append(button(f"{base}/expire", "Expire", says=f"Expire: checkout over {amount}"))
    if row["status"] == "complete" and row["payment_status"] == "unpaid":
        buttons.append(button(f"{base}/settle", "The bank pays", succeeds="true"))
        buttons.append(button(f"{base}/settle", "The bank refuses", succeeds="false"))
    who = _customer_name(world, row["customer"]) if row["customer"] else row["customer_email"] or "an unknown buyer"
    return (
        spread(tag("h3", f"{amount} by {who}"), badge(row["status"])),
        tag("p", f"{row['id'][:24]}…", class_="code soft"),
        tag("div", *buttons, class_="row") if buttons else None,
    )
