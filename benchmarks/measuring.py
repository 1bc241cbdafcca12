"""Runs: servers side by side, turn and turn about, each run checked against what its database holds."""

import contextlib
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks import load
from benchmarks.checks import check, check_reads
from benchmarks.corpus import Corpus, Workload, Writer
from benchmarks.databases import Databases, Kind
from benchmarks.load import Answers
from benchmarks.processes import Server, Target, serving

KNOWN_EVENTS = 500
"""How many events a storm of duplicates repeats."""
FIRST_GUESS_PER_SECOND = 6000
"""Of one connection."""
ROOM = 1.5
"""How many times as many requests to have at hand as the fastest server has answered so far."""
WARM_UP_REQUESTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs are made."""

    kind: Kind
    accounts: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one server."""

    section: str
    database: Kind
    accounts: int
    workers: int
    workload: Workload
    connections: int
    target: Target
    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float | None
    """Processor time of the server's processes for one request, in microseconds."""
    database_cpu_us: float | None
    memory_mib: float | None
    """Of all processes of the server, after the run."""
    refused: int
    turn: int
    """Of what is compared, runs with the same number were made shortly after one another."""


@dataclass(slots=True, kw_only=True)
class Side:
    """One of the servers of a place, with its own copy of the database."""

    server: Server
    database: str
    acknowledged: int = 0
    """Events with an effect that were acknowledged as applied."""
    unheard: int = 0
    """At most so many more may have been applied, their answers unheard."""


@dataclass(slots=True, kw_only=True)
class Arena:
    """The servers of a place, all started, waiting for runs."""

    place: Place
    databases: Databases
    writer: Writer
    sides: Sequence[Side]
    seconds: int
    told: Callable[[Run], None]
    """Hears of each run."""
    enough: dict[tuple[Workload, int], float] = field(default_factory=dict[tuple[Workload, int], float])
    """How many requests a second to have at hand, for each workload and number of connections."""

    def measure(self, section: str, workload: Workload, connections: int, *, turn: int) -> None:
        """Let each server have its turn, with the same requests: A B C in turn 0, B C A in turn 1, and so on."""
        while True:
            corpus, first = self._corpus(workload, connections)
            runs: list[Run] = []
            for side in rotated(self.sides, turn):
                if first is not None:
                    self._note(side, load.send_all(first, port=side.server.port), unheard=0)
                what = partial(Run, section=section, workload=workload, connections=connections, turn=turn)
                runs.append(self._run(side, corpus, connections, what))
            fastest = max(run.per_second for run in runs)
            self.enough[workload, connections] = max(fastest * ROOM, self.enough.get((workload, connections), 0))
            if max(run.answers + run.refused for run in runs) < corpus.size - connections:
                break
            # A server that has had all requests waits for the rest of the time, which says nothing of it.
            self.enough[workload, connections] *= 2
        for run in runs:
            self.told(run)

    def warm_up(self) -> None:
        """Let each server see each kind of request."""
        for workload in (Workload.FRESH, Workload.READ):
            corpus = self.writer.write(workload, WARM_UP_REQUESTS)
            for side in self.sides:
                self._note(side, load.send_all(corpus, port=side.server.port), unheard=0)

    def storm(self, side: Side, *, events: int, connections: int) -> None:
        """Send so many fresh events to one server."""
        for _ in range(math.ceil(events / 10_000)):
            corpus = self.writer.write(Workload.FRESH, 10_000)
            self._note(side, load.send_all(corpus, port=side.server.port, connections=connections), unheard=0)

    def check_reads(self) -> None:
        """Raise unless every server answers what its database holds."""
        for side in self.sides:
            check_reads(
                self.databases,
                side.database,
                accounts=self.place.accounts,
                events=self.writer.written,
                port=side.server.port,
            )

    def check(self) -> None:
        """Raise unless every database holds what was acknowledged."""
        for side in self.sides:
            least, most = side.acknowledged, side.acknowledged + side.unheard
            check(self.databases, side.database, accounts=self.place.accounts, least=least, most=most)

    def _corpus(self, workload: Workload, connections: int) -> tuple[Corpus, Corpus | None]:
        per_second = self.enough.get((workload, connections), FIRST_GUESS_PER_SECOND * min(connections, ROOM))
        size = math.ceil(per_second * self.seconds / 10) * 10
        if workload is Workload.DUPLICATES:
            first, again = self.writer.write_known(size, KNOWN_EVENTS)
            return again, first
        return self.writer.write(workload, size), None

    def _run(self, side: Side, corpus: Corpus, connections: int, what: Callable[..., Run]) -> Run:
        server_before, database_before = side.server.cpu_seconds(), self.databases.cpu_seconds()
        answers = load.send(corpus, port=side.server.port, connections=connections, seconds=self.seconds)
        server_after, database_after = side.server.cpu_seconds(), self.databases.cpu_seconds()
        memory = side.server.memory_bytes()
        self._note(side, answers, unheard=connections)
        return what(
            database=self.place.kind,
            accounts=self.place.accounts,
            workers=self.place.workers,
            target=side.server.target,
            answers=answers.count,
            per_second=answers.per_second,
            p50_ms=answers.p50_ms,
            p99_ms=answers.p99_ms,
            server_cpu_us=_each(server_before, server_after, answers.count),
            database_cpu_us=_each(database_before, database_after, answers.count),
            memory_mib=None if memory is None else memory / 2**20,
            refused=answers.refused,
        )

    def _note(self, side: Side, answers: Answers, *, unheard: int) -> None:
        side.acknowledged += answers.outcomes.get("applied", 0)
        side.unheard += unheard


Item = TypeVar("Item")


def rotated(items: Sequence[Item], turn: int) -> Sequence[Item]:
    """Answer the items so that in each turn another one comes first."""
    first = turn % len(items)
    return (*items[first:], *items[:first])


def _each(before: float | None, after: float | None, count: int) -> float | None:
    """Answer the microseconds for each of `count` requests."""
    return None if before is None or after is None or not count else (after - before) / count * 1e6


@contextlib.contextmanager
def arena(
    databases: Databases,
    place: Place,
    targets: Sequence[Target],
    *,
    folder: Path,
    seconds: int,
    told: Callable[[Run], None],
) -> Generator[Arena]:
    """Start servers side by side, each on a copy of the same database; check in the end what they hold, and answer."""
    databases.prepare(place.accounts)
    with contextlib.ExitStack() as copies:
        with contextlib.ExitStack() as servers:
            sides: list[Side] = []
            for number, target in enumerate(targets):
                name = f"side-{place.accounts}-{place.workers}-{number}"
                url = databases.copy(place.accounts, name)
                copies.callback(databases.drop, name)
                server = servers.enter_context(serving(target, database_url=url, workers=place.workers, folder=folder))
                sides.append(Side(server=server, database=name))
            writer = Writer(folder, accounts=place.accounts)
            ring = Arena(place=place, databases=databases, writer=writer, sides=sides, seconds=seconds, told=told)
            yield ring
            ring.check_reads()
        # Now that the servers have stopped, nothing is in flight any more.
        ring.check()
