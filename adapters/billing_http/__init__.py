"""The service as REST clients and Stripe's webhooks see it: Litestar controllers that only translate."""

from billing_http.controllers import ROUTES
from billing_http.envelope import RequestEnvelope, current_request_id
from billing_http.errors import EXCEPTION_HANDLERS
from billing_http.overloaded import refusing_app
from billing_http.use_cases import UseCases
from billing_http.webhooks import webhook_route

__all__ = [
    "EXCEPTION_HANDLERS",
    "ROUTES",
    "RequestEnvelope",
    "UseCases",
    "current_request_id",
    "refusing_app",
    "webhook_route",
]
