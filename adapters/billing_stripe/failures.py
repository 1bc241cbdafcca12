"""What Stripe's refusals and silences mean to the domain. One table, in one place.

| Stripe                                                        | here                                              |
|---------------------------------------------------------------|---------------------------------------------------|
| no connection, no answer in time                              | `ProviderUnavailable`                             |
| 429, also a lock timeout                                      | `ProviderUnavailable`, with its `Retry-After`     |
| 409 (the idempotency key is in use), 424, 5xx                 | `ProviderUnavailable`, with its `Retry-After`     |
| an answer that is not Stripe's (a proxy's page, not JSON)     | `ProviderUnavailable`                             |
| 400/404 `resource_missing` on `customer`                      | `CustomerMissing`                                 |
| 401, 402, 403, every other 4xx                                | `ProviderRefused`                                 |
| 5xx with `Idempotent-Replayed: true`, under a key of ours     | `KeySpent`: this answer comes for as long as      |
|                                                               | Stripe keeps the key                              |
| 400 `idempotency_error`: other parameters under a key of ours | `KeySpent`                                        |

The SDK repeats a 5xx under the same key, and the last answer counts: a failure that Stripe stores can be `KeySpent`
within the very call that met it first. Requests without a key of ours get a random one from the SDK, which the next
call does not repeat: to them a replayed 5xx is one like any other.

Sources: https://docs.stripe.com/api/errors, https://docs.stripe.com/error-low-level,
https://docs.stripe.com/api/idempotent_requests
"""

import logging
from collections.abc import Mapping

import stripe

from billing.errors import CustomerMissing, KeySpent, ProviderRefused, ProviderUnavailable

RETRY_AFTER_LONGEST_SECONDS = 3600.0
"""More patience than this is not believed."""

_PASSING = frozenset({409, 424})
"""4xx that say "not now": in conflict, an external dependency failed. For too many requests the SDK has a class."""

logger = logging.getLogger(__name__)


def failure_of(
    error: stripe.StripeError, *, operation: str, subject: str, keyed: bool = False
) -> CustomerMissing | KeySpent | ProviderRefused | ProviderUnavailable:
    """Answer the domain's error for one of the SDK's, and tell the operator what the caller will not hear.

    `operation` and `subject` (an id) go to the log, with what Stripe says apart from its message: a message repeats
    what was sent. `subject` must not be secret. `keyed` says that the request had an idempotency key of ours; only
    then the answer may be `KeySpent`.
    """
    if keyed and _is_key_spent(error):
        logger.warning("The idempotency key is spent: %s of %s: %s", operation, subject, described(error))
        return KeySpent()
    if is_missing(error, param="customer"):
        logger.warning("Stripe does not have the customer any more: %s of %s", operation, subject)
        return CustomerMissing()
    if _is_passing(error):
        logger.warning("Stripe is unavailable: %s of %s: %s", operation, subject, described(error))
        return ProviderUnavailable(retry_after_seconds=retry_after_seconds(error.headers or {}))
    logger.error("Stripe refused: %s of %s: %s", operation, subject, described(error))
    return ProviderRefused()


def is_missing(error: stripe.StripeError, *, param: str | None = None) -> bool:
    """Whether Stripe does not know what was named (by the parameter, if one is given)."""
    details = error.error
    if getattr(details, "code", None) != "resource_missing":
        return False
    return param is None or getattr(details, "param", None) == param


def _is_key_spent(error: stripe.StripeError) -> bool:
    """Whether every repetition under this key will fail alike. A key in use (409) is not spent, whatever its type."""
    status = error.http_status or 0
    if status >= 500:  # noqa: PLR2004 - HTTP's server errors
        return (error.headers or {}).get("idempotent-replayed") == "true"
    return isinstance(error, stripe.IdempotencyError) and status not in _PASSING


def _is_passing(error: stripe.StripeError) -> bool:
    if error.error is None or error.http_status is None or isinstance(error, stripe.RateLimitError):
        # No answer, or none in Stripe's words: something between us and Stripe spoke. Or simply too many requests.
        return True
    return error.http_status in _PASSING or not 400 <= error.http_status < 500  # noqa: PLR2004 - HTTP's classes


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After`, in seconds and bounded; `None` if it is missing or a date, which Stripe does not send."""
    text = headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), RETRY_AFTER_LONGEST_SECONDS)


def described(error: stripe.StripeError) -> str:
    """Answer what may be logged of an error: no message, no body, no parameters' values."""
    return (
        f"{type(error).__name__}, HTTP {error.http_status}, code {getattr(error.error, 'code', None)}, "
        f"param {getattr(error.error, 'param', None)}, request {error.request_id}"
    )
