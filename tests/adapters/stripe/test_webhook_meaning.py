"""What each webhook means, in both generations of Stripe's shapes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from billing.events import (
    CheckoutClosed,
    CheckoutCompleted,
    CustomerDeleted,
    Event,
    PaymentFailed,
    SubscriptionChanged,
    SubscriptionEnded,
    Unhandled,
)
from billing.identifiers import AccountId, CustomerId, EventId, PriceId, SessionId, SubscriptionId
from billing.plans import Tier
from billing.ports import UndecodableEvent
from billing.subscription import Snapshot, Status
from billing_memory import MemoryClock
from billing_stripe import SUBSCRIBED_EVENTS, StripeWebhookReader, is_live_key
from support.stripe_payloads import (
    CREATED,
    PERIOD_END,
    SECRET,
    SHAPES,
    Shape,
    checkout_session,
    customer,
    event,
    invoice,
    signed,
    subscription,
)

ACCOUNT = AccountId("acct_000000000000000000000001")
CUSTOMER = CustomerId("cus_SlX0aBcDeFgHiJ")
SUBSCRIPTION = SubscriptionId("sub_1RqX2cLkdIwHu7ixT3vOaXyz")
SESSION = SessionId(checkout_session()["id"])


def read(body: bytes) -> Event:
    """Answer what a body means that Stripe has just signed."""
    reader = StripeWebhookReader(
        secrets=(SECRET,), livemode=False, clock=MemoryClock(datetime.fromtimestamp(CREATED, UTC))
    )
    return reader.read(signature=signed(body, at=CREATED), body=body).event


def snapshot_in(body: bytes) -> Snapshot:
    """Answer the snapshot that a body carries."""
    match read(body):
        case SubscriptionChanged(snapshot=snapshot) | SubscriptionEnded(snapshot=snapshot):
            return snapshot
        case other:
            raise AssertionError(other)


def moment(seconds: int) -> datetime:
    """Answer a time of Stripe's."""
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("type_", "meaning"),
    [
        ("customer.subscription.created", SubscriptionChanged),
        ("customer.subscription.updated", SubscriptionChanged),
        ("customer.subscription.paused", SubscriptionChanged),
        ("customer.subscription.resumed", SubscriptionChanged),
        ("customer.subscription.deleted", SubscriptionEnded),
    ],
)
def test_a_subscriptions_events_carry_its_snapshot(type_: str, meaning: type[Event], shape: Shape) -> None:
    """Every event of a subscription becomes the same snapshot, whichever generation of shapes told it."""
    understood = read(event(type_, subscription(shape), shape=shape))

    assert understood == meaning(
        snapshot=Snapshot(  # type: ignore[call-arg]  # all five types of the table take a snapshot
            subscription=SUBSCRIPTION,
            customer=CUSTOMER,
            status=Status.ACTIVE,
            prices=(PriceId("price_1RqWzzLkdIwHu7ixPro00000"),),
            period_end=moment(PERIOD_END),
            cancel_at_period_end=False,
            started_at=moment(CREATED),
            account=ACCOUNT,
        )
    )


def test_a_delivery_says_which_event_it_was_and_keeps_its_bytes() -> None:
    """The id, type, time and raw body of the envelope are handed on as they came."""
    body = event("customer.deleted", customer())
    reader = StripeWebhookReader(secrets=(SECRET,), livemode=False, clock=MemoryClock(moment(CREATED)))

    delivery = reader.read(signature=signed(body, at=CREATED), body=body)

    assert delivery.id == EventId("evt_1RqX2eLkdIwHu7ixbQZ8Wj3k")
    assert delivery.type == "customer.deleted"
    assert delivery.created == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert delivery.payload == body


