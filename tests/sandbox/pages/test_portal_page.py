"""The customer portal, as somebody without JavaScript uses it."""

from collections.abc import Callable

import pytest
import stripe

from stripe_sandbox.testing import SandboxServer
from support.html_forms import Page, Visitor

Reread = Callable[[], stripe.Subscription]


@pytest.fixture
def reread(client: stripe.StripeClient, subscription: stripe.Subscription) -> Reread:
    return lambda: client.v1.subscriptions.retrieve(subscription.id)


@pytest.fixture
def page(visitor: Visitor, portal_address: str) -> Page:
    return visitor.open(portal_address)


def status_of(page: Page) -> str:
    [said] = [element.words for element in page.elements if element.get("role") == "status"]
    return said


def test_it_shows_plan_renewal_card_and_invoices(page: Page) -> None:
    """The portal names the plan, its price, its state, the next renewal, the card, the invoices and the way back."""
    for words in ("Pro", "active", "€29.00 a month", "Renews on", "Succeeds, ending in 4242", "paid"):
        assert words in page.text
    [way_back] = [link.get("href") for link in page.all("a") if link.words.startswith("Return to")]
    assert way_back == "http://shop.test/account"


def test_an_invoice_can_be_opened(visitor: Visitor, page: Page, client: stripe.StripeClient) -> None:
    """The invoice's link, which is also its hosted address, shows its lines and its total."""
    [invoice] = client.v1.invoices.list().data
    [link] = [link.get("href") for link in page.all("a") if link.words == invoice.number]
    assert str(invoice.hosted_invoice_url).endswith(link)
    for address in (link, str(invoice.invoice_pdf)):
        shown = visitor.open(address)
        assert (shown.status, "Total €29.00" in shown.text) == (200, True)
    assert visitor.open("/invoice/in_unknown").status == 404


def test_cancelling_at_the_period_end_and_resuming(visitor: Visitor, page: Page, reread: Reread) -> None:
    """The plan is marked to end with its period, the page says so, and one button takes it back."""
    ending = visitor.follow(visitor.press(page, "Cancel at the end of the period"))
    assert reread().cancel_at is not None
    assert "Ends on" in ending.text
    assert status_of(ending) == "The plan will end with the period."
    going_on = visitor.follow(visitor.press(ending, "Resume"))
    assert reread().cancel_at is None
    assert status_of(going_on) == "The plan goes on."


def test_cancelling_now_is_asked_twice(visitor: Visitor, page: Page, reread: Reread) -> None:
    """The link asks first and changes nothing; only the second step ends the plan, and the page shows it as past."""
    [ask] = [link.get("href") for link in page.all("a") if link.words.startswith("Cancel now")]
    question = visitor.open(ask)
    assert reread().status == "active"
    ended = visitor.follow(visitor.press(question, "Yes, cancel now"))
    assert reread().status == "canceled"
    assert "Past plans" in ended.text
    assert "No running plan" in ended.text
    assert visitor.open(ask).status == 400


def test_changing_the_plan(visitor: Visitor, page: Page, reread: Reread) -> None:
    """A button for each other price moves the subscription to it."""
    changed = visitor.follow(visitor.press(page, "Change to Enterprise, €99.00 a month"))
    assert reread()["items"].data[0].price.id == "price_enterprise"
    assert "€99.00 a month" in changed.text


def test_updating_the_card(visitor: Visitor, page: Page, box: SandboxServer, reread: Reread) -> None:
    """The card chosen is the one that the next renewal goes to."""
    updated = visitor.follow(visitor.press(page, "Update card", card="declined"))
    assert "Is declined, ending in 0002" in updated.text
    box.control.renew(reread().id)
    assert reread().status == "past_due"


def test_pausing_where_it_is_offered(
    visitor: Visitor, client: stripe.StripeClient, subscription: stripe.Subscription, reread: Reread, page: Page
) -> None:
    """A configuration with pausing offers it and the way back; the default one does neither."""
    assert "Pause" not in page.buttons
    configuration = client.v1.billing_portal.configurations.create(
        {"features": {"subscription_pause": {"enabled": True}}}
    )
    session = client.v1.billing_portal.sessions.create(
        {"customer": str(subscription.customer), "configuration": configuration.id}
    )
    paused = visitor.follow(visitor.press(visitor.open(session.url), "Pause"))
    assert reread().status == "paused"
    visitor.follow(visitor.press(paused, "Resume the plan"))
    assert reread().status == "active"


