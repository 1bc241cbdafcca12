"""What is to be sent, and when; and the groups that are shuffled on demand."""

import heapq
import itertools
import random
import time
from typing import Final, NamedTuple

_GROUP_WAIT_SECONDS: Final = 0.2


class Job(NamedTuple):
    """One event for one endpoint. Jobs of the same moment go in their order."""

    due: float
    """By the monotonic clock; 0 is at once."""
    order: int
    event: str
    endpoint: str
    attempt: int
    copy: int
    """Copies of a duplicated event are numbered from 0; only that one is tried again."""


class Queue:
    """A heap of jobs, and one group that fills before it is queued in another order."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._jobs: list[Job] = []
        self._group: list[Job] = []
        self._group_since = 0.0
        self.clear()

    def clear(self) -> None:
        """Forget all that waits, and begin the disorder anew: with a seed it is the same again."""
        self._jobs.clear()
        self._group.clear()
        self._order = itertools.count()
        # Disorder wants to be repeatable under a seed, not unpredictable.
        self._random = random.Random(self._seed)  # noqa: S311

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def gathers(self) -> bool:
        """Whether a group waits to be full."""
        return bool(self._group)

    def chance(self) -> float:
        """A number from 0 to below 1."""
        return self._random.random()

    def push(
        self, event: str, endpoint: str, *, delay: float = 0.0, attempt: int = 1, copy: int = 0, group: int = 0
    ) -> None:
        """Queue a job that is due in `delay` seconds; with a `group`, in a shuffled group of this size."""
        due = time.monotonic() + delay if delay > 0 else 0.0
        job = Job(due, next(self._order), event, endpoint, attempt, copy)
        if group <= 1:
            heapq.heappush(self._jobs, job)
            return
        if not self._group:
            self._group_since = time.monotonic()
        self._group.append(job)
        if len(self._group) >= group:
            self.release_group()

    def release_group(self) -> None:
        """Queue a group in another order than it came in."""
        jobs, self._group = self._group, []
        shuffled = jobs[::-1]
        if len(jobs) > 2:  # noqa: PLR2004  # of two there is only one other order
            self._random.shuffle(shuffled)
            if shuffled == jobs:
                shuffled.reverse()
        now = time.monotonic()
        for job in shuffled:
            # One moment for the whole group, so that the shuffled order decides and not the moment of planning.
            due = job.due if job.due > now else 0.0
            heapq.heappush(self._jobs, job._replace(order=next(self._order), due=due))

    def release_old_group(self) -> None:
        """A group that does not fill is not waited for longer than a moment."""
        if self._group and time.monotonic() - self._group_since >= _GROUP_WAIT_SECONDS:
            self.release_group()

    def hurry(self) -> None:
        """Make everything due at once but retries, which keep their back-off."""
        self.release_group()
        self._jobs = [job._replace(due=0.0) if job.attempt == 1 else job for job in self._jobs]
        heapq.heapify(self._jobs)

    def pop_due(self) -> Job | None:
        if not self._jobs or self._jobs[0].due > time.monotonic():
            return None
        return heapq.heappop(self._jobs)

    def wait_seconds(self, *, paused: bool) -> float | None:
        """How long until something is due; None while nothing waits."""
        moments = [self._jobs[0].due] if self._jobs and not paused else []
        if self._group:
            moments.append(self._group_since + _GROUP_WAIT_SECONDS)
        return max(min(moments) - time.monotonic(), 0) if moments else None
