"""How the domain's values are stored. Decided here once, for both databases.

Times are numbers, so that they compare and travel the same everywhere: whole seconds since 1970 UTC for what Stripe
and the domain count in seconds, microseconds for due times and leases. Tiers and statuses are stored as their slugs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any, ClassVar, Protocol

from sqlalchemy import BigInteger, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from billing.plans import Tier
from billing.subscription import Status

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIERS: Mapping[str, Tier] = {tier.slug: tier for tier in Tier}
_SLUGS: Mapping[Tier, str] = {tier: tier.slug for tier in Tier}
_STATUSES: Mapping[str, Status] = {status.value: status for status in Status}


class Conversion(Protocol):
    """Turns a value into another one."""

    def __call__(self, value: Any) -> Any:
        """Convert; `None` stays `None`, so that it need not be converted."""
        ...


class _Stored(TypeDecorator[Any]):
    """A type that is written and read by two plain functions: there is a call for every value of every row."""

    cache_ok = True
    conversions: ClassVar[tuple[Conversion, Conversion]]
    """What writes a value, and what reads it."""

    def bind_processor(self, dialect: Dialect) -> Conversion:  # noqa: ARG002 - as SQLAlchemy asks
        """Answer what writes a value."""
        return self.conversions[0]

    def result_processor(self, dialect: Dialect, coltype: object) -> Conversion:  # noqa: ARG002 - as SQLAlchemy asks
        """Answer what reads a value."""
        return self.conversions[1]


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return time


def _to_seconds(value: datetime | None) -> int | None:
    return None if value is None else floor(_aware(value).timestamp())


def _from_seconds(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _to_microseconds(value: datetime | None) -> int | None:
    return None if value is None else (_aware(value) - _EPOCH) // _MICROSECOND


def _from_microseconds(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def _to_slug(value: Tier | None) -> str | None:
    return None if value is None else _SLUGS[value]


def _from_slug(value: str | None) -> Tier | None:
    return None if value is None else _TIERS.get(value, Tier.FREE)


def _to_word(value: Status | None) -> str | None:
    return value


def _from_word(value: str | None) -> Status | None:
    return None if value is None else _STATUSES.get(value, Status.UNKNOWN)


class EpochSeconds(_Stored):
    """A time in whole seconds; what is below a second is cut off. A time without a zone is a `ValueError`."""

    impl = BigInteger
    cache_ok = True
    conversions = (_to_seconds, _from_seconds)


class EpochMicroseconds(_Stored):
    """A time in microseconds. A time without a zone is a `ValueError`."""

    impl = BigInteger
    cache_ok = True
    conversions = (_to_microseconds, _from_microseconds)


class TierSlug(_Stored):
    """A tier by its slug. A slug that this version does not know grants nothing: it is read as free."""

    impl = Text
    cache_ok = True
    conversions = (_to_slug, _from_slug)


class StatusSlug(_Stored):
    """A subscription's status by Stripe's word. A word that this version does not know grants nothing."""

    impl = Text
    cache_ok = True
    conversions = (_to_word, _from_word)
