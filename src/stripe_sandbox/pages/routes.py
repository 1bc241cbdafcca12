"""Every page there is."""

from litestar import Router
from litestar.exceptions import HTTPException

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.pages.checkout import CheckoutPage
from stripe_sandbox.pages.control_room import ControlRoom, WebhookLevers
from stripe_sandbox.pages.invoice import InvoicePage
from stripe_sandbox.pages.portal import PortalPage
from stripe_sandbox.pages.refusals import show_defect, show_error, show_misuse


def pages() -> Router:
    """The pages, whose errors are pages too."""
    return Router(
        path="/",
        route_handlers=[CheckoutPage, PortalPage, InvoicePage, ControlRoom, WebhookLevers],
        exception_handlers={ApiError: show_error, HTTPException: show_misuse, Exception: show_defect},
        include_in_schema=False,
    )
