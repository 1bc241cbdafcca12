"""The checkout page, as somebody without JavaScript uses it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import stripe

from stripe_sandbox.billing.cards import CARDS
from stripe_sandbox.testing import SandboxServer
from support.html_forms import Visitor

Sell = Callable[..., stripe.checkout.Session]
THANKS = "http://shop.test/thanks?session="


def state_of(client: stripe.StripeClient, session: stripe.checkout.Session) -> tuple[str | None, str]:
    now = client.v1.checkout.sessions.retrieve(session.id)
    return now.status, now.payment_status


def test_it_says_what_is_bought_by_whom_and_how_often(visitor: Visitor, sell: Sell, customer: stripe.Customer) -> None:
    """The page names the product, its price and rhythm, the quantity and the buyer, and says that it is a sandbox."""
    page = visitor.open(str(sell("price_enterprise", 3, customer=customer.id).url))
    assert page.status == 200
    for words in ("Enterprise", "€297.00 a month", "3 at €99.00 a month each", "Buyer: Ada, ada@shop.test"):
        assert words in page.text
    assert "no money moves" in page.html


def test_several_items_are_listed_each(visitor: Visitor, sell: Sell) -> None:
    """An order of two prices shows both lines and their sum."""
    items = [{"price": "price_pro", "quantity": 2}, {"price": "price_enterprise", "quantity": 1}]
    page = visitor.open(str(sell(line_items=items).url))
    for words in ("€157.00", "Pro €58.00", "2 at €29.00 a month each", "Enterprise €99.00"):
        assert words in page.text


def test_a_trial_is_announced(visitor: Visitor, sell: Sell) -> None:
    """A trial shows how long it is and that nothing is due today, by days as well as by date."""
    page = visitor.open(str(sell(subscription_data={"trial_period_days": 14}).url))
    assert "The first 14 days are free. Due today: €0.00." in page.text
    end = (datetime.now(UTC) + timedelta(days=60)).replace(microsecond=0)
    page = visitor.open(str(sell(subscription_data={"trial_end": int(end.timestamp())}).url))
    assert f"Free until {end.day} {end:%B %Y}." in page.text


def test_there_is_a_button_for_each_test_card(visitor: Visitor, sell: Sell) -> None:
    """Every card of the sandbox is offered, by its label."""
    buttons = visitor.open(str(sell().url)).buttons
    for card in CARDS.values():
        assert any(button.startswith(card.label) for button in buttons)


def test_paying_leads_back_to_the_shop(visitor: Visitor, client: stripe.StripeClient, sell: Sell) -> None:
    """The card that succeeds completes the session and redirects to the success address with the session's id."""
    session = sell()
    page = visitor.open(str(session.url))
    answer = visitor.press(page, "Succeeds", email="grace@shop.test")
    assert (answer.status_code, answer.headers["location"]) == (303, THANKS + session.id)
    assert state_of(client, session) == ("complete", "paid")
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert paid.customer_details is not None
    assert paid.customer_details.email == "grace@shop.test"


@pytest.mark.parametrize(
    ("label", "status", "payment_status"),
    [
        ("Succeeds now, fails later", "complete", "paid"),
        ("Bank debit", "complete", "unpaid"),
        ("Is declined", "open", "unpaid"),
        ("Has insufficient funds", "open", "unpaid"),
        ("Needs authentication", "open", "unpaid"),
        ("Needs authentication each time", "open", "unpaid"),
    ],
)
def test_each_card_plays_its_story(
    *, visitor: Visitor, client: stripe.StripeClient, sell: Sell, label: str, status: str, payment_status: str
) -> None:
    """A button leaves the session as its card does; the answer is always a redirect."""
    session = sell()
    answer = visitor.press(visitor.open(str(session.url)), label)
    assert answer.status_code == 303
    assert state_of(client, session) == (status, payment_status)


