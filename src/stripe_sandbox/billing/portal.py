"""What a customer does in the portal; the page's buttons and their calls both come here."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.billing import changing, checkout, ending, pausing, renewing
from stripe_sandbox.resource import Resource
from stripe_sandbox.world.world import World

Form: TypeAlias = Mapping[str, str]
SESSION: Final = "billing_portal.session"


def live_session(world: World, session_id: str) -> Resource:
    return world.get(SESSION, session_id)


def subscriptions_of(world: World, session: Resource) -> list[Resource]:
    """The customer's subscriptions, the newest first."""
    table = world.store.table("subscription").newest_first()
    return [row for row in table if row["customer"] == session["customer"]]


def invoices_of(world: World, session: Resource) -> list[Resource]:
    table = world.store.table("invoice").newest_first()
    return [row for row in table if row["customer"] == session["customer"]]


def offers(world: World, subscription: Resource) -> list[Resource]:
    """The prices a subscription can be changed to."""
    current = {item["price"]["id"] for item in subscription["items"]["data"]}
    return [
        price
        for price in world.rows("price").values()
        if price["active"] and price["recurring"] is not None and price["id"] not in current
    ]


def act(world: World, session_id: str, action: str, form: Form) -> Resource:
    """Do what a button of the portal says; answers the object that changed."""
    session = live_session(world, session_id)
    if action == "update_card":
        return checkout.update_card(world, session["customer"], _field(form, "card"))
    if (run := _ACTIONS.get(action)) is None:
        raise ApiError(f"The portal knows no such action: {action}", status=404)
    row = world.get("subscription", _field(form, "subscription"), param="subscription")
    if row["customer"] != session["customer"]:
        raise ApiError("This subscription belongs to another customer.", status=403)
    return run(world, row, form)


def _field(form: Form, name: str) -> str:
    if not form.get(name):
        raise missing_parameter(name)
    return form[name]


def _cancel(world: World, row: Resource, form: Form) -> Resource:
    del form
    renewing.must_live(row)
    return ending.cancel_now(world, row)


def _cancel_at_period_end(world: World, row: Resource, form: Form) -> Resource:
    return ending.cancel_at_period_end(world, row, style=form.get("style"))


def _keep(world: World, row: Resource, form: Form) -> Resource:
    del form
    return ending.keep_going(world, row)


def _change_price(world: World, row: Resource, form: Form) -> Resource:
    return changing.change_price(world, row, world.get("price", _field(form, "price"), param="price"))


def _pause(world: World, row: Resource, form: Form) -> Resource:
    del form
    return pausing.pause(world, row)


def _resume(world: World, row: Resource, form: Form) -> Resource:
    del form
    return pausing.resume(world, row)


_ACTIONS: Final[Mapping[str, Callable[[World, Resource, Form], Resource]]] = {
    "cancel": _cancel,
    "cancel_at_period_end": _cancel_at_period_end,
    "keep": _keep,
    "change_price": _change_price,
    "pause": _pause,
    "resume": _resume,
}
