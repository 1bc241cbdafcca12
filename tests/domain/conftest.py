"""The worlds in which the use cases are tried."""

import asyncio
from collections.abc import Iterator

import pytest

from support.memory_world import MemoryWorld


@pytest.fixture
def world() -> Iterator[MemoryWorld]:
    """Give an empty world."""
    with asyncio.Runner() as runner:
        yield MemoryWorld(runner)
