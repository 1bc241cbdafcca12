"""Deliveries that arrive while a commit is in flight go together in the next transaction.

No timer: an idle service commits at once. One batch is in flight at a time in a process, so the longer a commit takes,
the larger the next batch. Beside it there may be one delivery that waits for a lock.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass

from billing.errors import BillingError, Contended, Overloaded, StoreUnavailable
from billing.events import Delivery
from billing.idempotency import Outcome
from billing.use_cases.receive_events import DecideEvents

MAX_BATCH = 64
MAX_WAITING = 2048
"""More than that is refused with `Overloaded`: Stripe will come again, and memory stays bounded. Nearly each has a
connection, so it must be fewer than `billing_service.http_protocol.MAX_CONNECTIONS`."""
PATIENCE_SECONDS = 5.0
"""How long a delivery whose account is locked is tried again and again, before it is refused."""
CLOSE_SECONDS = 8.0

Answer = asyncio.Future[Outcome]


@dataclass(slots=True)
class Waiting:
    """A delivery, and who waits for its answer."""

    delivery: Delivery
    answer: Answer
    put_off_at: float | None = None
    """When it was found to be contended for the first time, by the event loop's clock."""


class GroupCommit:
    """The inbox of one process.

    Who is found to be contended, since somebody else has locked the account, is put off, so that the others go on. One
    of those that were put off then waits for its lock as long as the store allows; after that, all of them come back:
    by then their locks may be free. Who is contended still, and has been for long, is refused.
    """

    def __init__(
        self,
        decide_events: DecideEvents,
        *,
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Hand batches to `decide_events`; refuse what is contended for `patience` seconds."""
        self._decide_events = decide_events
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._patience = patience
        self._waiting: deque[Waiting] = deque()
        self._put_off: deque[Waiting] = deque()
        self._work: asyncio.Task[None] | None = None
        self._patient_work: asyncio.Task[None] | None = None

    async def put(self, delivery: Delivery) -> Outcome:
        """Answer once the delivery is committed. A caller who goes away changes nothing for the others."""
        if len(self._waiting) + len(self._put_off) >= self._max_waiting:
            raise Overloaded
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(delivery, answer))
        self._go_on()
        return await answer

    async def close(self) -> None:
        """Wait until all that waits is committed, or a deadline passes: what is cut off was not acknowledged."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLOSE_SECONDS
        while (working := self._working()) and loop.time() < deadline:
            # When one has ended, it may have begun the other.
            await asyncio.wait(working, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        while working := self._working():
            for unfinished in working:
                unfinished.cancel()
            await asyncio.wait(working)
        left = [waiting.answer for waiting in (*self._waiting, *self._put_off)]
        _fail(left, Overloaded())

    def _working(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._work, self._patient_work) if task is not None and not task.done()]

    def _go_on(self) -> None:
        if self._work is None or self._work.done():
            # A context of its own: the batch is nobody's request, and its log lines must not carry one's id.
            self._work = asyncio.create_task(self._commit_all(), name="group commit", context=Context())

    async def _commit_all(self) -> None:
        while self._waiting:
            size = min(len(self._waiting), self._max_batch)
            await self._commit([self._waiting.popleft() for _ in range(size)], patient=False)

    async def _wait_for_locks(self) -> None:
        while self._put_off:
            # One alone: whoever waits holds what it has locked already.
            await self._commit([self._put_off.popleft()], patient=True)
            if self._put_off:
                self._waiting.extend(self._put_off)
                self._put_off.clear()
                self._go_on()

    async def _commit(self, batch: Sequence[Waiting], *, patient: bool) -> None:
        try:
            results = await self._decide_events.execute([waiting.delivery for waiting in batch], patient=patient)
        except BaseException as error:
            _fail([waiting.answer for waiting in batch], error)
            if not isinstance(error, Exception):
                raise
            return
        for waiting, result in zip(batch, results, strict=True):
            if isinstance(result, Contended):
                self._bear_with(waiting)
            else:
                _tell(waiting.answer, result)

    def _bear_with(self, waiting: Waiting) -> None:
        """Put off what is contended, or refuse it, if it has been for too long."""
        now = asyncio.get_running_loop().time()
        if waiting.put_off_at is None:
            waiting.put_off_at = now
        elif now >= waiting.put_off_at + self._patience:
            _tell(waiting.answer, StoreUnavailable())
            return
        self._put_off.append(waiting)
        if self._patient_work is None or self._patient_work.done():
            work = asyncio.create_task(self._wait_for_locks(), name="wait for locks", context=Context())
            self._patient_work = work


def _tell(answer: Answer, result: Outcome | BillingError) -> None:
    if answer.done():
        return
    if isinstance(result, Outcome):
        answer.set_result(result)
    else:
        answer.set_exception(result)


def _fail(answers: Sequence[Answer], error: BaseException) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error if isinstance(error, Exception) else Overloaded())
