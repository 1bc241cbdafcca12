"""Portal sessions for one thing, and configurations that choose how a plan is cancelled."""

from collections.abc import Callable

import pytest
import stripe

from stripe_sandbox.control.client import ControlError
from stripe_sandbox.testing import SandboxServer
from support.html_forms import Visitor

Open = Callable[..., str]
SHOP = "http://shop.test/account"


@pytest.fixture
def portal(client: stripe.StripeClient, subscription: stripe.Subscription) -> Open:
    """Make a portal session for Ada; answers its address."""

    def opened(**params: object) -> str:
        given = {"customer": str(subscription.customer), "return_url": SHOP, **params}
        # The parameters are put together from parts, which the SDK's precise type cannot follow.
        session = client.v1.billing_portal.sessions.create(given)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        return session.url

    return opened


@pytest.fixture
def status(client: stripe.StripeClient, subscription: stripe.Subscription) -> Callable[[], tuple[str, bool]]:
    """The subscription's status, and whether its end is planned."""

    def read() -> tuple[str, bool]:
        now = client.v1.subscriptions.retrieve(subscription.id)
        return now.status, now.cancel_at is not None

    return read


def test_a_flow_to_cancel_shows_that_alone(
    visitor: Visitor, portal: Open, subscription: stripe.Subscription, status: Callable[[], tuple[str, bool]]
) -> None:
    """The page offers to cancel and nothing else, and afterwards the browser is where the shop wants it."""
    flow = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription.id},
        "after_completion": {"type": "redirect", "redirect": {"return_url": f"{SHOP}?cancelled"}},
    }
    page = visitor.open(portal(flow_data=flow))
    assert page.buttons == ["Cancel at the end of the period", "Cancel now"]
    assert "Invoices" not in page.text
    answer = visitor.press(page, "Cancel at the end of the period")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SHOP}?cancelled")
    assert status() == ("active", True)


def test_a_flow_may_end_with_a_confirmation(visitor: Visitor, portal: Open) -> None:
    """Updating the card ends on a page with the shop's words and the way back, not in the portal."""
    flow = {
        "type": "payment_method_update",
        "after_completion": {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Thank you!"}},
    }
    page = visitor.open(portal(flow_data=flow))
    assert page.buttons == ["Update card"]
    done = visitor.follow(visitor.press(page, "Update card", card="fails_later"))
    assert ("Thank you!" in done.text, done.buttons) == (True, [])
    assert [link.get("href") for link in done.all("a")] == [SHOP]


def test_a_flow_to_change_leads_to_the_portal(
    visitor: Visitor, portal: Open, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """Without an ending of its own the flow leads to the whole portal, where the change is told."""
    flow = {"type": "subscription_update", "subscription_update": {"subscription": subscription.id}}
    page = visitor.open(portal(flow_data=flow))
    assert all(label.startswith("Change to") for label in page.buttons)
    home = visitor.follow(visitor.press(page, "Change to Enterprise, €99.00 a month"))
    assert "The plan is changed." in home.text
    assert "Invoices" in home.text
    assert client.v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == "price_enterprise"


def test_a_change_the_shop_has_chosen_is_confirmed(
    visitor: Visitor, portal: Open, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """The page names the new price and the old one, and one button makes the change."""
    item = subscription["items"].data[0].id
    details = {"subscription": subscription.id, "items": [{"id": item, "price": "price_enterprise", "quantity": 1}]}
    page = visitor.open(
        portal(flow_data={"type": "subscription_update_confirm", "subscription_update_confirm": details})
    )
    assert (page.buttons, "Instead of Pro, €29.00 a month" in page.text) == (["Confirm"], True)
    visitor.press(page, "Confirm")
    assert client.v1.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == "price_enterprise"


def test_a_flow_to_pause(
    visitor: Visitor,
    portal: Open,
    client: stripe.StripeClient,
    subscription: stripe.Subscription,
    status: Callable[[], tuple[str, bool]],
) -> None:
    """The flow follows the configuration: where pausing is not offered it says so, where it is it pauses."""
    flow = {"type": "subscription_pause", "subscription_pause": {"subscription": subscription.id}}
    configurations = client.v1.billing_portal.configurations
    offering = configurations.create({"features": {"subscription_pause": {"enabled": True}}}).id
    address = portal(flow_data=flow, configuration=offering)
    configurations.update(offering, {"features": {"subscription_pause": {"enabled": False}}})
    refused = visitor.open(address)
    assert (refused.buttons, "does not offer that" in refused.text) == ([], True)
    configurations.update(offering, {"features": {"subscription_pause": {"enabled": True}}})
    visitor.press(visitor.open(address), "Pause the plan")
    assert status()[0] == "paused"


def test_a_flow_for_another_s_plan_is_refused(
    client: stripe.StripeClient, portal: Open, subscription: stripe.Subscription
) -> None:
    """A subscription of another customer, and one left out, are a 400 that names the parameter."""
    other = client.v1.customers.create({})
    details = {"subscription": subscription.id}
    with pytest.raises(stripe.InvalidRequestError, match="not one of the customer's"):
        portal(customer=other.id, flow_data={"type": "subscription_cancel", "subscription_cancel": details})
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param"):
        portal(flow_data={"type": "subscription_cancel"})


@pytest.mark.parametrize(
    ("mode", "offered", "refused"),
    [
        ("at_period_end", "cancel_at_period_end", "cancel"),
        ("immediately", "cancel", "cancel_at_period_end"),
    ],
)
def test_the_configuration_chooses_how_a_plan_ends(
    *,
    visitor: Visitor,
    portal: Open,
    client: stripe.StripeClient,
    subscription: stripe.Subscription,
    mode: str,
    offered: str,
    refused: str,
) -> None:
    """A configuration with a mode offers that way of cancelling, and a form for the other answers 403."""
    cancelling = {"enabled": True, "mode": mode}
    # The mode comes from a list, which the SDK's precise type cannot follow.
    configuration = client.v1.billing_portal.configurations.create(
        {"features": {"subscription_cancel": cancelling}}  # type: ignore[typeddict-item]  # pyright: ignore[reportArgumentType]
    )
    address = portal(configuration=configuration.id)
    page = visitor.open(address)
    assert ("Cancel now" in page.text) is (mode == "immediately")
    assert ("Cancel at the end of the period" in page.buttons) is (mode == "at_period_end")
    assert visitor.post(f"{address}/{refused}", subscription=subscription.id).status == 403
    assert visitor.post(f"{address}/{offered}", subscription=subscription.id).status == 303


def test_choosing_for_the_default_configuration_counts_too(
    visitor: Visitor, portal: Open, client: stripe.StripeClient
) -> None:
    """The account's default offers both ways until somebody chooses one."""
    assert "Cancel now" in visitor.open(portal()).text
    (default,) = client.v1.billing_portal.configurations.list({"is_default": True}).data
    client.v1.billing_portal.configurations.update(
        default.id, {"features": {"subscription_cancel": {"enabled": True, "mode": "at_period_end"}}}
    )
    assert "Cancel now" not in visitor.open(portal()).text


def test_the_portal_of_a_deleted_customer_is_gone(
    visitor: Visitor, portal: Open, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """Its page and its actions answer 410 with a sentence."""
    address = portal()
    client.v1.customers.delete(str(subscription.customer))
    page = visitor.open(address)
    assert (page.status, "was deleted" in page.text) == (410, True)
    assert visitor.post(f"{address}/update_card", card="succeeds").status == 410


def test_a_card_is_saved_after_the_bank_s_question(
    visitor: Visitor, box: SandboxServer, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    """A session that only saves a card has no amount, and its question is asked without one."""
    session = client.v1.checkout.sessions.create(
        {"mode": "setup", "customer": customer.id, "currency": "eur", "success_url": "https://shop.test/"}
    )
    box.app.state.sandbox.world.rows("checkout.session")[session.id]["currency"] = None
    page = visitor.open(f"/pay/{session.id}/authenticate?card=authentication")
    assert (page.status, "The card is to be saved with Sandbox" in page.text) == (200, True)
    visitor.press(page, "Complete authentication")
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_a_subscription_that_has_ended_cannot_be_cancelled(
    box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """The call says so."""
    box.control.cancel(subscription.id)
    with pytest.raises(ControlError, match="has ended") as refused:
        box.control.cancel(subscription.id)
    assert refused.value.status == 400


@pytest.mark.parametrize("ending", ["hosted_confirmation", "redirect"])
def test_a_finished_flow_says_so_when_it_is_opened_again(
    visitor: Visitor, portal: Open, subscription: stripe.Subscription, ending: str
) -> None:
    """It offers nothing more, and blames no configuration."""
    after = {"type": ending, **({"redirect": {"return_url": SHOP}} if ending == "redirect" else {})}
    flow = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription.id},
        "after_completion": after,
    }
    address = portal(flow_data=flow)
    visitor.press(visitor.open(address), "Cancel at the end of the period")
    again = visitor.open(address)
    assert (again.buttons, "This is done already." in again.text) == ([], True)


def test_a_plan_that_is_to_end_anyway_is_told(
    visitor: Visitor, portal: Open, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """A flow to cancel at the period's end shows the end that is planned already."""
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    configuration = client.v1.billing_portal.configurations.create(
        {"features": {"subscription_cancel": {"enabled": True, "mode": "at_period_end"}}}
    )
    flow = {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription.id}}
    page = visitor.open(portal(flow_data=flow, configuration=configuration.id))
    assert "will not be renewed" in page.text
    assert "configuration" not in page.text


def test_a_change_that_is_made_already_is_not_confirmed_again(
    visitor: Visitor, portal: Open, client: stripe.StripeClient, subscription: stripe.Subscription
) -> None:
    """When the plan has the chosen price, from wherever, there is no button."""
    item = subscription["items"].data[0].id
    details = {"subscription": subscription.id, "items": [{"id": item, "price": "price_enterprise", "quantity": 1}]}
    address = portal(flow_data={"type": "subscription_update_confirm", "subscription_update_confirm": details})
    client.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": "price_enterprise"}]})
    page = visitor.open(address)
    assert (page.buttons, "The plan is changed already." in page.text) == ([], True)


def test_a_session_for_one_thing_does_nothing_else(
    visitor: Visitor, portal: Open, subscription: stripe.Subscription, status: Callable[[], tuple[str, bool]]
) -> None:
    """A session to update the card cancels nothing; one to confirm a change takes no other price."""
    card = portal(flow_data={"type": "payment_method_update"})
    assert visitor.post(f"{card}/cancel_at_period_end", subscription=subscription.id).status == 403
    assert status() == ("active", False)
    visitor.post(f"{card}/update_card", card="succeeds")
    assert visitor.post(f"{card}/cancel_at_period_end", subscription=subscription.id).status == 303
    item = subscription["items"].data[0].id
    details = {"subscription": subscription.id, "items": [{"id": item, "price": "price_enterprise", "quantity": 1}]}
    confirm = portal(flow_data={"type": "subscription_update_confirm", "subscription_update_confirm": details})
    other = {"subscription": subscription.id, "price": "price_pro_yearly"}
    assert visitor.post(f"{confirm}/change_price", **other).status == 403


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ("price_enterprise", "The difference goes on the next invoice."),
        ("price_pro_yearly", "A new period begins, and the difference is charged at once."),
    ],
)
def test_it_says_when_a_change_is_charged(
    *, visitor: Visitor, portal: Open, subscription: stripe.Subscription, price: str, told: str
) -> None:
    """A change of interval is charged at once, any other with the next invoice; the portal's list says both."""
    item = subscription["items"].data[0].id
    details = {"subscription": subscription.id, "items": [{"id": item, "price": price, "quantity": 1}]}
    confirm = portal(flow_data={"type": "subscription_update_confirm", "subscription_update_confirm": details})
    assert told in visitor.open(confirm).text
    assert "where the period changes, a new one begins and is charged at once" in visitor.open(portal()).text
