"""The use cases over the in-memory adapter, driven step by step from plain functions."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from billing.accounts import Account, ApiKey
from billing.checkout import Addresses
from billing.errors import BillingError
from billing.events import Delivery
from billing.idempotency import Outcome
from billing.identifiers import AccountId, ApiKeyId, CustomerId, SubscriptionId
from billing.plans import Catalogue
from billing.ports import Changes, Claims, SubscriptionGateway
from billing.standing import Standing
from billing.subscription import Subscription
from billing.use_cases.look_at_checkout import LookAtCheckout
from billing.use_cases.manage_accounts import ManageAccounts
from billing.use_cases.open_portal import OpenPortal
from billing.use_cases.read_account import Authenticate, ReadBilling, hash_of
from billing.use_cases.receive_events import DecideEvents
from billing.use_cases.settle_subscriptions import Settlement, SettleSubscriptions
from billing.use_cases.start_checkout import StartCheckout
from billing_memory import (
    MemoryAccounts,
    MemoryAlarm,
    MemoryApiKeys,
    MemoryCheckoutAttempts,
    MemoryCheckoutWatch,
    MemoryClock,
    MemoryCustomers,
    MemoryFailedEvents,
    MemoryRereadQueue,
    MemorySecrets,
    MemoryStore,
    MemoryStripe,
    MemoryTransactions,
)
from support.domain_things import CATALOGUE, NOON

ADDRESSES = Addresses(success_url="https://shop.test/thanks", cancel_url="https://shop.test/plans")

Answer = TypeVar("Answer")


class MemoryWorld:
    """One service, its store, Stripe and the time; `run` lets one thing happen and waits for it."""

    def __init__(
        self, runner: asyncio.Runner, *, catalogue: Catalogue = CATALOGUE, gateway: SubscriptionGateway | None = None
    ) -> None:
        """Build it, empty; `gateway` is what re-reads ask, else the scripted Stripe."""
        self._runner = runner
        self.store = MemoryStore()
        self.clock = MemoryClock(NOON)
        self.secrets = MemorySecrets()
        self.alarm = MemoryAlarm()
        self.watch = MemoryCheckoutWatch()
        self.stripe = MemoryStripe(self.clock)
        self.accounts = MemoryAccounts(self.store)
        self.api_keys = MemoryApiKeys(self.store)
        self.customers = MemoryCustomers(self.store)
        self.attempts = MemoryCheckoutAttempts(self.store)
        self.failed_events = MemoryFailedEvents(self.store)
        self.queue = MemoryRereadQueue(self.store)
        self.transactions = MemoryTransactions(self.store)
        self.rings = 0
        """How often it was said that re-reads wait."""
        self._build(catalogue, gateway or self.stripe)

    def run(self, happening: Coroutine[Any, Any, Answer]) -> Answer:
        """Let something happen, to its end."""
        return self._runner.run(happening)

    def add_account(self, id_: AccountId, *, customer: CustomerId | None = None) -> None:
        """Add an account, whose API key is its id, and perhaps the customer that stands for it at Stripe."""
        account = Account(id=id_, email=f"{id_}@example.com", name=None, created_at=NOON)
        key = ApiKey(id=ApiKeyId(f"key_of_{id_}"), account=id_, created_at=NOON, revoked_at=None)
        self.run(self.accounts.add(account, key=key, hash_=hash_of(id_)))
        if customer is not None:
            self.run(self._attach(id_, customer))

    def deliver(self, *deliveries: Delivery) -> list[Outcome | BillingError]:
        """Decide a batch of webhooks; answer what became of each."""
        return self.run(self.decide.execute(deliveries))

    def ask(self, *ids: SubscriptionId) -> None:
        """Ask for re-reads, as a checkout found complete does."""
        self.run(self._ask(frozenset(ids)))

    def settle_all(self) -> list[Settlement]:
        """Settle what is due now, one after another, until nothing is."""
        settlements: list[Settlement] = []
        while rereads := self.run(self.settle.claim(limit=10)):
            settlements += [self.run(self.settle.settle(reread)) for reread in rereads]
        return settlements

    def standing(self, account: AccountId) -> Standing:
        """Answer the account's stored standing."""
        return self.store.tables.standings[account]

    def held(self, id_: SubscriptionId) -> Subscription:
        """Answer a subscription as it is held."""
        return self.store.tables.subscriptions[id_]

    def queued(self) -> Sequence[SubscriptionId]:
        """Answer which re-reads are asked for."""
        return sorted(self.store.tables.rereads)

    def _ring(self) -> None:
        self.rings += 1

    async def _ask(self, ids: frozenset[SubscriptionId]) -> None:
        async with self.transactions.begin() as transaction:
            await transaction.load(Claims())
            await transaction.save(Changes(received_at=self.clock.now(), rereads=set(ids)))
            await transaction.commit()

    async def _attach(self, account: AccountId, customer: CustomerId) -> None:
        await self.customers.created(await self.customers.reserve(account), customer)

    def _build(self, catalogue: Catalogue, gateway: SubscriptionGateway) -> None:
        self.decide = DecideEvents(
            transactions=self.transactions,
            failed_events=self.failed_events,
            catalogue=catalogue,
            clock=self.clock,
            alarm=self.alarm,
            on_reread=self._ring,
        )
        self.settle = SettleSubscriptions(
            transactions=self.transactions,
            queue=self.queue,
            gateway=gateway,
            catalogue=catalogue,
            clock=self.clock,
            secrets=self.secrets,
            alarm=self.alarm,
        )
        self.checkout = StartCheckout(
            accounts=self.accounts,
            customers=self.customers,
            attempts=self.attempts,
            transactions=self.transactions,
            customer_gateway=self.stripe,
            checkout_gateway=self.stripe,
            subscription_gateway=self.stripe,
            catalogue=catalogue,
            addresses=ADDRESSES,
            clock=self.clock,
            secrets=self.secrets,
        )
        self.look = LookAtCheckout(
            attempts=self.attempts, gateway=self.stripe, transactions=self.transactions, clock=self.clock
        )
        self.portal = OpenPortal(
            accounts=self.accounts,
            customers=self.customers,
            transactions=self.transactions,
            gateway=self.stripe,
            clock=self.clock,
        )
        self.authenticate = Authenticate(accounts=self.accounts)
        self.read_billing = ReadBilling(watch=self.watch)
        self.manage = ManageAccounts(
            accounts=self.accounts, api_keys=self.api_keys, clock=self.clock, secrets=self.secrets
        )
