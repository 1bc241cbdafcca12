"""The use cases over one store, with a Stripe that follows a script."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from billing.events import Delivery
from billing.idempotency import Outcome
from billing.identifiers import AccountId, CustomerId, SessionId, SubscriptionId
from billing.ports import Reread
from billing.use_cases.look_at_checkout import LookAtCheckout
from billing.use_cases.open_portal import OpenPortal
from billing.use_cases.receive_events import DecideEvents
from billing.use_cases.settle_subscriptions import Settlement, SettleSubscriptions
from billing.use_cases.start_checkout import StartCheckout
from billing_memory import MemoryAlarm, MemoryClock, MemorySecrets, MemoryStripe
from support.contracts import ADDRESSES, CATALOGUE, Stores

MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One running service: its use cases over its own connections to the store."""

    store: Stores
    checkout: StartCheckout
    look: LookAtCheckout
    portal: OpenPortal
    decide: DecideEvents
    settle: SettleSubscriptions

    async def deliver(self, *deliveries: Delivery) -> Sequence[object]:
        """Decide a batch of webhooks; answer the outcomes or errors."""
        return await self.decide.execute(deliveries)

    async def deliver_one(self, delivery: Delivery) -> object:
        """Decide one webhook alone."""
        [outcome] = await self.decide.execute([delivery])
        return outcome

    async def settle_all(self) -> list[Settlement]:
        """Settle what is due now, one after the other, until nothing is."""
        settlements: list[Settlement] = []
        for _ in range(MOST_ROUNDS):
            rereads = await self.settle.claim(limit=10)
            if not rereads:
                return settlements
            settlements += [await self.settle.settle(reread) for reread in rereads]
        raise AssertionError(f"re-reads do not come to an end: {Counter(settlements)}")

    async def claim_one(self) -> Reread:
        """Claim the one re-read that is due."""
        [reread] = await self.settle.claim(limit=10)
        return reread

    async def queued(self) -> list[SubscriptionId]:
        """Answer which re-reads are due, and lease them away."""
        return [reread.subscription for reread in await self.settle.claim(limit=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two replicas of the service, Stripe, and the time."""

    clock: MemoryClock
    stripe: MemoryStripe
    alarm: MemoryAlarm
    replicas: tuple[Replica, Replica]

    @property
    def service(self) -> Replica:
        """The replica that is used where one is enough."""
        return self.replicas[0]

    @property
    def store(self) -> Stores:
        """The ports of that replica's store."""
        return self.service.store

    def replica(self, number: int) -> Replica:
        """Take the replicas in turn."""
        return self.replicas[number % 2]

    def the_session(self, owner: AccountId) -> SessionId:
        """Answer the account's one open session."""
        [session] = self.stripe.open_sessions(owner)
        return session

    def the_customer(self) -> CustomerId:
        """Answer the one customer at Stripe."""
        [customer] = self.stripe.customers
        return customer


def world_over(stores: tuple[Stores, Stores]) -> World:
    """Build the use cases over two replicas' ports of one store."""
    clock, secrets, alarm = MemoryClock(), MemorySecrets(), MemoryAlarm()
    stripe = MemoryStripe(clock)
    first, second = (_replica(store, stripe, clock, secrets, alarm) for store in stores)
    return World(clock=clock, stripe=stripe, alarm=alarm, replicas=(first, second))


def applied(outcomes: Sequence[object]) -> int:
    """Count the deliveries that had an effect."""
    return sum(outcome is Outcome.APPLIED for outcome in outcomes)


def _replica(
    store: Stores, stripe: MemoryStripe, clock: MemoryClock, secrets: MemorySecrets, alarm: MemoryAlarm
) -> Replica:
    return Replica(
        store=store,
        checkout=StartCheckout(
            accounts=store.accounts,
            customers=store.customers,
            attempts=store.attempts,
            transactions=store.transactions,
            customer_gateway=stripe,
            checkout_gateway=stripe,
            subscription_gateway=stripe,
            catalogue=CATALOGUE,
            addresses=ADDRESSES,
            clock=clock,
            secrets=secrets,
        ),
        look=LookAtCheckout(attempts=store.attempts, gateway=stripe, transactions=store.transactions, clock=clock),
        portal=OpenPortal(
            accounts=store.accounts,
            customers=store.customers,
            transactions=store.transactions,
            gateway=stripe,
            clock=clock,
        ),
        decide=DecideEvents(
            transactions=store.transactions,
            failed_events=store.failed_events,
            catalogue=CATALOGUE,
            clock=clock,
            alarm=alarm,
            on_reread=lambda: None,
        ),
        settle=SettleSubscriptions(
            transactions=store.transactions,
            queue=store.reread_queue,
            gateway=stripe,
            catalogue=CATALOGUE,
            clock=clock,
            secrets=secrets,
            alarm=alarm,
        ),
    )
