"""A whole sandbox, without HTTP: its world, its webhooks, its faults, and the passing of time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Final

from stripe_sandbox.api import versions
from stripe_sandbox.api.dispatch import Dispatcher
from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.faults import Faults
from stripe_sandbox.billing import schedule
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.seeding import seed
from stripe_sandbox.webhooks.delivery import Deliverer
from stripe_sandbox.webhooks.settings import DeliverySettings
from stripe_sandbox.world.clock import Clock
from stripe_sandbox.world.store import DatabaseUnusable
from stripe_sandbox.world.world import World

_TICK_SECONDS: Final = 0.25
_LONGEST_ADVANCE_DAYS: Final = 3_653
"""Ten years. All that falls due is done within the one call, and a daily plan renews on each of these days."""


class Sandbox:
    """Everything `create_app` serves; usable directly where no HTTP is wanted."""

    def __init__(self, config: SandboxConfig, clock: Clock | None = None) -> None:
        """Load or begin the world; raises `ApiError` for settings that cannot be, and `DatabaseUnusable`."""
        for version in (config.api_version, *(endpoint.api_version for endpoint in config.endpoints)):
            if version is not None:
                versions.check(version)
        self.config = config
        with _blaming_the_file(config.database):
            self.world = World(config, clock)
        self.faults = Faults(self.world.clock.wall)
        self.deliverer = Deliverer(self.world, DeliverySettings())
        self.deliverer.change(DeliverySettings().changed(dict(config.delivery)))
        self.dispatcher = Dispatcher(self.world, self.faults)
        try:
            with _blaming_the_file(config.database):
                schedule.install(self.world)
                seed(self.world)
                self.deliverer.restore()
        except BaseException:
            self.world.store.abandon()
            raise

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Let time pass and webhooks go out while this is open."""
        tasks = [asyncio.create_task(self.deliverer.run()), asyncio.create_task(self._tick())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.world.store.close()

    async def _tick(self) -> None:
        while True:
            self.pass_time()
            await asyncio.sleep(_TICK_SECONDS)

    def pass_time(self) -> int:
        """Do what real time has made due; answers how many steps that took."""
        done = schedule.run_due(self.world)
        self.world.commit()
        return done

    def advance(self, seconds: int) -> int:
        """Move the world's clock forward, ten years at most, and do all that falls due on the way."""
        if seconds > _LONGEST_ADVANCE_DAYS * DAY_SECONDS:
            raise ApiError(
                f"The clock moves by up to ten years at a time: {_LONGEST_ADVANCE_DAYS * DAY_SECONDS} seconds.",
                param="seconds",
            )
        self.world.advance(seconds)
        return self.pass_time()

    async def reset(self) -> None:
        """Back to the seeds, with delivery and faults as at the start."""
        await self.deliverer.reset()
        self.world.reset()
        self.deliverer.change(DeliverySettings().changed(dict(self.config.delivery)))
        self.faults.reset()
        seed(self.world)
        self.world.commit()


@contextlib.contextmanager
def _blaming_the_file(database: Path | None) -> Generator[None]:
    """A file may be a sound database of objects that are none: what trips over them is the file's fault."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        if database is None:
            raise
        raise DatabaseUnusable(database, f"what it holds is no world ({type(error).__name__}: {error})") from error
