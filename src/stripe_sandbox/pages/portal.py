"""The customer portal: plans, invoices, and what the customer may do about them."""

from typing import Any, Final

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_303_SEE_OTHER

from stripe_sandbox.billing import portal
from stripe_sandbox.billing.ending import must_live
from stripe_sandbox.pages.forms import posted
from stripe_sandbox.pages.frame import see_other
from stripe_sandbox.pages.portal_flow import confirm_cancel, flow_done, show_flow
from stripe_sandbox.pages.portal_view import show_portal
from stripe_sandbox.sandbox import Sandbox

_DONE: Final = {
    "cancel": "The plan has ended.",
    "cancel_at_period_end": "The plan will end with the period.",
    "change_price": "The plan is changed.",
    "keep": "The plan goes on.",
    "pause": "The plan is paused.",
    "resume": "The plan is resumed.",
    "update_card": "The card is updated.",
}
"""What the page says after an action, by the word that its address carries."""


class PortalPage(Controller):
    """`/portal/{session}`, the address a portal session names."""

    path = "/portal/{session_id:str}"

    @get("/")
    async def show(
        self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str], done: FromQuery[str | None] = None
    ) -> Response[Any]:
        """The customer's plans, card and invoices, or the one thing that the session was made for."""
        world = sandbox.world
        session, words = portal.live_session(world, session_id), _DONE.get(done or "")
        if not portal.is_completed(world, session):
            return show_flow(world, session) or show_portal(world, session, done=words)
        if portal.ending_of(session) != "portal_homepage":
            return flow_done(world, session, portal.last_words(session) or words or "This is done already.")
        return show_portal(world, session, done=words)

    @get("/confirm_cancel")
    async def ask(
        self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str], subscription: FromQuery[str]
    ) -> Response[Any]:
        """The question before cancelling at once."""
        session = portal.live_session(sandbox.world, session_id)
        row = portal.subscription_of(sandbox.world, session, subscription)
        must_live(row)
        return confirm_cancel(sandbox.world, session, row)

    @post("/{action:str}", status_code=HTTP_303_SEE_OTHER)
    async def act(
        self,
        request: Request[Any, Any, Any],
        sandbox: NamedDependency[Sandbox],
        session_id: FromPath[str],
        action: FromPath[str],
    ) -> Response[Any]:
        """Do what the button says, unless the portal's configuration does not offer it."""
        form = await posted(request)
        with sandbox.change() as world:
            portal.act(world, session_id, action, form)
            session = portal.live_session(world, session_id)
        if portal.ending_of(session) == "redirect":
            return see_other(session["flow"]["after_completion"]["redirect"]["return_url"])
        return see_other(f"/portal/{session_id}?done={action}")
