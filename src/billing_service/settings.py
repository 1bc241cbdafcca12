"""Everything that is set from outside, read once, checked at start-up, with all problems reported together."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlsplit

from dotenv import dotenv_values

from billing.checkout import Addresses
from billing.identifiers import PriceId
from billing.plans import Catalogue, Plan, Tier
from billing_sql import DatabaseUnusable
from billing_sql.addresses import parse_address

DEFAULT_DATABASE_URL = "sqlite:///billing.db"
STRIPE_API_BASE = "https://api.stripe.com"

Parsed = TypeVar("Parsed")

_NO_PRICES: tuple[PriceId, ...] = ()


class SettingsInvalid(Exception):
    """The environment does not describe a service that may start."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep every problem, one sentence each, without any secret's value."""
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """What a command needs that only touches the database."""

    url: str
    pool_size: int
    """Connections one process keeps on PostgreSQL."""
    behind_pgbouncer: bool
    """Whether a PgBouncer in transaction mode is between us and PostgreSQL: then nothing is prepared by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings:
    """What is needed to speak with Stripe, and to believe it."""

    secret_key: str
    webhook_secrets: tuple[str, ...]
    api_base: str
    portal_configuration: str | None
    portal_return_url: str
    requests_per_second: float
    """At most so many background requests a second from one process; Stripe allows 25 a second and endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service needs."""

    database: DatabaseSettings
    stripe: StripeSettings
    catalogue: Catalogue
    checkout: Addresses


def environment(dotenv: Path = Path(".env")) -> Mapping[str, str]:
    """Answer the environment, completed by a `.env` file; what is in the environment wins.

    Raises `SettingsInvalid` if the file is no text.
    """
    try:
        in_file = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    except UnicodeDecodeError:
        raise SettingsInvalid((f"{dotenv} is not UTF-8 text",)) from None
    return {**in_file, **os.environ}


def read_database_settings(variables: Mapping[str, str]) -> DatabaseSettings:
    """Read what concerns the database; raises `SettingsInvalid`."""
    reader = _Reader(variables)
    settings = _database(reader)
    reader.finish()
    return settings


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Read everything; raises `SettingsInvalid` with all problems at once."""
    reader = _Reader(variables)
    database = _database(reader)
    stripe = StripeSettings(
        secret_key=reader.required("BILLING_STRIPE_SECRET_KEY", _secret_key),
        webhook_secrets=reader.required("BILLING_STRIPE_WEBHOOK_SECRETS", _webhook_secrets),
        api_base=reader.optional("BILLING_STRIPE_API_BASE", _origin, STRIPE_API_BASE),
        portal_configuration=reader.optional("BILLING_STRIPE_PORTAL_CONFIGURATION", _portal_configuration, "") or None,
        portal_return_url=reader.required("BILLING_PORTAL_RETURN_URL", _url),
        requests_per_second=reader.optional("BILLING_STRIPE_REQUESTS_PER_SECOND", _rate, 20.0),
    )
    reader.built("BILLING_STRIPE_API_BASE", lambda: _check_secrecy(stripe))
    checkout = Addresses(
        success_url=reader.required("BILLING_CHECKOUT_SUCCESS_URL", _url),
        cancel_url=reader.required("BILLING_CHECKOUT_CANCEL_URL", _url),
    )
    pro = reader.required("BILLING_PRICE_PRO", _prices)
    enterprise = reader.optional("BILLING_PRICE_ENTERPRISE", _prices, _NO_PRICES)
    catalogue = reader.built("BILLING_PRICE_ENTERPRISE", lambda: _catalogue(pro, enterprise))
    reader.finish()
    return Settings(database=database, stripe=stripe, catalogue=catalogue, checkout=checkout)


