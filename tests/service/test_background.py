"""What goes on between requests: the queue is drained, troubles pass, a stop is clean."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from billing.accounts import Account, ApiKey
from billing.checkout import Addresses
from billing.errors import ProviderUnavailable
from billing.identifiers import AccountId, ApiKeyId, KeyHash
from billing.plans import Tier
from billing.ports import Reread
from billing.subscription import Status
from billing.use_cases.look_at_checkout import LookAtCheckout
from billing.use_cases.receive_events import DecideEvents
from billing.use_cases.settle_subscriptions import SettleSubscriptions
from billing.use_cases.start_checkout import StartCheckout
from billing_memory import (
    Call,
    MemoryAccounts,
    MemoryAlarm,
    MemoryCheckoutAttempts,
    MemoryClock,
    MemoryCustomers,
    MemoryFailedEvents,
    MemoryRereadQueue,
    MemorySecrets,
    MemoryStore,
    MemoryStripe,
    MemoryTransactions,
)
from billing_service.background import CheckoutWatcher, Pace, RereadWorker
from support.domain_things import ANN, CATALOGUE, NOON, PERIOD, changed, completed, delivery, snapshot

pytestmark = pytest.mark.anyio

WAIT_SECONDS = 10


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio."""
    return "asyncio"


class BuggyQueue(MemoryRereadQueue):
    """Has as many bugs as it is told to have."""

    bugs = 0

    async def next_due(self, *, now: datetime) -> datetime | None:
        """Answer, or have a bug."""
        if self.bugs:
            self.bugs -= 1
            raise RuntimeError("a bug")
        return await super().next_due(now=now)

    async def claim(self, *, limit: int, now: datetime, leased_until: datetime, lease: str) -> Sequence[Reread]:
        """Answer, or have a bug."""
        if self.bugs:
            self.bugs -= 1
            raise RuntimeError("a bug")
        return await super().claim(limit=limit, now=now, leased_until=leased_until, lease=lease)


@dataclass(kw_only=True)
class World:
    """A store with one account, a Stripe, and the worker between them."""

    store: MemoryStore
    stripe: MemoryStripe
    clock: MemoryClock
    queue: BuggyQueue
    worker: RereadWorker
    watcher: CheckoutWatcher
    decide: DecideEvents
    checkout: StartCheckout
    accounts: MemoryAccounts


@asynccontextmanager
async def world() -> AsyncGenerator[World]:
    """Set it up; whatever was started is stopped."""
    store, clock, secrets, alarm = MemoryStore(), MemoryClock(), MemorySecrets(), MemoryAlarm()
    stripe, transactions, queue = MemoryStripe(clock), MemoryTransactions(store), BuggyQueue(store)
    accounts, attempts = MemoryAccounts(store), MemoryCheckoutAttempts(store)
    settle = SettleSubscriptions(
        transactions=transactions,
        queue=queue,
        gateway=stripe,
        catalogue=CATALOGUE,
        clock=clock,
        secrets=secrets,
        alarm=alarm,
    )
    pace = Pace(1000)
    worker = RereadWorker(settle, queue, clock, pace)
    look = LookAtCheckout(attempts=attempts, gateway=stripe, transactions=transactions, clock=clock)
    opened = World(
        store=store,
        stripe=stripe,
        clock=clock,
        queue=queue,
        worker=worker,
        watcher=CheckoutWatcher(look, pace, worker.wake),
        decide=DecideEvents(
            transactions=transactions,
            failed_events=MemoryFailedEvents(store),
            catalogue=CATALOGUE,
            clock=clock,
            alarm=alarm,
            on_reread=worker.wake,
        ),
        checkout=StartCheckout(
            accounts=accounts,
            customers=MemoryCustomers(store),
            attempts=attempts,
            transactions=transactions,
            customer_gateway=stripe,
            checkout_gateway=stripe,
            subscription_gateway=stripe,
            catalogue=CATALOGUE,
            addresses=Addresses(success_url="https://app.example/", cancel_url="https://app.example/"),
            clock=clock,
            secrets=secrets,
        ),
        accounts=accounts,
    )
    account = Account(id=ANN, email="ann@example.com", name=None, created_at=clock.now())
    key = ApiKey(id=ApiKeyId("key_1"), account=ANN, created_at=clock.now(), revoked_at=None)
    await accounts.add(account, key=key, hash_=KeyHash("hash"))
    try:
        yield opened
    finally:
        await opened.watcher.stop()
        await opened.worker.stop()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that must come to pass."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what is waited for is a row, which sets no event
            await asyncio.sleep(0.005)


async def status(world: World, account: AccountId = ANN) -> Status | None:
    """Answer the account's status."""
    return (await world.accounts.view(account)).standing.status


async def test_what_an_event_asked_for_is_settled() -> None:
    """A checkout leaves a re-read behind; the worker fetches the period's end and empties the queue."""
    async with world() as w:
        w.stripe.put_subscription(snapshot(Status.TRIALING))
        w.worker.start()
        await w.decide.execute([delivery("evt_1", completed())])

        async def settled() -> bool:
            return await status(w) is Status.TRIALING

        await until(settled)
        view = await w.accounts.view(ANN)
        assert view.standing.period_end == snapshot().period_end
        assert w.store.tables.rereads == {}


