"""What is measured, section by section."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.corpus import Workload
from benchmarks.databases import Databases, Kind
from benchmarks.measuring import Arena, Place, Run, arena, rotated
from benchmarks.processes import Target, serving

PAIR = (Target.SERVICE, Target.FLOOR)
SECTIONS = ("connections", "alone", "workers", "growth", "memory", "start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of it."""

    seconds: int
    repetitions: int
    connections: tuple[int, ...]
    accounts: tuple[int, ...]
    """In the database, for `growth`."""
    storm_events: int
    usual_accounts: int = 20_000
    """In the database, for everything else: so many that no account has two events in flight at a time."""
    sections: tuple[str, ...] = SECTIONS


QUICK = Extent(seconds=1, repetitions=1, connections=(16,), accounts=(1000,), storm_events=0, sections=("connections",))
FULL = Extent(
    seconds=2, repetitions=4, connections=(1, 16, 64, 256), accounts=(1000, 100_000, 1_000_000), storm_events=200_000
)
STANDARD = 64
"""The number of connections that the goals are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a storm of events does to one worker's memory, in MiB."""

    database: Kind
    events: int
    at_start: float | None
    warmed_up: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How long a server takes from its start to its first answer, in seconds: the median."""

    database: Kind
    target: Target
    seconds: float


Measured = Run | Memory | Start
Step = tuple[str, Callable[[], Iterator[Measured]]]


class Measuring:
    """All sections on one kind of database."""

    def __init__(self, databases: Databases, extent: Extent, folder: Path) -> None:
        """Keep files in `folder`."""
        self._databases = databases
        self._extent = extent
        self._folder = folder

    def steps(self) -> Sequence[Step]:
        """Answer what there is to do, in order, each step with its name."""
        makers: dict[str, Sequence[Step]] = {
            "connections": [("workloads and connections", self._connections)],
            "alone": [("a single connection, and other floors", self._alone)],
            "workers": [("one worker, and two", self._workers)],
            "growth": [(f"{' and '.join(f'{n:,}' for n in self._extent.accounts)} accounts", self._growth)],
            "memory": [(f"a storm of {self._extent.storm_events:,} events", self._memory)],
            "start": [("start-up", self._start)],
        }
        kind = self._databases.kind
        return [(f"{kind}: {name}", do) for section in self._extent.sections for name, do in makers[section]]

    def _connections(self) -> Iterator[Measured]:
        with self._arenas(PAIR) as (rings, runs):
            for connections in self._extent.connections:
                for workload in (Workload.FRESH, Workload.READ, Workload.DUPLICATES, Workload.MIXED):
                    yield from self._measure(rings, runs, "connections", workload, connections)

    def _alone(self) -> Iterator[Measured]:
        with self._arenas((*PAIR, Target.ALONE, Target.WHOLE)) as (rings, runs):
            for connections in (1, STANDARD):
                yield from self._measure(rings, runs, "alone", Workload.FRESH, connections)

    def _workers(self) -> Iterator[Measured]:
        with self._arenas(PAIR, workers=(1, 2)) as (rings, runs):
            for workload in (Workload.FRESH, Workload.READ):
                yield from self._measure(rings, runs, "workers", workload, STANDARD)

    def _growth(self) -> Iterator[Measured]:
        with self._arenas(PAIR, accounts=self._extent.accounts) as (rings, runs):
            for workload in (Workload.FRESH, Workload.READ):
                yield from self._measure(rings, runs, "growth", workload, STANDARD)

    def _memory(self) -> Iterator[Measured]:
        with self._arenas((Target.SERVICE,), warmed_up=False) as ((ring,), _):
            (side,) = ring.sides
            at_start = side.server.memory_bytes()
            ring.warm_up()
            warmed_up = side.server.memory_bytes()
            ring.storm(side, events=self._extent.storm_events, connections=STANDARD)
            yield Memory(
                database=self._databases.kind,
                events=self._extent.storm_events,
                at_start=_mib(at_start),
                warmed_up=_mib(warmed_up),
                after=_mib(side.server.memory_bytes()),
            )

    def _start(self) -> Iterator[Measured]:
        accounts = self._extent.usual_accounts
        self._databases.prepare(accounts)
        taken: dict[Target, list[float]] = {target: [] for target in PAIR}
        for target in PAIR * self._extent.repetitions:
            url = self._databases.copy(accounts, "start")
            with serving(target, database_url=url, workers=1, folder=self._folder) as server:
                taken[target].append(server.start_seconds)
            self._databases.drop("start")
        for target, seconds in taken.items():
            yield Start(database=self._databases.kind, target=target, seconds=median(seconds))

    def _measure(
        self, rings: Sequence[Arena], runs: list[Run], section: str, workload: Workload, connections: int
    ) -> Iterator[Run]:
        """Let places take turns, too: what is compared is measured within a minute, whatever the disk's mood.

        Answers the runs turn by turn, so that what was measured is there if somebody stops the benchmark.
        """
        for turn in range(self._extent.repetitions):
            for ring in rotated(rings, turn):
                ring.measure(section, workload, connections, turn=turn)
            yield from runs
            runs.clear()

    @contextmanager
    def _arenas(
        self,
        targets: Sequence[Target],
        *,
        workers: Sequence[int] = (1,),
        accounts: Sequence[int] = (),
        warmed_up: bool = True,
    ) -> Generator[tuple[Sequence[Arena], list[Run]]]:
        """Start servers in each place, and answer the places, with a list that hears of each run."""
        runs: list[Run] = []
        kind, seconds = self._databases.kind, self._extent.seconds
        places = [
            Place(kind=kind, accounts=number, workers=count)
            for number in accounts or (self._extent.usual_accounts,)
            for count in workers
        ]
        with ExitStack() as stack:
            rings = [
                stack.enter_context(
                    arena(self._databases, place, targets, folder=self._folder, seconds=seconds, told=runs.append)
                )
                for place in places
            ]
            if warmed_up:
                for ring in rings:
                    ring.warm_up()
            yield rings, runs


def _mib(count: int | None) -> float | None:
    return None if count is None else count / 2**20
