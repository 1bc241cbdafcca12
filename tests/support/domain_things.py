"""Builders of the domain's things, with everything that a test does not care about filled in."""

from datetime import UTC, datetime, timedelta

from billing.events import CheckoutCompleted, Delivery, Event, PaymentFailed, SubscriptionChanged, SubscriptionEnded
from billing.identifiers import AccountId, CustomerId, EventId, PriceId, SessionId, SubscriptionId
from billing.plans import Catalogue, Plan, Tier
from billing.subscription import Snapshot, Status, Subscription

PRO = PriceId("price_pro")
OLD_PRO = PriceId("price_pro_of_last_year")
ENTERPRISE = PriceId("price_enterprise")
FOREIGN_PRICE = PriceId("price_of_something_else")
CATALOGUE = Catalogue.of(
    [
        Plan(tier=Tier.PRO, prices=(PRO, OLD_PRO), sold_online=True),
        Plan(tier=Tier.ENTERPRISE, prices=(ENTERPRISE,), sold_online=False),
    ]
)

ANN = AccountId("acct_ann")
BOB = AccountId("acct_bob")
CUSTOMER = CustomerId("cus_ann")
SUBSCRIPTION = SubscriptionId("sub_1")
SESSION = SessionId("cs_1")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERIOD = timedelta(days=30)


def at(second: int) -> datetime:
    """Answer a whole second, counted from noon."""
    return NOON + timedelta(seconds=second)


def snapshot(
    status: Status = Status.ACTIVE,
    *,
    id_: SubscriptionId = SUBSCRIPTION,
    customer: CustomerId = CUSTOMER,
    prices: tuple[PriceId, ...] = (PRO,),
    period_end: datetime | None = NOON + PERIOD,
    cancel: bool = False,
    started_at: datetime = NOON,
    account: AccountId | None = None,
) -> Snapshot:
    """Answer what Stripe says of a subscription: an active one of the pro tier unless told otherwise."""
    return Snapshot(
        subscription=id_,
        customer=customer,
        status=status,
        prices=prices,
        period_end=period_end,
        cancel_at_period_end=cancel,
        started_at=started_at,
        account=account,
    )


def subscription(
    status: Status = Status.ACTIVE,
    *,
    id_: SubscriptionId = SUBSCRIPTION,
    account: AccountId = ANN,
    customer: CustomerId = CUSTOMER,
    tier: Tier = Tier.PRO,
    period_end: datetime | None = NOON + PERIOD,
    cancel: bool = False,
    started_at: datetime = NOON,
    as_of: datetime | None = NOON,
    version: int = 1,
) -> Subscription:
    """Answer what we hold of a subscription: what applying `snapshot()` at noon gives unless told otherwise."""
    return Subscription(
        id=id_,
        account=account,
        customer=customer,
        tier=tier,
        status=status,
        period_end=period_end,
        cancel_at_period_end=cancel,
        started_at=started_at,
        as_of=as_of,
        version=version,
    )


def heard_of(*, started_at: datetime = NOON, version: int = 1) -> Subscription:
    """Answer the place that is held for a subscription which only an invoice has named."""
    return subscription(
        Status.UNKNOWN, tier=Tier.FREE, period_end=None, started_at=started_at, as_of=None, version=version
    )


def changed(said: Snapshot) -> SubscriptionChanged:
    """Answer the event that carries a snapshot."""
    return SubscriptionChanged(snapshot=said)


def ended(said: Snapshot) -> SubscriptionEnded:
    """Answer the event that carries the last snapshot."""
    return SubscriptionEnded(snapshot=said)


def completed(
    *,
    id_: SubscriptionId = SUBSCRIPTION,
    customer: CustomerId = CUSTOMER,
    account: AccountId | None = ANN,
    tier: Tier = Tier.PRO,
    session: SessionId = SESSION,
) -> CheckoutCompleted:
    """Answer the event of a checkout that was paid."""
    return CheckoutCompleted(session=session, subscription=id_, customer=customer, account=account, tier=tier)


def payment_failed(*, id_: SubscriptionId = SUBSCRIPTION, customer: CustomerId = CUSTOMER) -> PaymentFailed:
    """Answer the event of an invoice that could not be paid."""
    return PaymentFailed(subscription=id_, customer=customer)


def delivery(id_: str, event: Event, *, second: int = 0) -> Delivery:
    """Answer a verified webhook, created so many seconds after noon."""
    return Delivery(id=EventId(id_), type="a.stripe.type", created=at(second), event=event, payload=b"{}")
