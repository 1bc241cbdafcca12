"""Questions that are asked while an answer is under way go together in the next round trip.

No timer: a question that comes alone is asked at once. Every question is answered by a read that began after it was
asked, so what was committed before is seen: a key that was revoked is revoked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from billing.errors import StoreUnavailable

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MAX_TOGETHER = 256
"""Questions in one round trip."""


class Gathering(Generic[Question, Answer]):
    """Asks many questions of one kind at a time."""

    def __init__(self, ask_all: Callable[[Sequence[Question]], Awaitable[Mapping[Question, Answer]]]) -> None:
        """Ask with `ask_all`, which leaves out what has no answer."""
        self._ask_all = ask_all
        self._waiting: list[tuple[Question, asyncio.Future[Answer | None]]] = []
        self._work: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer | None:
        """Answer a question; `None` if there is no answer. Raises what `ask_all` raises."""
        answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._work is None or self._work.done():
            # A context of its own: what is read together is nobody's request, so no log line may have its id.
            self._work = asyncio.create_task(self._answer_all(), context=Context())
        return await answer

    async def _answer_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            try:
                answers = await self._ask_all([question for question, _ in together])
            except BaseException as error:
                _fail([answer for _, answer in together], error)
                if not isinstance(error, Exception):
                    raise
            else:
                for question, answer in together:
                    if not answer.done():
                        answer.set_result(answers.get(question))


def _fail(answers: Sequence["asyncio.Future[Answer | None]"], error: BaseException) -> None:
    """Tell everybody, each with an error of their own: a traceback that many raise grows with each of them."""
    for answer in answers:
        if answer.done():
            continue
        if isinstance(error, Exception) and not isinstance(error, StoreUnavailable):
            answer.set_exception(error)
        else:
            unavailable = StoreUnavailable()
            unavailable.__cause__ = error.__cause__
            answer.set_exception(unavailable)
