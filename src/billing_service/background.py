"""What goes on while no request is being answered: re-reads, and looks at checkouts that may have been paid."""

import asyncio
import logging
from collections.abc import Callable

from billing.errors import BillingError
from billing.identifiers import AccountId
from billing.ports import Clock, Reread, RereadQueue
from billing.use_cases.look_at_checkout import LookAtCheckout
from billing.use_cases.settle_subscriptions import SettleSubscriptions

log = logging.getLogger("billing.background")

POLL_SECONDS = 1.0
"""How often the queue is looked at without being told: what other replicas queued, and what became due."""
SHORTEST_POLL_SECONDS = 0.02
TROUBLE_SECONDS = 5.0
"""How long the queue is left alone when the database does not answer."""
OVERDUE_SECONDS = 900.0
"""How often each process looks for subscriptions that are past their period's end."""
CLAIM_LIMIT = 8
"""Re-reads in flight at once."""
STOP_SECONDS = 10.0
"""How long a stop waits for what is in flight; what is cut off is leased, and its lease runs out."""
LOOK_SECONDS = 3.0
"""How often one account's checkout is looked at; an old one is looked at less often, see `LOOK_SHARE`."""
LOOK_SHARE = 0.05
"""A checkout is looked at again when it has grown older by this share: an abandoned one costs little."""
LOOKERS = 4
"""Looks in flight at once: one that hangs does not make all others wait."""
MAX_LOOKS = 1024
MAX_REMEMBERED = 65536


class Pace:
    """At most so many turns a second, for everything in this process that asks Stripe in the background."""

    def __init__(self, per_second: float) -> None:
        """Space turns evenly."""
        self._interval_seconds = 1 / per_second
        self._next_turn = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_turn)
        self._next_turn = turn + self._interval_seconds
        await asyncio.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Give no turn for a while, since Stripe has asked for it."""
        self._next_turn = max(self._next_turn, asyncio.get_running_loop().time() + seconds)


class RereadWorker:
    """Drains the queue of re-reads until it is stopped."""

    def __init__(self, settle_subscriptions: SettleSubscriptions, queue: RereadQueue, clock: Clock, pace: Pace) -> None:
        """Prepare; nothing runs before `start`."""
        self._settle_subscriptions = settle_subscriptions
        self._queue = queue
        self._clock = clock
        self._pace = pace
        self._woken = asyncio.Event()
        self._stopping = False
        self._look_for_overdue_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to drain."""
        self._task = asyncio.create_task(self._run(), name="re-reads")

    def wake(self) -> None:
        """Look at the queue now: something may have been put there."""
        self._woken.set()

    async def stop(self) -> None:
        """Finish what is in flight, within a deadline."""
        self._stopping = True
        self.wake()
        await _finish(self._task)

    async def _run(self) -> None:
        while not self._stopping:
            pause = await self._drain_some()
            if pause > 0 and not self._stopping:
                await self._sleep(pause)

    async def _drain_some(self) -> float:
        """Settle what is due; answer how many seconds to wait for more."""
        self._woken.clear()
        try:
            await self._look_for_the_overdue()
            claimed = await self._settle_subscriptions.claim(limit=CLAIM_LIMIT)
            if claimed:
                await asyncio.gather(*(self._settle(reread) for reread in claimed))
                return 0.0
            due = await self._queue.next_due(now=self._clock.now())
        except BillingError as trouble:
            log.warning("the queue of re-reads cannot be read: %s", trouble)
            return TROUBLE_SECONDS
        except Exception:
            # Whatever it is: a worker that is gone would be missed by nobody until plans are wrong.
            log.exception("the queue of re-reads cannot be worked on")
            return TROUBLE_SECONDS
        if due is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(SHORTEST_POLL_SECONDS, (due - self._clock.now()).total_seconds()))

    async def _look_for_the_overdue(self) -> None:
        """Now and then, queue the subscriptions of which something must have been told by now."""
        now = asyncio.get_running_loop().time()
        if now < self._look_for_overdue_at:
            return
        self._look_for_overdue_at = now + OVERDUE_SECONDS
        if count := await self._settle_subscriptions.queue_overdue():
            log.warning("%d subscriptions are past their period's end; they are read again from Stripe", count)

    async def _settle(self, reread: Reread) -> None:
        await self._pace.turn()
        try:
            settlement = await self._settle_subscriptions.settle(reread)
        except BillingError as trouble:
            log.warning("the re-read of %s is put off: %s", reread.subscription, trouble)
            return
        except Exception:
            # The lease runs out, and it will be tried again: one bad subscription must not stop the others.
            log.exception("the re-read of %s failed", reread.subscription)
            return
        log.debug("re-read of %s: %s", reread.subscription, settlement.value)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return


class CheckoutWatcher:
    """Looks at the checkouts of accounts whose status was asked for while one was open."""

    def __init__(self, look_at_checkout: LookAtCheckout, pace: Pace, on_look: Callable[[], None]) -> None:
        """Prepare; nothing runs before `start`. `on_look` is called after each look."""
        self._look_at_checkout = look_at_checkout
        self._pace = pace
        self._on_look = on_look
        self._looks: asyncio.Queue[AccountId] = asyncio.Queue(MAX_LOOKS)
        self._not_before: dict[AccountId, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._run(), name=f"checkout looks {number}") for number in range(LOOKERS)]

    @property
    def waiting(self) -> int:
        """How many looks have not begun."""
        return self._looks.qsize()

    def notice(self, account: AccountId) -> None:
        """Have an account's checkout looked at, unless it was a moment ago or too many wait."""
        now = asyncio.get_running_loop().time()
        if now < self._not_before.get(account, 0.0) or self._looks.full():
            return
        self._wait(account, LOOK_SECONDS)
        self._looks.put_nowait(account)

    async def stop(self) -> None:
        """Stop at once: whoever asks again will be looked at again."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self) -> None:
        while True:
            account = await self._looks.get()
            await self._pace.turn()
            try:
                age = await self._look_at_checkout.execute(account)
            except BillingError as trouble:
                log.info("the checkout of %s cannot be looked at now: %s", account, trouble)
            except Exception:
                log.exception("looking at the checkout of %s failed", account)
            else:
                self._wait(account, max(LOOK_SECONDS, age.total_seconds() * LOOK_SHARE) if age else LOOK_SECONDS)
            self._on_look()

    def _wait(self, account: AccountId, seconds: float) -> None:
        self._not_before.pop(account, None)
        self._not_before[account] = asyncio.get_running_loop().time() + seconds
        if len(self._not_before) > MAX_REMEMBERED:
            del self._not_before[next(iter(self._not_before))]


async def _finish(task: asyncio.Task[None] | None) -> None:
    if task is None:
        return
    _, pending = await asyncio.wait([task], timeout=STOP_SECONDS)
    for unfinished in pending:
        unfinished.cancel()
        await asyncio.wait([unfinished])
