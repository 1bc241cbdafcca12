"""What can go wrong, in the domain's words. Each error has a slug and fields; HTTP status codes are the edge's."""

from typing import ClassVar


class BillingError(Exception):
    """An outcome the caller must be told about. `slug` is stable; `str(error)` is a sentence for a person."""

    slug: ClassVar[str] = "billing_error"


class UnknownTier(BillingError):
    """The tier asked for is not one of ours."""

    slug = "unknown_tier"

    def __init__(self, *, tier: str, known: tuple[str, ...]) -> None:
        """Name what was asked for, and what there is."""
        self.tier = tier
        super().__init__(f"there is no tier {tier!r}; the tiers are {', '.join(known)}")


class TierNotSoldOnline(BillingError):
    """The tier exists, but Checkout does not sell it."""

    slug = "tier_not_sold_online"

    def __init__(self, *, tier: str) -> None:
        """Say what to do instead."""
        self.tier = tier
        if tier == "free":
            super().__init__("the free tier needs no checkout; to leave a paid plan, use the billing portal")
        else:
            super().__init__(f"the {tier} tier is arranged with sales, not sold by checkout")


class AlreadySubscribed(BillingError):
    """The account has a live subscription, or has just bought one."""

    slug = "already_subscribed"

    def __init__(self) -> None:
        """Point to the portal."""
        super().__init__("this account already has a subscription; change or cancel it in the billing portal")


class CheckoutInProgress(BillingError):
    """Other checkouts of the same account kept overtaking this one."""

    slug = "checkout_in_progress"

    def __init__(self) -> None:
        """Ask to try again."""
        super().__init__("another checkout of this account is being opened; try again in a moment")


class NeverSubscribed(BillingError):
    """The account has no billing history to show in the portal."""

    slug = "never_subscribed"

    def __init__(self) -> None:
        """Point to the checkout."""
        super().__init__("this account has never had a subscription; start one with a checkout")


class BillingHistoryDeleted(BillingError):
    """The account's customer was deleted at Stripe, and with it everything that the portal could show."""

    slug = "billing_history_deleted"

    def __init__(self) -> None:
        """Point to the checkout, which is refused as long as a subscription of the deleted customer is held."""
        super().__init__(
            "the billing history of this account was deleted; a checkout starts a new one, "
            "as soon as the old subscription is known to have ended"
        )


class InvalidApiKey(BillingError):
    """The key is unknown or was revoked; which of the two is nobody's business."""

    slug = "invalid_api_key"

    def __init__(self) -> None:
        """Give nothing away."""
        super().__init__("invalid or revoked api key")


class AccountNotFound(BillingError):
    """No account has that id or address."""

    slug = "account_not_found"

    def __init__(self, *, account: str) -> None:
        """Name what was looked for."""
        super().__init__(f"there is no account {account!r}")


class AccountExists(BillingError):
    """An account with that e-mail address is there already."""

    slug = "account_exists"

    def __init__(self, *, email: str) -> None:
        """Name the address."""
        super().__init__(f"there is an account for {email} already")


class InvalidEmail(BillingError):
    """The e-mail address cannot be one."""

    slug = "invalid_email"

    def __init__(self, *, email: str) -> None:
        """Name the address."""
        super().__init__(f"{email[:80]!r} is not an e-mail address")


class InvalidName(BillingError):
    """The name is too long, or has characters that cannot be shown."""

    slug = "invalid_name"

    def __init__(self, *, longest: int) -> None:
        """Say how long it may be, in characters."""
        super().__init__(f"a name is at most {longest} printable characters")


class ApiKeyNotFound(BillingError):
    """No API key has that id."""

    slug = "api_key_not_found"

    def __init__(self, *, key: str) -> None:
        """Name what was looked for."""
        super().__init__(f"there is no api key {key!r}")


class SignatureInvalid(BillingError):
    """The webhook is not Stripe's, or not fresh: missing, malformed, wrong, stale or future signature."""

    slug = "invalid_signature"

    def __init__(self, reason: str) -> None:
        """Say which, without repeating the caller's bytes."""
        super().__init__(f"the Stripe-Signature header was refused: {reason}")


class PayloadInvalid(BillingError):
    """The webhook's body is signed but is no event of the kind this endpoint takes."""

    slug = "invalid_payload"

    def __init__(self, reason: str) -> None:
        """Say what is wrong with it."""
        super().__init__(f"the webhook's body was refused: {reason}")


class EventNotProcessed(BillingError):
    """A verified event could not be decoded or written; it is kept, and Stripe will send it again."""

    slug = "event_not_processed"

    def __init__(self) -> None:
        """Ask Stripe for another delivery."""
        super().__init__("the event could not be processed; it is kept and will be processed when sent again")


class Overloaded(BillingError):
    """More is waiting to be written than this service is willing to hold in memory."""

    slug = "overloaded"
    retry_after_seconds: ClassVar[int] = 1

    def __init__(self) -> None:
        """Ask for patience."""
        super().__init__("too much is waiting to be written; try again in a moment")


class StoreUnavailable(BillingError):
    """The database does not answer, or refuses to write for reasons of its own. Nothing was done."""

    slug = "database_unavailable"
    retry_after_seconds: ClassVar[int] = 5

    def __init__(self) -> None:
        """Ask for patience."""
        super().__init__("the database is unavailable; try again in a moment")


class ProviderUnavailable(BillingError):
    """Stripe could not be reached, was too slow, or asked us to slow down. Trying again later may help."""

    slug = "payment_provider_unavailable"

    def __init__(self, *, retry_after_seconds: float | None = None) -> None:
        """Keep what the provider said about when to come back, in seconds."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__("the payment provider is unavailable; try again in a moment")


class ProviderRefused(BillingError):
    """Stripe understood and refused: wrong key, missing permission, unknown price, no portal configuration.

    That is for the operator to mend. The caller is never told the details; the adapter logs them.
    """

    slug = "payment_provider_refused"

    def __init__(self) -> None:
        """Say no more than the caller may know."""
        super().__init__("the payment provider refused the request; the operator has been told")


class CustomerMissing(BillingError):
    """The customer that a request to Stripe names was deleted there. Use cases mend it; it never leaves them."""

    slug = "customer_missing"


class KeySpent(BillingError):
    """Stripe has stored a failure under this idempotency key, and will repeat it. Use cases take another key."""

    slug = "idempotency_key_spent"


class SessionNotOpen(BillingError):
    """The checkout session to expire is complete or expired already. Use cases mend it; it never leaves them."""

    slug = "session_not_open"


class Conflict(BillingError):
    """A unique constraint decided against this transaction. Use cases mend it; it never leaves them."""

    slug = "conflict"


class Contended(BillingError):
    """Somebody else held what was to be locked, and whoever asked was not patient. Nothing was done.

    Use cases mend it; it never leaves them.
    """

    slug = "contended"
