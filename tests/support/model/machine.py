"""The use cases against the model of Stripe, driven by Hypothesis.

Re-reads start and finish between any two steps: the gateway reads the model at once and holds the answer until the
machine lets it go.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from billing.errors import ProviderRefused, ProviderUnavailable, StoreUnavailable
from billing.events import Delivery
from billing.idempotency import Outcome
from billing.identifiers import AccountId, CustomerId, EventId, PriceId, SubscriptionId
from billing.ports import Reread
from billing.subscription import Snapshot, Subscription
from billing.use_cases.settle_subscriptions import LEASE, Settlement
from support.domain_things import ANN, BOB, ENTERPRISE, PRO
from support.memory_world import MemoryWorld
from support.model.stripe import ModelStripe
from support.model.truth import Broken, check_converged, check_step

ACCOUNTS = st.sampled_from([ANN, BOB])
WAYS = st.sampled_from(["checkout", "trial", "payment link", "by hand", "elsewhere"])
PRICES = st.sampled_from([PRO, ENTERPRISE])
INDEX = st.integers(0, 30)
"""Picks one of however many there are."""
TROUBLES = st.sampled_from([None, None, None, "unreachable", "overloaded", "refused"])
"""What may come instead of Stripe's answer; mostly nothing."""
PAUSES = st.sampled_from([0, 0, 0, 1, 2, 20])
"""How many seconds pass before something happens: mostly none."""
SECOND = timedelta(seconds=1)
MOSTLY_NOT = st.sampled_from([False] * 7 + [True])
MOST_SUBSCRIPTIONS = 4
PATIENCE = 50
"""After how many rounds of settling a queue is taken never to empty."""


Thing = TypeVar("Thing")


class HeldGateway:
    """Reads the model at once, and holds the answer until it is let go."""

    def __init__(self, stripe: ModelStripe) -> None:
        """Read `stripe`."""
        self._stripe = stripe
        self.held: list[asyncio.Future[None]] = []

    async def subscription(self, subscription: SubscriptionId) -> Snapshot | None:
        """See `billing.ports.SubscriptionGateway`; the answer is as old as the question."""
        answer = self._stripe.subscriptions.get(subscription)
        gate = asyncio.get_running_loop().create_future()
        self.held.append(gate)
        await gate
        return answer

    async def live_subscriptions(self, customer: CustomerId) -> Sequence[Snapshot]:
        """See `billing.ports.SubscriptionGateway`."""
        return [one for one in self._stripe.subscriptions.values() if one.customer == customer and one.status.is_live]