@pytest.mark.parametrize(
    ("object_", "period_end"),
    [
        pytest.param(subscription("before basil"), PERIOD_END, id="the subscription's"),
        pytest.param(subscription("now"), PERIOD_END, id="its item's"),
        pytest.param(
            subscription("now", period_ends=(PERIOD_END + 9, PERIOD_END)), PERIOD_END, id="the earliest item's"
        ),
        pytest.param(
            subscription("now", current_period_end=PERIOD_END + 9), PERIOD_END, id="the item's before its own"
        ),
        pytest.param(subscription("now", items={"data": [{"id": "si_1"}]}), None, id="no item has one"),
        pytest.param(subscription("now", items=None), None, id="no items"),
        pytest.param(subscription("now", period_ends=()), None, id="empty items"),
        pytest.param(
            subscription("now", items={"data": [{"current_period_end": None}, {"current_period_end": PERIOD_END}]}),
            PERIOD_END,
            id="some items have one",
        ),
    ],
)
def test_the_period_end_is_found(object_: dict[str, Any], period_end: int | None) -> None:
    """The period's end is the earliest of the items', else the subscription's, else unknown."""
    snapshot = snapshot_in(event("customer.subscription.updated", object_))

    assert snapshot.period_end == (None if period_end is None else moment(period_end))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("changes", "cancels"),
    [
        ({"cancel_at_period_end": True}, True),
        ({"cancel_at_period_end": True, "cancel_at": PERIOD_END}, True),
        ({"cancel_at_period_end": False, "cancel_at": PERIOD_END}, True),
        ({"cancel_at_period_end": False, "cancel_at": PERIOD_END - 1}, True),
        ({"cancel_at_period_end": False, "cancel_at": PERIOD_END + 1}, False),
        ({"cancel_at_period_end": None, "cancel_at": None}, False),
        ({}, False),
    ],
)
def test_a_cancellation_at_the_period_end_is_seen(changes: dict[str, Any], *, cancels: bool, shape: Shape) -> None:
    """The flag of classic billing and the date of flexible billing mean the same, in both shapes."""
    snapshot = snapshot_in(event("customer.subscription.updated", subscription(shape, **changes)))

    assert snapshot.cancel_at_period_end is cancels


def test_a_cancellation_date_without_a_known_period_is_no_cancellation_at_its_end() -> None:
    """A `cancel_at` cannot be compared to a period end that nobody told."""
    body = event("customer.subscription.updated", subscription("now", items=None, cancel_at=PERIOD_END))

    assert snapshot_in(body).cancel_at_period_end is False


@pytest.mark.parametrize("status", [*(status.value for status in Status), "hibernating", "", "ACTIVE"])
def test_every_status_is_read_and_an_unknown_one_is_unknown(status: str) -> None:
    """Stripe's words become statuses; a word this version does not know neither breaks nor grants."""
    snapshot = snapshot_in(event("customer.subscription.updated", subscription(status=status)))

    expected = status if status in set(Status) else "unknown"
    assert snapshot.status == Status(expected)


@pytest.mark.parametrize("reference", [CUSTOMER, customer()], ids=["plain", "expanded"])
def test_ids_may_be_expanded(reference: str | dict[str, Any]) -> None:
    """A customer is found whether its id or the whole object stands there."""
    assert snapshot_in(event("customer.subscription.updated", subscription(customer=reference))).customer == CUSTOMER


