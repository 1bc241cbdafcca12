"""A whole sandbox, without HTTP: its world, its webhooks, its faults, and the passing of time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Final

import msgspec

from stripe_sandbox.api import versions
from stripe_sandbox.api.dispatch import Dispatcher
from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.faults import Faults
from stripe_sandbox.billing import schedule
from stripe_sandbox.billing.periods import DAY_SECONDS
from stripe_sandbox.config import SandboxConfig
from stripe_sandbox.occupied import Occupied
from stripe_sandbox.seeding import seed
from stripe_sandbox.webhooks.delivery import Deliverer
from stripe_sandbox.webhooks.retention import forget_old_events
from stripe_sandbox.webhooks.settings import DeliverySettings
from stripe_sandbox.world.clock import END_OF_TIME, Clock
from stripe_sandbox.world.store import DatabaseUnusable
from stripe_sandbox.world.world import World

_TICK_SECONDS: Final = 0.25
_TICKS_TO_TIDYING: Final = 240
_LONGEST_ADVANCE_DAYS: Final = 3_653
"""Ten years. All that falls due is done within the one call, and a daily plan renews on each of these days."""
_logger: Final = logging.getLogger(__name__)


class Sandbox:
    """Everything `create_app` serves; usable directly where no HTTP is wanted."""

    def __init__(self, config: SandboxConfig, clock: Clock | None = None) -> None:
        """Load or begin the world; raises `ApiError` for settings that cannot be, and `DatabaseUnusable`."""
        for version in (config.api_version, *(endpoint.api_version for endpoint in config.endpoints)):
            if version is not None:
                versions.check(version)
        self.config = config
        self.on_reset: Callable[[], Awaitable[None]] = _nothing
        """Awaited at the end of each reset: a program that keeps something of this world lets it go, too."""
        settings = DeliverySettings().changed(dict(config.delivery))
        self._occupied = Occupied(config.database)
        try:
            with _blaming_the_file(config.database):
                self.world = World(config, clock)
            try:
                self._begin(settings)
            except BaseException:
                self.world.store.abandon()
                raise
        except BaseException:
            self._occupied.release()
            raise

    def _begin(self, settings: DeliverySettings) -> None:
        self.faults = Faults(self.world.clock.wall)
        self.dispatcher = Dispatcher(self.world, self.faults)
        with _blaming_the_file(self.config.database):
            self.deliverer = Deliverer(self.world, settings)
            self.deliverer.change(settings)
            schedule.install(self.world)
            seed(self.world)
            self.deliverer.restore()

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
            self._occupied.release()

    async def _tick(self) -> None:
        """Let time pass, whatever goes wrong meanwhile; what goes wrong again and again is told once."""
        told, ticks = "", 0
        while True:
            ticks += 1
            try:
                self.pass_time()
                if ticks % _TICKS_TO_TIDYING == 0:
                    forget_old_events(self.world, self.deliverer.attempts)
            except Exception as error:
                if repr(error) != told:
                    _logger.exception("Time could not pass")
                told = repr(error)
            else:
                told = ""
            await asyncio.sleep(_TICK_SECONDS)

    @contextlib.contextmanager
    def change(self) -> Generator[World]:
        """The world, to do something to it that is kept whole, or not at all when an exception comes of it."""
        with self.world.attempt():
            yield self.world
        self.world.commit()

    def pass_time(self) -> int:
        """Do what real time has made due; answers how many steps that took."""
        done = schedule.run_due(self.world)
        self.world.commit()
        return done

    def advance(self, seconds: int) -> int:
        """Move the world's clock forward, ten years at most, and do all that falls due on the way.

        Raises `ApiError` for more than that, and beyond the year 2999.
        """
        if seconds > _LONGEST_ADVANCE_DAYS * DAY_SECONDS:
            raise ApiError(
                f"The clock moves by up to ten years at a time: {_LONGEST_ADVANCE_DAYS * DAY_SECONDS} seconds.",
                param="seconds",
            )
        if self.world.clock.now() + seconds >= END_OF_TIME:
            raise ApiError("The world ends with the year 2999. Reset it to begin anew.", param="seconds")
        self.world.advance(seconds)
        return self.pass_time()

    def change_delivery(self, changes: dict[str, object]) -> None:
        """Change the delivery settings named, and leave the others; raises `ApiError`."""
        self.deliverer.change(self.deliverer.settings.changed(changes))

    def restore_delivery(self) -> None:
        """Deliver as the sandbox was started to."""
        self.deliverer.change(DeliverySettings().changed(dict(self.config.delivery)))

    async def reset(self) -> None:
        """Back to the seeds, with delivery and faults as at the start."""
        await self.deliverer.reset()
        self.world.reset()
        self.restore_delivery()
        self.faults.reset()
        seed(self.world)
        self.world.commit()
        await self.on_reset()


async def _nothing() -> None:
    pass


@contextlib.contextmanager
def _blaming_the_file(database: Path | None) -> Generator[None]:
    """A file may be a sound database of objects that are none: what trips over them is the file's fault."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError, msgspec.MsgspecError) as error:
        if database is None:
            raise
        raise DatabaseUnusable(database, f"what it holds is no world ({type(error).__name__}: {error})") from error
