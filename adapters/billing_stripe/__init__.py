"""The adapter for Stripe: the gateway to its API, and the reader of its webhooks, both on the official SDK."""

from billing_stripe.gateway import API_VERSION, Patience, StripeGateway
from billing_stripe.subscribed_events import SUBSCRIBED_EVENTS, SubscribedEvent
from billing_stripe.webhook_reader import StripeWebhookReader, is_live_key

__all__ = [
    "API_VERSION",
    "SUBSCRIBED_EVENTS",
    "Patience",
    "StripeGateway",
    "StripeWebhookReader",
    "SubscribedEvent",
    "is_live_key",
]
