"""Invoices of subscriptions and their lines."""

from stripe_sandbox.resource import Resource


def invoice(
    invoice_id: str, *, subscription: Resource, customer: Resource, lines: list[Resource], created: int
) -> Resource:
    row: Resource = {
        "id": invoice_id,
        "object": "invoice",
        **_account(),
        **_buyer(customer),
        **_collection(),
        **_life(created),
        **_looks(),
        **_money(),
        "currency": subscription["currency"],
        "livemode": False,
        "metadata": {},
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": {**subscription["metadata"]},
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
    }
    set_lines(row, lines)
    return row


def set_lines(row: Resource, lines: list[Resource]) -> None:
    """Put lines on a draft, and what they come to."""
    for line in lines:
        line["invoice"] = row["id"]
    row["lines"] = {
        "object": "list",
        "data": lines,
        "has_more": False,
        "total_count": len(lines),
        "url": f"/v1/invoices/{row['id']}/lines",
    }
    total = sum(int(line["amount"]) for line in lines)
    row.update(dict.fromkeys(("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"), total))
    row.update(dict.fromkeys(("amount_due", "amount_remaining"), max(total, 0)))


def _account() -> Resource:
    return {
        "account_country": "US",
        "account_name": None,
        "account_tax_ids": None,
        "application": None,
        "issuer": {"type": "self"},
        "on_behalf_of": None,
    }


def _buyer(customer: Resource) -> Resource:
    return {
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "test_clock": customer["test_clock"],
    }


def _collection() -> Resource:
    return {
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatically_finalizes_at": None,
        "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically",
        "default_payment_method": None,
        "default_source": None,
        "due_date": None,
        "next_payment_attempt": None,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
    }


def _life(created: int) -> Resource:
    return {
        "created": created,
        "effective_at": created,
        "from_invoice": None,
        "last_finalization_error": None,
        "latest_revision": None,
        "period_end": created,
        "period_start": created,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "webhooks_delivered_at": None,
    }


def _looks() -> Resource:
    return {
        "custom_fields": None,
        "description": None,
        "footer": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "number": None,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "statement_descriptor": None,
    }


def _money() -> Resource:
    return {
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "default_tax_rates": [],
        "discounts": [],
        "ending_balance": 0,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def invoice_line(
    line_id: str,
    *,
    subscription: Resource,
    item: Resource,
    amount: int,
    period: tuple[int, int],
    description: str,
    proration: bool = False,
) -> Resource:
    """A line for a subscription's item and a stretch of time; the invoice it comes onto names itself on it."""
    row = _line(line_id, subscription, item["price"], quantity=item["quantity"], amount=amount, description=description)
    row.update(discountable=not proration, period={"end": period[1], "start": period[0]})
    row["parent"] = {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None,
            "proration": proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }
    return row


def one_time_line(
    line_id: str, *, item_id: str, subscription: Resource, price: Resource, quantity: int, description: str, now: int
) -> Resource:
    """A line for what is bought once, together with a subscription; `item_id` is that of its invoice item."""
    amount = int(price["unit_amount"]) * quantity
    row = _line(line_id, subscription, price, quantity=quantity, amount=amount, description=description)
    row["period"] = {"end": now, "start": now}
    row["parent"] = {
        "invoice_item_details": {
            "invoice_item": item_id,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    return row


def _line(
    line_id: str, subscription: Resource, price: Resource, *, quantity: int, amount: int, description: str
) -> Resource:
    return {
        "id": line_id,
        "object": "line_item",
        "amount": amount,
        "currency": subscription["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {**subscription["metadata"]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }
