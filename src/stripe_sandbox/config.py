"""What a sandbox is told when it is started."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NEWEST_API_VERSION: Final = "2026-10-28.endive"
DEFAULT_API_KEY: Final = "sk_test_sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPrice:
    """A recurring price that exists from the start; its name becomes the product's name and the lookup key.

    A price that a kept world has already keeps its amount, as Stripe's do.
    """

    name: str
    unit_amount: int
    """In the currency's smallest unit: 2900 is 29.00."""
    price_id: str | None = None
    currency: str = "eur"
    interval: str = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedEndpoint:
    """A webhook endpoint that exists from the start; one of a former start that is configured no more goes."""

    url: str
    secret: str
    enabled_events: tuple[str, ...] = ("*",)
    api_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Everything `create_app` needs; nothing is read from the environment."""

    host: str = "127.0.0.1"
    port: int = 12111
    api_key: str = DEFAULT_API_KEY
    database: Path | None = None
    """None keeps the world in memory only."""
    public_url: str | None = None
    """Where a browser reaches the hosted pages; None: `http://{host}:{port}`."""
    api_version: str = NEWEST_API_VERSION
    """The account's default version: for requests and endpoints that name none."""
    prices: tuple[SeedPrice, ...] = ()
    endpoints: tuple[SeedEndpoint, ...] = ()
    account_name: str = "Sandbox"
    random_seed: int | None = None
    """Makes ids and disorder repeatable; None takes fresh randomness."""
    payment_retry_days: tuple[int, ...] = (3, 5, 7)
    """Days from one failed charge of a renewal to the next attempt."""
    exhausted_outcome: str = "canceled"
    """What becomes of a subscription whose retries are used up: canceled, unpaid or past_due."""
    portal_configuration: bool = True
    """False: as in an account where nobody saved portal settings, portal sessions need a `configuration`."""
    delivery: dict[str, object] = field(default_factory=dict[str, object])
    """Delivery settings that differ from the defaults, as `PUT /_sandbox/delivery` takes them."""

    @property
    def base_url(self) -> str:
        """Where the hosted pages are, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")
