"""A person at `billing dev`, with a mouse: buys, is declined, cancels, resumes, looks it all up."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from support.browser import Watched
from support.dev import DevProcess


@pytest.fixture
def dev(tmp_path: Path, browser: object) -> Iterator[DevProcess]:
    """A new world; the browser is asked for first, since without one nothing need be started."""
    with DevProcess(tmp_path) as process:
        yield process


@pytest.fixture
def shop(watched: Watched, dev: DevProcess) -> Page:
    """The demo shop, open, on the free plan."""
    watched.page.goto(dev.url)
    expect(watched.page.locator("#plan")).to_have_text("free")
    return watched.page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def buy(page: Page, card: str) -> None:
    """Go from the shop to the checkout and pay with a card."""
    press(page, "Upgrade to Pro")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Subscribe at")
    press(page, card)


def expect_plan(page: Page, plan: str, status: str) -> None:
    """See the shop's page turn to a plan by itself."""
    expect(page.locator("#plan")).to_have_text(plan)
    expect(page.locator("#status")).to_have_text(status)


def test_a_person_buys_cancels_and_resumes(watched: Watched, shop: Page, dev: DevProcess) -> None:
    """The plan turns to pro by itself, shows that it ends, goes on again, ends at once; the room has all of it."""
    buy(shop, "Succeeds 4242")
    expect_plan(shop, "pro", "active")
    expect(shop.locator("#note")).to_have_text("Thank you! Your payment has arrived.")
    expect(shop.get_by_role("button", name="Upgrade to Pro")).to_be_hidden()

    press(shop, "Manage billing")
    expect(shop.get_by_role("heading", level=1)).to_have_text("Your plan")
    press(shop, "Cancel at the end of the period")
    expect(shop.get_by_role("status")).to_have_text("The plan will end with the period.")
    shop.get_by_role("link", name="Return to").click()
    expect(shop.locator("#ending")).to_contain_text("it ends with the period")
    expect(shop.locator("#until-name")).to_have_text("Ends on")

    press(shop, "Manage billing")
    press(shop, "Resume: do not cancel")
    expect(shop.get_by_role("status")).to_have_text("The plan goes on.")
    shop.get_by_role("link", name="Return to").click()
    expect(shop.locator("#until-name")).to_have_text("Period ends")
    expect(shop.locator("#ending")).to_be_hidden()

    press(shop, "Manage billing")
    shop.get_by_role("link", name="Cancel now").click()
    press(shop, "Yes, cancel now")
    expect(shop.get_by_role("heading", name="Past plans")).to_be_visible()
    shop.get_by_role("link", name="Return to").click()
    expect(shop.locator("#plan")).to_have_text("free")
    expect(shop.locator("#status")).to_have_text("canceled")
    expect(shop.get_by_text("Period ends")).to_be_hidden()
    expect(shop.get_by_role("button", name="Upgrade to Pro")).to_be_visible()

    shop.get_by_role("link", name="Open the control room").click()
    events = shop.get_by_role("region", name="Events")
    events.get_by_text("more events").click()
    for told in (
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
    ):
        expect(events.get_by_role("link", name=told).first).to_be_visible()
    expect(events).to_contain_text('"outcome":"applied"')
    expect(shop.get_by_role("region", name="Subscriptions")).to_contain_text("canceled")


def test_a_declined_person_tries_again(shop: Page) -> None:
    """A declined card says so and leaves the plan free; the same checkout then takes another card."""
    buy(shop, "Is declined")
    expect(shop.get_by_role("alert")).to_have_text("Your card was declined. Choose another card to try again.")
    press(shop, "Succeeds 4242")
    expect_plan(shop, "pro", "active")


def test_the_bank_asks_a_person(shop: Page) -> None:
    """Failing the bank's question leaves nothing bought; completing it buys."""
    buy(shop, "Needs authentication")
    expect(shop.get_by_role("heading", level=1)).to_have_text("Your bank asks: is it you?")
    press(shop, "Fail authentication")
    expect(shop.get_by_role("alert")).to_contain_text("unable to authenticate")
    press(shop, "Needs authentication")
    press(shop, "Complete authentication")
    expect_plan(shop, "pro", "active")


def test_a_person_who_leaves_the_checkout_is_told(shop: Page) -> None:
    """Leaving leads back to the shop, which says that nothing was charged; the plan stays free."""
    press(shop, "Upgrade to Pro")
    press(shop, "Leave without paying")
    expect(shop.locator("#note")).to_have_text("You left the checkout. Nothing was charged.")
    expect(shop.locator("#note")).not_to_have_class("note good")
    expect(shop.locator("#plan")).to_have_text("free")


def test_who_waits_for_the_payment_is_not_asked_to_buy_again(shop: Page, dev: DevProcess) -> None:
    """Back from the checkout, before the webhook has come, the shop waits and offers no second purchase."""
    httpx.put(f"{dev.stripe_url}/_sandbox/delivery", json={"paused": True}).raise_for_status()
    shop.goto(f"{dev.url}/?checkout=success")
    expect(shop.locator("#note")).to_have_text("Thank you! Waiting for word of the payment…")
    expect(shop.locator("#note")).to_have_class("note good")
    expect(shop.get_by_role("button", name="Upgrade to Pro")).to_be_hidden()


def test_a_reset_of_the_sandbox_does_not_leave_the_shop_behind(shop: Page, dev: DevProcess) -> None:
    """After "Reset everything" the shop is at its free plan again, and the person buys anew."""
    for _ in range(2):
        buy(shop, "Succeeds 4242")
        expect_plan(shop, "pro", "active")
        shop.get_by_role("link", name="Open the control room").click()
        shop.get_by_text("Reset the sandbox").click()
        press(shop, "Reset everything")
        expect(shop.get_by_role("status")).to_have_text("The world is back at its beginning.")
        shop.goto(dev.url)
        expect(shop.locator("#plan")).to_have_text("free")


def test_the_api_s_refusals_are_shown_as_sentences(shop: Page) -> None:
    """Managing a plan that was never bought shows the API's own sentence in an alert."""
    press(shop, "Manage billing")
    expect(shop.get_by_role("alert")).to_be_visible()
    said = shop.get_by_role("alert").inner_text()
    assert (said[0].isupper(), said[-1]) == (True, ".")


def test_a_renewal_that_fails_is_seen_in_the_shop(watched: Watched, shop: Page, dev: DevProcess) -> None:
    """The card that fails later buys; after the clock's jump to the renewal the shop shows `past due`."""
    buy(shop, "Succeeds now, fails later")
    expect_plan(shop, "pro", "active")
    shop.get_by_role("link", name="Open the control room").click()
    press(shop, "Advance to the next renewal")
    expect(shop.get_by_role("region", name="Subscriptions")).to_contain_text("past due")
    shop.goto(dev.url)
    expect(shop.locator("#status")).to_have_text("past due")


def test_a_service_that_stops_is_noticed(watched: Watched, shop: Page, dev: DevProcess) -> None:
    """While nothing answers the shop says so and goes on trying."""
    dev.stop()
    expect(shop.locator("#trouble")).to_have_text("The service does not answer. Trying again.")


def test_the_shop_fits_its_window(watched: Watched, shop: Page) -> None:
    """The shop's page is never wider than its window, and is dark for who prefers dark."""
    for width in (320, 360, 1280):
        shop.set_viewport_size({"width": width, "height": 900})
        assert watched.overflow() == 0
    shop.emulate_media(color_scheme="dark")
    expect(shop.locator("body")).to_have_css("background-color", "rgb(18, 20, 28)")
