"""Rows and the domain's objects: what columns hold, in which order, and back."""

from typing import Any

from sqlalchemy import Column, Table

from billing.accounts import Account, AccountView, ApiKey, Customer
from billing.checkout import Addresses, CheckoutAttempt
from billing.standing import Standing
from billing.subscription import Subscription
from billing_sql import tables


def columns_of(table: Table, *names: str) -> list[Column[Any]]:
    """Answer columns of a table by their names."""
    return [table.c[name] for name in names]


STANDING = columns_of(tables.accounts, "plan_tier", "status", "current_period_end", "cancel_at_period_end")
ACCOUNT = columns_of(tables.accounts, "id", "email", "name", "created_at")
API_KEY = columns_of(tables.api_keys, "id", "account_id", "created_at", "revoked_at")
CUSTOMER = columns_of(tables.customers, "account_id", "generation", "email", "name", "customer_id")
SUBSCRIPTION = columns_of(
    tables.subscriptions,
    "id",
    "account_id",
    "customer_id",
    "tier",
    "status",
    "period_end",
    "cancel_at_period_end",
    "started_at",
    "as_of",
    "version",
    "read_at",
)
ATTEMPT = columns_of(
    tables.checkout_attempts,
    "id",
    "account_id",
    "customer_id",
    "tier",
    "price_id",
    "success_url",
    "cancel_url",
    "created_at",
    "expires_at",
    "session_id",
)


def standing_of(row: Any) -> Standing:
    """Read the columns `STANDING`."""
    plan, status, period_end, cancel_at_period_end = row
    return Standing(plan=plan, status=status, period_end=period_end, cancel_at_period_end=cancel_at_period_end)


def standing_row(standing: Standing) -> tuple[object, ...]:
    """Write the columns `STANDING`."""
    return (standing.plan, standing.status, standing.period_end, standing.cancel_at_period_end)


def view_of(row: Any) -> AccountView:
    """Read the columns `ACCOUNT`, `STANDING` and whether a checkout is open."""
    id_, email, name, created_at, *standing, checkout_open = row
    return AccountView(
        account=Account(id=id_, email=email, name=name, created_at=created_at),
        standing=standing_of(standing),
        checkout_open=bool(checkout_open),
    )


def api_key_of(row: Any) -> ApiKey:
    """Read the columns `API_KEY`."""
    id_, account, created_at, revoked_at = row
    return ApiKey(id=id_, account=account, created_at=created_at, revoked_at=revoked_at)


def customer_of(row: Any) -> Customer:
    """Read the columns `CUSTOMER`."""
    account, generation, email, name, id_ = row
    return Customer(account=account, generation=generation, email=email, name=name, id=id_)


def subscription_of(row: Any) -> Subscription:
    """Read the columns `SUBSCRIPTION`."""
    id_, account, customer, tier, status, period_end, cancel_at_period_end, started_at, *known = row
    as_of, version, read_at = known
    return Subscription(
        id=id_,
        account=account,
        customer=customer,
        tier=tier,
        status=status,
        period_end=period_end,
        cancel_at_period_end=cancel_at_period_end,
        started_at=started_at,
        as_of=as_of,
        version=version,
        read_at=read_at,
    )


def subscription_row(held: Subscription) -> tuple[object, ...]:
    """Write the columns `SUBSCRIPTION`."""
    return (
        held.id,
        held.account,
        held.customer,
        held.tier,
        held.status,
        held.period_end,
        held.cancel_at_period_end,
        held.started_at,
        held.as_of,
        held.version,
        held.read_at,
    )


def attempt_of(row: Any) -> CheckoutAttempt:
    """Read the columns `ATTEMPT`."""
    id_, account, customer, tier, price, success_url, cancel_url, created_at, expires_at, session = row
    return CheckoutAttempt(
        id=id_,
        account=account,
        customer=customer,
        tier=tier,
        price=price,
        addresses=Addresses(success_url=success_url, cancel_url=cancel_url),
        created_at=created_at,
        expires_at=expires_at,
        session=session,
    )


def attempt_row(attempt: CheckoutAttempt) -> tuple[object, ...]:
    """Write the columns `ATTEMPT`."""
    return (
        attempt.id,
        attempt.account,
        attempt.customer,
        attempt.tier,
        attempt.price,
        attempt.addresses.success_url,
        attempt.addresses.cancel_url,
        attempt.created_at,
        attempt.expires_at,
        attempt.session,
    )
