"""What happens by itself when a clock moves."""

import pytest
import stripe

from stripe_sandbox.billing import starting
from stripe_sandbox.billing.cards import CARDS, attach
from stripe_sandbox.control.client import ControlError
from stripe_sandbox.objects.customer import customer
from stripe_sandbox.objects.subscription import period_of
from stripe_sandbox.resource import Resource
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedPrice, WebhookInbox

DAY = 24 * 3_600


def buy(
    client: stripe.StripeClient,
    box: SandboxServer,
    *,
    card: str = "succeeds",
    customer: str | None = None,
    data: stripe.params.checkout.SessionCreateParamsSubscriptionData | None = None,
) -> stripe.Subscription:
    given: stripe.params.checkout.SessionCreateParams = {
        "mode": "subscription",
        "line_items": [{"price": "price_pro", "quantity": 1}],
        "success_url": "https://example.com/thanks",
    }
    if data is not None:
        given["subscription_data"] = data
    if customer is not None:
        given["customer"] = customer
    session = client.v1.checkout.sessions.create(given)
    box.control.pay(session.id, card)
    return client.v1.subscriptions.retrieve(str(client.v1.checkout.sessions.retrieve(session.id).subscription))


def test_a_month_later_the_subscription_has_renewed(client: stripe.StripeClient, box: SandboxServer) -> None:
    """Advancing past the period's end renews once, and the invoice is dated at that end."""
    bought = buy(client, box)
    end = bought["items"].data[0].current_period_end
    box.control.advance(end - box.control.clock().now + 60)
    renewed = client.v1.subscriptions.retrieve(bought.id, {"expand": ["latest_invoice"]})
    assert renewed["items"].data[0].current_period_start == end
    assert isinstance(renewed.latest_invoice, stripe.Invoice)
    assert (renewed.latest_invoice.created, renewed.latest_invoice.status) == (end, "paid")


