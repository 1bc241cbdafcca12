"""The control room, as somebody without JavaScript uses it."""

from collections.abc import Callable

import pytest
import stripe

from stripe_sandbox.api.faults import Fault
from stripe_sandbox.testing import SandboxServer, WebhookInbox
from support.html_forms import Visitor

Sell = Callable[..., stripe.checkout.Session]
HOSTILE = "<script>alert(1)</script>"
DAY_SECONDS = 86_400


def test_an_empty_room_invites(visitor: Visitor, box: SandboxServer) -> None:
    """A new sandbox shows what there is to connect to, and says of each list that it is empty."""
    room = visitor.open("/")
    for words in (box.url, box.api_key, "Somebody has to buy first", "Nothing has happened yet", "no money moves"):
        assert words in room.html
    assert "Advance to the next renewal" not in room.buttons


def test_it_shows_the_world(visitor: Visitor, box: SandboxServer, subscription: stripe.Subscription) -> None:
    """Customers, subscriptions and checkouts are listed with their states, and the counts are summed up."""
    box.control.flush()
    room = visitor.open("/")
    for words in ("Pro of Ada active", subscription.id, "€29.00 by Ada complete", "1 customer, 1 subscription"):
        assert words in room.text


@pytest.mark.parametrize(
    ("befalls", "label", "status"),
    [
        ((), "Renew now", "active"),
        ((), "Fail a renewal", "past_due"),
        (("fail_payment",), "Pay what is open", "active"),
        (("fail_payment",), "Use up all retries", "canceled"),
        ((), "Pause", "paused"),
        (("pause",), "Resume", "active"),
        ((), "Cancel now", "canceled"),
        ((), "Cancel at period end", "active"),
        (("cancel_at_period_end",), "Do not cancel", "active"),
    ],
)
def test_a_button_beside_a_subscription_does_what_it_says(
    *,
    visitor: Visitor,
    box: SandboxServer,
    client: stripe.StripeClient,
    subscription: stripe.Subscription,
    befalls: tuple[str, ...],
    label: str,
    status: str,
) -> None:
    """Each action is offered in the state it fits, leads back to the room and changes the subscription."""
    for name in befalls:
        getattr(box.control, name)(subscription.id)
    room = visitor.follow(visitor.press(visitor.open("/"), label, within=subscription.id))
    assert "Done; see the time line" in room.text
    now = client.v1.subscriptions.retrieve(subscription.id)
    assert (now.status, now.cancel_at is not None) == (status, label == "Cancel at period end")


