"""A model of Stripe: what happens to subscriptions there, and the events that it tells of it.

It knows the truth (`subscriptions`), and puts every event of every change into `outbox`. Its clock has whole seconds
and stands still until somebody moves it, so that many changes share one second.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from billing.events import (
    CheckoutCompleted,
    CustomerDeleted,
    Delivery,
    Event,
    PaymentFailed,
    SubscriptionChanged,
    SubscriptionEnded,
)
from billing.identifiers import AccountId, CustomerId, EventId, PriceId, SessionId, SubscriptionId
from billing.plans import Catalogue, Tier
from billing.subscription import Snapshot, Status
from support.domain_things import CATALOGUE, ENTERPRISE, FOREIGN_PRICE, PERIOD, PRO, at

MOVES: dict[Status, tuple[str, ...]] = {
    Status.INCOMPLETE: ("pay", "fail_first_invoice", "expire_unpaid", "end"),
    Status.TRIALING: ("pay", "fail", "pause", "change_tier", "toggle_cancellation", "end"),
    Status.ACTIVE: (
        "renew",
        "fail",
        "fail_quietly",
        "change_tier",
        "use_foreign_price",
        "toggle_cancellation",
        "pause",
        "turn_strange",
        "end",
    ),
    Status.PAST_DUE: ("pay", "fail_quietly", "exhaust_retries", "toggle_cancellation", "pause", "change_tier", "end"),
    Status.UNPAID: ("pay", "fail_quietly", "end"),
    Status.PAUSED: ("resume", "end"),
    Status.UNKNOWN: ("resume", "end"),
    Status.CANCELED: (),
    Status.INCOMPLETE_EXPIRED: (),
}
"""What can happen to a subscription next."""

CHANGES: dict[str, Callable[[Snapshot], Snapshot]] = {
    "renew": lambda held: replace(held, period_end=(held.period_end or held.started_at) + PERIOD),
    "pay": lambda held: replace(held, status=Status.ACTIVE),
    "exhaust_retries": lambda held: replace(held, status=Status.UNPAID),
    "expire_unpaid": lambda held: replace(held, status=Status.INCOMPLETE_EXPIRED),
    "toggle_cancellation": lambda held: replace(held, cancel_at_period_end=not held.cancel_at_period_end),
    "change_tier": lambda held: replace(held, prices=(PRO,) if held.prices != (PRO,) else (ENTERPRISE,)),
    "use_foreign_price": lambda held: replace(held, prices=(FOREIGN_PRICE,)),
    "turn_strange": lambda held: replace(held, status=Status.UNKNOWN),
    "pause": lambda held: replace(held, status=Status.PAUSED),
    "resume": lambda held: replace(held, status=Status.ACTIVE),
}
"""The moves that change nothing but the subscription, and are told by a snapshot."""


@dataclass(slots=True)
class ModelStripe:
    """Customers and subscriptions as they truly are."""

    catalogue: Catalogue = CATALOGUE
    drift: Callable[[], int] = int
    """How many seconds the clock that stamps an event is wrong by; none, unless a trial says otherwise."""
    second: int = 0
    subscriptions: dict[SubscriptionId, Snapshot] = field(default_factory=dict[SubscriptionId, Snapshot])
    revisions: dict[SubscriptionId, int] = field(default_factory=dict[SubscriptionId, int])
    """How often each subscription has changed."""
    tiers_ever: dict[SubscriptionId, set[Tier]] = field(default_factory=dict[SubscriptionId, set[Tier]])
    """Every tier that a subscription ever had a price of: it must never grant another one."""
    owners: dict[SubscriptionId, AccountId] = field(default_factory=dict[SubscriptionId, AccountId])
    """Whose each subscription is; foreign ones are not in it."""
    customers: dict[AccountId, CustomerId] = field(default_factory=dict[AccountId, CustomerId])
    """The newest customer of each account that is not deleted."""
    outbox: list[Delivery] = field(default_factory=list[Delivery])
    made: int = 0

    # What people buy

    def customer_of(self, account: AccountId) -> CustomerId:
        """Answer the account's customer; the first asked for, and the first after a deletion, is a new one."""
        if account not in self.customers:
            self.customers[account] = CustomerId(self._name("cus"))
        return self.customers[account]

    def check_out(self, account: AccountId, *, price: PriceId, is_trial: bool, is_named: bool) -> SubscriptionId:
        """Buy a subscription. `is_named`: its metadata carries the account, as that of our own checkouts does."""
        started = self._start(
            account, Status.TRIALING if is_trial else Status.ACTIVE, price=price, named=account if is_named else None
        )
        self._emit(
            "checkout.session.completed",
            CheckoutCompleted(
                session=SessionId(self._name("cs")),
                subscription=started.subscription,
                customer=started.customer,
                account=account,
                tier=self.catalogue.tiers_by_price[price],
            ),
        )
        return started.subscription

    def arrange(self, account: AccountId, *, price: PriceId) -> SubscriptionId:
        """Make a subscription by hand or by the API: it is `incomplete` until its first invoice is paid."""
        return self._start(account, Status.INCOMPLETE, price=price, named=account).subscription

    def sell_something_else(self) -> SubscriptionId:
        """Make a subscription of another application in the same Stripe account."""
        return self._start(None, Status.ACTIVE, price=PRO, named=None).subscription

    # What happens to a subscription

    def moves(self, id_: SubscriptionId) -> Sequence[str]:
        """Answer what can happen to it next."""
        return MOVES[self.subscriptions[id_].status]

    def move(self, id_: SubscriptionId, name: str, *, seconds: int = 0) -> None:
        """Let one of its moves happen; `seconds` is how far a failed invoice's event is from that second."""
        if name in ("fail", "fail_quietly", "fail_first_invoice"):
            self._fail(id_, seconds=seconds, quietly=name != "fail")
        elif name == "end":
            self._end(id_)
        else:
            # Stripe tells of a pause and its end twice: by an event of their own and by the ordinary one.
            self._change(id_, CHANGES[name](self.subscriptions[id_]), times=2 if name in ("pause", "resume") else 1)

    def repeat_event(self, index: int) -> None:
        """Tell of a change once more, by another Event object: now and then Stripe does."""
        event = self.outbox[index % len(self.outbox)]
        self.outbox.append(replace(event, id=EventId(self._name("evt"))))

    def delete_customer(self, account: AccountId) -> None:
        """Delete the account's customer: all its subscriptions end at once."""
        customer = self.customers.pop(account)
        for id_, held in tuple(self.subscriptions.items()):
            if held.customer == customer and not held.status.has_ended:
                self._end(id_)
        self._emit("customer.deleted", CustomerDeleted(customer=customer))

    def tick(self, seconds: int = 1) -> None:
        """Let time pass."""
        self.second += seconds

    # How it is done

    def _start(self, account: AccountId | None, status: Status, *, price: PriceId, named: AccountId | None) -> Snapshot:
        id_ = SubscriptionId(self._name("sub"))
        now = at(self.second)
        snapshot = Snapshot(
            subscription=id_,
            customer=self.customer_of(account) if account else CustomerId(self._name("cus")),
            status=status,
            prices=(price,),
            period_end=now + PERIOD,
            cancel_at_period_end=False,
            started_at=now,
            account=named,
        )
        if account:
            self.owners[id_] = account
        self._note(snapshot)
        self._emit("customer.subscription.created", SubscriptionChanged(snapshot=snapshot))
        return snapshot

    def _change(self, id_: SubscriptionId, snapshot: Snapshot, *, times: int = 1) -> None:
        self._note(snapshot)
        for _ in range(times):
            self._emit("customer.subscription.updated", SubscriptionChanged(snapshot=snapshot))

    def _fail(self, id_: SubscriptionId, *, seconds: int, quietly: bool) -> None:
        """Let an invoice fail. Its event may be of another second than that of the status, before it or after.

        Quietly, the status stays: an upgrade's invoice under `pending_if_incomplete`, or another failed attempt.
        """
        held = self.subscriptions[id_]
        event = PaymentFailed(subscription=id_, customer=held.customer)
        self._emit("invoice.payment_failed", event, second=self.second + seconds)
        if not quietly:
            self._change(id_, replace(held, status=Status.PAST_DUE))

    def _end(self, id_: SubscriptionId) -> None:
        snapshot = replace(self.subscriptions[id_], status=Status.CANCELED, period_end=at(self.second))
        self._note(snapshot)
        self._emit("customer.subscription.deleted", SubscriptionEnded(snapshot=snapshot))

    def _note(self, snapshot: Snapshot) -> None:
        id_ = snapshot.subscription
        self.subscriptions[id_] = snapshot
        self.revisions[id_] = self.revisions.get(id_, 0) + 1
        tier = self.catalogue.tier_of(snapshot.prices)
        if tier is not None:
            self.tiers_ever.setdefault(id_, {Tier.FREE}).add(tier)

    def _emit(self, type_: str, event: Event, *, second: int | None = None) -> None:
        created = at(max(0, (self.second if second is None else second) + self.drift()))
        self.outbox.append(
            Delivery(id=EventId(self._name("evt")), type=type_, created=created, event=event, payload=b"{}")
        )

    def _name(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}_{self.made}"