def test_what_the_configuration_leaves_out_is_neither_shown_nor_done(
    visitor: Visitor, client: stripe.StripeClient, subscription: stripe.Subscription, reread: Reread
) -> None:
    """With every feature off there is no button, and a form sent all the same answers 403."""
    off = {"enabled": False}
    configuration = client.v1.billing_portal.configurations.create(
        {
            "features": {
                "invoice_history": {"enabled": False},
                "payment_method_update": {"enabled": False},
                "subscription_cancel": {"enabled": False},
                "subscription_update": {"enabled": False},
            }
        }
    )
    session = client.v1.billing_portal.sessions.create(
        {"customer": str(subscription.customer), "configuration": configuration.id}
    )
    page = visitor.open(session.url)
    assert (page.buttons, "Invoices" in page.text) == ([], False), off
    for action in ("cancel", "cancel_at_period_end", "change_price", "pause", "update_card"):
        assert visitor.post(f"{session.url}/{action}", subscription=subscription.id, card="declined").status == 403
    assert reread().status == "active"


@pytest.mark.parametrize("action", ["explode", "change_price", "update_card"])
def test_what_no_button_sends_is_refused(visitor: Visitor, portal_address: str, action: str) -> None:
    """Unknown actions and forms without their fields answer a page with an error's status."""
    page = visitor.post(f"{portal_address}/{action}")
    assert (page.status in {400, 404}, "Nothing was changed" in page.text or "nothing here" in page.text) == (
        True,
        True,
    )


def test_no_customer_reaches_another_s_plan(
    visitor: Visitor, client: stripe.StripeClient, subscription: stripe.Subscription, reread: Reread
) -> None:
    """A portal session of another customer answers 403 for Ada's subscription, in the question and in the act."""
    other = client.v1.customers.create({"email": "eve@shop.test"})
    session = client.v1.billing_portal.sessions.create({"customer": other.id})
    assert visitor.open(f"{session.url}/confirm_cancel?subscription={subscription.id}").status == 403
    assert visitor.post(f"{session.url}/cancel", subscription=subscription.id).status == 403
    assert reread().status == "active"


def test_unknown_sessions_are_pages_of_their_own(visitor: Visitor, portal_address: str) -> None:
    """Unknown portal sessions and subscriptions answer 404 in HTML."""
    assert visitor.open("/portal/bps_unknown").status == 404
    assert visitor.post("/portal/bps_unknown/cancel").status == 404
    assert visitor.open(f"{portal_address}/confirm_cancel?subscription=sub_unknown").status == 404
    assert visitor.open(f"{portal_address}/confirm_cancel").status == 400


def test_a_hostile_way_back_is_no_link(visitor: Visitor, box: SandboxServer, client: stripe.StripeClient) -> None:
    """A return address that would run a script is not offered; a hostile customer name stays text."""
    buyer = client.v1.customers.create({"name": "<script>alert(1)</script>"})
    session = client.v1.billing_portal.sessions.create({"customer": buyer.id})
    # The API refuses such an address; a file of before may hold one.
    box.app.state.sandbox.world.rows("billing_portal.session")[session.id]["return_url"] = "javascript:alert(1)"
    page = visitor.open(session.url)
    assert (page.all("script"), page.all("a")) == ([], [])
    assert "<script>alert(1)</script>" in page.text
    assert "No card is saved" in page.text


@pytest.mark.parametrize(
    ("befalls", "words"),
    [
        ("fail_payment", "The last payment failed. Another card may help."),
        ("pause", "Paused: nothing is charged until you resume."),
        ("cancel", "Ended on"),
    ],
)
def test_every_state_is_told_as_a_sentence(
    *,
    visitor: Visitor,
    box: SandboxServer,
    portal_address: str,
    subscription: stripe.Subscription,
    befalls: str,
    words: str,
) -> None:
    """What happens next to a plan is said in words, whatever its state."""
    getattr(box.control, befalls)(subscription.id)
    assert words in visitor.open(portal_address).text
