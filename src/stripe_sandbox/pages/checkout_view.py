"""How the checkout page looks."""

from typing import Final

from litestar import Response

from stripe_sandbox.billing.cards import CARDS, Card
from stripe_sandbox.pages.frame import button, note, page, spread, web_link
from stripe_sandbox.pages.markup import Child, Markup, tag
from stripe_sandbox.pages.refusals import refusal
from stripe_sandbox.pages.words import card_number, day, money, rate, rhythm
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.checkout_lines import line_items
from stripe_sandbox.world.world import World

_GONE: Final = 410
_TITLES: Final = {"subscription": "Subscribe", "payment": "Pay", "setup": "Save a card"}
_WHAT_CARDS_DO: Final = {
    "succeeds": "Every payment goes through.",
    "authentication": "The bank asks whether it is you; later payments go through.",
    "declined": "The bank says no. You can try another card.",
    "insufficient_funds": "The account is empty. You can try another card.",
    "fails_later": "This payment goes through, renewals are declined.",
    "authentication_always": "The bank asks now, and renewals fail until you are back.",
    "delayed": "The order stands at once, the money comes when the control room says so.",
}


def open_checkout(world: World, session: Resource, *, message: str | None = None, left: bool = False) -> Response[str]:
    """What is bought, by whom, and a button for each test card; `left` by a buyer who has nowhere to go."""
    brand = world.config.account_name
    title = _TITLES[session["mode"]]
    return page(
        title,
        note(message, " Choose another card to try again.", tone="bad") if message else None,
        note("Nothing is charged. The shop named no page to go back to (cancel_url); this one stays open.", tone="")
        if left
        else None,
        tag("h1", title, " at ", brand),
        tag("div", _summary(world, session), _payment(world, session), class_="two"),
        brand=brand,
    )


def _summary(world: World, session: Resource) -> Markup:
    items = line_items(world, session)
    rows = [
        tag(
            "li",
            spread(
                tag("span", item["description"], class_="strong"),
                tag("span", money(item["amount_total"], item["currency"])),
            ),
            tag("p", _quantity(item), class_="small soft"),
        )
        for item in items
    ]
    return tag(
        "section",
        tag("h2", "Your order", id="order"),
        _headline(session, items),
        tag("ul", *rows, class_="rows") if len(rows) > 1 else None,
        _trial(world, session, items),
        button(f"/pay/{session['id']}/leave", f"Leave without {_verb(session)}", look="plain"),
        class_="card",
        aria_labelledby="order",
    )


def _quantity(item: Resource) -> str:
    each = rate(item["price"])
    return each if item["quantity"] == 1 else f"{item['quantity']} at {each} each"


def _headline(session: Resource, items: list[Resource]) -> Markup | None:
    if not items:
        return tag("p", "The card is saved for later; nothing is charged.", class_="soft")
    rhythms = list(dict.fromkeys(rhythm(item["price"]) for item in items if item["price"]["recurring"]))
    how_often = rhythms[0] if len(rhythms) == 1 else "in all, each line in its own rhythm" if rhythms else ""
    total = sum(int(item["amount_total"]) for item in items)
    amount = tag("span", money(total, session["currency"]), class_="price")
    price = tag("p", amount, tag("span", " ", how_often, class_="soft") if how_often else None)
    if len(items) > 1:
        return price
    several = tag("p", _quantity(items[0]), class_="small soft") if items[0]["quantity"] > 1 else None
    return tag("div", tag("p", items[0]["description"], class_="strong"), price, several)


def _trial(world: World, session: Resource, items: list[Resource]) -> Markup | None:
    data = world.private(session["id"])["subscription_data"]
    if days := data.get("trial_period_days"):
        free: tuple[Child, ...] = (f"The first {days} days are free.",)
    elif until := data.get("trial_end"):
        free = ("Free until ", day(until), ".")
    else:
        return None
    return tag("p", *free, f" Due today: {money(0, items[0]['currency'])}.", class_="note good")


def _verb(session: Resource) -> str:
    return "saving" if session["mode"] == "setup" else "paying"


def _payment(world: World, session: Resource) -> Markup:
    cards = [_card_button(card, first=place == 0) for place, card in enumerate(CARDS.values())]
    form = tag(
        "form",
        _buyer(world, session),
        tag("p", "Each test card plays one story. Choose what should happen:", class_="soft"),
        tag("div", *cards, class_="stack"),
        method="post",
        action=f"/pay/{session['id']}",
        class_="stack",
    )
    heading = tag("h2", "Pay with a test card" if session["mode"] != "setup" else "Save a test card", id="cards")
    return tag("section", heading, form, class_="card", aria_labelledby="cards")


def _buyer(world: World, session: Resource) -> Markup:
    buyer = world.find("customer", session["customer"])
    known = [buyer["name"], buyer["email"]] if buyer else [session["customer_email"]]
    words = ", ".join(word for word in known if word) or session["customer"]
    if words:
        return tag("p", tag("span", "Buyer: ", class_="soft"), words)
    return tag(
        "div",
        tag("label", "Email", for_="email"),
        tag("input", type="email", id="email", name="email", autocomplete="email", placeholder="buyer@example.com"),
        class_="field",
    )


def _card_button(card: Card, *, first: bool) -> Markup:
    return tag(
        "button",
        tag("span", card.label),
        tag("span", card_number(card.number), class_="code"),
        tag("span", _WHAT_CARDS_DO.get(card.name)),
        name="card",
        value=card.name,
        class_="choice main" if first else "choice",
    )


def challenge(world: World, session: Resource, *, card: str, email: str | None) -> Response[str]:
    """The bank's question that a card may need; one button for each answer."""
    action = f"/pay/{session['id']}"
    fields = {"card": card, **({"email": email} if email else {})}
    return page(
        "Is it you?",
        tag(
            "section",
            tag("h1", "Your bank asks: is it you?"),
            tag("p", _asked_for(session), world.config.account_name, "."),
            tag("p", "A real bank would send a code to your phone. Here you choose how it ends.", class_="soft"),
            tag(
                "div",
                button(action, "Complete authentication", look="main", authentication="completes", **fields),
                button(action, "Fail authentication", authentication="fails", **fields),
                class_="row",
            ),
            tag("p", tag("a", "Back to the cards", href=action)),
            class_="card",
        ),
        width="narrow",
        brand="Test bank",
    )


def _asked_for(session: Resource) -> str:
    if session["mode"] == "setup":
        return "The card is to be saved with "
    return f"{money(session['amount_total'], session['currency'])} to "


def closed_checkout(session: Resource, onward: str) -> Response[str]:
    """A session that takes no payment any more, and where to go instead."""
    if session["status"] == "complete":
        return refusal(
            "This is paid already",
            tag("p", "The checkout is complete. Nothing was charged twice."),
            web_link(onward, "Go on to the shop", look="button main"),
            status=_GONE,
        )
    return refusal(
        "This checkout has expired",
        tag("p", "Nothing was charged. Go back to the shop and start again."),
        web_link(session["cancel_url"], "Back to the shop", look="button main"),
        status=_GONE,
    )


def checkout_without_customer(session: Resource) -> Response[str]:
    """An open session whose customer was deleted."""
    return refusal(
        "This checkout has no customer any more",
        tag("p", "The customer was deleted, so nobody can pay here. Nothing was charged. Start again in the shop."),
        web_link(session["cancel_url"], "Back to the shop", look="button main"),
        status=_GONE,
    )
