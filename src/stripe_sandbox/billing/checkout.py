"""A person pays on the checkout page, or does not."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from stripe_sandbox.api import params
from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.billing import invoicing, starting
from stripe_sandbox.billing.cards import Card, attach, card_named, declined
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.billing.renewing import follow_payment, set_status
from stripe_sandbox.objects.checkout import customer_details
from stripe_sandbox.objects.customer import customer
from stripe_sandbox.objects.subscription import ENDED
from stripe_sandbox.resource import Resource, snapshot
from stripe_sandbox.world.world import World

SESSION = "checkout.session"
_EMAIL: Final = params.email()
Authentication: TypeAlias = Literal["completes", "fails", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What came of an attempt to pay; a refused one leaves the session open."""

    outcome: Literal["paid", "declined", "authentication_required"]
    session: Resource
    message: str | None = None


def open_session(world: World, session_id: str) -> Resource:
    session = world.get(SESSION, session_id)
    if session["status"] != "open":
        raise ApiError(f"The checkout session {session_id} is {session['status']}, no longer open.")
    return session


def has_lost_its_customer(world: World, session: Resource) -> bool:
    """Whether the customer that a session names was deleted since: nobody can pay it any more."""
    if session["customer"] is None:
        return False
    known = world.find("customer", session["customer"])
    return known is None or bool(known.get("deleted"))


def pay(
    world: World,
    session_id: str,
    card_name: str,
    *,
    email: str | None = None,
    authentication: Authentication = "completes",
) -> Payment:
    """Pay an open session with a test card."""
    session = open_session(world, session_id)
    if email:
        _EMAIL(email, "email")
    if has_lost_its_customer(world, session):
        raise ApiError(
            f"The customer {session['customer']} of the checkout session {session_id} was deleted: nobody can pay it.",
            code="resource_missing",
            param="customer",
        )
    card = card_named(card_name)
    if card.present == "authentication" and authentication != "completes":
        if authentication == "pending":
            return Payment(outcome="authentication_required", session=session)
        message = "We are unable to authenticate your payment method."
        return Payment(outcome="declined", session=session, message=message)
    if card.present in {"declined", "insufficient_funds"}:
        return Payment(outcome="declined", session=session, message=declined(card.present).message)
    _complete(world, session, card, email)
    return Payment(outcome="paid", session=session)


def _complete(world: World, session: Resource, card: Card, email: str | None) -> None:
    buyer = _buyer(world, session, email)
    method = attach(world, buyer, card, default=False)
    if session["mode"] == "subscription":
        _subscribe(world, session, buyer, card, method["id"])
    elif session["mode"] == "payment":
        session["payment_status"] = "unpaid" if card.delayed else "paid"
    else:
        session["payment_status"] = "no_payment_required"
    session.update(status="complete", url=None, customer=buyer["id"])
    session["customer_details"] = customer_details(
        email=buyer["email"] or email or session["customer_email"], name=buyer["name"]
    )
    world.emit("checkout.session.completed", session)


def _buyer(world: World, session: Resource, email: str | None) -> Resource:
    if (known := world.find("customer", session["customer"])) is not None:
        return known
    buyer = customer(world.ids.short("cus"), created=world.now(), invoice_prefix=world.ids.invoice_prefix())
    buyer["email"] = email or session["customer_email"] or "buyer@example.com"
    world.emit("customer.created", buyer)
    return buyer


def _subscribe(world: World, session: Resource, buyer: Resource, card: Card, method_id: str) -> None:
    details = world.private(session["id"])
    data = details["subscription_data"]
    order = starting.Order(
        customer=buyer,
        items=[(world.get("price", price_id), quantity) for price_id, quantity in details["lines"]],
        metadata=data.get("metadata") or {},
        description=data.get("description"),
        trial_end=_trial_end(world, buyer, data),
        billing_mode=details["billing_mode"],
        payment_method=method_id,
        missing_payment_method=details.get("missing_payment_method", "create_invoice"),
    )
    row, invoice = starting.begin(world, order)
    if card.delayed and invoice["amount_due"] > 0:
        _await_money(world, row, invoice)
    else:
        starting.tell_paid(world, row, invoice)
        session["payment_status"] = "paid" if invoice["amount_due"] else "no_payment_required"
    session.update(subscription=row["id"], invoice=invoice["id"])


def _await_money(world: World, row: Resource, invoice: Resource) -> None:
    """A bank debit under way: Stripe activates the subscription and leaves the invoice open."""
    row["status"] = "active"
    world.emit("customer.subscription.created", row)
    invoicing.announce(world, invoice)


def _trial_end(world: World, buyer: Resource, data: Resource) -> int | None:
    if (days := data.get("trial_period_days")) is not None:
        return world.now(buyer["test_clock"]) + int(days) * DAY_SECONDS
    return data.get("trial_end")


def settle_delayed(world: World, session_id: str, *, succeeds: bool) -> Resource:
    """The bank answers for a delayed payment, days after the session completed."""
    session = world.get(SESSION, session_id)
    if session["status"] != "complete" or session["payment_status"] != "unpaid":
        raise ApiError(f"The checkout session {session_id} waits for no delayed payment.")
    row = world.find("subscription", session["subscription"])
    invoice = world.find("invoice", session["invoice"])
    if succeeds:
        session["payment_status"] = "paid"
    if row is not None and invoice is not None:
        _settle_invoice(world, row, invoice, succeeds=succeeds)
    outcome = "succeeded" if succeeds else "failed"
    world.emit(f"checkout.session.async_payment_{outcome}", session)
    return session


def _settle_invoice(world: World, row: Resource, invoice: Resource, *, succeeds: bool) -> None:
    if succeeds:
        invoicing.mark_paid(world, invoice)
        follow_payment(world, row, invoice)
        return
    invoicing.mark_failed(world, invoice, next_attempt=None)
    if row["status"] == "active":
        set_status(world, row, "past_due")


def expire(world: World, session_id: str) -> Resource:
    """Close an open session; one that completed stays what it is, a purchase."""
    session = world.get(SESSION, session_id)
    if session["status"] != "open":
        raise ApiError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of {session['status']}."
        )
    session.update(status="expired", url=None)
    world.emit("checkout.session.expired", session)
    return session


def subscriptions_of(world: World, customer_id: str) -> list[Resource]:
    """A customer's subscriptions that have not ended, the oldest first."""
    return world.rows("subscription").where(lambda row: row["customer"] == customer_id and row["status"] not in ENDED)


def update_card(world: World, customer_id: str, card_name: str) -> Resource:
    """Give a customer another card, for its subscriptions too, as the portal's form does."""
    buyer = world.get("customer", customer_id)
    method = attach(world, buyer, card_named(card_name))
    for row in subscriptions_of(world, customer_id):
        before = snapshot(row)
        row["default_payment_method"] = method["id"]
        world.emit("customer.subscription.updated", row, before=before)
    return buyer
