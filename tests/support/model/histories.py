"""Random histories in great numbers: `PYTHONPATH=tests python -m support.model.histories 100000`.

Each history is made from its number alone, so that one that failed can be run again: `... 1 --first 4711`.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from billing.events import Delivery
from billing.identifiers import AccountId, SubscriptionId
from billing.ports import Reread
from billing.subscription import Snapshot
from support.domain_things import ANN, BOB, ENTERPRISE, PRO, at
from support.model.rules import BROKEN, REDUNDANT, RIGHT, STRICTER, Rule
from support.model.service import PlainService
from support.model.stripe import ModelStripe
from support.model.truth import Broken, check_converged, check_step

RULES = {**BROKEN, **REDUNDANT, **STRICTER}
MOST_SUBSCRIPTIONS = 4
PATIENCE = 1_000
"""After how many re-reads of a history that stands still its queue is taken never to empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A re-read under way: what Stripe answered is fixed, and waits to be written."""

    reread: Reread
    snapshot: Snapshot
    fetched_at: datetime
    revision: int
    """How often the subscription had changed at Stripe by then."""


class History:
    """One random run of the model Stripe, the deliveries of its events, and the service."""

    def __init__(self, number: int, rule: Rule = RIGHT, *, drift: int = 0) -> None:
        """Throw what this history is like: how fast its clock is, how faithful its deliveries are.

        With a `drift`, Stripe's clocks disagree: each event's second is wrong by up to so many.
        """
        self.dice = random.Random(number)
        clocks = random.Random(number)
        self.stripe = ModelStripe(drift=lambda: clocks.randint(-drift, drift))
        self.accounts = self.dice.choice([(ANN,), (ANN, BOB)])
        self.service = PlainService(self.accounts, rule=rule)
        self.counts: Counter[str] = Counter()
        self.told = 0
        self.on_the_way: list[Delivery] = []
        self.claimed: list[Reread] = []
        self.fetched: list[Fetch] = []
        self.written: dict[SubscriptionId, int] = {}
        self.duplicate_chance = self.dice.choice([0.0, 0.2, 0.5])
        self.is_known_beforehand = self.dice.random() < 0.5
        self.is_narrow = self.dice.random() < 0.5
        """One subscription that goes back and forth: what it says now it may have said before."""
        weights: dict[Callable[[], None], int] = {
            self.happen: self.dice.choice([2, 4, 8]),
            self.tick: self.dice.choice([0, 1, 4]),
            self.deliver: self.dice.choice([1, 4, 8]),
            self.claim: self.dice.choice([1, 4]),
            self.fetch: self.dice.choice([1, 4]),
            self.write: self.dice.choice([1, 4]),
            self.ask: self.dice.choice([1, 3]),
            self.lose_lease: self.dice.choice([0, 1, 2]),
        }
        self.actions = list(weights)
        self.weights = list(weights.values())

    def run(self) -> Counter[str]:
        """Run it to its end; raises `Broken`."""
        for action in self.dice.choices(self.actions, self.weights, k=self.dice.randint(10, 60)):
            self._do(action)
        while self.on_the_way:
            self._do(self.dice.choice([self.deliver, self.claim, self.fetch, self.write]))
        for _ in range(PATIENCE):
            if not (self.service.queue or self.claimed or self.fetched):
                break
            self._do(self.dice.choice([self.claim, self.fetch, self.write, self.release]))
        else:
            raise Broken("the queue never empties")
        check_converged(self.service.subscriptions, self.service.standings, self.stripe)
        self.counts["subscriptions"] += len(self.stripe.subscriptions)
        return self.counts

    # What may happen next; each does nothing where there is nothing to do

    def happen(self) -> None:
        """Let something happen at Stripe."""
        account = self.dice.choice(self.accounts)
        alive = [id_ for id_ in self.stripe.subscriptions if self.stripe.moves(id_)]
        throw = self.dice.random()
        if not self.stripe.subscriptions:
            self._begin(account)
        elif self.is_narrow and alive:
            self.stripe.move(alive[0], "toggle_cancellation")
        elif throw < 0.15 and len(self.stripe.subscriptions) < MOST_SUBSCRIPTIONS:
            self._begin(account)
        elif throw < 0.18 and account in self.stripe.customers:
            self.stripe.delete_customer(account)
        elif throw < 0.25:
            self.stripe.repeat_event(self.dice.randrange(len(self.stripe.outbox)))
        elif alive:
            id_ = self.dice.choice(alive)
            self.stripe.move(id_, self.dice.choice(self.stripe.moves(id_)), seconds=self.dice.choice([-1, 0, 0, 1]))
        self.on_the_way.extend(self.stripe.outbox[self.told :])
        self.counts["events"] += len(self.stripe.outbox) - self.told
        self.told = len(self.stripe.outbox)

    def tick(self) -> None:
        """Let time pass: seconds, in which Stripe's clock and ours may be confused, or more."""
        self.stripe.tick(self.dice.choice([1, 1, 2, 20]))

    def deliver(self) -> None:
        """Deliver some of what is on the way, in any order; some of it is sent again later."""
        batch = [self._take() for _ in range(min(len(self.on_the_way), self.dice.choice([1, 1, 2, 4])))]
        if batch:
            self.service.deliver(batch)
            self.counts["deliveries"] += len(batch)

    def claim(self) -> None:
        """Let a worker lease a re-read."""
        free = self.service.claimable()
        if free:
            self.claimed.append(self.service.claim(self.dice.choice(free)))

    def fetch(self) -> None:
        """Let Stripe answer a re-read."""
        if self.claimed:
            reread = self.claimed.pop(self.dice.randrange(len(self.claimed)))
            id_ = reread.subscription
            self.fetched.append(
                Fetch(
                    reread=reread,
                    snapshot=self.stripe.subscriptions[id_],
                    fetched_at=at(self.stripe.second),
                    revision=self.stripe.revisions[id_],
                )
            )
            self.counts["re-reads"] += 1

    def write(self) -> None:
        """Let a worker write what Stripe answered; what it writes is never older than what another one wrote."""
        if self.fetched:
            fetch = self.fetched.pop(self.dice.randrange(len(self.fetched)))
            id_ = fetch.reread.subscription
            if self.service.settle(fetch.reread, fetch.snapshot, fetched_at=fetch.fetched_at):
                if fetch.revision < self.written.get(id_, 0):
                    raise Broken(f"a re-read wrote an older state of {id_} over a newer one")
                self.written[id_] = fetch.revision

    def ask(self) -> None:
        """Ask for a re-read of anything that there is, as the return from a checkout does."""
        if self.stripe.subscriptions:
            self.service.ask(self.dice.choice(list(self.stripe.subscriptions)))

    def lose_lease(self) -> None:
        """Let a lease run out, while its worker goes on."""
        if self.service.queue:
            self.service.lose_lease(self.dice.choice(list(self.service.queue)))

    def release(self) -> None:
        """Let the leases of workers that are gone run out."""
        if not (self.claimed or self.fetched):
            for id_ in tuple(self.service.queue):
                self.service.lose_lease(id_)

    # How it is done

    def _do(self, action: Callable[[], None]) -> None:
        before = dict(self.service.subscriptions)
        action()
        check_step(before, self.service.subscriptions, self.service.standings, self.stripe)

    def _begin(self, account: AccountId) -> None:
        price = self.dice.choice([PRO, ENTERPRISE])
        throw = self.dice.random()
        if self.is_known_beforehand:
            self.service.owners[self.stripe.customer_of(account)] = account
        if throw < 0.1:
            self.stripe.sell_something_else()
        elif throw < 0.3:
            self.stripe.arrange(account, price=price)
        else:
            # Where neither its customer nor its metadata tell whose it is, all is ignored until it is complete.
            self.stripe.check_out(account, price=price, is_trial=throw < 0.5, is_named=self.dice.random() < 0.5)

    def _take(self) -> Delivery:
        index = self.dice.randrange(len(self.on_the_way))
        if self.dice.random() < self.duplicate_chance:
            return self.on_the_way[index]
        return self.on_the_way.pop(index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The first history in which a rule fails."""

    number: int
    reason: str


def search(
    rule: Rule, *, first: int, histories: int, drift: int = 0, counts: Counter[str] | None = None
) -> Found | None:
    """Run histories one after another; answer the first that breaks the rule, if any does."""
    for number in range(first, first + histories):
        try:
            figures = History(number, rule, drift=drift).run()
        except Broken as broken:
            return Found(number=number, reason=str(broken))
        if counts is not None:
            counts.update(figures)
    return None


def main() -> int:
    """Run as many histories as are asked for, and tell."""
    parser = argparse.ArgumentParser(description="random histories against the rule that decides events")
    parser.add_argument("histories", type=int)
    parser.add_argument("--first", type=int, default=0, help="the number of the first history")
    parser.add_argument("--rule", choices=sorted(RULES), help="a rule that is not the right one")
    parser.add_argument("--drift", type=int, default=0, help="by how many seconds Stripe's clocks may be wrong")
    asked = parser.parse_args()
    counts: Counter[str] = Counter()
    began = time.monotonic()
    rule = RULES[asked.rule] if asked.rule else RIGHT
    found = search(rule, first=asked.first, histories=asked.histories, drift=asked.drift, counts=counts)
    took = time.monotonic() - began
    figures = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    sys.stdout.write(f"{asked.histories} histories asked for, {took:.0f} s: {figures}\n")
    if found is not None:
        sys.stdout.write(f"history {found.number} is broken: {found.reason}\n")
    return 0 if found is None else 1


if __name__ == "__main__":
    sys.exit(main())
