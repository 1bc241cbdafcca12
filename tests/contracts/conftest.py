"""Every contract test runs over each store: in memory, SQLite, PostgreSQL."""

import pytest

from billing_memory import MemoryStore
from support.contracts import Stores
from support.contracts_stores import memory_stores
from support.contracts_world import World, world_over


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(params=["memory"])
async def replicas(request: pytest.FixtureRequest) -> tuple[Stores, Stores]:
    """Give two replicas of the service their ports of one empty store, each over connections of its own."""
    store = MemoryStore()
    return memory_stores(store), memory_stores(store)


@pytest.fixture
def store(replicas: tuple[Stores, Stores]) -> Stores:
    """Give one replica's ports of an empty store."""
    return replicas[0]


@pytest.fixture
def world(replicas: tuple[Stores, Stores]) -> World:
    """Give two replicas of the service over one empty store, and a Stripe that follows a script."""
    return world_over(replicas)
