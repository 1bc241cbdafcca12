"""Test cards by what they do, and whether a charge succeeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.objects.customer import payment_method
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

Charge: TypeAlias = Literal["succeeds", "declined", "insufficient_funds", "authentication"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A test card: what becomes of the charge its owner is present at, and of those later on."""

    name: str
    label: str
    number: str
    present: Charge
    absent: Charge
    brand: str = "visa"
    delayed: bool = False
    """Paid by a method that takes days to confirm: Checkout completes before the money is there."""


CARDS: Final = {
    card.name: card
    for card in (
        Card(name="succeeds", label="Succeeds", number="4242424242424242", present="succeeds", absent="succeeds"),
        Card(
            name="authentication",
            label="Needs authentication",
            number="4000002500003155",
            present="authentication",
            absent="succeeds",
        ),
        Card(name="declined", label="Is declined", number="4000000000000002", present="declined", absent="declined"),
        Card(
            name="insufficient_funds",
            label="Has insufficient funds",
            number="4000000000009995",
            present="insufficient_funds",
            absent="insufficient_funds",
        ),
        Card(
            name="fails_later",
            label="Succeeds now, fails later",
            number="4000000000000341",
            present="succeeds",
            absent="declined",
        ),
        Card(
            name="authentication_always",
            label="Needs authentication each time",
            number="4000002760003184",
            present="authentication",
            absent="authentication",
        ),
        Card(
            name="delayed",
            label="Bank debit, confirmed days later",
            number="0000000000003000",
            present="succeeds",
            absent="succeeds",
            brand="unknown",
            delayed=True,
        ),
    )
}


def card_named(name: str) -> Card:
    if (card := CARDS.get(name)) is None:
        raise ApiError(f"No such test card: '{name}'. There are: {', '.join(CARDS)}.", param="card")
    return card


def no_method() -> ApiError:
    """The refusal of a charge where there is nothing to charge."""
    return ApiError(
        "This customer has no attached payment source or default payment method. Please consider adding a default "
        "payment method.",
        code="resource_missing",
    )


def declined(charge: Charge, *, changes_stand: bool = False) -> ApiError:
    """The `card_error` a refused charge answers with; it may be the answer to an attempt that has been noted."""
    message, code = _REFUSALS.get(charge, _DECLINED)
    return ApiError(
        message,
        status=402,
        kind="card_error",
        code=code if charge == "authentication" else "card_declined",
        decline_code=code,
        changes_stand=changes_stand,
    )


_DECLINED: Final = ("Your card was declined.", "generic_decline")
_REFUSALS: Final[Mapping[Charge, tuple[str, str]]] = {
    "authentication": (
        "Your card was declined. This transaction requires authentication.",
        "authentication_required",
    ),
    "insufficient_funds": ("Your card has insufficient funds.", "insufficient_funds"),
}
"""What is said of each refusal, and its decline code."""


def attach(world: World, customer: Resource, card: Card, *, default: bool = True) -> Resource:
    """Save a card as a customer's payment method and, unless told otherwise, its default one."""
    now = world.now(customer["test_clock"])
    method = payment_method(
        world.ids.long("pm"), customer_id=customer["id"], brand=card.brand, last4=card.number[-4:], created=now
    )
    world.keep(method["id"], card=card.name)
    world.emit("payment_method.attached", method)
    if default:
        before = snapshot(customer)
        customer["invoice_settings"]["default_payment_method"] = method["id"]
        world.emit("customer.updated", customer, before=before)
    return method


def card_of(world: World, subscription: Resource) -> Card | None:
    """The card that a subscription's next charge goes to."""
    method_id = subscription["default_payment_method"]
    if method_id is None:
        customer = world.find("customer", subscription["customer"])
        method_id = customer["invoice_settings"]["default_payment_method"] if customer else None
    return None if method_id is None else CARDS.get(world.private(method_id).get("card", ""))


def charge_to(world: World, method_id: str) -> Charge:
    """What a charge of one payment method would do now, with nobody present."""
    card = CARDS.get(world.private(method_id).get("card", ""))
    return "declined" if card is None else card.absent
