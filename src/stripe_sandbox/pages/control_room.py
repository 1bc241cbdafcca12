"""The control room: where the sandbox stands, and its levers."""

from typing import Any, Final

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_303_SEE_OTHER

from stripe_sandbox.api.errors import ApiError, missing_parameter
from stripe_sandbox.billing import checkout, portal
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.pages.control_actions import SUBSCRIPTION_ACTIONS, delivery_changes, fault_of, step_of
from stripe_sandbox.pages.control_view import show_room
from stripe_sandbox.pages.forms import posted
from stripe_sandbox.pages.frame import see_other
from stripe_sandbox.pages.timeline import show_event
from stripe_sandbox.resources.webhook_endpoints import roll_secret
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.timesteps import seconds_ahead

AnyRequest = Request[Any, Any, Any]
DONE: Final = {
    "advance": "The clock has moved, and all that fell due is done.",
    "card": "The customer has another card.",
    "delivery": "Webhooks are delivered as you say from now on.",
    "expire": "The checkout has expired.",
    "fault": "The fault is set.",
    "faults_cleared": "All faults are cleared.",
    "orderly": "Webhooks are delivered in good order again.",
    "resend": "The event is sent again.",
    "reset": "The world is back at its beginning.",
    "roll_secret": "The endpoint has a new secret; the old one signs beside it for a day.",
    "settle": "The bank has answered.",
    "subscription": "Done; see the time line for what it caused.",
}
"""What the room says after an action, by the word that its address carries."""


class ControlRoom(Controller):
    """`/`, and the buttons behind `/control`."""

    path = "/"

    @get("/")
    async def show(
        self,
        sandbox: NamedDependency[Sandbox],
        did: FromQuery[str | None] = None,
        before: FromQuery[str | None] = None,
        refresh: FromQuery[bool] = False,  # noqa: FBT002  # a query parameter is always given by name
    ) -> Response[Any]:
        """Everything at a glance."""
        return show_room(sandbox, done=DONE.get(did or ""), before=before, refresh=refresh)

    @get("/event/{event_id:str}")
    async def event(self, sandbox: NamedDependency[Sandbox], event_id: FromPath[str]) -> Response[Any]:
        """One event with its payload and every attempt to deliver it."""
        return show_event(sandbox, sandbox.world.get("event", event_id))

    @post("/control/clock", status_code=HTTP_303_SEE_OTHER)
    async def advance(self, request: AnyRequest, sandbox: NamedDependency[Sandbox]) -> Response[Any]:
        """As `POST /_sandbox/clock/advance`."""
        step = step_of(await posted(request))
        sandbox.advance(seconds_ahead(sandbox.world, step))
        return see_other("/?did=advance")

    @post("/control/reset", status_code=HTTP_303_SEE_OTHER)
    async def reset(self, sandbox: NamedDependency[Sandbox]) -> Response[Any]:
        """As `POST /_sandbox/reset`."""
        await sandbox.reset()
        return see_other("/?did=reset")

    @post("/control/subscriptions/{subscription_id:str}/{action:str}", status_code=HTTP_303_SEE_OTHER)
    async def act(
        self,
        request: AnyRequest,
        sandbox: NamedDependency[Sandbox],
        subscription_id: FromPath[str],
        action: FromPath[str],
    ) -> Response[Any]:
        """As `POST /_sandbox/subscriptions/{id}/{action}`."""
        if (chosen := SUBSCRIPTION_ACTIONS.get(action)) is None:
            raise ApiError(f"There is no such action: {action}", status=404)
        form = await posted(request)
        with sandbox.change() as world:
            chosen.run(world, world.get("subscription", subscription_id), form)
        return see_other("/?did=subscription")

    @post("/control/customers/{customer_id:str}/card", status_code=HTTP_303_SEE_OTHER)
    async def card(
        self, request: AnyRequest, sandbox: NamedDependency[Sandbox], customer_id: FromPath[str]
    ) -> Response[Any]:
        """As `POST /_sandbox/customers/{id}/card`."""
        form = await posted(request)
        if not form.get("card"):
            raise missing_parameter("card")
        with sandbox.change() as world:
            portal.change_card(world, customer_id, form["card"])
        return see_other("/?did=card")

    @post("/control/checkout_sessions/{session_id:str}/expire", status_code=HTTP_303_SEE_OTHER)
    async def expire(self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]) -> Response[Any]:
        """As `POST /_sandbox/checkout_sessions/{id}/expire`."""
        with sandbox.change() as world:
            checkout.expire(world, session_id)
        return see_other("/?did=expire")

    @post("/control/checkout_sessions/{session_id:str}/settle", status_code=HTTP_303_SEE_OTHER)
    async def settle(
        self, request: AnyRequest, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]
    ) -> Response[Any]:
        """As `POST /_sandbox/checkout_sessions/{id}/settle`."""
        form = await posted(request)
        with sandbox.change() as world:
            checkout.settle_delayed(world, session_id, succeeds=form.get("succeeds") != "false")
        return see_other("/?did=settle")


class WebhookLevers(Controller):
    """The control room's buttons for webhooks and faults."""

    path = "/control"

    @post("/events/{event_id:str}/resend", status_code=HTTP_303_SEE_OTHER)
    async def resend(self, sandbox: NamedDependency[Sandbox], event_id: FromPath[str]) -> Response[Any]:
        """As `POST /_sandbox/events/{id}/resend`."""
        with sandbox.change():
            sandbox.deliverer.resend(event_id)
        return see_other("/?did=resend#events")

    @post("/webhook_endpoints/{endpoint_id:str}/roll_secret", status_code=HTTP_303_SEE_OTHER)
    async def roll(self, sandbox: NamedDependency[Sandbox], endpoint_id: FromPath[str]) -> Response[Any]:
        """As `POST /_sandbox/webhook_endpoints/{id}/roll_secret`."""
        with sandbox.change() as world:
            roll_secret(world, endpoint_id, old_lives_seconds=DAY_SECONDS)
        return see_other("/?did=roll_secret")

    @post("/delivery", status_code=HTTP_303_SEE_OTHER)
    async def deliver(self, request: AnyRequest, sandbox: NamedDependency[Sandbox]) -> Response[Any]:
        """As `PUT /_sandbox/delivery`."""
        sandbox.change_delivery(delivery_changes(await posted(request)))
        return see_other("/?did=delivery")

    @post("/delivery/restore", status_code=HTTP_303_SEE_OTHER)
    async def restore(self, sandbox: NamedDependency[Sandbox]) -> Response[Any]:
        """As `DELETE /_sandbox/delivery`."""
        sandbox.restore_delivery()
        return see_other("/?did=orderly")

    @post("/faults", status_code=HTTP_303_SEE_OTHER)
    async def add_fault(self, request: AnyRequest, sandbox: NamedDependency[Sandbox]) -> Response[Any]:
        """As `POST /_sandbox/faults`."""
        sandbox.faults.active.append(fault_of(await posted(request)))
        return see_other("/?did=fault")

    @post("/faults/clear", status_code=HTTP_303_SEE_OTHER)
    async def clear_faults(self, sandbox: NamedDependency[Sandbox]) -> Response[Any]:
        """As `DELETE /_sandbox/faults`."""
        sandbox.faults.replace([])
        return see_other("/?did=faults_cleared")
