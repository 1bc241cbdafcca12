"""The `/_sandbox` routes that make something happen to a checkout session, a subscription or a customer."""

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from stripe_sandbox.billing import changing, checkout, ending, pausing, renewing
from stripe_sandbox.control import messages
from stripe_sandbox.resource import Resource
from stripe_sandbox.sandbox import Sandbox

LATEST = "latest"
"""Stands for the newest object of its kind, so that a line can be written down before the object exists."""


def _subscription(sandbox: Sandbox, subscription_id: str) -> Resource:
    return sandbox.world.get("subscription", _named(sandbox, "subscription", subscription_id))


def _named(sandbox: Sandbox, kind: str, name: str) -> str:
    newest = next(sandbox.world.store.table(kind).newest_first(), None) if name == LATEST else None
    return name if newest is None else str(newest["id"])


class CheckoutController(Controller):
    """What a buyer does on the checkout page."""

    path = "/_sandbox/checkout_sessions/{session_id:str}"

    @post("/pay", status_code=HTTP_200_OK)
    async def pay(
        self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str], data: JSONBody[messages.Pay]
    ) -> messages.PayAnswer:
        payment = checkout.pay(
            sandbox.world,
            _named(sandbox, "checkout.session", session_id),
            data.card,
            email=data.email,
            authentication=data.authentication,
        )
        sandbox.world.commit()
        return messages.PayAnswer(outcome=payment.outcome, message=payment.message, session=payment.session)

    @post("/expire", status_code=HTTP_200_OK)
    async def expire(self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str]) -> Resource:
        session = checkout.expire(sandbox.world, _named(sandbox, "checkout.session", session_id))
        sandbox.world.commit()
        return session

    @post("/settle", status_code=HTTP_200_OK)
    async def settle(
        self, sandbox: NamedDependency[Sandbox], session_id: FromPath[str], data: JSONBody[messages.Settle]
    ) -> Resource:
        """The bank's answer for a session paid with the `delayed` card."""
        session = checkout.settle_delayed(
            sandbox.world, _named(sandbox, "checkout.session", session_id), succeeds=data.succeeds
        )
        sandbox.world.commit()
        return session


class CustomerController(Controller):
    path = "/_sandbox/customers/{customer_id:str}"

    @post("/card", status_code=HTTP_200_OK)
    async def card(
        self, sandbox: NamedDependency[Sandbox], customer_id: FromPath[str], data: JSONBody[messages.ChangeCard]
    ) -> Resource:
        customer = checkout.update_card(sandbox.world, customer_id, data.card)
        sandbox.world.commit()
        return customer


class SubscriptionController(Controller):
    """What befalls a subscription; each answers the subscription as it then is."""

    path = "/_sandbox/subscriptions/{subscription_id:str}"

    @post("/renew", status_code=HTTP_200_OK)
    async def renew(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """The next period begins and is charged to the card, whatever that card does."""
        return _done(sandbox, renewing.renew(sandbox.world, _subscription(sandbox, subscription_id)))

    @post("/fail_payment", status_code=HTTP_200_OK)
    async def fail_payment(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        """The next period begins and its charge is declined."""
        row = _subscription(sandbox, subscription_id)
        return _done(sandbox, renewing.renew(sandbox.world, row, charge="declined"))

    @post("/recover", status_code=HTTP_200_OK)
    async def recover(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        return _done(sandbox, renewing.recover(sandbox.world, _subscription(sandbox, subscription_id)))

    @post("/exhaust_retries", status_code=HTTP_200_OK)
    async def exhaust_retries(
        self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str], data: JSONBody[messages.Exhaust]
    ) -> Resource:
        row = _subscription(sandbox, subscription_id)
        return _done(sandbox, renewing.exhaust_retries(sandbox.world, row, data.outcome))

    @post("/pause", status_code=HTTP_200_OK)
    async def pause(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        return _done(sandbox, pausing.pause(sandbox.world, _subscription(sandbox, subscription_id)))

    @post("/resume", status_code=HTTP_200_OK)
    async def resume(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        return _done(sandbox, pausing.resume(sandbox.world, _subscription(sandbox, subscription_id)))

    @post("/cancel", status_code=HTTP_200_OK)
    async def cancel(self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str]) -> Resource:
        row = _subscription(sandbox, subscription_id)
        renewing.must_live(row)
        return _done(sandbox, ending.cancel_now(sandbox.world, row))

    @post("/cancel_at_period_end", status_code=HTTP_200_OK)
    async def cancel_at_period_end(
        self,
        sandbox: NamedDependency[Sandbox],
        subscription_id: FromPath[str],
        data: JSONBody[messages.CancelAtPeriodEnd],
    ) -> Resource:
        row = _subscription(sandbox, subscription_id)
        if data.value:
            return _done(sandbox, ending.cancel_at_period_end(sandbox.world, row, style=data.style))
        return _done(sandbox, ending.keep_going(sandbox.world, row))

    @post("/change_price", status_code=HTTP_200_OK)
    async def change_price(
        self, sandbox: NamedDependency[Sandbox], subscription_id: FromPath[str], data: JSONBody[messages.ChangePrice]
    ) -> Resource:
        price = sandbox.world.get("price", data.price, param="price")
        row = _subscription(sandbox, subscription_id)
        return _done(sandbox, changing.change_price(sandbox.world, row, price))


def _done(sandbox: Sandbox, row: Resource) -> Resource:
    sandbox.world.commit()
    return row
