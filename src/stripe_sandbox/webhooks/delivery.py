"""Delivery: every event to every endpoint that asked for it, at least once, with back-off."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import httpx

from stripe_sandbox.api.errors import ApiError
from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.webhook_endpoints import ENDPOINT
from stripe_sandbox.webhooks.attempts import Attempt, AttemptLog, Counts
from stripe_sandbox.webhooks.envelope import FAILED, PENDING, SUCCEEDED
from stripe_sandbox.webhooks.message import compose
from stripe_sandbox.webhooks.queue import Job, Queue
from stripe_sandbox.webhooks.settings import DeliverySettings
from stripe_sandbox.world.world import EVENT, World

_EXCERPT: Final = 500
_OK: Final = range(200, 300)
_RESET_SECONDS: Final = 2.0
_logger: Final = logging.getLogger(__name__)


class _Answer(NamedTuple):
    status: int | None = None
    body: str = ""
    error: str | None = None


class Deliverer:
    """Plans deliveries as events happen, and sends them while `run` runs."""

    def __init__(self, world: World, settings: DeliverySettings) -> None:
        self.settings = settings
        self.attempts = AttemptLog(world)
        self._world = world
        self._queue = Queue(world.config.random_seed)
        self._underway: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        """Set after each attempt, for who waits until all is delivered."""
        self._twinning = False
        world.listeners.append(self._plan)

    # Planning, as events happen

    def restore(self) -> None:
        """Take up again what a former run of the program left undelivered, where it left off."""
        for record in self._world.store.table(EVENT).oldest_first():
            for endpoint, state in record["deliveries"].items():
                if state == PENDING:
                    self._take_up(record["id"], endpoint)

    def _take_up(self, event: str, endpoint: str) -> None:
        last = self.attempts.last(event, endpoint)
        if last is None or last.next_attempt_at is None:
            self._push(event, endpoint)
        else:
            wait = last.next_attempt_at - self._world.clock.wall()
            self._push(event, endpoint, delay=wait, attempt=last.attempt + 1)

    async def reset(self) -> None:
        """Forget all that waits; what is under way is let finish, so that it cannot arrive after this."""
        self._queue.clear()
        if self._underway:
            await asyncio.wait(self._underway, timeout=_RESET_SECONDS)
        self._queue.clear()
        self.attempts.clear()

    def change(self, settings: DeliverySettings) -> None:
        self.settings = settings
        self._world.ties = settings.ties
        self._wake.set()

    def _plan(self, record: Resource) -> None:
        disordered = self.settings.disorders(record["type"])
        for endpoint in self._listening(record["type"]):
            dropped = disordered and self._queue.chance() < self.settings.drop
            record["deliveries"][endpoint["id"]] = FAILED if dropped else PENDING
            if dropped:
                self._log_unsent(record, endpoint["id"], endpoint["url"], "dropped on demand")
            else:
                self._enqueue(record, endpoint["id"], disordered=disordered)
        self._world.store.put(EVENT, record["id"], record)
        if self.settings.double_events and disordered and not self._twinning:
            self._double(record)
        self._wake.set()

    def _listening(self, event_type: str) -> Iterator[Resource]:
        for endpoint in self._world.rows(ENDPOINT).values():
            if endpoint["status"] == "enabled" and any(
                fnmatchcase(event_type, pattern) for pattern in endpoint["enabled_events"]
            ):
                yield endpoint

    def _enqueue(self, record: Resource, endpoint: str, *, disordered: bool) -> None:
        settings = self.settings
        if not disordered:
            self._push(record["id"], endpoint)
            return
        for copy in range(settings.duplicate):
            self._push(record["id"], endpoint, delay=settings.delay_seconds, copy=copy, group=settings.reorder)

    def _double(self, record: Resource) -> None:
        twin: Resource = {**record, "id": self._world.ids.long("evt"), "deliveries": {}}
        self._world.store.put(EVENT, twin["id"], twin)
        self._twinning = True
        try:
            self._plan(twin)
        finally:
            self._twinning = False

    def _push(
        self, event: str, endpoint: str, *, delay: float = 0.0, attempt: int = 1, copy: int = 0, group: int = 0
    ) -> None:
        self._queue.push(event, endpoint, delay=delay, attempt=attempt, copy=copy, group=group)
        self._wake.set()

    def resend(self, event_id: str, endpoint_id: str | None = None) -> int:
        """Send an event once more, to one endpoint or to all that listen for it; answers to how many.

        Raises `ApiError` for an unknown event, and for an endpoint that is unknown or disabled.
        """
        record = self._world.get(EVENT, event_id)
        if endpoint_id is None:
            wanted = [row["id"] for row in self._listening(record["type"])]
        else:
            if self._world.get(ENDPOINT, endpoint_id, param="endpoint")["status"] != "enabled":
                raise ApiError(f"The endpoint {endpoint_id} is disabled.", param="endpoint")
            wanted = [endpoint_id]
        for endpoint in wanted:
            if record["deliveries"].get(endpoint) != SUCCEEDED:
                record["deliveries"][endpoint] = PENDING
            self._push(event_id, endpoint)
        self._world.store.put(EVENT, event_id, record)
        return len(wanted)

    # Sending

    async def run(self) -> None:
        """Send what is due until cancelled."""
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        async with httpx.AsyncClient(limits=limits, follow_redirects=False, trust_env=False) as client:
            try:
                while True:
                    self._start_due(client)
                    await self._sleep()
            finally:
                for task in self._underway:
                    task.cancel()
                await asyncio.gather(*self._underway, return_exceptions=True)

    def _start_due(self, client: httpx.AsyncClient) -> None:
        self._wake.clear()
        self._queue.release_old_group()
        while not self.settings.paused and len(self._underway) < self.settings.concurrency:
            if (job := self._queue.pop_due()) is None:
                return
            task = asyncio.create_task(self._send(client, job))
            self._underway.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._underway.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("An attempt's result could not be kept", exc_info=error)
        self._wake.set()
        self._settled.set()

    async def _sleep(self) -> None:
        full = len(self._underway) >= self.settings.concurrency
        wait = None if full else self._queue.wait_seconds(paused=self.settings.paused)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), wait)

    async def _send(self, client: httpx.AsyncClient, job: Job) -> None:
        if (record := self._world.rows(EVENT).get(job.event)) is None:
            return
        endpoint = self._world.rows(ENDPOINT).get(job.endpoint)
        if endpoint is None or endpoint["status"] != "enabled":
            self._give_up(record, job, endpoint)
            return
        url: str = endpoint["url"]
        started, at = time.monotonic(), self._world.clock.wall()
        answer = await self._post(client, record, endpoint)
        succeeded = answer.status in _OK
        retry = not succeeded and job.copy == 0 and job.attempt <= self.settings.max_retries
        wait = self.settings.backoff_seconds(job.attempt) if retry else None
        if self._world.rows(EVENT).get(job.event) is not record:
            # The world was reset while the request was under way.
            return
        self.attempts.add(
            Attempt(
                event=job.event,
                type=record["type"],
                endpoint=job.endpoint,
                url=url,
                attempt=job.attempt,
                at=at,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
                next_attempt_at=None if wait is None else self._world.clock.wall() + wait,
                **answer._asdict(),
            )
        )
        self._conclude(record, job, succeeded=succeeded, wait=wait)

    async def _post(self, client: httpx.AsyncClient, record: Resource, endpoint: Resource) -> _Answer:
        try:
            message = compose(self._world, record, endpoint, self.settings)
        except Exception as error:  # noqa: BLE001  # a hand-made event holds anything, and must not stay for ever
            return _Answer(error=f"cannot be written in this version's shape: {type(error).__name__}: {error}")
        try:
            response = await client.post(
                message.url,
                content=message.body,
                headers=message.headers,
                timeout=self.settings.timeout_seconds,
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return _Answer(error=f"{type(error).__name__}: {error}")
        return _Answer(response.status_code, response.text[:_EXCERPT])

    def _conclude(self, record: Resource, job: Job, *, succeeded: bool, wait: float | None) -> None:
        deliveries: dict[str, str] = record["deliveries"]
        if succeeded:
            deliveries[job.endpoint] = SUCCEEDED
        elif wait is not None:
            self._push(job.event, job.endpoint, delay=wait, attempt=job.attempt + 1)
        elif job.copy == 0 and deliveries.get(job.endpoint) != SUCCEEDED:
            deliveries[job.endpoint] = FAILED
        self._world.store.put(EVENT, record["id"], record)
        self._world.commit()

    def _give_up(self, record: Resource, job: Job, endpoint: Resource | None) -> None:
        """Nobody is there any more; the event stays listed as undelivered."""
        why = "the endpoint was deleted" if endpoint is None else "the endpoint is disabled"
        self._log_unsent(record, job.endpoint, "" if endpoint is None else endpoint["url"], why)
        self._conclude(record, job, succeeded=False, wait=None)

    def _log_unsent(self, record: Resource, endpoint: str, url: str, why: str) -> None:
        self.attempts.add(
            Attempt(
                event=record["id"],
                type=record["type"],
                endpoint=endpoint,
                url=url,
                attempt=0,
                at=self._world.clock.wall(),
                duration_ms=0,
                status=None,
                body="",
                error=why,
                next_attempt_at=None,
            )
        )

    # Waiting for it

    @property
    def busy(self) -> bool:
        waiting = bool(self._queue) and not self.settings.paused
        return waiting or self._queue.gathers or bool(self._underway)

    async def flush(self, timeout_seconds: float) -> Counts:
        """Release what is delayed or waits for its group, and wait until all is delivered or given up.

        Retries keep their back-off; while delivery is paused, only what is under way is waited for.
        """
        self._queue.hurry()
        self._wake.set()
        end = time.monotonic() + timeout_seconds
        while self.busy and (left := end - time.monotonic()) > 0:
            self._settled.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), left)
        return self.counts()

    def counts(self) -> Counts:
        states = [state for row in self._world.rows(EVENT).values() for state in row["deliveries"].values()]
        pending = states.count(PENDING)
        return Counts(
            succeeded=states.count(SUCCEEDED),
            failed=states.count(FAILED),
            pending=pending,
            held=pending if self.settings.paused else 0,
        )
