"""Every value that the API answers has the type which the installed SDK declares for it, in depth.

The types are read from the SDK's annotations, so they follow it when it is upgraded.
"""

import inspect
import sys
import types
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Union, get_args, get_origin

import httpx
import pytest
import stripe

from stripe_sandbox.testing import SandboxServer

Json = dict[str, Any]
KINDS: dict[str, type[stripe.StripeObject]] = {
    "customers": stripe.Customer,
    "products": stripe.Product,
    "prices": stripe.Price,
    "checkout/sessions": stripe.checkout.Session,
    "subscriptions": stripe.Subscription,
    "invoices": stripe.Invoice,
    "payment_methods": stripe.PaymentMethod,
    "billing_portal/configurations": stripe.billing_portal.Configuration,
    "webhook_endpoints": stripe.WebhookEndpoint,
    "test_helpers/test_clocks": stripe.test_helpers.TestClock,
    "events": stripe.Event,
}


def resolved(hint: Any, around: type) -> Any:
    """An annotation that stands as text, as the type it names; what cannot be resolved may be anything."""
    word = hint.__forward_arg__ if isinstance(hint, typing.ForwardRef) else hint
    if not isinstance(word, str):
        return hint
    names = _Names({**vars(sys.modules[around.__module__]), **vars(around), "stripe": stripe})
    try:
        # The text is the installed SDK's own.
        return eval(word, {}, names)  # noqa: S307
    except (NameError, AttributeError):
        return Any


class _Names(dict[str, Any]):
    """The names of a module of the SDK; what it imports for type checkers only is a name of the SDK's."""

    def __missing__(self, name: str) -> Any:
        try:
            return getattr(stripe, name)
        except AttributeError:
            raise KeyError(name) from None


def fits(value: object, hint: Any, around: type) -> bool:
    """Whether a JSON value is of a type, on its surface."""
    kind = resolved(hint, around)
    origin: Any = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return any(fits(value, option, around) for option in get_args(kind))
    if origin is typing.Literal:
        return value in get_args(kind)
    if origin is list:
        return isinstance(value, list)
    if origin is not None:
        return isinstance(value, dict)
    if kind is Any or not inspect.isclass(kind):
        return True
    return _is_a(value, kind)


def _is_a(value: object, kind: type) -> bool:
    if issubclass(kind, stripe.StripeObject):
        return isinstance(value, dict)
    if kind is Decimal:
        return isinstance(value, str)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, (int, float) if kind is float else kind)


def object_type(hint: Any, around: type) -> type[stripe.StripeObject] | None:
    """The SDK's class within an annotation, through optional ones, lists and pages."""
    kind = resolved(hint, around)
    inner = (object_type(option, around) for option in get_args(kind))
    found = next((option for option in inner if option is not None), None)
    if found is not None:
        return found
    return kind if inspect.isclass(kind) and issubclass(kind, stripe.StripeObject) else None


def nullable(hint: Any, around: type) -> bool:
    return type(None) in get_args(resolved(hint, around))


def mismatches(row: Json, kind: type[stripe.StripeObject], where: str) -> Iterator[str]:
    """Fields of a wrong type, without a type, or missing; in groups, lists and pages too."""
    declared = {name: hint for name, hint in kind.__annotations__.items() if name.islower() and name[0] != "_"}
    for name in sorted(declared.keys() - row.keys() - {"deleted"}):
        if not nullable(declared[name], kind):
            yield f"{where}.{name} is missing"
    for name, value in row.items():
        if name not in declared:
            yield f"{where}.{name} is unknown"
            continue
        if not fits(value, declared[name], kind):
            yield f"{where}.{name} is {str(value)[:60]!r}"
        inner = object_type(declared[name], kind)
        if inner is not None and inner.__annotations__:
            yield from within(value, inner, f"{where}.{name}")


def within(value: object, kind: type[stripe.StripeObject], where: str) -> Iterator[str]:
    """The mismatches of an object, or of all that stand in a list or on a page."""
    if isinstance(value, dict):
        group = typing.cast("Json", value)
        if group.get("object") == "list":
            yield from within(group["data"], kind, f"{where}.data")
        else:
            yield from mismatches(group, kind, where)
    elif isinstance(value, list):
        for child in typing.cast("list[object]", value):
            yield from within(child, kind, f"{where}[]")