@pytest.mark.parametrize(
    ("label", "message"),
    [("Is declined", "Your card was declined."), ("Has insufficient funds", "Your card has insufficient funds.")],
)
def test_a_refused_buyer_can_try_again(
    visitor: Visitor, client: stripe.StripeClient, sell: Sell, label: str, message: str
) -> None:
    """After a refusal the page says why in an alert, and another card pays the same session."""
    session = sell()
    refused = visitor.follow(visitor.press(visitor.open(str(session.url)), label))
    [alert] = [element for element in refused.elements if element.get("role") == "alert"]
    assert alert.words == f"{message} Choose another card to try again."
    visitor.press(refused, "Succeeds")
    assert state_of(client, session) == ("complete", "paid")


@pytest.mark.parametrize("label", ["Needs authentication", "Needs authentication each time"])
def test_the_bank_asks_and_is_answered(visitor: Visitor, client: stripe.StripeClient, sell: Sell, label: str) -> None:
    """A card that needs authentication leads to the bank's question; failing it refuses, completing it pays."""
    session = sell()
    question = visitor.follow(visitor.press(visitor.open(str(session.url)), label, email="grace@shop.test"))
    assert "is it you?" in question.text
    back = visitor.follow(visitor.press(question, "Fail authentication"))
    assert "We are unable to authenticate your payment method." in back.text
    assert state_of(client, session) == ("open", "unpaid")
    answer = visitor.press(question, "Complete authentication")
    assert answer.headers["location"] == THANKS + session.id
    assert state_of(client, session) == ("complete", "paid")


def test_leaving_keeps_the_session_open(visitor: Visitor, client: stripe.StripeClient, sell: Sell) -> None:
    """The way out leads to the cancel address, and the session can still be paid."""
    session = sell()
    answer = visitor.press(visitor.open(str(session.url)), "Leave")
    assert (answer.status_code, answer.headers["location"]) == (303, "http://shop.test/plans")
    assert state_of(client, session) == ("open", "unpaid")


def test_a_paid_session_is_not_paid_twice(
    visitor: Visitor, client: stripe.StripeClient, sell: Sell, customer: stripe.Customer
) -> None:
    """A second click and a reload answer 410 with the way to the shop, and make no second subscription."""
    session = sell(customer=customer.id)
    page = visitor.open(str(session.url))
    visitor.press(page, "Succeeds")
    again, reloaded = visitor.press(page, "Succeeds"), visitor.open(f"/pay/{session.id}")
    assert (again.status_code, reloaded.status) == (410, 410)
    assert "Nothing was charged twice" in again.text
    assert [link.get("href") for link in reloaded.all("a")] == [THANKS + session.id]
    assert visitor.open(f"/pay/{session.id}/authenticate?card=authentication").status == 410
    assert len(client.v1.subscriptions.list({"customer": customer.id}).data) == 1


def test_an_expired_session_says_so(visitor: Visitor, client: stripe.StripeClient, sell: Sell) -> None:
    """An expired session answers 410 and leads back to where the buyer came from."""
    session = sell()
    client.v1.checkout.sessions.expire(session.id)
    page = visitor.open(f"/pay/{session.id}")
    assert (page.status, "has expired" in page.text) == (410, True)
    assert [link.get("href") for link in page.all("a")] == ["http://shop.test/plans"]


def test_a_session_whose_customer_is_deleted_says_so(
    visitor: Visitor, client: stripe.StripeClient, sell: Sell, customer: stripe.Customer
) -> None:
    """Before and after a click, and at the bank's question, the page answers 410 and leads back to the shop."""
    session = sell(customer=customer.id)
    page = visitor.open(f"/pay/{session.id}")
    client.v1.customers.delete(customer.id)
    question = f"/pay/{session.id}/authenticate?card=authentication"
    for shown in (visitor.open(f"/pay/{session.id}"), visitor.open(question)):
        assert (shown.status, "The customer was deleted" in shown.text) == (410, True)
        assert [link.get("href") for link in shown.all("a")] == ["http://shop.test/plans"]
    for card in ("Succeeds", "Needs authentication", "Is declined"):
        assert visitor.press(page, card).status_code == 410
    assert state_of(client, session) == ("open", "unpaid")


