"""A sandbox for all tests of the gateway, and gateways to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from billing_memory import MemoryAlarm
from billing_stripe import Patience, StripeGateway
from stripe_sandbox.testing import SandboxConfig, SandboxServer, SeedPrice
from support.stripe_outside import StripeFromOutside

OpenGateway = Callable[..., StripeGateway]


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def sandbox_of_all() -> Iterator[SandboxServer]:
    """Serve one sandbox for all tests; use `sandbox`."""
    with SandboxServer(SandboxConfig(prices=(SeedPrice(name="pro", unit_amount=2900, price_id="price_pro"),))) as box:
        yield box


@pytest.fixture
def sandbox(sandbox_of_all: SandboxServer) -> SandboxServer:
    """Give the sandbox, empty but for its price, and without faults."""
    sandbox_of_all.control.clear_faults()
    sandbox_of_all.control.reset()
    return sandbox_of_all


@pytest.fixture
def alarm() -> MemoryAlarm:
    """Remember the alerts that gateways raise."""
    return MemoryAlarm()


@pytest.fixture
async def open_gateway(alarm: MemoryAlarm) -> AsyncIterator[OpenGateway]:
    """Give a maker of gateways, which are closed after the test. They ask once only, unless told otherwise."""
    opened: list[Callable[[], Awaitable[None]]] = []

    def open_(
        url: str,
        *,
        api_key: str = "sk_test_sandbox",
        portal_configuration: str | None = None,
        patience: Patience | None = None,
    ) -> StripeGateway:
        gateway = StripeGateway(
            api_key=api_key,
            api_base=url,
            portal_return_url="https://shop.test/account",
            portal_configuration=portal_configuration,
            alarm=alarm,
            patience=patience or Patience(retries=0),
        )
        opened.append(gateway.close)
        return gateway

    yield open_
    for close in opened:
        await close()


@pytest.fixture
def gateway(sandbox: SandboxServer, open_gateway: OpenGateway) -> StripeGateway:
    """Give a gateway to the sandbox."""
    return open_gateway(sandbox.url)


@pytest.fixture
async def stripe_itself(sandbox: SandboxServer) -> AsyncIterator[StripeFromOutside]:
    """Give a look at the sandbox from outside."""
    itself = StripeFromOutside(sandbox)
    yield itself
    await itself.close()
