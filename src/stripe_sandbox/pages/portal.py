"""The customer portal: plans, invoices, and what the customer may do about them."""

from html import escape
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from stripe_sandbox.billing import portal
from stripe_sandbox.billing.cards import CARDS
from stripe_sandbox.objects.subscription import items_of
from stripe_sandbox.pages.frame import button, money, page
from stripe_sandbox.resource import Resource
from stripe_sandbox.sandbox import Sandbox

Form = dict[str, Any]


class PortalPage(Controller):
    path = "/portal/{session_id:str}"
    include_in_schema = False

    @get("/")
    async def show(self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]) -> Response[Any]:
        session = portal.live_session(sandbox.world, session_id)
        rows = portal.subscriptions_of(sandbox.world, session)
        invoices = "".join(
            f"<li>{escape(str(row['number']))}: {money(row['total'], row['currency'])}, {escape(row['status'])}</li>"
            for row in portal.invoices_of(sandbox.world, session)
        )
        base = f"/portal/{session_id}"
        cards = "".join(
            button(f"{base}/update_card", f"Use the card that: {card.label}", card=card.name) for card in CARDS.values()
        )
        back = f'<p><a href="{escape(session["return_url"])}">Back</a></p>' if session["return_url"] else ""
        return page("Your plan", *(_plan(sandbox, base, row) for row in rows), f"<ul>{invoices}</ul>", cards, back)

    @post("/{action:str}", status_code=HTTP_303_SEE_OTHER)
    async def act(
        self,
        sandbox: NamedDependency[Sandbox],
        session_id: FromPath[str],
        action: FromPath[str],
        data: URLEncodedBody[Form],
    ) -> Response[Any]:
        portal.act(sandbox.world, session_id, action, {name: str(value) for name, value in data.items()})
        sandbox.world.commit()
        return Redirect(f"/portal/{session_id}", status_code=HTTP_303_SEE_OTHER)


def _plan(sandbox: Sandbox, base: str, row: Resource) -> str:
    item = items_of(row)[0]
    product = sandbox.world.get("product", item["price"]["product"])
    buttons = [
        button(f"{base}/{action}", label, subscription=row["id"])
        for action, label in (
            ("cancel_at_period_end", "Cancel at the end of the period"),
            ("keep", "Do not cancel"),
            ("cancel", "Cancel now"),
        )
    ]
    changes = [
        button(
            f"{base}/change_price",
            f"Change to {price['lookup_key'] or price['id']}",
            subscription=row["id"],
            price=price["id"],
        )
        for price in portal.offers(sandbox.world, row)
    ]
    return f"<section><h2>{escape(product['name'])}: {escape(row['status'])}</h2>{''.join(buttons + changes)}</section>"