class Convergence(RuleBasedStateMachine):
    """One history. Whatever is left to deliver and to settle when it ends, is delivered and settled."""

    def __init__(self) -> None:
        """Begin with two accounts and nothing sold."""
        super().__init__()
        self.runner = asyncio.Runner()
        self.stripe = ModelStripe()
        self.gateway = HeldGateway(self.stripe)
        self.world = MemoryWorld(self.runner, gateway=self.gateway)
        self.world.add_account(ANN)
        self.world.add_account(BOB)
        self.is_known_beforehand = True
        self.told = 0
        self.on_the_way: list[Delivery] = []
        self.decided: set[EventId] = set()
        self.claimed: list[Reread] = []
        self.settling: list[tuple[asyncio.Future[None], asyncio.Task[Settlement]]] = []
        self.before: Mapping[SubscriptionId, Subscription] = {}

    @initialize(is_known=st.booleans(), way=WAYS, account=ACCOUNTS, price=PRICES)
    def begin(self, way: str, account: AccountId, price: PriceId, *, is_known: bool) -> None:
        """Choose whether customers are recorded before they buy, as ours are, or are known by what Stripe says."""
        self.is_known_beforehand = is_known
        self._sell(way, account, price)

    # Stripe lives

    @precondition(lambda self: len(self.stripe.subscriptions) < MOST_SUBSCRIPTIONS)
    @rule(way=WAYS, account=ACCOUNTS, price=PRICES)
    def sell(self, way: str, account: AccountId, price: PriceId) -> None:
        """Sell a subscription: by a checkout, by a link that names nobody, by hand, or by another application."""
        self._sell(way, account, price)

    @precondition(lambda self: self.stripe.subscriptions)
    @rule(moves=st.lists(st.tuples(INDEX, INDEX, st.sampled_from([0, -1, 1])), min_size=1, max_size=4), pause=PAUSES)
    def move(self, moves: list[tuple[int, int, int]], pause: int) -> None:
        """Let a few things happen to subscriptions within one second."""
        self._pass(pause)
        for subscription, move, seconds in moves:
            id_ = _pick(list(self.stripe.subscriptions), subscription)
            if possible := self.stripe.moves(id_):
                self.stripe.move(id_, _pick(possible, move), seconds=seconds)

    @precondition(lambda self: self.stripe.subscriptions)
    @rule(subscription=INDEX, times=st.integers(1, 3), pause=PAUSES)
    def go_back_and_forth(self, subscription: int, times: int, pause: int) -> None:
        """Let a subscription say what it has said before."""
        self._pass(pause)
        id_ = _pick(list(self.stripe.subscriptions), subscription)
        for _ in range(times):
            if "toggle_cancellation" in self.stripe.moves(id_):
                self.stripe.move(id_, "toggle_cancellation")

    @precondition(lambda self: self.stripe.outbox)
    @rule(event=INDEX)
    def repeat_event(self, event: int) -> None:
        """Let Stripe make a second Event object for one change."""
        self.stripe.repeat_event(event)

    @precondition(lambda self: self.stripe.customers)
    @rule(index=INDEX)
    def delete_customer(self, index: int) -> None:
        """Delete an account's customer."""
        self.stripe.delete_customer(_pick(list(self.stripe.customers), index))

    # Deliveries

    @precondition(lambda self: self.has_news())
    @rule(indices=st.lists(INDEX, min_size=1, max_size=4), is_sent_again=st.booleans(), is_away=MOSTLY_NOT)
    def deliver(self, indices: list[int], *, is_sent_again: bool, is_away: bool) -> None:
        """Deliver a batch in any order, perhaps with duplicates, perhaps while the database is away."""
        batch = [_pick(self.on_the_way, index) for index in indices]
        if is_away:
            self._fail_to_deliver(batch)
        else:
            self._deliver(batch)
            self.on_the_way = [one for one in self.on_the_way if is_sent_again or one not in batch]

    # Re-reads

    @precondition(lambda self: self.stripe.subscriptions)
    @rule(index=INDEX)
    def ask(self, index: int) -> None:
        """Ask for a re-read of anything that there is, as the return from a checkout does."""
        self.world.ask(_pick(list(self.stripe.subscriptions), index))

    @precondition(lambda self: self.world.store.tables.rereads)
    @rule(limit=st.integers(1, 3), is_asked_at_once=st.booleans())
    def claim(self, limit: int, *, is_asked_at_once: bool) -> None:
        """Let a worker lease some re-reads, and ask Stripe at once or later."""
        self.claimed.extend(self.world.run(self.world.settle.claim(limit=limit)))
        while is_asked_at_once and self.claimed:
            self._start_to_settle(0)

    @precondition(lambda self: self.claimed)
    @rule(index=INDEX)
    def start_to_settle(self, index: int) -> None:
        """Let a worker ask Stripe: what it will be answered is fixed now."""
        self._start_to_settle(index)

    @precondition(lambda self: self.settling)
    @rule(index=INDEX, trouble=TROUBLES)
    def finish_settling(self, index: int, trouble: str | None) -> None:
        """Let Stripe's answer, or its failure, arrive and be written."""
        self._finish_settling(index, trouble)

    @precondition(lambda self: self.claimed or self.settling)
    @rule()
    def lose_leases(self) -> None:
        """Let all leases run out while their workers go on."""
        self._pass(LEASE // SECOND + 1)

    # What must hold

    @invariant()
    def holds(self) -> None:
        """Check what must hold after every step."""
        tables = self.world.store.tables
        check_step(self.before, tables.subscriptions, tables.standings, self.stripe)
        self.before = tables.subscriptions

    def teardown(self) -> None:
        """Deliver and settle everything; then all must be as at Stripe."""
        try:
            self._drain()
            tables = self.world.store.tables
            self.holds()
            check_converged(tables.subscriptions, tables.standings, self.stripe)
            if tables.failed_events or tables.events.keys() != {one.id for one in self.stripe.outbox}:
                raise Broken("an event was lost")
        finally:
            self.runner.close()

    def has_news(self) -> bool:
        """Put what Stripe has told since on the way; answer whether anything is."""
        self.on_the_way.extend(self.stripe.outbox[self.told :])
        self.told = len(self.stripe.outbox)
        return bool(self.on_the_way)

    # How it is done

    def _sell(self, way: str, account: AccountId, price: PriceId) -> None:
        if way == "elsewhere":
            self.stripe.sell_something_else()
        elif way == "by hand":
            self.stripe.arrange(account, price=price)
        else:
            if self.is_known_beforehand:
                self.world.run(self._record(account))
            self.stripe.check_out(account, price=price, is_trial=way == "trial", is_named=way != "payment link")

    def _pass(self, seconds: int) -> None:
        self.stripe.tick(seconds)
        self.world.clock.advance(seconds * SECOND)

    def _deliver(self, batch: Sequence[Delivery]) -> None:
        for one, outcome in zip(batch, self.world.deliver(*batch), strict=True):
            if not isinstance(outcome, Outcome):
                raise Broken(f"{one.id} was not acknowledged: {outcome}")
            if (one.id in self.decided) is not (outcome is Outcome.DUPLICATE):
                raise Broken(f"{one.id} was answered {outcome}, and decided before: {one.id in self.decided}")
            self.decided.add(one.id)

    def _fail_to_deliver(self, batch: Sequence[Delivery]) -> None:
        self.world.store.is_away = True
        outcomes = self.world.deliver(*batch)
        self.world.store.is_away = False
        if not all(isinstance(outcome, StoreUnavailable) for outcome in outcomes):
            raise Broken(f"acknowledged without a database: {outcomes}")

    def _start_to_settle(self, index: int) -> None:
        reread = self.claimed.pop(index % len(self.claimed))
        task = self.runner.get_loop().create_task(self.world.settle.settle(reread))
        self.world.run(asyncio.sleep(0))
        self.settling.append((self.gateway.held[-1], task))

    def _finish_settling(self, index: int, trouble: str | None) -> None:
        gate, task = self.settling.pop(index % len(self.settling))
        match trouble:
            case "unreachable":
                gate.set_exception(ProviderUnavailable())
            case "overloaded":
                gate.set_exception(ProviderUnavailable(retry_after_seconds=100))
            case "refused":
                gate.set_exception(ProviderRefused())
            case _:
                gate.set_result(None)
        self.world.run(_wait_for(task))

    def _drain(self) -> None:
        while self.has_news():
            self._deliver([self.on_the_way.pop()])
        for _ in range(PATIENCE):
            while self.claimed:
                self._start_to_settle(0)
            while self.settling:
                self._finish_settling(0, None)
            if not self.world.store.tables.rereads:
                return
            self._pass(200)
            self.claimed.extend(self.world.run(self.world.settle.claim(limit=10)))
        raise Broken("the queue never empties")

    async def _record(self, account: AccountId) -> None:
        """Record the customer that Stripe has, as a checkout does that finds the old one deleted."""
        at_stripe = self.stripe.customer_of(account)
        customer = await self.world.customers.reserve(account)
        if customer.id not in (None, at_stripe):
            await self.world.customers.deleted(customer.id)
            customer = await self.world.customers.reserve(account)
        if customer.id is None:
            await self.world.customers.created(customer, at_stripe)


async def _wait_for(task: asyncio.Task[Settlement]) -> Settlement:
    return await task


def _pick(things: Sequence[Thing], index: int) -> Thing:
    return things[index % len(things)]