async def test_trouble_at_stripe_passes() -> None:
    """While Stripe is away the payload's word stands; when it is back, the re-read settles by itself."""
    async with world() as w:
        w.stripe.put_subscription(snapshot(Status.PAST_DUE))
        w.stripe.fail_next(ProviderUnavailable(retry_after_seconds=30), call=Call.SUBSCRIPTION, times=2)
        w.worker.start()
        await w.decide.execute([delivery("evt_1", completed())])

        async def asked() -> bool:
            return w.stripe.calls[Call.SUBSCRIPTION] == 1 and all(
                row.lease is None for row in w.store.tables.rereads.values()
            )

        w.worker.wake()
        await until(asked)
        assert await status(w) is Status.ACTIVE

        async def settled() -> bool:
            w.clock.advance(timedelta(seconds=31))
            w.worker.wake()
            return await status(w) is Status.PAST_DUE

        await until(settled)
        assert w.stripe.calls[Call.SUBSCRIPTION] == 3


async def test_the_worker_outlives_the_database() -> None:
    """A database that is away for a while does not end the worker."""
    async with world() as w:
        w.stripe.put_subscription(snapshot(Status.TRIALING))
        await w.decide.execute([delivery("evt_1", completed())])
        w.store.is_away = True
        w.worker.start()
        await asyncio.sleep(0.02)
        w.store.is_away = False

        async def settled() -> bool:
            w.worker.wake()
            return await status(w) is Status.TRIALING

        await until(settled)


async def test_a_stop_finishes_what_is_in_flight() -> None:
    """The fetch that had begun is written before the worker is gone."""
    async with world() as w:
        w.stripe.put_subscription(snapshot(Status.TRIALING))
        gate = w.stripe.hold(Call.SUBSCRIPTION)
        await w.decide.execute([delivery("evt_1", completed())])
        w.worker.start()
        await gate.reached.wait()
        stopping = asyncio.create_task(w.worker.stop())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        gate.release()
        await stopping
        assert await status(w) is Status.TRIALING


async def test_a_purchase_turns_the_plan_without_any_webhook() -> None:
    """The account reads its status after it paid; nothing was ever delivered, and the plan turns to pro."""
    async with world() as w:
        await w.checkout.execute(ANN, "pro")
        (session,) = w.stripe.sessions
        w.stripe.pay(session)
        w.worker.start()
        w.watcher.start()

        async def turned() -> bool:
            w.watcher.notice(ANN)
            return (await w.accounts.view(ANN)).standing.plan is Tier.PRO

        await until(turned)


async def test_a_checkout_is_looked_at_once_every_few_seconds() -> None:
    """A hundred reads in one moment are one look; after a while there is another."""
    async with world() as w:
        await w.checkout.execute(ANN, "pro")
        looks = w.stripe.calls[Call.SESSION]
        w.watcher.start()
        for _ in range(100):
            w.watcher.notice(ANN)
            await asyncio.sleep(0)

        async def looked() -> bool:
            return w.stripe.calls[Call.SESSION] > looks

        await until(looked)
        assert w.stripe.calls[Call.SESSION] == looks + 1

        async def looked_again() -> bool:
            w.watcher.notice(ANN)
            return w.stripe.calls[Call.SESSION] == looks + 2

        await until(looked_again)


async def test_one_look_that_hangs_does_not_hold_up_the_others() -> None:
    """Stripe takes for ever over one session; another account's purchase is seen all the same."""
    async with world() as w:
        await w.checkout.execute(ANN, "pro")
        gate = w.stripe.hold(Call.SESSION)
        w.watcher.start()
        w.watcher.notice(ANN)
        await gate.reached.wait()
        w.watcher.notice(AccountId("acct_other"))
        w.watcher.notice(AccountId("acct_another"))

        async def all_taken() -> bool:
            return w.watcher.waiting == 0

        await until(all_taken)
        gate.release()


async def test_the_worker_outlives_what_nobody_expected(caplog: pytest.LogCaptureFixture) -> None:
    """An error that is no error of the domain is logged, and does not end the worker either."""
    async with world() as w:
        w.stripe.put_subscription(snapshot(Status.TRIALING))
        await w.decide.execute([delivery("evt_1", completed())])
        w.queue.bugs = 2
        w.worker.start()

        async def settled() -> bool:
            w.worker.wake()
            return await status(w) is Status.TRIALING

        await until(settled)
        assert "a bug" in caplog.text


async def test_what_stripe_asks_to_wait_for_is_waited_for_by_everything() -> None:
    """After a Retry-After, no turn is given to anybody in this process until the time is over."""
    pace = Pace(1000)
    await pace.turn()
    pace.pause(0.2)
    began = asyncio.get_running_loop().time()
    await pace.turn()
    assert asyncio.get_running_loop().time() - began >= 0.19


async def test_a_period_that_is_over_without_a_word_is_asked_about() -> None:
    """The end of a subscription was never told of; an hour after its period the worker asks, and it is canceled."""
    async with world() as w:
        await w.decide.execute([delivery("evt_1", changed(snapshot(account=ANN)))])
        w.stripe.put_subscription(snapshot(Status.CANCELED))
        w.clock.set(NOON + PERIOD + timedelta(hours=2))
        w.worker.start()

        async def ended() -> bool:
            return await status(w) is Status.CANCELED

        await until(ended)


async def test_the_pace_spaces_turns_evenly() -> None:
    """Ten turns at a hundred a second take at least ninety milliseconds, however many ask at once."""
    pace = Pace(100)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(pace.turn() for _ in range(10)))
    assert asyncio.get_running_loop().time() - began >= 0.09
