"""What a customer does in the portal; the page's buttons and their calls both come here."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.billing import changing, checkout, ending, pausing
from stripe_sandbox.objects.subscription import items_of
from stripe_sandbox.resource import Resource, part
from stripe_sandbox.world.world import World

Form: TypeAlias = Mapping[str, str]
SESSION: Final = "billing_portal.session"
CONFIGURATION: Final = "billing_portal.configuration"
_FEATURES: Final = {
    "cancel": "subscription_cancel",
    "cancel_at_period_end": "subscription_cancel",
    "change_price": "subscription_update",
    "pause": "subscription_pause",
    "update_card": "payment_method_update",
}
"""Which feature of the portal's configuration offers which action; the others are always there."""
_OF_FLOWS: Final[Mapping[str, frozenset[str]]] = {
    "payment_method_update": frozenset({"update_card"}),
    "subscription_cancel": frozenset({"cancel", "cancel_at_period_end"}),
    "subscription_pause": frozenset({"pause"}),
    "subscription_update": frozenset({"change_price"}),
    "subscription_update_confirm": frozenset({"change_price"}),
}
"""What a session can do that was made for one thing."""
_MODES: Final = {"cancel": "immediately", "cancel_at_period_end": "at_period_end"}
_GONE: Final = 410


def live_session(world: World, session_id: str) -> Resource:
    """A portal session whose customer is still there; raises `ApiError`: 404, or 410 when the customer has gone."""
    session = world.get(SESSION, session_id)
    customer = world.find("customer", session["customer"])
    if customer is None or customer.get("deleted"):
        raise ApiError("The customer of this portal was deleted.", status=_GONE)
    return session


def features(world: World, session: Resource) -> Resource:
    """What the session's configuration says of each feature."""
    found: Resource = world.get(CONFIGURATION, session["configuration"])["features"]
    return found


def offers(world: World, session: Resource, action: str) -> bool:
    """Tell whether the session's configuration lets its customer do this.

    Where nobody has chosen how the account's default configuration cancels, the portal offers both ways.
    """
    if (name := _FEATURES.get(action)) is None:
        return True
    feature = features(world, session)[name]
    if not feature["enabled"]:
        return False
    if action not in _MODES or _MODES[action] == feature["mode"]:
        return True
    configuration = world.get(CONFIGURATION, session["configuration"])
    return bool(configuration["is_default"]) and not world.private(configuration["id"]).get("cancel_mode_chosen")


def subscriptions_of(world: World, session: Resource) -> list[Resource]:
    """The customer's subscriptions, the newest first."""
    table = world.store.table("subscription").newest_first()
    return [row for row in table if row["customer"] == session["customer"]]


def subscription_of(world: World, session: Resource, subscription_id: str, *, param: str = "id") -> Resource:
    """One of the customer's; raises `ApiError`: 403 for another's, and as `World.get` for an unknown one."""
    row = world.get("subscription", subscription_id, param=param)
    if row["customer"] != session["customer"]:
        raise ApiError("This subscription belongs to another customer.", status=403)
    return row


def invoices_of(world: World, session: Resource) -> list[Resource]:
    """The customer's invoices, the newest first."""
    table = world.store.table("invoice").newest_first()
    return [row for row in table if row["customer"] == session["customer"]]


def other_prices(world: World, subscription: Resource, session: Resource | None = None) -> list[Resource]:
    """The prices a subscription can be changed to; in a portal whose configuration lists some, among those."""
    items = items_of(subscription)
    current = {item["price"]["id"] for item in items}
    listed: set[str] = set()
    if session is not None:
        listed = _listed_prices(features(world, session)["subscription_update"]["products"] or [])
    return [
        price
        for price in world.rows("price").values()
        if price["active"]
        and price["recurring"] is not None
        and price["currency"] == items[0]["price"]["currency"]
        and price["id"] not in current
        and (not listed or price["id"] in listed)
    ]