class _Reader:
    """Reads variables and collects what is wrong, so that all of it can be said at once.

    What could not be read is `None` in spite of its type. Nobody sees it: `finish` raises before anything is used.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._problems: list[str] = []

    def required(self, name: str, parse: Callable[[str], Parsed]) -> Parsed:
        text = self._variables.get(name, "").strip()
        if not text:
            self._problems.append(f"{name} is missing")
            return cast("Parsed", None)
        return self.built(name, lambda: parse(text))

    def optional(self, name: str, parse: Callable[[str], Parsed], default: Parsed) -> Parsed:
        text = self._variables.get(name, "").strip()
        return self.built(name, lambda: parse(text)) if text else default

    def built(self, name: str, build: Callable[[], Parsed]) -> Parsed:
        try:
            return build()
        except ValueError as error:
            self._problems.append(f"{name}: {error}")
            return cast("Parsed", None)

    def finish(self) -> None:
        """Raise if anything was wrong: then nothing that was read may be used."""
        if self._problems:
            raise SettingsInvalid(tuple(self._problems))


def _database(reader: _Reader) -> DatabaseSettings:
    return DatabaseSettings(
        url=reader.optional("BILLING_DATABASE_URL", _database_url, DEFAULT_DATABASE_URL),
        pool_size=reader.optional("BILLING_DATABASE_POOL_SIZE", _pool_size, 8),
        behind_pgbouncer=reader.optional("BILLING_DATABASE_PGBOUNCER", _flag, default=False),
    )


def _catalogue(pro: tuple[PriceId, ...], enterprise: tuple[PriceId, ...]) -> Catalogue:
    plans = [Plan(tier=Tier.ENTERPRISE, prices=enterprise, sold_online=False)]
    if pro:
        plans.append(Plan(tier=Tier.PRO, prices=pro, sold_online=True))
    return Catalogue.of(plans)


def _database_url(text: str) -> str:
    try:
        parse_address(text)
    except (DatabaseUnusable, ValueError) as error:
        # What SQLAlchemy says of an address may repeat its password.
        said = str(error) if isinstance(error, DatabaseUnusable) else "cannot be understood"
        raise ValueError(said) from None
    return text


def _secret_key(text: str) -> str:
    if not _is_word(text, "sk_test_", "sk_live_", "rk_test_", "rk_live_"):
        raise ValueError("must be sk_test_, sk_live_, rk_test_ or rk_live_, and letters and digits after it")
    return text


def _webhook_secrets(text: str) -> tuple[str, ...]:
    secrets = tuple(part.strip() for part in text.split(","))
    if not all(secrets):
        raise ValueError("is a comma-separated list, and one of its entries is empty")
    if not all(_is_word(secret, "whsec_") for secret in secrets):
        raise ValueError("each secret is whsec_ and letters and digits after it")
    return secrets


def _portal_configuration(text: str) -> str:
    if not _is_word(text, "bpc_"):
        raise ValueError("is the id of a portal configuration and begins with bpc_")
    return text


def _prices(text: str) -> tuple[PriceId, ...]:
    prices = tuple(part.strip() for part in text.split(","))
    if not all(_is_word(price, "price_") for price in prices):
        raise ValueError("is a comma-separated list of price ids, each price_ and letters and digits after it")
    if len(set(prices)) < len(prices):
        raise ValueError("names a price twice")
    return tuple(PriceId(price) for price in prices)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or not _is_plain(text):
        raise ValueError("must be an http or https address without spaces")
    return text.rstrip("/") if parts.path == "/" and not parts.query else text


def _origin(text: str) -> str:
    parts = urlsplit(_url(text))
    if parts.query or parts.fragment:
        raise ValueError("must be an address without a query")
    return text.rstrip("/")


def _check_secrecy(stripe: StripeSettings) -> None:
    """Refuse to send a key for real money over a wire that everybody can read."""
    if not stripe.secret_key or not stripe.api_base:
        return
    live = stripe.secret_key.startswith(("sk_live_", "rk_live_"))
    if live and not stripe.api_base.startswith("https://"):
        raise ValueError("must be an https address, since the key is for real money")


def _is_word(text: str, *beginnings: str) -> bool:
    return _is_plain(text) and any(text.startswith(one) and len(text) > len(one) for one in beginnings)


def _is_plain(text: str) -> bool:
    """Whether it is printable ASCII without a space: what can stand in a header."""
    return all("!" <= character <= "~" for character in text)


def _rate(text: str) -> float:
    return _number(text, least=0.1, most=100.0)


def _pool_size(text: str) -> int:
    return int(_number(text, least=1, most=200))


def _number(text: str, *, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not least <= number <= most:
        raise ValueError(f"must be between {least:g} and {most:g}")
    return number


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError("must be true or false")
    return text.lower() in ("true", "1", "yes")
