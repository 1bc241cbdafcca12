"""Delivery: every event to every endpoint that asked for it, at least once, with back-off."""

import asyncio
import contextlib
import heapq
import itertools
import random
import time
from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

import httpx
import msgspec

from stripe_sandbox.resource import Resource
from stripe_sandbox.resources.webhook_endpoints import ENDPOINT
from stripe_sandbox.webhooks.envelope import FAILED, PENDING, SUCCEEDED
from stripe_sandbox.webhooks.message import Message, compose
from stripe_sandbox.webhooks.settings import DeliverySettings
from stripe_sandbox.world.world import EVENT, World

_LOG_LENGTH: Final = 10_000
_EXCERPT: Final = 500
_OK: Final = range(200, 300)
_GROUP_WAIT_SECONDS: Final = 0.2
_RESET_SECONDS: Final = 2.0


class Attempt(msgspec.Struct, kw_only=True, frozen=True):
    """One try at delivering one event to one endpoint, and its answer."""

    event: str
    type: str
    endpoint: str
    url: str
    attempt: int
    at: float
    """Real time, in seconds."""
    duration_ms: float
    status: int | None
    body: str
    error: str | None
    next_attempt_at: float | None


class Counts(msgspec.Struct, kw_only=True, frozen=True):
    """Where deliveries stand: one for each pair of event and endpoint."""

    succeeded: int
    failed: int
    """Dropped, or given up after the last retry."""
    pending: int
    held: int
    """Of the pending ones, those that wait because delivery is paused."""


class _Job(NamedTuple):
    due: float
    order: int
    event: str
    endpoint: str
    attempt: int
    copy: int


class Deliverer:
    """Plans deliveries as events happen, and sends them while `run` runs."""

    def __init__(self, world: World, settings: DeliverySettings) -> None:
        self.settings = settings
        self.attempts: deque[Attempt] = deque(maxlen=_LOG_LENGTH)
        self._world = world
        self._queue: list[_Job] = []
        self._group: list[_Job] = []
        self._group_since = 0.0
        self._order = itertools.count()
        # Disorder wants to be repeatable under a seed, not unpredictable.
        self._random = random.Random(world.config.random_seed)  # noqa: S311
        self._underway: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        """Set after each attempt, for who waits until all is delivered."""
        self._twinning = False
        world.listeners.append(self._plan)

    # Planning, as events happen

    def restore(self) -> None:
        """Take up again what a former run of the program left undelivered."""
        for record in self._world.store.table(EVENT).oldest_first():
            for endpoint, state in record["deliveries"].items():
                if state == PENDING:
                    self._push(record["id"], endpoint)

    async def reset(self) -> None:
        """Forget all that waits; what is under way is let finish, so that it cannot arrive after this."""
        self._queue.clear()
        self._group.clear()
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
        for endpoint in self._endpoints(record["type"]):
            dropped = disordered and self._random.random() < self.settings.drop
            record["deliveries"][endpoint["id"]] = FAILED if dropped else PENDING
            if dropped:
                self._log_drop(record, endpoint)
            else:
                self._enqueue(record, endpoint["id"], disordered=disordered)
        self._world.store.put(EVENT, record["id"], record)
        if self.settings.double_events and disordered and not self._twinning:
            self._double(record)
        self._wake.set()

    def _endpoints(self, event_type: str) -> Iterator[Resource]:
        for endpoint in self._world.rows(ENDPOINT).values():
            if endpoint["status"] == "enabled" and any(
                fnmatchcase(event_type, pattern) for pattern in endpoint["enabled_events"]
            ):
                yield endpoint

    def _enqueue(self, record: Resource, endpoint: str, *, disordered: bool) -> None:
        settings = self.settings
        delay = settings.delay_seconds if disordered else 0.0
        for copy in range(settings.duplicate if disordered else 1):
            if disordered and settings.reorder > 1:
                self._add_to_group(self._job(record["id"], endpoint, delay=delay, copy=copy))
            else:
                self._push(record["id"], endpoint, delay=delay, copy=copy)

    def _double(self, record: Resource) -> None:
        twin: Resource = {**record, "id": self._world.ids.long("evt"), "deliveries": {}}
        self._world.store.put(EVENT, twin["id"], twin)
        self._twinning = True
        try:
            self._plan(twin)
        finally:
            self._twinning = False

    def _add_to_group(self, job: _Job) -> None:
        if not self._group:
            self._group_since = time.monotonic()
        self._group.append(job)
        if len(self._group) >= self.settings.reorder:
            self._release_group()

    def _release_group(self) -> None:
        """Queue a group in another order than it came in."""
        jobs, self._group = self._group, []
        shuffled = jobs[::-1]
        if len(jobs) > 2:  # noqa: PLR2004  # of two there is only one other order
            self._random.shuffle(shuffled)
            if shuffled == jobs:
                shuffled.reverse()
        for job in shuffled:
            heapq.heappush(self._queue, job._replace(order=next(self._order), due=self._now_or(job.due)))

    def _now_or(self, due: float) -> float:
        # One moment for the whole group, so that the shuffled order decides and not the moment of planning.
        return due if due > time.monotonic() else 0.0

    def _job(self, event: str, endpoint: str, *, delay: float = 0.0, attempt: int = 1, copy: int = 0) -> _Job:
        due = time.monotonic() + delay if delay else 0.0
        return _Job(due, next(self._order), event, endpoint, attempt, copy)

    def _push(self, event: str, endpoint: str, *, delay: float = 0.0, attempt: int = 1, copy: int = 0) -> None:
        heapq.heappush(self._queue, self._job(event, endpoint, delay=delay, attempt=attempt, copy=copy))
        self._wake.set()

    def resend(self, event_id: str, endpoint_id: str | None = None) -> int:
        """Send an event once more, to one endpoint or to all that listen for it; answers to how many."""
        record = self._world.get(EVENT, event_id)
        wanted = [row["id"] for row in self._endpoints(record["type"]) if endpoint_id in (None, row["id"])]
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
        now = time.monotonic()
        if self._group and now - self._group_since >= _GROUP_WAIT_SECONDS:
            self._release_group()
        while (
            not self.settings.paused
            and self._queue
            and self._queue[0].due <= now
            and len(self._underway) < self.settings.concurrency
        ):
            task = asyncio.create_task(self._send(client, heapq.heappop(self._queue)))
            self._underway.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._underway.discard(task)
        self._wake.set()
        self._settled.set()

    async def _sleep(self) -> None:
        moments = [self._queue[0].due] if self._queue and not self.settings.paused else []
        if self._group:
            moments.append(self._group_since + _GROUP_WAIT_SECONDS)
        full = len(self._underway) >= self.settings.concurrency
        wait = None if full or not moments else max(min(moments) - time.monotonic(), 0)
        try:
            await asyncio.wait_for(self._wake.wait(), wait)
        except TimeoutError:
            return

    async def _send(self, client: httpx.AsyncClient, job: _Job) -> None:
        record = self._world.rows(EVENT).get(job.event)
        endpoint = self._world.rows(ENDPOINT).get(job.endpoint)
        if record is None or endpoint is None:
            return
        message = compose(self._world, record, endpoint, self.settings)
        started, at = time.monotonic(), self._world.clock.wall()
        status, body, error = await self._post(client, message)
        succeeded = status in _OK
        retry = not succeeded and job.copy == 0 and job.attempt <= self.settings.max_retries
        wait = self.settings.backoff_seconds(job.attempt) if retry else None
        self.attempts.append(
            Attempt(
                event=job.event,
                type=record["type"],
                endpoint=job.endpoint,
                url=message.url,
                attempt=job.attempt,
                at=at,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
                status=status,
                body=body,
                error=error,
                next_attempt_at=None if wait is None else self._world.clock.wall() + wait,
            )
        )
        self._conclude(record, job, succeeded=succeeded, wait=wait)

    async def _post(self, client: httpx.AsyncClient, message: Message) -> tuple[int | None, str, str | None]:
        try:
            response = await client.post(
                message.url,
                content=message.body,
                headers=message.headers,
                timeout=self.settings.timeout_seconds,
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return None, "", f"{type(error).__name__}: {error}"
        return response.status_code, response.text[:_EXCERPT], None

    def _conclude(self, record: Resource, job: _Job, *, succeeded: bool, wait: float | None) -> None:
        if self._world.rows(EVENT).get(job.event) is not record:
            # The world was reset while the request was under way.
            return
        deliveries: dict[str, str] = record["deliveries"]
        if succeeded:
            deliveries[job.endpoint] = SUCCEEDED
        elif wait is not None:
            self._push(job.event, job.endpoint, delay=wait, attempt=job.attempt + 1)
        elif job.copy == 0 and deliveries.get(job.endpoint) != SUCCEEDED:
            deliveries[job.endpoint] = FAILED
        self._world.store.put(EVENT, record["id"], record)
        self._world.commit()

    def _log_drop(self, record: Resource, endpoint: Resource) -> None:
        self.attempts.append(
            Attempt(
                event=record["id"],
                type=record["type"],
                endpoint=endpoint["id"],
                url=endpoint["url"],
                attempt=0,
                at=self._world.clock.wall(),
                duration_ms=0,
                status=None,
                body="",
                error="dropped on demand",
                next_attempt_at=None,
            )
        )

    # Waiting for it

    @property
    def busy(self) -> bool:
        waiting = bool(self._queue) and not self.settings.paused
        return waiting or bool(self._group) or bool(self._underway)

    async def flush(self, timeout_seconds: float) -> Counts:
        """Release what is delayed or waits for its group, and wait until all is delivered or given up.

        Retries keep their back-off; while delivery is paused, only what is under way is waited for.
        """
        self._release_group()
        self._queue = [job._replace(due=0.0) if job.attempt == 1 else job for job in self._queue]
        heapq.heapify(self._queue)
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
