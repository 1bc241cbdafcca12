"""Accounts and their API keys."""

import re
from dataclasses import dataclass
from datetime import datetime

from billing.errors import InvalidEmail, InvalidName
from billing.identifiers import AccountId, ApiKeyId, CustomerId
from billing.standing import Standing

MAX_NAME_LENGTH = 256
"""Stripe's own limit. Source: https://docs.stripe.com/api/customers/create"""

# One @, something on both sides, no space or control character: the mail server judges the rest.
_EMAIL = re.compile(r"[^@\s\x00-\x1f<>,;]{1,64}@[^@\s\x00-\x1f<>,;]{1,189}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer of the product."""

    id: AccountId
    email: str
    name: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """What one read answers of an account: who it is and what it has."""

    account: Account
    standing: Standing
    checkout_open: bool
    """Whether a checkout of the account has not been seen to end, so that its plan may turn any moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key as it is listed. The key itself is shown once, when made, and stored only as a hash."""

    id: ApiKeyId
    account: AccountId
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The customer at Stripe that stands for an account.

    The row is made before Stripe is asked, with everything that goes into the request, so that a retry after a
    crash repeats it exactly under the same idempotency key and gets the same customer.
    """

    account: AccountId
    generation: int
    """Counts from 1; the next one begins when Stripe's customer was deleted."""
    email: str
    name: str | None
    id: CustomerId | None
    """`None` until Stripe has answered."""

    @property
    def idempotency_key(self) -> str:
        """The key that makes Stripe create this customer once."""
        return f"customer-{self.account}-{self.generation}"


def parse_email(text: str) -> str:
    """Read an e-mail address, in lower case; raises `InvalidEmail`."""
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise InvalidEmail(email=text)
    return email


def parse_name(text: str | None) -> str | None:
    """Read a name, `None` if it is empty; raises `InvalidName` for one that Stripe's invoices could not show."""
    name = (text or "").strip()
    if len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidName(longest=MAX_NAME_LENGTH)
    return name or None
