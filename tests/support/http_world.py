"""The real controllers over in-memory adapters, spoken to by HTTP."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from litestar import Litestar
from litestar.di import Provide

from billing.checkout import Addresses
from billing.errors import BillingError
from billing.events import Delivery
from billing.idempotency import Outcome
from billing.identifiers import AccountId
from billing.ports import FailedEvent, UndecodableEvent
from billing.use_cases.manage_accounts import ManageAccounts
from billing.use_cases.open_portal import OpenPortal
from billing.use_cases.read_account import Authenticate, ReadBilling
from billing.use_cases.receive_events import DecideEvents, ReceiveWebhook
from billing.use_cases.start_checkout import StartCheckout
from billing_http import EXCEPTION_HANDLERS, ROUTES, RequestEnvelope, UseCases, webhook_route
from billing_memory import (
    MemoryAccounts,
    MemoryAlarm,
    MemoryApiKeys,
    MemoryCheckoutAttempts,
    MemoryCheckoutWatch,
    MemoryClock,
    MemoryCustomers,
    MemoryFailedEvents,
    MemoryInbox,
    MemorySecrets,
    MemoryStore,
    MemoryStripe,
    MemoryTransactions,
)
from support.domain_things import CATALOGUE


@dataclass
class ScriptedReader:
    """Answers, or raises, what the test says: the signature is the reader's own test's business."""

    answer: Delivery | BillingError | UndecodableEvent | None = None
    seen: list[tuple[str | None, bytes]] = field(default_factory=list[tuple[str | None, bytes]])

    def read(self, *, signature: str | None, body: bytes) -> Delivery:
        """Note what the controller handed over."""
        self.seen.append((signature, body))
        assert self.answer is not None
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass(kw_only=True)
class World:
    """One service over memory, and the hands to move it."""

    client: httpx.AsyncClient
    app: RequestEnvelope
    """What the client talks to."""
    store: MemoryStore
    stripe: MemoryStripe
    clock: MemoryClock
    reader: ScriptedReader
    watch: MemoryCheckoutWatch
    manage: ManageAccounts
    decide: DecideEvents
    alarm: MemoryAlarm
    account: AccountId
    api_key: str

    @property
    def credential(self) -> dict[str, str]:
        """The header of the account's own key."""
        return {"Authorization": f"Bearer {self.api_key}"}

    async def deliver(self, delivery: Delivery) -> Outcome | BillingError:
        """Decide an event behind the API's back."""
        return (await self.decide.execute([delivery]))[0]


@asynccontextmanager
async def open_world() -> AsyncGenerator[World]:
    """A service with one account."""
    store, clock, secrets, alarm = MemoryStore(), MemoryClock(), MemorySecrets(), MemoryAlarm()
    stripe, reader, watch = MemoryStripe(clock), ScriptedReader(), MemoryCheckoutWatch()
    accounts, customers, attempts = MemoryAccounts(store), MemoryCustomers(store), MemoryCheckoutAttempts(store)
    transactions, failed_events = MemoryTransactions(store), MemoryFailedEvents(store)
    decide = DecideEvents(
        transactions=transactions,
        failed_events=failed_events,
        catalogue=CATALOGUE,
        clock=clock,
        alarm=alarm,
        on_reread=lambda: None,
    )
    manage = ManageAccounts(accounts=accounts, api_keys=MemoryApiKeys(store), clock=clock, secrets=secrets)
    use_cases = UseCases(
        authenticate=Authenticate(accounts=accounts),
        read_billing=ReadBilling(watch=watch),
        open_portal=OpenPortal(
            accounts=accounts, customers=customers, transactions=transactions, gateway=stripe, clock=clock
        ),
        start_checkout=StartCheckout(
            accounts=accounts,
            customers=customers,
            attempts=attempts,
            transactions=transactions,
            customer_gateway=stripe,
            checkout_gateway=stripe,
            subscription_gateway=stripe,
            catalogue=CATALOGUE,
            addresses=Addresses(success_url="https://app.example/done", cancel_url="https://app.example/no"),
            clock=clock,
            secrets=secrets,
        ),
    )
    receive_webhook = ReceiveWebhook(
        reader=reader, inbox=MemoryInbox(decide), failed_events=failed_events, clock=clock, alarm=alarm
    )
    app = Litestar(
        route_handlers=[*ROUTES, webhook_route(lambda: receive_webhook)],
        dependencies={"use_cases": Provide(lambda: use_cases, sync_to_thread=False)},
        exception_handlers=dict(EXCEPTION_HANDLERS),
        logging_config=None,
        openapi_config=None,
    )
    view, new = await manage.create(email="ada@example.com", name="Ada")
    wrapped = RequestEnvelope(app)
    transport = httpx.ASGITransport(app=wrapped, raise_app_exceptions=False)  # type: ignore[arg-type] # both are ASGI, each typed its own way
    async with httpx.AsyncClient(transport=transport, base_url="http://billing.test") as client:
        yield World(
            client=client,
            app=wrapped,
            store=store,
            stripe=stripe,
            clock=clock,
            reader=reader,
            watch=watch,
            manage=manage,
            decide=decide,
            alarm=alarm,
            account=view.account.id,
            api_key=new.secret,
        )


def failed_event(delivery: Delivery) -> UndecodableEvent:
    """What a reader raises for an event whose object makes no sense."""
    return UndecodableEvent(
        FailedEvent(
            id=delivery.id, type=delivery.type, created=delivery.created, reason="no id", payload=delivery.payload
        )
    )
