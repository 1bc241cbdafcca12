"""Fixtures for any project: put `pytest_plugins = ["stripe_sandbox.pytest_plugin"]` into a conftest."""

from collections.abc import Iterator

import pytest

from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.testing import SandboxServer


@pytest.fixture(scope="session")
def stripe_sandbox_config() -> SandboxConfig:
    """Override this to seed prices and endpoints."""
    return SandboxConfig()


@pytest.fixture(scope="session")
def stripe_sandbox_server(stripe_sandbox_config: SandboxConfig) -> Iterator[SandboxServer]:
    """One sandbox for the whole run; most tests want `stripe_sandbox`."""
    with SandboxServer(stripe_sandbox_config) as server:
        yield server


@pytest.fixture
def stripe_sandbox(stripe_sandbox_server: SandboxServer) -> SandboxServer:
    """The running sandbox, emptied back to its seeds."""
    stripe_sandbox_server.control.reset()
    return stripe_sandbox_server
