"""What one transaction has found and will write: events are decided one after another against it, in memory."""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

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
from billing.idempotency import Alert, Decision, Outcome, SubscriptionEvent, decide
from billing.identifiers import AccountId, CustomerId, EventId, SubscriptionId
from billing.plans import Catalogue
from billing.ports import Changes, Claims, DecidedEvent, Loaded, Named
from billing.standing import live_subscriptions, standing_of
from billing.subscription import Subscription


def claims_of(deliveries: Iterable[Delivery]) -> Claims:
    """Collect whom a batch of events speaks of."""
    ids: set[EventId] = set()
    customers: set[CustomerId] = set()
    named: set[Named] = set()
    for delivery in deliveries:
        ids.add(delivery.id)
        match delivery.event:
            case SubscriptionChanged() | SubscriptionEnded() | CheckoutCompleted() | PaymentFailed():
                subscription, customer = _subject(delivery.event)
                account = _account_of(delivery.event)
                named.add(Named(subscription=subscription, customer=customer, account=account))
            case CustomerDeleted(customer=customer):
                customers.add(customer)
            case CheckoutClosed() | Unhandled():
                pass
            case _:
                assert_never(delivery.event)
    return Claims(
        events=frozenset(ids),
        customers=frozenset(customers),
        subscriptions=frozenset(one.subscription for one in named),
        named=frozenset(named),
    )


