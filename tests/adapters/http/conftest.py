"""The real controllers over in-memory adapters, spoken to by HTTP."""

from collections.abc import AsyncIterator

import pytest

from support.http_world import World, open_world


@pytest.fixture
def anyio_backend() -> str:
    """The service runs on asyncio."""
    return "asyncio"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A service with one account."""
    async with open_world() as opened:
        yield opened
