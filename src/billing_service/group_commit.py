"""Deliveries that arrive while a commit is in flight go together in the next transaction.

No timer: an idle service commits at once. One commit is in flight at a time in a process, so the longer a commit takes,
the larger the next batch.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial

from billing.errors import BillingError, Contended, Overloaded
from billing.events import Delivery
from billing.idempotency import Outcome
from billing.use_cases.receive_events import DecideEvents

MAX_BATCH = 64
MAX_WAITING = 2048
"""More than that is refused with `Overloaded`: Stripe will come again, and memory stays bounded. Nearly each has a
connection, so it must be fewer than `billing_service.http_protocol.MAX_CONNECTIONS`."""
CLOSE_SECONDS = 8.0

Answer = asyncio.Future[Outcome]


class GroupCommit:
    """The inbox of one process.

    There are two lines. Everybody joins the first one; those whose account somebody else has locked are put off to the
    second one, where they wait for as long as is allowed, so that the first one goes on without them.
    """

    def __init__(
        self,
        decide_events: DecideEvents,
        *,
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Hand batches to `decide_events`."""
        self._max_waiting = max_waiting
        self._patient = _Line(partial(decide_events.execute, patient=True), max_batch=max_batch)
        self._first = _Line(
            partial(decide_events.execute, patient=False), max_batch=max_batch, put_off=self._patient.add
        )

    async def put(self, delivery: Delivery) -> Outcome:
        """Answer once the delivery is committed. A caller who goes away changes nothing for the others."""
        if self._first.length + self._patient.length >= self._max_waiting:
            raise Overloaded
        answer: Answer = asyncio.get_running_loop().create_future()
        self._first.add(delivery, answer)
        return await answer

    async def close(self) -> None:
        """Wait until all that waits is committed, or a deadline passes: what is cut off was not acknowledged."""
        deadline = asyncio.get_running_loop().time() + CLOSE_SECONDS
        for line in (self._first, self._patient):
            await line.end(by=deadline)


class _Line:
    """Deliveries that wait, and a task that decides them, a batch at a time."""

    def __init__(
        self,
        decide: Callable[[Sequence[Delivery]], Awaitable[Sequence[Outcome | BillingError]]],
        *,
        max_batch: int,
        put_off: Callable[[Delivery, Answer], None] | None = None,
    ) -> None:
        """Decide with `decide`; deliveries that are `Contended` are given to `put_off`."""
        self._decide = decide
        self._max_batch = max_batch
        self._put_off = put_off
        self._waiting: deque[tuple[Delivery, Answer]] = deque()
        self._work: asyncio.Task[None] | None = None

    @property
    def length(self) -> int:
        """How many wait, besides those that are being decided."""
        return len(self._waiting)

    def add(self, delivery: Delivery, answer: Answer) -> None:
        """Have somebody wait at the end of the line."""
        self._waiting.append((delivery, answer))
        if self._work is None or self._work.done():
            # A context of its own: the batch is nobody's request, and its log lines must not carry one's id.
            self._work = asyncio.create_task(self._commit_all(), name="group commit", context=Context())

    async def end(self, *, by: float) -> None:
        """Wait until nobody waits any more, but cut off what is not done at this time of the event loop's."""
        if self._work is None:
            return
        seconds = max(0.0, by - asyncio.get_running_loop().time())
        _, pending = await asyncio.wait([self._work], timeout=seconds)
        for unfinished in pending:
            unfinished.cancel()
            await asyncio.wait([unfinished])

    async def _commit_all(self) -> None:
        while self._waiting:
            size = min(len(self._waiting), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(size)]
            await self._commit(batch)

    async def _commit(self, batch: Sequence[tuple[Delivery, Answer]]) -> None:
        try:
            results = await self._decide([delivery for delivery, _ in batch])
        except BaseException as error:
            _fail([answer for _, answer in batch], error)
            if not isinstance(error, Exception):
                raise
            return
        for (delivery, answer), result in zip(batch, results, strict=True):
            if isinstance(result, Contended) and self._put_off is not None:
                self._put_off(delivery, answer)
            else:
                _tell(answer, result)


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