class Ledger:
    """The subscriptions of one transaction, as they are after the events decided so far."""

    def __init__(self, loaded: Loaded, catalogue: Catalogue, *, received_at: datetime) -> None:
        """Begin with what was loaded, and is true until the commit."""
        self._loaded = loaded
        self._catalogue = catalogue
        self._decided = set(loaded.known_events)
        self._owners = dict(loaded.owners)
        self._subscriptions = dict(loaded.subscriptions)
        self._touched: set[AccountId] = set()
        self.changes = Changes(received_at=received_at)

    def decide(self, delivery: Delivery) -> Outcome:
        """Decide one delivery, and note what is to be written of it."""
        if delivery.id in self._decided:
            return Outcome.DUPLICATE
        self._decided.add(delivery.id)
        match delivery.event:
            case Unhandled():
                return self._record(delivery, Outcome.IGNORED)
            case CheckoutClosed(session=session):
                self.changes.sessions_closed.add(session)
                return self._record(delivery, Outcome.UNCHANGED)
            case CustomerDeleted(customer=customer):
                return self._delete_customer(delivery, delivery.event, customer)
            case SubscriptionChanged() | SubscriptionEnded() | CheckoutCompleted() | PaymentFailed():
                return self._decide_subscription(delivery, delivery.event)
            case _:
                assert_never(delivery.event)

    def subscription(self, subscription: SubscriptionId) -> Subscription | None:
        """Answer a subscription as it is by now."""
        return self._subscriptions.get(subscription)

    def owner(self, subscription: SubscriptionId, customer: CustomerId, claimed: AccountId | None) -> AccountId | None:
        """Answer whose subscription it is; `None` if it is not ours.

        What we hold is believed first, then whose customer it is, and only then the account that Stripe's object
        names, if there is such an account: its customer is attached.
        """
        known = self._subscriptions.get(subscription)
        if known is not None:
            return known.account
        if customer in self._owners:
            return self._owners[customer]
        if claimed is not None and claimed in self._loaded.standings:
            self._owners[customer] = claimed
            self.changes.customers[customer] = claimed
            return claimed
        return None

    def take(self, subscription: SubscriptionId, decision: Decision) -> None:
        """Note what was decided for one subscription."""
        if decision.state is not None:
            self._subscriptions[subscription] = decision.state
            self.changes.subscriptions[subscription] = decision.state
            self._touched.add(decision.state.account)
        if decision.reread:
            self.changes.rereads.add(subscription)
        self.changes.alerts.extend((alert, subscription) for alert in decision.alerts)

    def close(self) -> Changes:
        """Work out the standings of the accounts that were touched, and answer all that is to be written."""
        before = self._by_account(self._loaded.subscriptions.values())
        after = self._by_account(self._subscriptions.values())
        for account in self._touched:
            standing = standing_of(after[account])
            if standing != self._loaded.standings.get(account):
                self.changes.standings[account] = standing
            if len(after[account]) > 1 and _pays_once_more(before.get(account, ()), after[account]):
                self.changes.alerts.append((Alert.TWO_LIVE_SUBSCRIPTIONS, account))
        return self.changes

    def _by_account(self, subscriptions: Iterable[Subscription]) -> dict[AccountId, list[Subscription]]:
        """Sort once, so that a batch of many accounts is not searched for each of them."""
        sorted_: dict[AccountId, list[Subscription]] = {}
        for held in subscriptions:
            if held.account in self._touched:
                sorted_.setdefault(held.account, []).append(held)
        return sorted_

    def _decide_subscription(
        self,
        delivery: Delivery,
        event: SubscriptionChanged | SubscriptionEnded | CheckoutCompleted | PaymentFailed,
    ) -> Outcome:
        if isinstance(event, CheckoutCompleted):
            self.changes.sessions_closed.add(event.session)
        id_, customer = _subject(event)
        account = self.owner(id_, customer, _account_of(event))
        if account is None:
            return self._record(delivery, Outcome.IGNORED)
        decision = self._decide(delivery, event, id_, account)
        return self._record(delivery, decision.outcome, account=account, subscription=id_)

    def _delete_customer(self, delivery: Delivery, event: CustomerDeleted, customer: CustomerId) -> Outcome:
        account = self._owners.get(customer)
        if account is None:
            return self._record(delivery, Outcome.IGNORED)
        self.changes.customers_deleted.add(customer)
        theirs = [held.id for held in self._subscriptions.values() if held.customer == customer]
        for id_ in theirs:
            self._decide(delivery, event, id_, account)
        return self._record(delivery, Outcome.APPLIED, account=account)

    def _decide(
        self, delivery: Delivery, event: SubscriptionEvent, id_: SubscriptionId, account: AccountId
    ) -> Decision:
        decision = decide(
            self._subscriptions.get(id_),
            event,
            created=delivery.created,
            account=account,
            catalogue=self._catalogue,
        )
        self.take(id_, decision)
        return decision

    def _record(
        self,
        delivery: Delivery,
        outcome: Outcome,
        *,
        account: AccountId | None = None,
        subscription: SubscriptionId | None = None,
    ) -> Outcome:
        self.changes.events.append(
            DecidedEvent(delivery=delivery, outcome=outcome, account=account, subscription=subscription)
        )
        return outcome


def _pays_once_more(before: Iterable[Subscription], after: Iterable[Subscription]) -> bool:
    """Whether an account has come to pay for more than one subscription, or for one more of them."""
    return live_subscriptions(after) > max(1, live_subscriptions(before))


def _subject(
    event: SubscriptionChanged | SubscriptionEnded | CheckoutCompleted | PaymentFailed,
) -> tuple[SubscriptionId, CustomerId]:
    match event:
        case SubscriptionChanged(snapshot=snapshot) | SubscriptionEnded(snapshot=snapshot):
            return snapshot.subscription, snapshot.customer
        case CheckoutCompleted() | PaymentFailed():
            return event.subscription, event.customer
        case _:
            assert_never(event)


def _account_of(
    event: SubscriptionChanged | SubscriptionEnded | CheckoutCompleted | PaymentFailed,
) -> AccountId | None:
    match event:
        case SubscriptionChanged(snapshot=snapshot) | SubscriptionEnded(snapshot=snapshot):
            return snapshot.account
        case CheckoutCompleted(account=account):
            return account
        case PaymentFailed():
            return None
        case _:
            assert_never(event)