def _listed_prices(products: list[Resource]) -> set[str]:
    return {str(price) for row in products for price in row["prices"]}


def act(world: World, session_id: str, action: str, form: Form) -> Resource:
    """Do what a button of the portal says; answers the object that changed.

    Raises `ApiError`: 403 for what the configuration does not offer or is another customer's, 404 for what there is
    not, 400 for what cannot be done.
    """
    session = live_session(world, session_id)
    if action != "update_card" and action not in _ACTIONS:
        raise ApiError(f"The portal knows no such action: {action}", status=404)
    if not offers(world, session, action):
        raise ApiError("This portal does not offer that: its configuration says so.", status=403)
    _must_be_of_its_flow(world, session, action, form)
    if action == "update_card":
        changed = change_card(world, session["customer"], _field(form, "card"))
    else:
        row = subscription_of(world, session, _field(form, "subscription"), param="subscription")
        changed = _ACTIONS[action](world, row, form)
    if session["flow"] is not None:
        world.keep(session_id, completed=True)
    return changed


def is_completed(world: World, session: Resource) -> bool:
    """Tell whether the one thing that a session was made for is done."""
    return bool(world.private(session["id"]).get("completed"))


def _must_be_of_its_flow(world: World, session: Resource, action: str, form: Form) -> None:
    """Refuse all but the one thing that a session was made for, until it has led to the whole portal."""
    flow: Resource | None = session["flow"]
    if flow is None or flow["type"] not in _OF_FLOWS:
        return
    if is_completed(world, session) and ending_of(session) == "portal_homepage":
        return
    details = part(flow, flow["type"])
    chosen: list[Resource] = details.get("items") or [{}]
    wanted: Resource = {"subscription": details.get("subscription"), "price": chosen[0].get("price")}
    asked_for = all(value is None or form.get(name) == value for name, value in wanted.items())
    if action not in _OF_FLOWS[flow["type"]] or not asked_for:
        raise ApiError("This portal was opened for something else, and for that alone.", status=403)


def ending_of(session: Resource) -> str:
    """What follows the one thing a session was made for: "redirect", "hosted_confirmation" or "portal_homepage"."""
    return str(part(session, "flow", "after_completion").get("type", "portal_homepage"))


def last_words(session: Resource) -> str | None:
    """What the shop wants said at the end of a flow."""
    words: str | None = part(session, "flow", "after_completion", "hosted_confirmation").get("custom_message")
    return words


def _field(form: Form, name: str) -> str:
    if not form.get(name):
        raise missing_parameter(name)
    return form[name]


def change_card(world: World, customer_id: str, card: str) -> Resource:
    """Give a customer another card; raises `ApiError` for one that is unknown or deleted, and an unknown card."""
    if world.get("customer", customer_id).get("deleted"):
        raise ApiError(f"The customer {customer_id} was deleted.")
    return checkout.update_card(world, customer_id, card)


def cancel(world: World, row: Resource) -> Resource:
    """End a subscription now; raises `ApiError` for one that has ended."""
    ending.must_live(row)
    return ending.cancel_now(world, row)


def change_price(world: World, row: Resource, price_id: str) -> Resource:
    """Move a subscription to another price, by its id; raises `ApiError`."""
    return changing.change_price(world, row, world.get("price", price_id, param="price"))


def _change_price(world: World, row: Resource, form: Form) -> Resource:
    return change_price(world, row, _field(form, "price"))


_ACTIONS: Final[Mapping[str, Callable[[World, Resource, Form], Resource]]] = {
    "cancel": lambda world, row, _: cancel(world, row),
    "cancel_at_period_end": lambda world, row, form: ending.cancel_at_period_end(world, row, style=form.get("style")),
    "keep": lambda world, row, _: ending.keep_going(world, row),
    "change_price": _change_price,
    "pause": lambda world, row, _: pausing.pause(world, row),
    "resume": lambda world, row, _: pausing.resume(world, row),
}
