"""The page of one invoice, which `hosted_invoice_url` names."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from stripe_sandbox.pages.frame import page, spread
from stripe_sandbox.pages.markup import Markup, tag
from stripe_sandbox.pages.words import badge, day, money
from stripe_sandbox.resource import Resource
from stripe_sandbox.sandbox import Sandbox


class InvoicePage(Controller):
    """`/invoice/{id}`; `invoice_pdf` names a page too, since a browser prints it as well."""

    path = "/invoice/{invoice_id:str}"

    @get(["/", "/pdf"])
    async def show(self, sandbox: NamedDependency[Sandbox], invoice_id: FromPath[str]) -> Response[Any]:
        """The invoice with its lines."""
        row = sandbox.world.get("invoice", invoice_id)
        title = f"Invoice {row['number'] or row['id']}"
        return page(title, _invoice(row, title), width="narrow", brand=sandbox.config.account_name)


def _invoice(row: Resource, title: str) -> Markup:
    lines = [
        spread(
            tag("span", line["description"] or line["id"]),
            tag("span", money(line["amount"], row["currency"])),
            name="li",
        )
        for line in row["lines"]["data"]
    ]
    left = money(row["amount_remaining"], row["currency"])
    return tag(
        "section",
        tag("h1", title),
        tag("p", badge(row["status"]), " ", day(row["created"]), " ", row["customer_email"] or row["customer"]),
        tag("ul", *lines, class_="rows"),
        spread(tag("span", "Total"), tag("span", money(row["total"], row["currency"])), name="p", look="strong"),
        spread(tag("span", "Left to pay"), tag("span", left), name="p", look="soft"),
        class_="card",
    )