def test_a_subscription_moves_to_another_price(
    visitor: Visitor, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """The price chosen from the list is the subscription's from then on."""
    visitor.press(visitor.open("/"), "Change price", within=subscription.id, price="price_enterprise")
    assert client.v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == "price_enterprise"


def test_an_ended_subscription_has_no_buttons(
    visitor: Visitor, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """Nothing is offered for a subscription that is over."""
    box.control.cancel(subscription.id)
    assert not [form for form in visitor.open("/").forms if subscription.id in form.action]


@pytest.mark.parametrize(
    ("label", "least_days", "most_days"),
    [("Advance a day", 1, 1), ("Advance to the next renewal", 28, 31), ("Advance a month", 28, 31)],
)
def test_the_clock_moves(
    *,
    visitor: Visitor,
    box: SandboxServer,
    subscription: stripe.Subscription,
    label: str,
    least_days: int,
    most_days: int,
) -> None:
    """Each button of the clock goes as far as it says."""
    visitor.follow(visitor.press(visitor.open("/"), label))
    ahead = box.control.clock().offset_seconds
    # A renewal lies a few seconds nearer than a whole period, since it began a moment ago.
    assert least_days * DAY_SECONDS - 60 <= ahead <= most_days * DAY_SECONDS


def test_the_renewal_reached_is_charged(
    visitor: Visitor, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """Moving to the next renewal draws up its invoice."""
    visitor.follow(visitor.press(visitor.open("/"), "Advance to the next renewal"))
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 2


def test_a_customer_gets_another_card(
    visitor: Visitor, box: SandboxServer, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """The card given to a customer decides the next renewal, and the room shows it as chosen."""
    visitor.press(visitor.open("/"), "Give this card", card="declined")
    [form] = [form for form in visitor.open("/").forms if form.action.endswith("/card")]
    assert form.fields == {"card": "declined"}
    assert box.control.renew(subscription.id)["status"] == "past_due"


def test_the_time_line_shows_each_attempt_and_its_answer(
    visitor: Visitor, box: SandboxServer, inbox: WebhookInbox, client: stripe.StripeClient
) -> None:
    """A refused and a repeated delivery are both told, newest event first, and in full on the event's own page."""
    inbox.answer_next(500)
    client.v1.customers.create({"email": "first@shop.test"})
    box.control.flush()
    client.v1.customers.create({"email": "second@shop.test"})
    box.control.flush()
    room = visitor.open("/")
    assert "500 Attempt 1" in room.text
    assert "200 Attempt 2" in room.text
    addresses = [link.get("href") for link in room.all("a") if link.get("href").startswith("/event/")]
    newest_first = [f"/event/{event.id}" for event in client.v1.events.list().data]
    assert addresses == newest_first
    shown = visitor.open(newest_first[1])
    for words in ("first@shop.test", inbox.url, "500 Attempt 1", "200 Attempt 2", "succeeded"):
        assert words in shown.text


def test_an_event_can_be_sent_again(
    visitor: Visitor, box: SandboxServer, inbox: WebhookInbox, client: stripe.StripeClient
) -> None:
    """The button beside an event, and the one on its page, each deliver it once more under the same id."""
    client.v1.customers.create({"email": "ada@shop.test"})
    box.control.flush()
    [event] = client.v1.events.list().data
    visitor.follow(visitor.press(visitor.open("/"), "Send again"))
    visitor.follow(visitor.press(visitor.open(f"/event/{event.id}"), "Send again"))
    box.control.flush()
    assert [delivery.event["id"] for delivery in inbox.deliveries] == [event.id] * 3


def test_a_long_time_line_has_pages(visitor: Visitor, client: stripe.StripeClient) -> None:
    """Twenty events stand on a page; the older ones follow, each exactly once."""
    for number in range(25):
        client.v1.customers.create({"email": f"person{number}@shop.test"})
    seen: list[str] = []
    address, pages = "/", 0
    while address:
        room = visitor.open(address)
        links = room.all("a")
        seen += [link.get("href") for link in links if link.get("href").startswith("/event/")]
        address = next((link.get("href") for link in links if link.words == "Older events"), "")
        pages += 1
    assert (pages, len(seen), len(set(seen))) == (2, 25, 25)
    assert visitor.open("/?before=evt_unknown").status == 404


def test_reading_again_by_itself_is_asked_for(visitor: Visitor, box: SandboxServer) -> None:
    """The room reloads itself only where somebody asked for that."""
    refreshing = [
        [element.get("content") for element in visitor.open(address).all("meta") if element.get("http-equiv")]
        for address in ("/", "/?refresh=true")
    ]
    assert refreshing == [[], ["5"]]


def test_an_open_checkout_is_opened_or_expired(visitor: Visitor, client: stripe.StripeClient, sell: Sell) -> None:
    """An open session is listed with a link to its page, and a button that expires it."""
    session = sell()
    room = visitor.open("/")
    assert session.url in [link.get("href") for link in room.all("a")]
    visitor.follow(visitor.press(room, "Expire"))
    assert client.v1.checkout.sessions.retrieve(session.id).status == "expired"


@pytest.mark.parametrize(("label", "payment_status"), [("The bank pays", "paid"), ("The bank refuses", "unpaid")])
def test_the_bank_answers_for_a_debit(
    *, visitor: Visitor, box: SandboxServer, client: stripe.StripeClient, sell: Sell, label: str, payment_status: str
) -> None:
    """A session paid by bank debit waits in the room for the bank's answer, and the answer is told."""
    session = sell()
    box.control.pay(session.id, "delayed")
    visitor.follow(visitor.press(visitor.open("/"), label))
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == payment_status
    outcome = "succeeded" if payment_status == "paid" else "failed"
    told = [event.type for event in client.v1.events.list().data]
    assert f"checkout.session.async_payment_{outcome}" in told


def test_the_world_begins_anew(
    visitor: Visitor, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """Reset leaves the seeds and nothing else."""
    room = visitor.follow(visitor.press(visitor.open("/"), "Reset everything"))
    assert "0 customers, 0 subscriptions, 0 events" in room.text
    assert client.v1.customers.list().data == []


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/control/clock", 400),
        ("/control/subscriptions/sub_unknown/renew", 404),
        ("/control/customers/cus_unknown/card", 400),
        ("/control/checkout_sessions/cs_unknown/expire", 404),
        ("/control/checkout_sessions/cs_unknown/settle", 404),
        ("/control/events/evt_unknown/resend", 404),
        ("/control/webhook_endpoints/we_unknown/roll_secret", 404),
    ],
)
def test_what_no_button_sends_is_refused(visitor: Visitor, address: str, status: int) -> None:
    """Unknown things and forms without their fields answer a page with the status that is true."""
    page = visitor.post(address)
    assert (page.status, len(page.all("h1"))) == (status, 1)


def test_unknown_actions_and_events_are_refused(visitor: Visitor, subscription: stripe.Subscription) -> None:
    """An action or event that does not exist answers 404, a price left out 400, no renewal to wait for 400."""
    assert visitor.post(f"/control/subscriptions/{subscription.id}/explode").status == 404
    assert visitor.post(f"/control/subscriptions/{subscription.id}/change_price").status == 400
    assert visitor.post("/control/customers/cus_unknown/card", card="declined").status == 404
    assert visitor.open("/event/evt_unknown").status == 404
    visitor.post("/control/reset")
    assert visitor.post("/control/clock", step="renewal").status == 400


def test_hostile_names_stay_text(visitor: Visitor, box: SandboxServer, client: stripe.StripeClient) -> None:
    """Markup in names, event types, payloads, fault paths and messages is shown and never run."""
    client.v1.customers.create({"name": HOSTILE})
    box.control.emit(f"custom.{HOSTILE}", {"object": "thing", "id": HOSTILE})
    box.control.add_fault(Fault(kind="latency", path=f"/v1/{HOSTILE}"))
    room = visitor.open(f"/?did={HOSTILE}")
    assert not room.all("script")
    assert room.text.count(HOSTILE) >= 4
    [event] = [link for link in room.all("a") if HOSTILE in link.words]
    assert not visitor.open(event.get("href")).all("script")


def test_a_deleted_customer_is_shown_as_such(
    visitor: Visitor, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """A deleted customer stays in the list, without buttons."""
    client.v1.customers.delete(customer.id)
    room = visitor.open("/")
    assert "deleted" in room.text
    assert not [form for form in room.forms if form.action.startswith("/control/customers")]


def test_the_links_at_the_top_lead_to_every_section_in_order(visitor: Visitor) -> None:
    """Each section has its link, and no link leads nowhere."""
    room = visitor.open("/")
    links = [link.get("href") for link in room.all("a") if link.get("href").startswith("#")]
    sections = [f"#{section.get('id')}" for section in room.all("section")]
    assert links[1:] == sections
    assert links[0] in sections


def test_many_events_are_folded(visitor: Visitor, client: stripe.StripeClient) -> None:
    """The newest eight are open, the rest can be unfolded; older pages, and a page that reads again, show all."""
    for number in range(25):
        client.v1.customers.create({"email": f"person{number}@shop.test"})
    folds = [
        [
            "open" in element.attributes
            for element in visitor.open(address).all("details")
            if "more events" in element.words
        ]
        for address in ("/", "/?refresh=true")
    ]
    assert folds == [[False], [True]]


def test_a_customer_on_a_test_clock_is_marked(visitor: Visitor, client: stripe.StripeClient) -> None:
    """Beside the customer stands the time of its clock."""
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_900_000_000})
    client.v1.customers.create({"name": "Ada", "test_clock": clock.id})
    assert "On a test clock: 17 Mar 2030" in visitor.open("/").text
