"""Stripe's API, by the official SDK."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

import httpx
import stripe
from msgspec import MsgspecError

from billing.accounts import Customer
from billing.checkout import CheckoutAttempt, CheckoutSession, SessionState
from billing.errors import CustomerMissing, ProviderRefused, ProviderUnavailable, SessionNotOpen
from billing.idempotency import Alert
from billing.identifiers import CustomerId, SessionId, SubscriptionId
from billing.ports import Alarm
from billing.subscription import Snapshot
from billing_stripe import answers
from billing_stripe.failures import failure_of, is_missing
from billing_stripe.objects import id_of, snapshot_of

API_VERSION = "2026-10-28.endive"
"""The version that every request asks for, whatever the account's default is."""
PAGE_SIZE = 100
"""The most that Stripe lists at once."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long Stripe is waited for, and how often it is asked again."""

    connect_seconds: float = 3.0
    request_seconds: float = 8.0
    """For each of: sending, waiting for the next bytes of the answer, waiting for a free connection."""
    operation_seconds: float = 20.0
    """For everything that one call of a port does, retries and pauses between them included."""
    retries: int = 2
    """After the first try: on 409, 5xx and no connection, with the same idempotency key, after 0.5 s and up to 1 s."""


DEFAULT_PATIENCE = Patience()


class _Answer(Protocol):
    @property
    def body(self) -> str: ...


class _Requests(Protocol):
    """The SDK's documented door for requests without its resource classes, of which nothing is needed here."""

    async def raw_request_async(self, method_: str, url_: str, **params: object) -> _Answer: ...


