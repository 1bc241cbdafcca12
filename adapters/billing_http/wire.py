"""What goes over the wire. Structs of the wire stay here; inside, there are the domain's types only."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from billing.accounts import AccountView
from billing.idempotency import Outcome
from billing.standing import Standing
from billing_http.errors import RequestInvalid


class CheckoutAnswer(msgspec.Struct, frozen=True):
    """Where to pay."""

    checkout_url: str


class PortalAnswer(msgspec.Struct, frozen=True):
    """Where to manage the subscription; a bearer credential for some minutes."""

    portal_url: str


class BillingAnswer(msgspec.Struct, frozen=True):
    """An account's standing: all four keys are always there."""

    plan: str
    status: str | None
    current_period_end: str | None
    cancel_at_period_end: bool | None

    @classmethod
    def of(cls, standing: Standing) -> "BillingAnswer":
        """Present a standing."""
        return cls(
            plan=standing.plan.slug,
            status=standing.status,
            current_period_end=present_time(standing.period_end),
            cancel_at_period_end=standing.cancel_at_period_end,
        )


class AccountAnswer(msgspec.Struct, frozen=True):
    """Who the caller is."""

    id: str
    email: str
    name: str | None
    plan_tier: str

    @classmethod
    def of(cls, view: AccountView) -> "AccountAnswer":
        """Present an account."""
        return cls(
            id=view.account.id,
            email=view.account.email,
            name=view.account.name,
            plan_tier=view.standing.plan.slug,
        )


class WebhookAnswer(msgspec.Struct, frozen=True):
    """What became of a webhook. Stripe reads the status only; the outcome is for the person who debugs."""

    outcome: Outcome


class HealthAnswer(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


def present_time(time: datetime | None) -> str | None:
    """Write a time as UTC, whole seconds, `Z`."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_tier(body: bytes) -> str:
    """Read the tier that a checkout asks for; raises `RequestInvalid`, each mistake with a message of its own."""
    if not body.strip():
        raise RequestInvalid("missing_body", 'the request needs a JSON body such as {"tier": "pro"}')
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestInvalid("malformed_body", "the request's body is not valid JSON") from None
    if not isinstance(decoded, dict):
        raise RequestInvalid("malformed_body", 'the request\'s body must be a JSON object such as {"tier": "pro"}')
    tier: object = decoded.get("tier")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    if tier is None:
        raise RequestInvalid("missing_tier", 'the request\'s body needs a "tier"')
    if not isinstance(tier, str):
        raise RequestInvalid("malformed_body", 'the "tier" must be a string')
    return tier
