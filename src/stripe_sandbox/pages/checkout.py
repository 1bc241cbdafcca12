"""The checkout page: what is bought, for how much, and a button for each test card."""

from html import escape
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from stripe_sandbox.billing import checkout
from stripe_sandbox.billing.cards import CARDS
from stripe_sandbox.pages.frame import button, money, page
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.checkout_sessions import line_items
from stripe_sandbox.sandbox import Sandbox

Form = dict[str, Any]


class CheckoutPage(Controller):
    path = "/pay/{session_id:str}"
    include_in_schema = False

    @get("/")
    async def show(self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]) -> Response[Any]:
        session = sandbox.world.get(checkout.SESSION, session_id)
        if session["status"] != "open":
            return page("Checkout", f"<p>This checkout is {escape(session['status'])}.</p>")
        return _open(sandbox, session)

    @post("/", status_code=HTTP_303_SEE_OTHER)
    async def pay(
        self,
        sandbox: NamedDependency[Sandbox],
        session_id: FromPath[str],
        data: URLEncodedBody[Form],
    ) -> Response[Any]:
        payment = checkout.pay(
            sandbox.world, session_id, str(data.get("card", "succeeds")), email=data.get("email") or None
        )
        sandbox.world.commit()
        if payment.outcome == "paid":
            return Redirect(success_address(payment.session), status_code=HTTP_303_SEE_OTHER)
        return _open(sandbox, payment.session, message=payment.message or "")

    @post("/leave", status_code=HTTP_303_SEE_OTHER)
    async def leave(self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]) -> Response[Any]:
        """The session stays open, as when a buyer goes back."""
        session = sandbox.world.get(checkout.SESSION, session_id)
        address = session["cancel_url"] or f"/pay/{session_id}"
        return Redirect(address, status_code=HTTP_303_SEE_OTHER)


def success_address(session: Resource) -> str:
    address: str = session["success_url"] or "/"
    return address.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _open(sandbox: Sandbox, session: Resource, *, message: str = "") -> Response[Any]:
    lines = "".join(
        f"<li>{item['quantity']} × {escape(item['description'])}: "  # noqa: RUF001  # a multiplication sign it is
        f"{money(item['amount_total'], item['currency'])}</li>"
        for item in line_items(sandbox.world, session)
    )
    cards = "".join(button(f"/pay/{session['id']}", card.label, card=card.name) for card in CARDS.values())
    alert = f'<p role="alert">{escape(message)}</p>' if message else ""
    return page("Checkout", alert, f"<ul>{lines}</ul>", cards, button(f"/pay/{session['id']}/leave", "Leave"))
