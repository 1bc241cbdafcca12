"""Requests that come at once are taken one by one."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from time import perf_counter

PACE_SECONDS = 0.0001
"""About what it takes to verify and decode an event."""


class Turns:
    """Lets callers go on one by one, in the order in which they came, so that the event loop has turns in between.

    When many requests have come, whatever else is ready (above all the database's answer for the batch in flight) waits
    for one of them to be verified and decoded, and not for all. But where the loop has much else to do its turns are
    long, and with one caller in each of them these would be the ones to wait: so one more goes on for each
    `PACE_SECONDS` that the last turn took.
    """

    def __init__(self, *, clock: Callable[[], float] = perf_counter) -> None:
        """Begin with nobody in line; `clock` answers seconds."""
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False
        self._called_at = 0.0
        # Nobody's: the first caller's would be kept for as long as there is a line.
        self._context = Context()

    async def take(self) -> None:
        """Return when it is the caller's turn: at once, if nobody else has just had one."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            self._called_at = self._clock()
            loop.call_soon(self._call_next, loop, context=self._context)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _call_next(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._clock()
        called = max(1, int((now - self._called_at) / PACE_SECONDS))
        self._called_at = now
        while self._waiting:
            turn = self._waiting.popleft()
            # Who went away has no use for it.
            if not turn.done():
                turn.set_result(None)
                called -= 1
                if not called:
                    loop.call_soon(self._call_next, loop, context=self._context)
                    return
        self._is_taken = False
