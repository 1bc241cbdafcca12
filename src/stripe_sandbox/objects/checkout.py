"""Checkout sessions and their line items."""

from stripe_sandbox.resource import Resource, snapshot


def checkout_session(
    session_id: str, *, mode: str, currency: str | None, amount: int, created: int, expires_at: int
) -> Resource:
    return {
        "id": session_id,
        "object": "checkout.session",
        **_money(currency, amount),
        **_buyer(),
        **_what_comes_of_it(),
        **_payment(),
        **_looks(),
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "client_reference_id": None,
        "client_secret": None,
        "created": created,
        "expires_at": expires_at,
        "integration_identifier": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "mode": mode,
        "origin_context": None,
        "permissions": None,
        "recovered_from": None,
        "status": "open",
        "url": None,
    }


def _money(currency: str | None, amount: int) -> Resource:
    return {
        "allow_promotion_codes": None,
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "currency": currency,
        "currency_conversion": None,
        "discounts": [],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    }


def _buyer() -> Resource:
    return {
        "billing_address_collection": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "customer": None,
        "customer_account": None,
        "customer_creation": None,
        "customer_details": None,
        "customer_email": None,
        "phone_number_collection": {"enabled": False},
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
    }


def _what_comes_of_it() -> Resource:
    return {
        "invoice": None,
        "invoice_creation": None,
        "payment_intent": None,
        "payment_link": None,
        "setup_intent": None,
        "subscription": None,
    }


def _payment() -> Resource:
    return {
        "payment_method_collection": "always",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "saved_payment_method_options": _saved_payment_methods(),
        "wallet_options": None,
    }


def _looks() -> Resource:
    return {
        "branding_settings": None,
        "cancel_url": None,
        "custom_fields": [],
        "custom_text": _custom_text(),
        "locale": None,
        "submit_type": None,
        "success_url": None,
        "ui_mode": "hosted_page",
    }


def _custom_text() -> Resource:
    return {"after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None}


def _saved_payment_methods() -> Resource:
    return {
        "allow_redisplay_filters": ["always"],
        "payment_method_remove": "disabled",
        "payment_method_save": None,
    }


def line_item(item_id: str, *, price: Resource, product_name: str, quantity: int) -> Resource:
    amount = int(price["unit_amount"]) * quantity
    return {
        "id": item_id,
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product_name,
        "metadata": {},
        "price": snapshot(price),
        "quantity": quantity,
    }


def customer_details(*, email: str | None, name: str | None) -> Resource:
    return {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }
