"""The reader over what the sandbox really sends: both generations of shapes say the same, and what the API says."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from billing.accounts import Customer
from billing.checkout import Addresses, CheckoutAttempt
from billing.events import (
    CheckoutClosed,
    CheckoutCompleted,
    CustomerDeleted,
    Delivery,
    PaymentFailed,
    SubscriptionChanged,
    SubscriptionEnded,
    Unhandled,
)
from billing.identifiers import AccountId, AttemptId, CustomerId, PriceId, SubscriptionId
from billing.plans import Tier
from billing.subscription import Snapshot, Status
from billing_memory import MemoryClock
from billing_stripe import SUBSCRIBED_EVENTS, StripeGateway, StripeWebhookReader, is_live_key
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedEndpoint, SeedPrice
from support.stripe_outside import StripeFromOutside

pytestmark = pytest.mark.anyio

ACCOUNT = AccountId("acct_000000000000000000000001")
SECRETS = {"/old": "whsec_old", "/new": "whsec_new"}
VERSIONS = {"/old": "2024-06-20", "/new": "2026-10-28.endive"}


class Mailbox(ThreadingHTTPServer):
    """Takes every webhook, and acknowledges it."""

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self.taken: list[tuple[str, str | None, bytes]] = []
        super().__init__(("127.0.0.1", 0), Slot)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def understood(self, path: str) -> dict[str, Delivery]:
        """Read what came in under a path, by event id."""
        reader = StripeWebhookReader(
            secrets=("whsec_other", SECRETS[path]),
            livemode=is_live_key("sk_test_sandbox"),
            clock=MemoryClock(datetime.now(UTC)),
        )
        read = [reader.read(signature=signature, body=body) for at, signature, body in self.taken if at == path]
        return {delivery.id: delivery for delivery in read}


class Slot(BaseHTTPRequestHandler):
    """One delivery."""

    def do_POST(self) -> None:
        """Keep it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Mailbox)
        self.server.taken.append((self.path, self.headers["Stripe-Signature"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """Give a listening mailbox."""
    with Mailbox() as box:
        thread = threading.Thread(target=box.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield box
        box.shutdown()
        thread.join()


@pytest.fixture
def sandbox(mailbox: Mailbox) -> Iterator[SandboxServer]:
    """Give a sandbox that sends what is subscribed to, to an endpoint of an old API version and one of today's."""
    endpoints = tuple(
        SeedEndpoint(
            url=f"{mailbox.url}{path}",
            secret=secret,
            enabled_events=tuple(SUBSCRIBED_EVENTS),
            api_version=VERSIONS[path],
        )
        for path, secret in SECRETS.items()
    )
    price = SeedPrice(name="pro", unit_amount=2900, price_id="price_pro")
    with SandboxServer(SandboxConfig(prices=(price,), endpoints=endpoints)) as box:
        yield box


async def new_customer(gateway: StripeGateway) -> CustomerId:
    """Make a customer."""
    return await gateway.create_customer(
        Customer(account=ACCOUNT, generation=1, email="ada@shop.test", name=None, id=None)
    )


async def open_session(gateway: StripeGateway, customer: CustomerId, number: int = 1) -> str:
    """Open a checkout session."""
    now = datetime.now(UTC).replace(microsecond=0)
    attempt = CheckoutAttempt(
        id=AttemptId(f"try_{number}"),
        account=ACCOUNT,
        customer=customer,
        tier=Tier.PRO,
        price=PriceId("price_pro"),
        addresses=Addresses(success_url="https://shop.test/thanks", cancel_url="https://shop.test/plans"),
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    return (await gateway.create_session(attempt)).id


async def buy(gateway: StripeGateway, sandbox: SandboxServer, customer: CustomerId) -> SubscriptionId:
    """Pay for a subscription."""
    session = await open_session(gateway, customer)
    return SubscriptionId(sandbox.control.pay(session).session["subscription"])


def understood(sandbox: SandboxServer, mailbox: Mailbox) -> list[Delivery]:
    """Answer what was delivered so far, in order, after a check that both generations of shapes say the same."""
    assert sandbox.control.flush().failed == 0
    old, new = mailbox.understood("/old"), mailbox.understood("/new")
    assert {id_: delivery.event for id_, delivery in old.items()} == {
        id_: delivery.event for id_, delivery in new.items()
    }
    assert {delivery.payload for delivery in old.values()}.isdisjoint(delivery.payload for delivery in new.values())
    return list(new.values())


def snapshots(deliveries: list[Delivery]) -> list[Snapshot]:
    """Answer all snapshots, in order of arrival."""
    return [
        delivery.event.snapshot
        for delivery in deliveries
        if isinstance(delivery.event, (SubscriptionChanged, SubscriptionEnded))
    ]


async def test_a_purchase_is_told_alike_by_events_and_api(
    sandbox: SandboxServer, mailbox: Mailbox, gateway: StripeGateway
) -> None:
    """The session's event names account, tier and subscription, and the snapshot is what a re-read finds."""
    customer = await new_customer(gateway)
    bought = await buy(gateway, sandbox, customer)

    deliveries = understood(sandbox, mailbox)

    [completed] = [delivery.event for delivery in deliveries if isinstance(delivery.event, CheckoutCompleted)]
    assert (completed.account, completed.tier, completed.customer) == (ACCOUNT, Tier.PRO, customer)
    assert completed.subscription == bought
    assert await gateway.subscription(bought) in snapshots(deliveries)


async def test_a_whole_life_is_understood(sandbox: SandboxServer, mailbox: Mailbox, gateway: StripeGateway) -> None:
    """Cancellation, its withdrawal, a failed payment, a pause, the end: each is told, and nothing is undecodable."""
    sandbox.control.set_delivery(concurrency=1)
    bought = await buy(gateway, sandbox, await new_customer(gateway))
    lives: list[Snapshot | None] = [await gateway.subscription(bought)]
    steps: list[Callable[[], object]] = [
        lambda: sandbox.control.cancel_at_period_end(bought, style="flag"),
        lambda: sandbox.control.cancel_at_period_end(bought, value=False),
        lambda: sandbox.control.cancel_at_period_end(bought, style="cancel_at"),
        lambda: sandbox.control.cancel_at_period_end(bought, value=False),
        lambda: sandbox.control.fail_payment(bought),
        lambda: sandbox.control.recover(bought),
        lambda: sandbox.control.pause(bought),
        lambda: sandbox.control.resume(bought),
        lambda: sandbox.control.cancel(bought),
    ]
    for step in steps:
        step()
        lives.append(await gateway.subscription(bought))

    deliveries = understood(sandbox, mailbox)

    told = snapshots(deliveries)
    assert all(snapshot in told for snapshot in lives)
    assert {Status.ACTIVE, Status.PAST_DUE, Status.PAUSED, Status.CANCELED} <= {snapshot.status for snapshot in told}
    assert any(isinstance(delivery.event, PaymentFailed) for delivery in deliveries)
    assert isinstance(deliveries[-1].event, SubscriptionEnded)
    assert not any(isinstance(delivery.event, Unhandled) for delivery in deliveries)


async def test_checkouts_that_are_not_paid_are_closed(
    sandbox: SandboxServer, mailbox: Mailbox, gateway: StripeGateway
) -> None:
    """An expired session and one whose bank debit failed are closed; before that, the debit is not paid yet."""
    customer = await new_customer(gateway)
    left = await open_session(gateway, customer, 1)
    sandbox.control.expire(left)
    delayed = await open_session(gateway, customer, 2)
    sandbox.control.pay(delayed, "delayed")
    sandbox.control.settle(delayed, succeeds=False)

    events = {delivery.type: delivery.event for delivery in understood(sandbox, mailbox)}

    assert events["checkout.session.expired"] == CheckoutClosed(session=left)  # type: ignore[arg-type]  # a new type of str
    assert events["checkout.session.completed"] == Unhandled(reason="not paid yet")
    assert events["checkout.session.async_payment_failed"] == CheckoutClosed(session=delayed)  # type: ignore[arg-type]  # as above


async def test_a_debit_that_is_paid_later_is_a_purchase(
    sandbox: SandboxServer, mailbox: Mailbox, gateway: StripeGateway
) -> None:
    """The asynchronous event says what the completed one could not."""
    session = await open_session(gateway, await new_customer(gateway))
    sandbox.control.pay(session, "delayed")
    sandbox.control.settle(session)

    events = {delivery.type: delivery.event for delivery in understood(sandbox, mailbox)}

    assert events["checkout.session.completed"] == Unhandled(reason="not paid yet")
    assert isinstance(events["checkout.session.async_payment_succeeded"], CheckoutCompleted)


async def test_a_deleted_customer_is_told_with_the_end_of_its_subscriptions(
    sandbox: SandboxServer, mailbox: Mailbox, gateway: StripeGateway, stripe_itself: StripeFromOutside
) -> None:
    """Stripe ends the subscriptions and names the customer."""
    customer = await new_customer(gateway)
    await buy(gateway, sandbox, customer)
    await stripe_itself.delete(f"/v1/customers/{customer}")

    events = [delivery.event for delivery in understood(sandbox, mailbox)]

    assert CustomerDeleted(customer=customer) in events
    assert any(isinstance(event, SubscriptionEnded) for event in events)
