"""What a subscription is made of and changed by, by parameter."""

from typing import Final

from stripe_sandbox.api.params import (
    PAGE,
    array,
    boolean,
    choice,
    choice_or,
    clearable,
    group,
    ignored,
    integer,
    metadata,
    moment,
    text,
    time_range,
    unsupported,
)
from stripe_sandbox.resources.common import MOST_QUANTITY

STATUSES: Final = (
    "active",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)
PERIOD_END_WORDS: Final = ("max_period_end", "min_period_end")
_CANCEL_AT: Final = clearable(choice_or(moment(), *PERIOD_END_WORDS))
_CANCELLATION: Final = group(
    comment=text(),
    feedback=clearable(
        choice(
            "customer_service",
            "low_quality",
            "missing_features",
            "other",
            "switched_service",
            "too_complex",
            "too_expensive",
            "unused",
        )
    ),
    unused=("feedback_option",),
)
_PRORATION: Final = choice("always_invoice", "create_prorations", "none")
_BEHAVIOUR: Final = choice("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")
_SHARED: Final = {
    "cancel_at_period_end": boolean(),
    "collection_method": choice("charge_automatically", undone=("send_invoice",)),
    "default_payment_method": text(),
    "description": text(longest=500),
    "metadata": metadata(),
    "payment_behavior": _BEHAVIOUR,
    "proration_behavior": _PRORATION,
    "trial_end": choice_or(moment(), "now"),
    **ignored(
        "application_fee_percent",
        "automatic_tax",
        "billing_cycle_anchor",
        "billing_schedules",
        "billing_thresholds",
        "default_source",
        "default_tax_rates",
        "invoice_settings",
        "off_session",
        "on_behalf_of",
        "payment_settings",
        "pending_invoice_item_interval",
        "transfer_data",
        "trial_from_plan",
        "trial_settings",
    ),
    **unsupported("add_invoice_items", "days_until_due", "discounts"),
}
_ITEM: Final = {
    "metadata": metadata(),
    "price": text(clearable=False),
    "quantity": integer(least=0, most=MOST_QUANTITY),
    **ignored("billing_thresholds", "tax_rates"),
    **unsupported("current_trial", "discounts", "plan", "price_data"),
}
CREATE: Final = {
    **_SHARED,
    "cancel_at": _CANCEL_AT,
    "billing_mode": group(required=("type",), type=choice("classic", "flexible"), unused=("flexible",)),
    "customer": text(clearable=False),
    "items": array(group(_ITEM, required=("price",)), least=1, most=20),
    "trial_period_days": integer(least=1, most=730),
    **ignored("backdate_start_date", "billing_cycle_anchor_config", "currency", "customer_account"),
}
LIST: Final = {
    **PAGE,
    "collection_method": choice("charge_automatically", "send_invoice"),
    "created": time_range(),
    "current_period_end": time_range(),
    "current_period_start": time_range(),
    "customer": text(),
    "plan": text(),
    "price": text(),
    "status": choice(*STATUSES, "all", "ended"),
    "test_clock": text(),
    **ignored("automatic_tax", "customer_account"),
}
UPDATE: Final = {
    **_SHARED,
    "cancel_at": _CANCEL_AT,
    "cancellation_details": _CANCELLATION,
    "items": array(group(_ITEM, id=text(clearable=False), deleted=boolean(), unused=("clear_usage",)), most=20),
    "pause_collection": clearable(
        group(
            required=("behavior",),
            behavior=choice("keep_as_draft", "mark_uncollectible", "void"),
            resumes_at=moment(),
        )
    ),
    **ignored("proration_date"),
}
CANCEL: Final = {"cancellation_details": _CANCELLATION, "invoice_now": boolean(), "prorate": boolean()}
PAUSE: Final = {
    "invoicing_behavior": choice("invoice", "pending_invoice_item"),
    "type": choice("subscription"),
    **ignored("bill_for"),
}
RESUME: Final = {
    "payment_behavior": choice("resume_on_payment_attempt", "resume_on_payment_success"),
    "proration_behavior": _PRORATION,
    **ignored("billing_cycle_anchor", "proration_date"),
}
