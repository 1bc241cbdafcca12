"""Customers, products, prices, invoices and the portal, by the official SDK."""

import pytest
import stripe

from stripe_sandbox.testing import SandboxConfig, SandboxServer, WebhookInbox


def test_a_customer_is_made_changed_and_found(client: stripe.StripeClient) -> None:
    """Customers keep what they are given; an empty value unsets a field; lists find them by e-mail."""
    made = client.v1.customers.create(
        {"email": "ada@example.com", "name": "Ada", "metadata": {"account": "1"}, "address": {"city": "London"}}
    )
    assert made.address is not None
    assert made.address.city == "London"
    changed = client.v1.customers.update(made.id, {"name": "", "metadata": {"plan": "pro"}})
    assert (changed.name, changed.email) == (None, "ada@example.com")
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"account": "1", "plan": "pro"}
    client.v1.customers.create({"email": "bob@example.com"})
    assert [row.id for row in client.v1.customers.list({"email": "ada@example.com"}).data] == [made.id]
    assert client.v1.customers.retrieve(made.id) == changed


def test_a_deleted_customer_is_out_of_lists_and_cannot_change(client: stripe.StripeClient) -> None:
    """After deletion a customer answers `deleted: true`, is listed no more and refuses updates."""
    made = client.v1.customers.create({})
    client.v1.customers.delete(made.id)
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.update(made.id, {"name": "Ada"})
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.delete(made.id)


def test_products_are_made_changed_listed_and_deleted(client: stripe.StripeClient) -> None:
    """A product can have an id of its own once; with a price it cannot be deleted."""
    made = client.v1.products.create({"id": "prod_mine", "name": "Mine", "description": "text"})
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        client.v1.products.create({"id": "prod_mine", "name": "Mine"})
    changed = client.v1.products.update(made.id, {"active": False, "metadata": {"a": "b"}})
    assert (changed.active, changed.metadata.to_dict()) == (False, {"a": "b"})
    assert [row.id for row in client.v1.products.list({"active": False}).data] == ["prod_mine"]
    client.v1.prices.create({"product": "prod_mine", "currency": "usd", "unit_amount": 100})
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        client.v1.products.delete("prod_mine")
    other = client.v1.products.create({"name": "Other"})
    assert client.v1.products.delete(other.id).deleted is True


def test_a_price_is_made_with_its_product(client: stripe.StripeClient) -> None:
    """A price can bring its product along, and carries amount, currency and rhythm."""
    made = client.v1.prices.create(
        {
            "currency": "EUR",
            "unit_amount": 4900,
            "recurring": {"interval": "month", "interval_count": 3},
            "product_data": {"name": "Team"},
            "lookup_key": "team",
        }
    )
    assert made.id.startswith("price_1")
    assert (made.currency, made.type, str(made.unit_amount_decimal)) == ("eur", "recurring", "4900")
    assert made.recurring is not None
    assert (made.recurring.interval, made.recurring.interval_count) == ("month", 3)
    assert client.v1.products.retrieve(str(made.product)).name == "Team"


def test_lookup_keys_name_one_price_and_move(client: stripe.StripeClient) -> None:
    """A taken lookup key is refused unless it is transferred; then it names the new price."""
    (old,) = client.v1.prices.list({"lookup_keys": ["pro"]}).data
    given: stripe.params.PriceCreateParams = {
        "currency": "eur",
        "unit_amount": 3500,
        "recurring": {"interval": "month"},
        "product": str(old.product),
        "lookup_key": "pro",
    }
    with pytest.raises(stripe.InvalidRequestError, match="already uses"):
        client.v1.prices.create(given)
    new = client.v1.prices.create({**given, "transfer_lookup_key": True})
    assert [row.id for row in client.v1.prices.list({"lookup_keys": ["pro"]}).data] == [new.id]
    assert client.v1.prices.retrieve(old.id).lookup_key is None