@pytest.mark.parametrize(
    ("metadata", "account"),
    [
        ({"account_id": ACCOUNT}, ACCOUNT),
        ({"account_id": "customer 7"}, AccountId("customer 7")),
        ({"account_id": ""}, None),
        ({"account_id": "a\x00b"}, None),
        ({"account_id": "Kontö"}, None),
        ({"account_id": "a" * 256}, None),
        ({"other": "application"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_account_is_what_the_metadata_claims(metadata: dict[str, str] | None, account: AccountId | None) -> None:
    """A claim is handed on if it could be an id; text that no database column of ours could hold names nobody."""
    assert snapshot_in(event("customer.subscription.updated", subscription(metadata=metadata))).account == account


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_missing_or_new_is_tolerated(shape: Shape) -> None:
    """A subscription with nothing but what identifies it is read, and so is one with fields of the future."""
    bare = {"id": SUBSCRIPTION, "customer": CUSTOMER, "status": "active", "created": CREATED}
    futuristic = subscription(shape, trial_end=None, hologram={"deep": [{"er": 1e300}]}, cancel_at_period_end=False)

    assert snapshot_in(event("customer.subscription.updated", bare)).prices == ()
    assert snapshot_in(event("customer.subscription.updated", futuristic)).subscription == SUBSCRIPTION


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("type_", ["created", "updated", "paused", "resumed", "deleted"])
def test_a_subscription_without_a_customer_is_not_ours(type_: str, shape: Shape) -> None:
    """Another product may bill an account in a customer's place: its events are acknowledged and mean nothing."""
    object_ = subscription(shape, customer=None, customer_account="acct_1RqSomebody")

    assert read(event(f"customer.subscription.{type_}", object_, shape=shape)) == Unhandled(reason="without a customer")


def completed(**changes: Any) -> CheckoutCompleted:
    """Answer the purchase of the model session."""
    fields: dict[str, Any] = {
        "session": SESSION,
        "subscription": SUBSCRIPTION,
        "customer": CUSTOMER,
        "account": ACCOUNT,
        "tier": Tier.PRO,
    }
    return CheckoutCompleted(**{**fields, **changes})


PAID_FOR_NOBODY = completed(account=None, tier=Tier.FREE)
NOT_OURS = Unhandled(reason="not a subscription's checkout")
UNPAID = Unhandled(reason="not paid yet")
WITHOUT = Unhandled(reason="without a customer")


@pytest.mark.parametrize(
    ("type_", "changes", "meaning"),
    [
        ("completed", {}, completed()),
        ("completed", {"payment_status": "no_payment_required"}, completed()),
        ("completed", {"payment_status": "unpaid"}, UNPAID),
        ("completed", {"payment_status": "unpaid", "subscription": None}, UNPAID),
        ("completed", {"payment_status": "bartered"}, UNPAID),
        ("completed", {"payment_status": None}, UNPAID),
        ("completed", {"mode": "payment", "subscription": None}, NOT_OURS),
        ("completed", {"mode": "setup", "payment_status": "no_payment_required", "customer": None}, NOT_OURS),
        ("completed", {"customer": customer(), "subscription": subscription()}, completed()),
        ("completed", {"metadata": {"tier": "enterprise"}}, completed(account=None, tier=Tier.ENTERPRISE)),
        ("completed", {"metadata": {"tier": "platinum"}}, PAID_FOR_NOBODY),
        ("completed", {"metadata": {"tier": "PRO"}}, PAID_FOR_NOBODY),
        ("completed", {"metadata": {}}, PAID_FOR_NOBODY),
        ("completed", {"metadata": None}, PAID_FOR_NOBODY),
        ("completed", {"client_reference_id": None}, completed()),
        ("completed", {"client_reference_id": "acct_2"}, completed()),
        ("completed", {"client_reference_id": 7}, completed()),
        ("completed", {"metadata": {"tier": "pro"}}, completed(account=None)),
        ("completed", {"metadata": {"account_id": "acct_2", "tier": "pro"}}, completed(account=AccountId("acct_2"))),
        ("completed", {"customer": None}, WITHOUT),
        ("completed", {"customer": None, "subscription": None}, WITHOUT),
        ("completed", {"customer": None, "payment_status": "unpaid"}, WITHOUT),
        ("async_payment_succeeded", {}, completed()),
        ("async_payment_succeeded", {"payment_status": "unpaid"}, completed()),
        ("async_payment_succeeded", {"client_reference_id": "acct_2", "metadata": None}, PAID_FOR_NOBODY),
        ("async_payment_succeeded", {"customer": None}, WITHOUT),
        ("async_payment_succeeded", {"mode": "payment", "subscription": None}, NOT_OURS),
        ("async_payment_failed", {"payment_status": "unpaid"}, CheckoutClosed(session=SESSION)),
        ("async_payment_failed", {"mode": "payment"}, NOT_OURS),
        ("async_payment_failed", {"customer": None}, WITHOUT),
        ("expired", {"payment_status": "unpaid", "subscription": None}, CheckoutClosed(session=SESSION)),
        ("expired", {"customer": None, "subscription": None}, WITHOUT),
        ("expired", {"mode": "payment"}, NOT_OURS),
    ],
)
def test_a_checkouts_events(type_: str, changes: dict[str, Any], meaning: Event) -> None:
    """A session is a purchase only when a subscription's is paid; it is closed when nobody will buy with it.

    Its account is what its metadata claims, whatever reference the buyer came with.
    """
    assert read(event(f"checkout.session.{type_}", checkout_session(**changes))) == meaning


FAILED = PaymentFailed(subscription=SUBSCRIPTION, customer=CUSTOMER)
ONE_OFF = Unhandled(reason="a one-off invoice")


@pytest.mark.parametrize(
    ("object_", "meaning"),
    [
        pytest.param(invoice("before basil"), FAILED, id="before basil"),
        pytest.param(invoice("now"), FAILED, id="now"),
        pytest.param(invoice("before basil", of=subscription("before basil")), FAILED, id="expanded before basil"),
        pytest.param(invoice("now", of=subscription("now")), FAILED, id="expanded now"),
        pytest.param(invoice("now", customer=customer()), FAILED, id="expanded customer"),
        pytest.param(invoice("before basil", of=None), ONE_OFF, id="one-off before basil"),
        pytest.param(invoice("now", of=None), ONE_OFF, id="one-off now"),
        pytest.param(invoice("now", parent={"quote_details": {"quote": "qt_1"}}), ONE_OFF, id="a quote's"),
        pytest.param(invoice("now", parent={"subscription_details": None}), ONE_OFF, id="no details"),
        pytest.param(
            invoice("now", customer=None), Unhandled(reason="an invoice without a customer"), id="no customer"
        ),
    ],
)
def test_a_failed_payment(object_: dict[str, Any], meaning: Event) -> None:
    """An invoice leads to its subscription in both shapes; a one-off invoice is nothing to us."""
    assert read(event("invoice.payment_failed", object_)) == meaning


@pytest.mark.parametrize("changes", [{}, {"deleted": True}])
def test_a_deleted_customer(changes: dict[str, Any]) -> None:
    """A deleted customer is named."""
    assert read(event("customer.deleted", customer(**changes))) == CustomerDeleted(customer=CUSTOMER)


NONSENSE: list[tuple[str, Any]] = [
    ("customer.subscription.updated", {}),
    ("customer.subscription.updated", {**subscription(), "id": None}),
    ("customer.subscription.updated", {**subscription(), "id": ""}),
    ("customer.subscription.updated", {**subscription(), "id": "sub_1\x00"}),
    ("customer.subscription.updated", {**subscription(), "id": "s" * 256}),
    ("customer.subscription.updated", {key: value for key, value in subscription().items() if key != "customer"}),
    ("customer.subscription.updated", {**subscription(), "customer": None, "status": None}),
    ("customer.subscription.updated", {**subscription(), "customer": {"object": "customer"}}),
    ("customer.subscription.updated", {**subscription(), "status": None}),
    ("customer.subscription.updated", {**subscription(), "created": "yesterday"}),
    ("customer.subscription.updated", {**subscription(), "created": True}),
    ("customer.subscription.updated", {**subscription(), "created": -1}),
    ("customer.subscription.updated", {**subscription(), "created": 10**15}),
    ("customer.subscription.updated", {**subscription(), "cancel_at": 1.5}),
    ("customer.subscription.updated", {**subscription(), "cancel_at_period_end": "yes"}),
    ("customer.subscription.updated", {**subscription(), "items": [1]}),
    ("customer.subscription.updated", {**subscription(), "metadata": "none"}),
    ("customer.subscription.updated", "sub_1RqX2cLkdIwHu7ixT3vOaXyz"),
    ("customer.subscription.deleted", None),
    ("checkout.session.completed", checkout_session(id=7)),
    ("checkout.session.completed", checkout_session(subscription=None)),
    ("checkout.session.expired", {"mode": "subscription"}),
    ("invoice.payment_failed", {"customer": CUSTOMER}),
    ("invoice.payment_failed", invoice(of=7)),
    ("customer.deleted", {"deleted": True}),
]


@pytest.mark.parametrize(("type_", "object_"), NONSENSE)
def test_an_object_that_makes_no_sense_is_kept_with_its_reason(type_: str, object_: Any) -> None:
    """An event that is ours by its type, but cannot be understood, carries all that is needed to keep it."""
    body = event(type_, object_)

    with pytest.raises(UndecodableEvent) as raised:
        read(body)

    failed = raised.value.failed
    assert (failed.id, failed.type, failed.created) == ("evt_1RqX2eLkdIwHu7ixbQZ8Wj3k", type_, moment(CREATED))
    assert failed.payload == body
    assert failed.reason.startswith("ValidationError: ")


def test_an_event_without_data_is_undecodable() -> None:
    """An envelope of our type with nothing in it is kept, too."""
    with pytest.raises(UndecodableEvent):
        read(b'{"id":"evt_1","object":"event","type":"customer.deleted","created":1772366400,"livemode":false}')


@pytest.mark.parametrize(
    ("type_", "changes", "reason"),
    [
        ("customer.subscription.updated", {"livemode": True}, "other mode"),
        ("customer.subscription.updated", {"account": "acct_1RqConnected"}, "another account's"),
        ("customer.subscription.trial_will_end", {}, "not subscribed to"),
        ("invoice.paid", {}, "not subscribed to"),
        ("invoice.created", {}, "not subscribed to"),
        ("hologram.projected", {}, "not subscribed to"),
    ],
)
def test_what_is_not_ours_is_acknowledged_without_a_look_at_its_object(
    type_: str, changes: dict[str, Any], reason: str
) -> None:
    """Another mode's, another account's and unknown events mean nothing, even if their objects make no sense."""
    assert read(event(type_, {"id": None}, **changes)) == Unhandled(reason=reason)


def test_a_live_reader_takes_live_events_only() -> None:
    """The mode of the API key decides which events count."""
    reader = StripeWebhookReader(secrets=(SECRET,), livemode=True, clock=MemoryClock(moment(CREATED)))
    live = event("customer.deleted", customer(), livemode=True)
    test = event("customer.deleted", customer(), livemode=False)

    assert isinstance(reader.read(signature=signed(live, at=CREATED), body=live).event, CustomerDeleted)
    assert reader.read(signature=signed(test, at=CREATED), body=test).event == Unhandled(reason="other mode")


@pytest.mark.parametrize(
    ("key", "live"),
    [
        ("sk_live_1", True),
        ("rk_live_1", True),
        ("sk_test_1", False),
        ("rk_test_1", False),
        ("sk_1", False),
        ("", False),
    ],
)
def test_a_keys_mode(key: str, *, live: bool) -> None:
    """Secret and restricted live keys are for real money, every other key is not."""
    assert is_live_key(key) is live


def test_every_subscribed_event_has_its_reason() -> None:
    """The table of what Stripe shall send says why for each, and leaves out what would delay invoices."""
    assert all(subscribed.reason for subscribed in SUBSCRIBED_EVENTS.values())
    assert "invoice.created" not in SUBSCRIBED_EVENTS
