"""The addresses. Each handler parses, calls one use case, presents."""

import asyncio
from collections.abc import Sequence
from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK
from litestar.types import ControllerRouterHandler

from billing.errors import ProviderUnavailable
from billing_http.authentication import authenticate
from billing_http.bodies import read_body
from billing_http.use_cases import UseCases
from billing_http.wire import (
    AccountAnswer,
    BillingAnswer,
    CheckoutAnswer,
    HealthAnswer,
    PortalAnswer,
    parse_tier,
)

MAX_REQUEST_BYTES = 16 * 1024
"""Our own callers send a tier's name."""
CHECKOUT_SECONDS = 45
"""A checkout asks Stripe a few times, and begins again when it is overtaken; nobody waits longer than this."""


class BillingController(Controller):
    """What an account does about its plan."""

    path = "/v1/billing"
    request_max_body_size = MAX_REQUEST_BYTES

    @get()
    async def read(self, request: Request[Any, Any, Any], use_cases: NamedDependency[UseCases]) -> BillingAnswer:
        """Answer the account's plan, as it was when its key was read."""
        caller = await authenticate(request, use_cases)
        return BillingAnswer.of(use_cases.read_billing.execute(caller))

    @post("/checkout", status_code=HTTP_200_OK)
    async def checkout(self, request: Request[Any, Any, Any], use_cases: NamedDependency[UseCases]) -> CheckoutAnswer:
        """Answer where the tier of the body is paid for."""
        caller = await authenticate(request, use_cases)
        tier = parse_tier(await read_body(request))
        try:
            async with asyncio.timeout(CHECKOUT_SECONDS):
                return CheckoutAnswer(checkout_url=await use_cases.start_checkout.execute(caller.account.id, tier))
        except TimeoutError:
            raise ProviderUnavailable from None

    @post("/portal", status_code=HTTP_200_OK)
    async def portal(self, request: Request[Any, Any, Any], use_cases: NamedDependency[UseCases]) -> PortalAnswer:
        """Answer where the subscription is managed."""
        caller = await authenticate(request, use_cases)
        return PortalAnswer(portal_url=await use_cases.open_portal.execute(caller.account.id))


class AccountController(Controller):
    """Who the caller is."""

    path = "/v1/accounts"
    request_max_body_size = MAX_REQUEST_BYTES

    @get("/me")
    async def me(self, request: Request[Any, Any, Any], use_cases: NamedDependency[UseCases]) -> AccountAnswer:
        """Answer the caller's own account."""
        return AccountAnswer.of(await authenticate(request, use_cases))


@get("/health")
async def answer_health() -> HealthAnswer:
    """Answer that the process answers, without touching anything."""
    return HealthAnswer()


ROUTES: Sequence[ControllerRouterHandler] = (BillingController, AccountController, answer_health)
"""They need one dependency, `use_cases`. Stripe's webhooks have a route of their own, `webhook_route`."""