def test_prices_are_filtered(client: stripe.StripeClient) -> None:
    """Prices are listed by product, rhythm and whether they are sold."""
    yearly = client.v1.prices.list({"recurring": {"interval": "year"}}).data
    assert [row.id for row in yearly] == ["price_pro_yearly"]
    client.v1.prices.update("price_pro_yearly", {"active": False})
    assert "price_pro_yearly" not in [row.id for row in client.v1.prices.list({"active": True}).data]
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": "price_pro_yearly", "quantity": 1}],
                "success_url": "https://example.com/thanks",
            }
        )


def test_invoices_tell_of_their_subscription(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """An invoice names its subscription in its parent, numbers itself, and is listed by status."""
    box.control.fail_payment(subscription.id)
    (unpaid,) = client.v1.invoices.list({"status": "open", "subscription": subscription.id}).data
    assert unpaid.parent is not None
    assert unpaid.parent.subscription_details is not None
    assert unpaid.parent.subscription_details.subscription == subscription.id
    assert (unpaid.amount_due, unpaid.amount_remaining, unpaid.attempt_count) == (2900, 2900, 1)
    (paid,) = client.v1.invoices.list({"status": "paid"}).data
    assert (paid.amount_paid, paid.billing_reason) == (2900, "subscription_create")
    assert str(paid.number).endswith("-0001")
    assert str(unpaid.number).endswith("-0002")


def test_an_open_invoice_is_paid_by_a_good_card_only(
    client: stripe.StripeClient, box: SandboxServer, subscription: stripe.Subscription
) -> None:
    """Paying with the refused card is a CardError; with another card the subscription recovers."""
    box.control.change_card(str(subscription.customer), "fails_later")
    box.control.renew(subscription.id)
    (unpaid,) = client.v1.invoices.list({"status": "open"}).data
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(unpaid.id)
    box.control.change_card(str(subscription.customer), "succeeds")
    assert client.v1.invoices.pay(unpaid.id).status == "paid"
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(unpaid.id)


def test_a_portal_session_leads_to_the_portal(
    client: stripe.StripeClient, inbox: WebhookInbox, subscription: stripe.Subscription
) -> None:
    """A portal session has an address, the default configuration and the caller's return address."""
    made = client.v1.billing_portal.sessions.create(
        {"customer": str(subscription.customer), "return_url": "https://example.com/account"}
    )
    assert made.url.endswith(f"/portal/{made.id}")
    (default,) = client.v1.billing_portal.configurations.list({"is_default": True}).data
    assert (made.configuration, made.return_url) == (default.id, "https://example.com/account")


def test_portal_configurations_are_made_and_changed(client: stripe.StripeClient) -> None:
    """A configuration keeps the features it is given and leaves the others as they were."""
    made = client.v1.billing_portal.configurations.create(
        {"features": {"subscription_cancel": {"enabled": True, "mode": "immediately"}}, "name": "Ours"}
    )
    assert (made.features.subscription_cancel.mode, made.features.invoice_history.enabled) == ("immediately", True)
    changed = client.v1.billing_portal.configurations.update(made.id, {"active": False})
    assert (changed.active, changed.is_default) == (False, False)
    customer = client.v1.customers.create({})
    session = client.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": made.id})
    assert session.configuration == made.id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing_portal.sessions.create({"customer": customer.id, "configuration": "bpc_none"})
    assert caught.value.code == "resource_missing"


def test_an_account_without_portal_settings_needs_a_configuration() -> None:
    """As at Stripe, a portal session without a configuration is a 400 until somebody has saved settings."""
    with SandboxServer(SandboxConfig(portal_configuration=False)) as own:
        client = stripe.StripeClient(own.api_key, base_addresses={"api": own.url})
        customer = client.v1.customers.create({})
        with pytest.raises(stripe.InvalidRequestError, match="default configuration has not been created"):
            client.v1.billing_portal.sessions.create({"customer": customer.id})
