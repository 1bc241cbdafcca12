"""The service boiled down to the rule: a store in dictionaries, transactions that follow each other, no waiting.

The use cases over the in-memory adapter are tried by the same model, step by step; this one is for great numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from billing.events import Delivery
from billing.idempotency import Decision, Outcome, SubscriptionEvent
from billing.identifiers import AccountId, CustomerId, EventId, SubscriptionId
from billing.ledger import Ledger, claims_of
from billing.plans import Catalogue
from billing.ports import Changes, Claims, Loaded, Reread
from billing.standing import NEVER_SUBSCRIBED, Standing
from billing.subscription import Snapshot, Subscription
from support.domain_things import CATALOGUE, NOON
from support.model.rules import RIGHT, Rule
from support.model.truth import Broken


class RuledLedger(Ledger):
    """A ledger that decides by a rule of our choice."""

    def __init__(self, loaded: Loaded, catalogue: Catalogue, rule: Rule) -> None:
        """Begin with what was loaded."""
        super().__init__(loaded, catalogue, received_at=NOON)
        self._rule = rule

    def _decide(
        self, delivery: Delivery, event: SubscriptionEvent, id_: SubscriptionId, account: AccountId
    ) -> Decision:
        decision = self._rule.decide(
            self._subscriptions.get(id_), event, created=delivery.created, account=account, catalogue=self._catalogue
        )
        self.take(id_, decision)
        return decision


@dataclass(slots=True)
class PlainService:
    """All that is stored, and the two things that are done to it."""

    accounts: Sequence[AccountId]
    rule: Rule = RIGHT
    catalogue: Catalogue = CATALOGUE
    events: set[EventId] = field(default_factory=set[EventId])
    owners: dict[CustomerId, AccountId] = field(default_factory=dict[CustomerId, AccountId])
    standings: dict[AccountId, Standing] = field(default_factory=dict[AccountId, Standing])
    subscriptions: dict[SubscriptionId, Subscription] = field(default_factory=dict[SubscriptionId, Subscription])
    queue: dict[SubscriptionId, str | None] = field(default_factory=dict[SubscriptionId, str | None])
    """The re-reads that are asked for, each with the name of its lease."""
    leases: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        """Give every account its first standing."""
        self.standings.update(dict.fromkeys(self.accounts, NEVER_SUBSCRIBED))

    def deliver(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Decide a batch of events in one transaction; raises `Broken` if an event has a second effect."""
        ledger = RuledLedger(self.load(claims_of(batch)), self.catalogue, self.rule)
        outcomes = [ledger.decide(delivery) for delivery in batch]
        for delivery, outcome in zip(batch, outcomes, strict=True):
            if delivery.id in self.events and outcome is not Outcome.DUPLICATE:
                raise Broken(f"{delivery.id} was decided twice")
        self._save(ledger.close())
        self.events.update(delivery.id for delivery in batch)
        return outcomes

    def ask(self, id_: SubscriptionId) -> None:
        """Ask for a re-read, as the return from a checkout does."""
        self.queue.setdefault(id_, None)

    def claimable(self) -> list[SubscriptionId]:
        """Answer which re-reads nobody works on."""
        return [id_ for id_, lease in self.queue.items() if lease is None]

    def claim(self, id_: SubscriptionId) -> Reread:
        """Lease one re-read."""
        lease = f"lease_{next(self.leases)}"
        self.queue[id_] = lease
        held = self.subscriptions.get(id_)
        return Reread(subscription=id_, attempts=0, version=held.version if held else 0, lease=lease)

    def lose_lease(self, id_: SubscriptionId) -> None:
        """Let a lease run out: another worker may claim the re-read now."""
        if id_ in self.queue:
            self.queue[id_] = None

    def settle(self, reread: Reread, snapshot: Snapshot, *, fetched_at: datetime) -> bool:
        """Write what was fetched, unless it was overtaken; answer whether it was written."""
        id_ = reread.subscription
        claims = Claims(
            customers=frozenset({snapshot.customer}),
            accounts=frozenset({snapshot.account} if snapshot.account else ()),
            subscriptions=frozenset({id_}),
        )
        ledger = RuledLedger(self.load(claims), self.catalogue, self.rule)
        current = ledger.subscription(id_)
        has_lease = self.queue.get(id_) == reread.lease
        if (current.version if current else 0) != reread.version and self.rule.heeds_version:
            if has_lease:
                self._give_back(id_)
            return False
        if not has_lease and self.rule.heeds_lease:
            return False
        self.queue.pop(id_, None)
        account = ledger.owner(id_, snapshot.customer, snapshot.account)
        if account is None:
            return False
        decision = self.rule.settle(current, snapshot, read_at=fetched_at, account=account, catalogue=self.catalogue)
        if self.rule.settle_moves_clock and decision.state is not None:
            as_of = max(fetched_at, decision.state.as_of or fetched_at)
            decision = replace(decision, state=replace(decision.state, as_of=as_of))
        ledger.take(id_, decision)
        self._save(ledger.close())
        return True

    def load(self, claims: Claims) -> Loaded:
        """See `billing.ports.UnitOfWork`."""
        unheld = [named for named in claims.named if named.subscription not in self.subscriptions]
        customers = claims.customers.union(named.customer for named in unheld)
        owners = {customer: self.owners[customer] for customer in customers if customer in self.owners}
        claimed = claims.accounts.union(named.account for named in unheld if named.account is not None)
        accounts = set(claimed & self.standings.keys())
        accounts.update(owners.values())
        accounts.update(self.subscriptions[id_].account for id_ in claims.subscriptions if id_ in self.subscriptions)
        return Loaded(
            known_events=claims.events & self.events if self.rule.knows_duplicates else frozenset(),
            owners=owners,
            standings={account: self.standings[account] for account in accounts},
            subscriptions={id_: held for id_, held in self.subscriptions.items() if held.account in accounts},
        )

    def _give_back(self, id_: SubscriptionId) -> None:
        if self.rule.fetches_again:
            self.queue[id_] = None
        else:
            del self.queue[id_]

    def _save(self, changes: Changes) -> None:
        self.subscriptions.update(changes.subscriptions)
        self.standings.update(changes.standings)
        for customer, account in changes.customers.items():
            self.owners.setdefault(customer, account)
        for id_ in changes.rereads:
            self.queue.setdefault(id_, None)
