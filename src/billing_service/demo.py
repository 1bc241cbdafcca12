"""Placeholder until the demo shop is written."""

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler


def demo_routes(api_key: str, sandbox_url: str) -> Sequence[ControllerRouterHandler]:
    """Answer no routes yet."""
    return ()
