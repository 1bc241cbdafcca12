"""Requests that come at once are taken one by one."""

import asyncio
from collections import deque


class Turns:
    """Lets one caller go on in each turn of the event loop, in the order in which they came.

    When many requests have come, whatever else is ready (above all the database's answer for the batch in flight) waits
    for one of them to be verified and decoded, and not for all.
    """

    def __init__(self) -> None:
        """Begin with nobody in line."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def take(self) -> None:
        """Return in a turn in which nobody else does. Whoever is alone need not wait."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._call_next, loop)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _call_next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            # Who went away has no use for it.
            if not turn.done():
                turn.set_result(None)
                loop.call_soon(self._call_next, loop)
                return
        self._is_taken = False
