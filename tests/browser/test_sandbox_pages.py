"""The sandbox's pages in a real browser: how they fit their window, and how they are used by keyboard."""

from collections.abc import Iterator

import pytest
import stripe
from playwright.sync_api import expect

from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedEndpoint, SeedPrice, WebhookInbox
from support.browser import Watched

LONG_NAME = "Countess Augusta Ada King-Noel of Lovelace <script>alert(1)</script> " * 2


@pytest.fixture(scope="module")
def box() -> Iterator[SandboxServer]:
    prices = (
        SeedPrice(name="pro", unit_amount=2900, price_id="price_pro", currency="usd"),
        SeedPrice(name="enterprise", unit_amount=49900, price_id="price_enterprise", currency="usd"),
    )
    with WebhookInbox() as inbox:
        endpoint = SeedEndpoint(url=inbox.url, secret="whsec_test")
        with SandboxServer(SandboxConfig(prices=prices, endpoints=(endpoint,), account_name="Demo shop")) as server:
            yield server


@pytest.fixture(scope="module")
def client(box: SandboxServer) -> stripe.StripeClient:
    return stripe.StripeClient(box.api_key, base_addresses={"api": box.url})


def open_session(client: stripe.StripeClient, box: SandboxServer, name: str = "Ada") -> stripe.checkout.Session:
    buyer = client.v1.customers.create({"email": "ada@shop.test", "name": name})
    return client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": buyer.id,
            "line_items": [{"price": "price_pro", "quantity": 1}],
            "success_url": f"{box.url}/?paid={{CHECKOUT_SESSION_ID}}",
            "cancel_url": f"{box.url}/?left",
        }
    )


@pytest.fixture(scope="module")
def addresses(box: SandboxServer, client: stripe.StripeClient) -> list[str]:
    """One of each kind of page, crowded with long names."""
    session = open_session(client, box, LONG_NAME)
    box.control.pay(session.id)
    subscription = client.v1.subscriptions.list().data[0]
    box.control.fail_payment(subscription.id)
    portal = client.v1.billing_portal.sessions.create(
        {"customer": str(subscription.customer), "return_url": f"{box.url}/"}
    )
    waiting = open_session(client, box, LONG_NAME)
    box.control.flush()
    return [
        f"{box.url}/?did=advance",
        f"{box.url}/event/{client.v1.events.list().data[0].id}",
        f"{box.url}/invoice/{subscription.latest_invoice}",
        portal.url,
        f"{portal.url}/confirm_cancel?subscription={subscription.id}",
        f"{waiting.url}?refused=declined",
        f"{waiting.url}/authenticate?card=authentication",
        f"{box.url}/pay/cs_test_unknown",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_every_page_fits_its_window(watched: Watched, addresses: list[str]) -> None:
    """No page is wider than the window, narrow or wide, in either scheme, also with everything unfolded."""
    for address in addresses:
        watched.page.goto(address)
        watched.page.evaluate("document.querySelectorAll('details').forEach((element) => { element.open = true; })")
        assert watched.overflow() == 0, address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_preferred_is_the_scheme_shown(watched: Watched, scheme: str, addresses: list[str]) -> None:
    """The ground is bright for who prefers light and dark for who prefers dark."""
    watched.page.goto(addresses[0])
    colour: str = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))
    assert (brightness > 384) == (scheme == "light")


def test_buttons_are_large_enough_to_touch(watched: Watched, addresses: list[str]) -> None:
    """Every button is at least 24 pixels high and wide, as WCAG 2.2 asks."""
    for address in addresses:
        watched.page.goto(address)
        for button in watched.page.get_by_role("button").all():
            place = button.bounding_box()
            assert place is not None
            assert min(place["height"], place["width"]) >= 24


def test_the_skip_link_is_the_first_stop_and_is_seen(watched: Watched, addresses: list[str]) -> None:
    """The first press of the tab key shows the link to the time line, and it leads there."""
    watched.page.goto(addresses[0])
    watched.page.keyboard.press("Tab")
    link = watched.page.get_by_role("link", name="Skip to the time line of events")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    watched.page.keyboard.press("Enter")
    expect(watched.page.get_by_role("heading", name="Events", exact=True)).to_be_in_viewport()


def test_a_purchase_by_keyboard_alone(watched: Watched, box: SandboxServer, client: stripe.StripeClient) -> None:
    """Tabbing to the first card and pressing Enter buys and leads to the shop's page."""
    session = open_session(client, box)
    watched.page.goto(str(session.url))
    succeeds = watched.page.get_by_role("button", name="Succeeds 4242")
    for _ in range(5):
        watched.page.keyboard.press("Tab")
        if succeeds.evaluate("(element) => element === document.activeElement"):
            break
    expect(succeeds).to_be_focused()
    watched.page.keyboard.press("Enter")
    watched.page.wait_for_url(f"**/?paid={session.id}")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_reloading_after_a_button_repeats_nothing(
    watched: Watched, box: SandboxServer, client: stripe.StripeClient
) -> None:
    """After advancing the clock, a reload shows the room again and leaves the clock where it is."""
    watched.page.goto(f"{box.url}/")
    watched.page.get_by_role("button", name="Advance a day").click()
    expect(watched.page.get_by_role("status")).to_contain_text("The clock has moved")
    ahead = box.control.clock().offset_seconds
    watched.page.reload()
    assert box.control.clock().offset_seconds == ahead