def test_a_year_at_once_is_twelve_renewals_in_order(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A long jump plays every renewal back, each at its own moment."""
    bought = buy(client, box)
    box.control.advance(366 * DAY)
    invoices = client.v1.invoices.list({"subscription": bought.id, "limit": 100}).data
    assert len(invoices) == 13
    dates = [invoice.created for invoice in invoices]
    assert dates == sorted(dates, reverse=True)
    assert len(set(dates)) == 13


def test_failed_renewals_are_retried_and_given_up(
    client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox
) -> None:
    """After 3, 5 and 7 days the charge is tried again; the last failure cancels."""
    bought = buy(client, box, card="fails_later")
    end = bought["items"].data[0].current_period_end
    box.control.advance(end - box.control.clock().now + 60)
    assert client.v1.subscriptions.retrieve(bought.id).status == "past_due"
    box.control.advance(14 * DAY)
    assert client.v1.subscriptions.retrieve(bought.id).status == "past_due"
    box.control.advance(2 * DAY)
    assert client.v1.subscriptions.retrieve(bought.id).status == "canceled"
    box.control.flush()
    assert inbox.types.count("invoice.payment_failed") == 4


def test_a_card_changed_in_time_saves_the_subscription(client: stripe.StripeClient, box: SandboxServer) -> None:
    """With a good card in place the next retry pays, and the subscription is active again."""
    bought = buy(client, box, card="fails_later")
    box.control.advance(bought["items"].data[0].current_period_end - box.control.clock().now + 60)
    box.control.change_card(str(bought.customer), "succeeds")
    box.control.advance(4 * DAY)
    assert client.v1.subscriptions.retrieve(bought.id).status == "active"


@pytest.mark.parametrize("outcome", ["unpaid", "past_due"])
def test_the_account_decides_what_exhausted_retries_do(outcome: str) -> None:
    """The configured outcome is where a subscription ends up when its retries are used up."""
    config = SandboxConfig(
        prices=(SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),),
        payment_retry_days=(1,),
        exhausted_outcome=outcome,
    )
    with SandboxServer(config) as own:
        client = stripe.StripeClient(own.api_key, base_addresses={"api": own.url})
        bought = buy(client, own, card="fails_later")
        own.control.advance(bought["items"].data[0].current_period_end - own.control.clock().now + 60)
        own.control.advance(2 * DAY)
        assert client.v1.subscriptions.retrieve(bought.id).status == outcome


def test_a_trial_warns_and_ends(client: stripe.StripeClient, box: SandboxServer, inbox: WebhookInbox) -> None:
    """Three days before its end a trial is announced to end; then it becomes active and is paid."""
    bought = buy(client, box, data={"trial_period_days": 10})
    box.control.advance(8 * DAY)
    box.control.flush()
    assert inbox.types.count("customer.subscription.trial_will_end") == 1
    assert client.v1.subscriptions.retrieve(bought.id).status == "trialing"
    box.control.advance(3 * DAY)
    ended = client.v1.subscriptions.retrieve(bought.id, {"expand": ["latest_invoice"]})
    assert isinstance(ended.latest_invoice, stripe.Invoice)
    assert (ended.status, ended.latest_invoice.amount_paid) == ("active", 2900)


def test_the_last_day_of_a_month_is_kept(client: stripe.StripeClient, box: SandboxServer) -> None:
    """A subscription begun on the 31st renews on the last day of shorter months and on the 31st again."""
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_801_396_800})  # 2027-01-31
    customer = client.v1.customers.create({"test_clock": clock.id})
    bought = buy(client, box, customer=customer.id)
    ends = [bought["items"].data[0].current_period_end]
    for _ in range(2):
        renewed = box.control.renew(bought.id)
        ends.append(renewed["items"]["data"][0]["current_period_end"])
    assert ends == [1_803_816_000, 1_806_494_400, 1_809_086_400]  # 28 February, 31 March, 30 April


def test_a_test_clock_moves_its_own_customers_only(client: stripe.StripeClient, box: SandboxServer) -> None:
    """Advancing a test clock renews the subscription of its customer and leaves another's alone."""
    now = box.control.clock().now
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": now, "name": "ours"})
    customer = client.v1.customers.create({"test_clock": clock.id})
    ours, other = buy(client, box, customer=customer.id), buy(client, box)
    assert ours.test_clock == clock.id
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": now + 35 * DAY})
    found = client.v1.test_helpers.test_clocks.retrieve(clock.id)
    assert (found.status, found.frozen_time) == ("ready", now + 35 * DAY)
    assert len(client.v1.invoices.list({"subscription": ours.id}).data) == 2
    assert len(client.v1.invoices.list({"subscription": other.id}).data) == 1
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": now})
    client.v1.test_helpers.test_clocks.delete(clock.id)
    assert [row.id for row in client.v1.subscriptions.list({"status": "all"}).data] == [other.id]


def test_one_thing_that_cannot_be_done_does_not_stop_time() -> None:
    """A renewal that fails for want of its customer is left alone, and the next one still happens."""
    sandbox = Sandbox(SandboxConfig(prices=(SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),)))
    world = sandbox.world
    rows: list[Resource] = []
    for number in range(2):
        buyer = customer(f"cus_{number}", created=world.now(), invoice_prefix=f"P{number}")
        world.put(buyer)
        order = starting.Order(customer=buyer, items=[(world.get("price", "price_pro"), 1)])
        row, invoice = starting.begin(world, order)
        attach(world, buyer, CARDS["succeeds"])
        starting.tell_paid(world, row, invoice)
        rows.append(row)
    world.store.remove("customer", "cus_0")
    ends = [period_of(row)[1] for row in rows]
    sandbox.advance(32 * DAY)
    assert period_of(rows[1])[0] == ends[1]
    sandbox.advance(32 * DAY)
    assert period_of(rows[1])[0] > ends[1]


@pytest.mark.parametrize("seconds", [3_653 * DAY + 1, 10**12, 10**30])
def test_a_clock_moves_ten_years_at_once_at_most(client: stripe.StripeClient, box: SandboxServer, seconds: int) -> None:
    """What would keep the sandbox busy for minutes is refused with a sentence, and the clock stands as it was."""
    bought = buy(client, box)
    with pytest.raises(ControlError, match="by up to ten years at a time") as refused:
        box.control.advance(seconds)
    assert refused.value.status == 400
    assert box.control.clock().offset_seconds == 0
    assert len(client.v1.invoices.list({"subscription": bought.id}).data) == 1


def test_a_clock_can_move_ten_years_at_once(client: stripe.StripeClient, box: SandboxServer) -> None:
    """The longest step renews a monthly plan on each of its days."""
    bought = buy(client, box)
    box.control.advance(3_653 * DAY)
    listed = client.v1.invoices.list({"subscription": bought.id, "limit": 100})
    assert len(list(listed.auto_paging_iter())) == 121
