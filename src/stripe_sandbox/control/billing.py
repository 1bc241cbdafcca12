"""The `/_sandbox` routes that make something happen to a checkout session, a subscription or a customer."""

from collections.abc import Callable

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from stripe_sandbox.billing import checkout, ending, pausing, portal, renewing
from stripe_sandbox.control import messages
from stripe_sandbox.control.bodies import AnyRequest, body_of, must_say_nothing
from stripe_sandbox.control.latest import named
from stripe_sandbox.resource import Resource
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.world.world import World


def _befall(sandbox: Sandbox, subscription_id: str, act: Callable[[World, Resource], Resource]) -> Resource:
    """Let something happen to a subscription, whole or not at all."""
    with sandbox.change() as world:
        return act(world, world.get("subscription", named(world, "subscription", subscription_id)))


class CheckoutController(Controller):
    """What a buyer does on the checkout page."""

    path = "/_sandbox/checkout_sessions/{session_id:str}"

    @post("/pay", status_code=HTTP_200_OK)
    async def pay(
        self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str], request: AnyRequest
    ) -> messages.PayAnswer:
        """A refused card is an outcome, not an error."""
        data = await body_of(request, messages.Pay)
        with sandbox.change() as world:
            payment = checkout.pay(
                world,
                named(world, checkout.SESSION, session_id),
                data.card,
                email=data.email,
                authentication=data.authentication,
            )
        return messages.PayAnswer(outcome=payment.outcome, message=payment.message, session=payment.session)

    @post("/expire", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def expire(self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]) -> Resource:
        """Answers the session."""
        with sandbox.change() as world:
            return checkout.expire(world, named(world, checkout.SESSION, session_id))

    @post("/settle", status_code=HTTP_200_OK)
    async def settle(
        self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str], request: AnyRequest
    ) -> Resource:
        """The bank's answer for a session paid with the `delayed` card."""
        data = await body_of(request, messages.Settle)
        with sandbox.change() as world:
            session = named(world, checkout.SESSION, session_id)
            return checkout.settle_delayed(world, session, succeeds=data.succeeds)


class CustomerController(Controller):
    """What befalls a customer."""

    path = "/_sandbox/customers/{customer_id:str}"

    @post("/card", status_code=HTTP_200_OK)
    async def card(
        self, sandbox: NamedDependency[Sandbox], customer_id: FromPath[str], request: AnyRequest
    ) -> Resource:
        """Answers the customer."""
        data = await body_of(request, messages.ChangeCard)
        with sandbox.change() as world:
            return portal.change_card(world, named(world, "customer", customer_id), data.card)


class SubscriptionController(Controller):
    """What befalls a subscription; each answers the subscription as it then is."""

    path = "/_sandbox/subscriptions/{subscription_id:str}"

    @post("/renew", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def renew(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """The next period begins and is charged to the card, whatever that card does."""
        return _befall(sandbox, subscription_id, renewing.renew)

    @post("/fail_payment", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def fail_payment(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """The next period begins and its charge is declined."""
        return _befall(sandbox, subscription_id, lambda world, row: renewing.renew(world, row, charge="declined"))

    @post("/recover", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def recover(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """The open invoice is paid."""
        return _befall(sandbox, subscription_id, renewing.recover)

    @post("/exhaust_retries", status_code=HTTP_200_OK)
    async def exhaust_retries(
        self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str], request: AnyRequest
    ) -> Resource:
        """The last attempt to charge fails."""
        data = await body_of(request, messages.Exhaust)
        return _befall(sandbox, subscription_id, lambda world, row: renewing.exhaust_retries(world, row, data.outcome))

    @post("/pause", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def pause(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """It is paused, and nothing is charged."""
        return _befall(sandbox, subscription_id, pausing.pause)

    @post("/resume", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def resume(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """It goes on."""
        return _befall(sandbox, subscription_id, pausing.resume)

    @post("/cancel", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def cancel(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """It ends at once."""
        return _befall(sandbox, subscription_id, portal.cancel)

    @post("/cancel_at_period_end", status_code=HTTP_200_OK)
    async def cancel_at_period_end(
        self,
        sandbox: NamedDependency[Sandbox],
        subscription_id: FromPath[str],
        request: AnyRequest,
    ) -> Resource:
        """Its end is planned, or taken back."""
        data = await body_of(request, messages.CancelAtPeriodEnd)

        def plan(world: World, row: Resource) -> Resource:
            if data.value:
                return ending.cancel_at_period_end(world, row, style=data.style)
            return ending.keep_going(world, row)

        return _befall(sandbox, subscription_id, plan)

    @post("/change_price", status_code=HTTP_200_OK)
    async def change_price(
        self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str], request: AnyRequest
    ) -> Resource:
        """It moves to another price."""
        data = await body_of(request, messages.ChangePrice)
        return _befall(sandbox, subscription_id, lambda world, row: portal.change_price(world, row, data.price))