class StripeGateway:
    """Customers, checkout sessions, portal sessions and subscriptions at Stripe.

    Every method may raise `ProviderUnavailable` and `ProviderRefused`, by the table in `failures`. An answer that
    cannot be understood is refused too, and raises the alert `UNREADABLE_ANSWER`: a re-read of such a subscription
    is put off like one of a refused request, and others go on.
    """

    def __init__(
        self,
        *,
        api_key: str,
        portal_return_url: str,
        alarm: Alarm,
        portal_configuration: str | None = None,
        api_base: str | None = None,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        """Prepare the client; no request is made. `api_base` is Stripe's own unless given (`http://host:port`).

        Raises `ValueError` for an empty key. To be closed in the event loop that used it.
        """
        if not api_key.strip():
            raise ValueError("a Stripe API key is needed")
        _quieten_sdk()
        timeout = httpx.Timeout(patience.request_seconds, connect=patience.connect_seconds)
        self._http = stripe.HTTPXClient(timeout=timeout)
        self._requests: _Requests = stripe.StripeClient(
            api_key,
            http_client=self._http,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            max_network_retries=patience.retries,
        )
        self._portal_return_url = portal_return_url
        self._portal_configuration = portal_configuration
        self._alarm = alarm
        self._patience = patience

    async def close(self) -> None:
        """Close all connections. The gateway cannot be used afterwards."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it unannotated

    async def create_customer(self, customer: Customer) -> CustomerId:
        """Create it under its idempotency key, so that a repetition answers the same customer; raises `KeySpent`."""
        async with self._operation("create_customer", customer.account, keyed=True):
            answer = await self._request(
                "post",
                "/v1/customers",
                email=customer.email,
                **({"name": customer.name} if customer.name else {}),
                metadata={"account_id": customer.account},
                idempotency_key=customer.idempotency_key,
            )
            return CustomerId(answers.CUSTOMER.decode(answer).id)

    async def create_session(self, attempt: CheckoutAttempt) -> CheckoutSession:
        """Open a session with the attempt's parameters.

        Raises `CustomerMissing` if the customer was deleted, and `KeySpent`.
        """
        metadata = {"account_id": attempt.account, "tier": attempt.tier.slug}
        async with self._operation("create_session", attempt.id, keyed=True):
            answer = await self._request(
                "post",
                "/v1/checkout/sessions",
                mode="subscription",
                line_items=[{"price": attempt.price, "quantity": 1}],
                customer=attempt.customer,
                client_reference_id=attempt.account,
                metadata=metadata,
                # Metadata is not copied from a session to its subscription.
                subscription_data={"metadata": metadata},
                success_url=attempt.addresses.success_url,
                cancel_url=attempt.addresses.cancel_url,
                expires_at=int(attempt.expires_at.timestamp()),
                idempotency_key=attempt.idempotency_key,
            )
            return _session_of(answer)

    async def session(self, session: SessionId) -> CheckoutSession | None:
        """Answer what became of a session; `None` if Stripe does not know it."""
        async with self._operation("session", session):
            return await self._find_session(session)

    async def expire_session(self, session: SessionId) -> None:
        """Close an open session; raises `SessionNotOpen` if it is complete, expired or unknown to Stripe.

        Stripe refuses to expire a session that is not open with a 400 that has no code of its own, so the session
        is looked at instead of the message.
        """
        async with self._operation("expire_session", session):
            try:
                await self._request("post", f"/v1/checkout/sessions/{quote(session, safe='')}/expire")
            except stripe.InvalidRequestError:
                found = await self._find_session(session)
                if found is None or found.state is not SessionState.OPEN:
                    raise SessionNotOpen from None
                raise

    async def open_portal(self, customer: CustomerId) -> str:
        """Answer an address for this customer; raises `CustomerMissing` if it was deleted."""
        configuration = {"configuration": self._portal_configuration} if self._portal_configuration else {}
        async with self._operation("open_portal", customer):
            answer = await self._request(
                "post",
                "/v1/billing_portal/sessions",
                customer=customer,
                return_url=self._portal_return_url,
                **configuration,
            )
            return answers.PORTAL_SESSION.decode(answer).url

    async def subscription(self, subscription: SubscriptionId) -> Snapshot | None:
        """Fetch it as it is now; `None` if Stripe does not know it (or it is another mode's).

        Also for one without a customer: it is not ours, and asking for it again would not change that.
        """
        async with self._operation("subscription", subscription):
            try:
                answer = await self._request("get", f"/v1/subscriptions/{quote(subscription, safe='')}")
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return None
                raise
            found = answers.SUBSCRIPTION.decode(answer)
            if found.customer is None:
                logger.warning("Stripe's %s has no customer, so it is not ours", subscription)
                return None
            return snapshot_of(found)

    async def live_subscriptions(self, customer: CustomerId) -> Sequence[Snapshot]:
        """List those of a customer that are live; empty if Stripe has deleted the customer."""
        try:
            async with self._operation("live_subscriptions", customer):
                return [snapshot async for snapshot in self._subscriptions(customer) if snapshot.status.is_live]
        except CustomerMissing:
            return []

    async def _subscriptions(self, customer: CustomerId) -> AsyncIterator[Snapshot]:
        """Go through all that are not canceled: without a status, Stripe lists these."""
        after: dict[str, str] = {}
        while True:
            answer = await self._request("get", "/v1/subscriptions", customer=customer, limit=PAGE_SIZE, **after)
            page = answers.SUBSCRIPTIONS.decode(answer)
            for subscription in page.data:
                yield snapshot_of(subscription)
            if not page.has_more or not page.data:
                return
            after = {"starting_after": page.data[-1].id}

    async def _find_session(self, session: SessionId) -> CheckoutSession | None:
        try:
            answer = await self._request("get", f"/v1/checkout/sessions/{quote(session, safe='')}")
        except stripe.InvalidRequestError as error:
            if is_missing(error):
                return None
            raise
        return _session_of(answer)

    async def _request(self, method: str, path: str, **params: object) -> str:
        """Answer the body of a 2xx; raises the SDK's errors."""
        try:
            answer = await self._requests.raw_request_async(method, path, **params)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # An error's body that is JSON but not Stripe's (`{"error": "bad gateway"}`) trips the SDK itself up.
            raise stripe.APIError(f"the answer is not Stripe's: {type(error).__name__} in the SDK") from error
        return answer.body

    @asynccontextmanager
    async def _operation(self, name: str, subject: str, *, keyed: bool = False) -> AsyncGenerator[None]:
        """Bound what one call of a port does in time, and turn every trouble with Stripe into the domain's errors.

        `keyed` says that its request has an idempotency key of ours.
        """
        try:
            async with asyncio.timeout(self._patience.operation_seconds):
                yield
        except TimeoutError:
            logger.warning("Stripe is unavailable: %s of %s took too long", name, subject)
            raise ProviderUnavailable from None
        except stripe.StripeError as error:
            raise failure_of(error, operation=name, subject=subject, keyed=keyed) from None
        except MsgspecError as error:
            logger.error("Stripe's answer cannot be understood: %s of %s: %s", name, subject, error)  # noqa: TRY400 - the traceback says no more
            self._alarm.raise_alert(Alert.UNREADABLE_ANSWER, subject)
            raise ProviderRefused from None


def _session_of(answer: str) -> CheckoutSession:
    session = answers.CHECKOUT_SESSION.decode(answer)
    return CheckoutSession(
        id=SessionId(session.id),
        state=session.status,
        url=session.url,
        subscription=None if session.subscription is None else SubscriptionId(id_of(session.subscription)),
    )


def _quieten_sdk() -> None:
    """Keep the SDK from writing a file under the home directory, and addresses of the portal into the log.

    Telemetry can be switched off for the whole process only. At level DEBUG the SDK logs whole answers.
    """
    stripe.enable_telemetry = False
    logging.getLogger("stripe").addFilter(_is_discreet)


def _is_discreet(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG
