"""The `/_sandbox` routes. Each does one thing that a page's button does too, by the same function."""

from typing import Any

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_200_OK

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.api.faults import Fault
from stripe_sandbox.control import messages
from stripe_sandbox.control.bodies import AnyRequest, body_of, must_say_nothing
from stripe_sandbox.control.latest import named
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.webhook_endpoints import ENDPOINT, roll_secret
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.timesteps import seconds_ahead
from stripe_sandbox.webhooks.attempts import Counts
from stripe_sandbox.webhooks.envelope import envelope
from stripe_sandbox.webhooks.settings import DeliverySettings
from stripe_sandbox.world.world import EVENT


class TimeController(Controller):
    """The world as a whole: its clock, its beginning."""

    path = "/_sandbox"

    @get("/clock")
    async def clock(self, sandbox: NamedDependency[Sandbox]) -> messages.ClockState:
        return _clock_state(sandbox)

    @post("/clock/advance", status_code=HTTP_200_OK)
    async def advance(self, sandbox: NamedDependency[Sandbox], request: AnyRequest) -> messages.ClockState:
        """By seconds, or by a step."""
        data = await body_of(request, messages.Advance)
        if (data.seconds is None) is (data.step is None):
            raise ApiError("Say either `seconds` or a `step`.", param="seconds")
        seconds = data.seconds if data.step is None else seconds_ahead(sandbox.world, data.step)
        return _clock_state(sandbox, steps=sandbox.advance(seconds or 0))

    @post("/reset", status_code=HTTP_200_OK, before_request=must_say_nothing)
    async def reset(self, sandbox: NamedDependency[Sandbox]) -> messages.ClockState:
        await sandbox.reset()
        return _clock_state(sandbox)


def _clock_state(sandbox: Sandbox, *, steps: int = 0) -> messages.ClockState:
    clock = sandbox.world.clock
    return messages.ClockState(
        now=clock.now(), wall=int(clock.wall()), offset_seconds=clock.offset_seconds, steps=steps
    )


class WebhookController(Controller):
    """What is delivered, how, and what came of it."""

    path = "/_sandbox"

    @get("/delivery")
    async def settings(self, sandbox: NamedDependency[Sandbox]) -> DeliverySettings:
        return sandbox.deliverer.settings

    @put("/delivery")
    async def change(self, sandbox: NamedDependency[Sandbox], request: AnyRequest) -> DeliverySettings:
        """Changes what is given and leaves the rest."""
        data = await body_of(request, dict[str, Any])
        sandbox.change_delivery(data)
        return sandbox.deliverer.settings

    @delete("/delivery", status_code=HTTP_200_OK)
    async def restore(self, sandbox: NamedDependency[Sandbox]) -> DeliverySettings:
        """Back to orderly delivery, as the sandbox was started."""
        sandbox.restore_delivery()
        return sandbox.deliverer.settings

    @get("/deliveries")
    async def deliveries(
        self, sandbox: NamedDependency[Sandbox], event: FromQuery[str | None] = None
    ) -> messages.AttemptList:
        """Of one event, or of all."""
        log = sandbox.deliverer.attempts
        return messages.AttemptList(attempts=log.recent() if event is None else log.of(event))

    @get("/deliveries/counts")
    async def counts(self, sandbox: NamedDependency[Sandbox]) -> Counts:
        return sandbox.deliverer.counts()

    @post("/deliveries/flush", status_code=HTTP_200_OK)
    async def flush(self, sandbox: NamedDependency[Sandbox], request: AnyRequest) -> Counts:
        data = await body_of(request, messages.Flush)
        return await sandbox.deliverer.flush(data.timeout_seconds)

    @post("/events", status_code=HTTP_200_OK)
    async def emit(self, sandbox: NamedDependency[Sandbox], request: AnyRequest) -> Resource:
        """A hand-made event; the world's objects stay as they are."""
        data = await body_of(request, messages.Emit)
        if not isinstance(data.object.get("id", ""), str | int):
            raise ApiError("The object's `id` is a text or a number.", param="object")
        with sandbox.change() as world:
            record = world.emit_snapshot(
                data.type, data.object, created=data.created, previous=data.previous_attributes
            )
        return envelope(record, record["api_version"])

    @post("/events/{event_id:str}/resend", status_code=HTTP_200_OK)
    async def resend(
        self, sandbox: NamedDependency[Sandbox], event_id: FromPath[str], request: AnyRequest
    ) -> messages.Resent:
        """To one endpoint, or to all that listen for it."""
        data = await body_of(request, messages.Resend)
        with sandbox.change() as world:
            return messages.Resent(deliveries=sandbox.deliverer.resend(named(world, EVENT, event_id), data.endpoint))

    @post("/webhook_endpoints/{endpoint_id:str}/roll_secret", status_code=HTTP_200_OK)
    async def roll(
        self, sandbox: NamedDependency[Sandbox], endpoint_id: FromPath[str], request: AnyRequest
    ) -> messages.Rolled:
        """Both secrets sign for a while."""
        data = await body_of(request, messages.Roll)
        with sandbox.change() as world:
            secret = roll_secret(world, named(world, ENDPOINT, endpoint_id), old_lives_seconds=data.old_lives_seconds)
        return messages.Rolled(secret=secret)


class FaultController(Controller):
    """What goes wrong with the API."""

    path = "/_sandbox/faults"

    @get("/")
    async def faults(self, sandbox: NamedDependency[Sandbox]) -> messages.FaultList:
        return messages.FaultList(faults=sandbox.faults.active, struck=sandbox.faults.struck)

    @put("/")
    async def replace(self, sandbox: NamedDependency[Sandbox], request: AnyRequest) -> messages.FaultList:
        data = await body_of(request, messages.FaultList)
        sandbox.faults.replace(data.faults)
        return messages.FaultList(faults=sandbox.faults.active, struck=sandbox.faults.struck)

    @post("/", status_code=HTTP_200_OK)
    async def add(self, sandbox: NamedDependency[Sandbox], request: AnyRequest) -> messages.FaultList:
        data = await body_of(request, Fault)
        sandbox.faults.active.append(data)
        return messages.FaultList(faults=sandbox.faults.active, struck=sandbox.faults.struck)

    @delete("/", status_code=HTTP_200_OK)
    async def clear(self, sandbox: NamedDependency[Sandbox]) -> messages.FaultList:
        sandbox.faults.replace([])
        return messages.FaultList(struck=sandbox.faults.struck)
