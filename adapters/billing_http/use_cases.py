"""What the addresses need, as one dependency: Litestar resolves several of them in a task group for each request."""

from dataclasses import dataclass

from billing.use_cases.open_portal import OpenPortal
from billing.use_cases.read_account import Authenticate, ReadBilling
from billing.use_cases.start_checkout import StartCheckout


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """The use cases that our own callers reach."""

    authenticate: Authenticate
    read_billing: ReadBilling
    start_checkout: StartCheckout
    open_portal: OpenPortal
