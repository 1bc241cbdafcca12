"""The control room: where the sandbox stands, for whoever runs it."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from stripe_sandbox.pages.frame import page
from stripe_sandbox.sandbox import Sandbox


class ControlRoom(Controller):
    path = "/"
    include_in_schema = False

    @get("/")
    async def show(self, sandbox: NamedDependency[Sandbox]) -> Response[Any]:
        world = sandbox.world
        counts = "".join(
            f"<li>{len(world.rows(kind))} {name}</li>"
            for kind, name in (
                ("customer", "customers"),
                ("subscription", "subscriptions"),
                ("event", "events"),
            )
        )
        return page("Stripe sandbox", f"<ul>{counts}</ul>")