def post(box: SandboxServer, path: str, **form: str) -> Json:
    answer = httpx.post(f"{box.url}/v1/{path}", data=form, headers={"Authorization": f"Bearer {box.api_key}"})
    found: Json = answer.raise_for_status().json()
    return found


def buy(box: SandboxServer, card: str = "succeeds", **more: str) -> tuple[str, str]:
    """A purchase; answers the subscription's id and its customer's."""
    line = {"line_items[0][price]": "price_pro", "success_url": "https://x.test/", "mode": "subscription"}
    session = post(box, "checkout/sessions", **line, **more)["id"]
    paid = box.control.pay(session, card).session
    return str(paid["subscription"]), str(paid["customer"])


@pytest.fixture
def eventful(box: SandboxServer) -> SandboxServer:
    """A world in which most of what can happen has happened."""
    control = box.control
    control.fail_payment(buy(box)[0])
    control.pause(buy(box)[0])
    buy(box, **{"subscription_data[trial_period_days]": "5"})
    buy(box, "delayed")
    once = post(box, "prices", **{"currency": "eur", "unit_amount": "5", "product_data[name]": "Once"})["id"]
    ending, _ = buy(box, **{"line_items[1][price]": once})
    control.cancel_at_period_end(ending)
    post(box, f"subscriptions/{ending}", **{"pause_collection[behavior]": "void"})
    control.cancel(buy(box, "fails_later")[0])
    waiting, customer = buy(box)
    control.change_card(customer, "fails_later")
    upgrade = {"items[0][price]": "price_enterprise", "payment_behavior": "pending_if_incomplete"}
    post(box, f"subscriptions/{waiting}", **upgrade, proration_behavior="always_invoice")
    flow = {"flow_data[type]": "subscription_cancel", "flow_data[subscription_cancel][subscription]": waiting}
    post(box, "billing_portal/sessions", customer=customer, **flow)
    post(box, "test_helpers/test_clocks", frozen_time="1900000000")
    return box


def test_every_value_is_of_its_type(eventful: SandboxServer) -> None:
    """No object of any kind, no event's envelope, and nothing within them differs from the SDK's annotations."""
    found: list[str] = []
    counted = 0
    for path, kind in KINDS.items():
        query = {"limit": "100", **({"status": "all"} if path == "subscriptions" else {})}
        headers = {"Authorization": f"Bearer {eventful.api_key}"}
        rows = httpx.get(f"{eventful.url}/v1/{path}", params=query, headers=headers).raise_for_status().json()["data"]
        counted += len(rows)
        found += [wrong for row in rows for wrong in mismatches(row, kind, kind.__name__)]
    assert sorted(set(found)) == []
    assert counted > 80


def test_what_events_tell_of_is_of_its_type(eventful: SandboxServer) -> None:
    """The objects inside the events are as sound as those the API answers."""
    by_object = {str(vars(kind)["OBJECT_NAME"]): kind for kind in KINDS.values()}
    by_object["billing_portal.session"] = stripe.billing_portal.Session
    headers = {"Authorization": f"Bearer {eventful.api_key}"}
    rows = httpx.get(f"{eventful.url}/v1/events?limit=100", headers=headers).raise_for_status().json()["data"]
    told = [row["data"]["object"] for row in rows]
    wrong = [text for row in told for text in mismatches(row, by_object[row["object"]], row["object"])]
    assert sorted(set(wrong)) == []
    assert len({row["object"] for row in told}) >= 6


def test_the_walk_sees_what_is_wrong() -> None:
    """Wrong values, unknown names and missing fields are found, at the top, in groups and on pages."""
    row: Json = {
        "id": 5,
        "cancel_at_period_end": "nope",
        "colour": "red",
        "billing_mode": {"type": 7},
        "items": {"object": "list", "data": [{"quantity": "x"}]},
    }
    found = set(mismatches(row, stripe.Subscription, "S"))
    wanted = {"S.id is '5'", "S.cancel_at_period_end is 'nope'", "S.colour is unknown", "S.billing_mode.type is '7'"}
    assert wanted | {"S.items.data[].quantity is 'x'", "S.customer is missing"} <= found
