"""How the domain's values are stored. Decided here once, for both databases.

Times are numbers, so that they compare and travel the same everywhere: whole seconds since 1970 UTC for what Stripe
and the domain count in seconds, microseconds for due times and leases. Tiers and statuses are stored as their slugs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from billing.plans import Tier
from billing.subscription import Status

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_TIERS: Mapping[str, Tier] = {tier.slug: tier for tier in Tier}


class EpochSeconds(TypeDecorator[datetime]):
    """A time in whole seconds; what is below a second is cut off. A time without a zone is a `ValueError`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write a time."""
        return None if value is None else _since_epoch(value) // _SECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read a time."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


class EpochMicroseconds(TypeDecorator[datetime]):
    """A time in microseconds. A time without a zone is a `ValueError`."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write a time."""
        return None if value is None else _since_epoch(value) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read a time."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class TierSlug(TypeDecorator[Tier]):
    """A tier by its slug. A slug that this version does not know grants nothing: it is read as free."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Tier | None, dialect: Dialect) -> Any:
        """Write a tier."""
        return None if value is None else value.slug

    def process_result_value(self, value: Any, dialect: Dialect) -> Tier | None:
        """Read a tier."""
        return None if value is None else _TIERS.get(value, Tier.FREE)


class StatusSlug(TypeDecorator[Status]):
    """A subscription's status by Stripe's word. A word that this version does not know grants nothing."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Status | None, dialect: Dialect) -> Any:
        """Write a status."""
        return None if value is None else value.value

    def process_result_value(self, value: Any, dialect: Dialect) -> Status | None:
        """Read a status."""
        return None if value is None else Status.parse(value)


def _since_epoch(time: datetime) -> timedelta:
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return time - _EPOCH