@pytest.mark.parametrize("address", ["/pay/cs_test_unknown", "/pay/cs_test_unknown/authenticate?card=declined"])
def test_an_unknown_session_is_a_page_of_its_own(visitor: Visitor, address: str) -> None:
    """An unknown session answers 404 in HTML."""
    page = visitor.open(address)
    assert (page.status, "There is nothing here" in page.text) == (404, True)


def test_what_no_button_sends_is_refused(visitor: Visitor, client: stripe.StripeClient, sell: Sell) -> None:
    """An unknown card, a question without a card, and a body that is no text answer 400 and change nothing."""
    session = sell()
    assert visitor.post(f"/pay/{session.id}", card="gold").status == 400
    assert visitor.open(f"/pay/{session.id}/authenticate").status == 400
    assert visitor.open(f"/pay/{session.id}/authenticate?card=gold").status == 400
    assert state_of(client, session) == ("open", "unpaid")


def test_hostile_names_stay_text(visitor: Visitor, client: stripe.StripeClient, box: SandboxServer) -> None:
    """Markup in the names of products and customers and in addresses is shown and never run."""
    hostile = "<script>alert('x')</script>\"&"
    buyer = client.v1.customers.create({"name": hostile})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": buyer.id,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "eur",
                        "unit_amount": 100,
                        "recurring": {"interval": "day"},
                        "product_data": {"name": hostile},
                    },
                }
            ],
            "success_url": "http://shop.test/",
        }
    )
    # The API refuses such an address; a file of before may hold one.
    box.app.state.sandbox.world.rows("checkout.session")[session.id]["success_url"] = "javascript:alert(1)"
    page = visitor.open(str(session.url))
    assert hostile in page.text
    assert not page.all("script")
    box.control.pay(session.id)
    assert not visitor.open(f"/pay/{session.id}").all("a")
    question = visitor.open(f"/pay/{session.id}?refused={hostile}")
    assert not question.all("script")


def test_a_card_can_be_saved_without_a_payment(visitor: Visitor, client: stripe.StripeClient) -> None:
    """A session in setup mode charges nothing and completes."""
    session = client.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "eur", "success_url": "http://shop.test/thanks"}
    )
    page = visitor.open(str(session.url))
    assert "nothing is charged" in page.text
    assert visitor.press(page, "Succeeds").headers["location"] == "http://shop.test/thanks"


def test_items_of_different_rhythms_have_no_common_one(visitor: Visitor, client: stripe.StripeClient) -> None:
    """A monthly and a yearly line are summed up without "a month a year"."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}, {"price": "price_pro_yearly", "quantity": 1}],
            "subscription_data": {"billing_mode": {"type": "flexible"}},
            "success_url": "https://shop.test/",
        }
    )
    page = visitor.open(str(session.url))
    assert "€319.00 in all, each line in its own rhythm" in page.text


@pytest.mark.parametrize(
    ("body", "sent_as", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 400),
        (b"card=", "application/x-www-form-urlencoded", 400),
        (b"email=a%40b.test", "application/x-www-form-urlencoded", 400),
        (b"card=declined&card=succeeds", "application/x-www-form-urlencoded", 400),
        (b'{"card": "declined"}', "application/json", 415),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415),
    ],
)
def test_a_body_that_names_no_card_pays_nothing(
    *, box: SandboxServer, client: stripe.StripeClient, sell: Sell, body: bytes, sent_as: str, status: int
) -> None:
    """Neither nothing, nor two cards, nor another format is taken for the card that succeeds."""
    session = sell()
    answer = httpx.post(f"{box.url}/pay/{session.id}", content=body, headers={"Content-Type": sent_as})
    assert answer.status_code == status
    assert state_of(client, session) == ("open", "unpaid")


def test_who_has_nowhere_to_go_is_told(visitor: Visitor, client: stripe.StripeClient) -> None:
    """Leaving a session without a cancel address says that nothing is charged, and why the page is the same."""
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": "https://shop.test/",
        }
    )
    page = visitor.follow(visitor.press(visitor.open(str(session.url)), "Leave"))
    [told] = [element.words for element in page.elements if element.get("role") == "status"]
    assert told.startswith("Nothing is charged.")
