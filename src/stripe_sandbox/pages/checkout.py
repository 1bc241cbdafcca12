"""The checkout page: what is bought, for how much, and a button for each test card."""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_303_SEE_OTHER

from stripe_sandbox.api.errors import missing_parameter
from stripe_sandbox.billing import checkout
from stripe_sandbox.billing.cards import card_named, declined
from stripe_sandbox.pages.checkout_view import challenge, checkout_without_customer, closed_checkout, open_checkout
from stripe_sandbox.pages.forms import Form, posted
from stripe_sandbox.pages.frame import see_other
from stripe_sandbox.resource import Resource
from stripe_sandbox.sandbox import Sandbox

_REFUSALS: Final = {
    "declined": declined("declined").message,
    "insufficient_funds": declined("insufficient_funds").message,
    "authentication": "We are unable to authenticate your payment method.",
}
"""What the page says after a refusal, by the word that its address carries."""


class CheckoutPage(Controller):
    """`/pay/{session}`, the address a checkout session names."""

    path = "/pay/{session_id:str}"

    @get("/")
    async def show(
        self,
        sandbox: NamedDependency[Sandbox],
        session_id: FromPath[str],
        refused: FromQuery[str | None] = None,
        left: FromQuery[bool] = False,  # noqa: FBT002  # a query parameter is always given by name
    ) -> Response[Any]:
        """The open checkout, or what became of it."""
        session = sandbox.world.get(checkout.SESSION, session_id)
        if (closed := _closed(sandbox, session)) is not None:
            return closed
        return open_checkout(sandbox.world, session, message=_REFUSALS.get(refused or ""), left=left)

    @post("/", status_code=HTTP_303_SEE_OTHER)
    async def pay(
        self, request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox], session_id: FromPath[str]
    ) -> Response[Any]:
        """Pay with the card chosen, as `POST /_sandbox/checkout_sessions/{id}/pay` does."""
        session = sandbox.world.get(checkout.SESSION, session_id)
        if (closed := _closed(sandbox, session)) is not None:
            return closed
        return _pay(sandbox, session, await posted(request))

    @get("/authenticate")
    async def authenticate(
        self,
        sandbox: NamedDependency[Sandbox],
        session_id: FromPath[str],
        card: FromQuery[str],
        email: FromQuery[str | None] = None,
    ) -> Response[Any]:
        """The bank's question."""
        session = sandbox.world.get(checkout.SESSION, session_id)
        if (closed := _closed(sandbox, session)) is not None:
            return closed
        return challenge(sandbox.world, session, card=card_named(card).name, email=email)

    @post("/leave", status_code=HTTP_303_SEE_OTHER)
    async def leave(self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]) -> Response[Any]:
        """The session stays open, as when a buyer goes back."""
        session = sandbox.world.get(checkout.SESSION, session_id)
        return see_other(session["cancel_url"] or f"/pay/{session_id}?left=true")


def success_address(session: Resource) -> str:
    """Where a buyer goes after paying: https://docs.stripe.com/payments/checkout/custom-success-page."""
    address: str = session["success_url"] or "/"
    return address.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _closed(sandbox: Sandbox, session: Resource) -> Response[Any] | None:
    """What a session shows that nobody can pay any more; `None` for one that somebody can."""
    if session["status"] != "open":
        return closed_checkout(session, success_address(session))
    return checkout_without_customer(session) if checkout.has_lost_its_customer(sandbox.world, session) else None


def _pay(sandbox: Sandbox, session: Resource, form: Form) -> Response[Any]:
    if not form.get("card"):
        raise missing_parameter("card")
    card, email = form["card"], form.get("email") or None
    answer = form.get("authentication")
    with sandbox.change() as world:
        payment = checkout.pay(
            world,
            session["id"],
            card,
            email=email,
            authentication="completes" if answer == "completes" else "fails" if answer == "fails" else "pending",
        )
    if payment.outcome == "paid":
        return see_other(success_address(payment.session))
    if payment.outcome == "authentication_required":
        query = urlencode({"card": card, **({"email": email} if email else {})})
        return see_other(f"/pay/{session['id']}/authenticate?{query}")
    return see_other(f"/pay/{session['id']}?refused={card_named(card).present}")
