"""A look at the sandbox from outside, without the adapter under test."""

from typing import Any

import httpx

from stripe_sandbox.testing import SandboxServer


class StripeFromOutside:
    """Asks the sandbox what it holds."""

    def __init__(self, sandbox: SandboxServer) -> None:
        """Speak to it over plain HTTP."""
        self._http = httpx.AsyncClient(
            base_url=sandbox.url, headers={"Authorization": f"Bearer {sandbox.api_key}"}, trust_env=False
        )

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def get(self, path: str) -> dict[str, Any]:
        """Answer an object."""
        answer = await self._http.get(path)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def count(self, path: str) -> int:
        """Answer how many objects a list has."""
        return len((await self.get(path))["data"])

    async def delete(self, path: str) -> None:
        """Delete an object."""
        (await self._http.delete(path)).raise_for_status()
