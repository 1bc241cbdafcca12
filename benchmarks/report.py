"""What was measured, boiled down: medians, ratios to the floor, and how they stand to the goals."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import nan
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import Workload
from benchmarks.databases import Kind
from benchmarks.measuring import Run
from benchmarks.plan import STANDARD, Measured, Memory, Start
from benchmarks.processes import Target

COMPARED = 2
"""Sides that a ratio needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The medians of one server's runs in one place."""

    section: str
    database: Kind
    accounts: int
    workers: int
    workload: Workload
    connections: int
    target: Target
    per_second: float
    spread: float
    """How far the fastest and the slowest run are apart, as a share of the median: the noise."""
    p50_ms: float
    p99_ms: float
    server_cpu_us: float | None
    database_cpu_us: float | None
    memory_mib: float | None
    refused: int


Place = tuple[str, Kind, int, int, Workload, int]


def place_of(one: Run | Summary) -> Place:
    """Answer all that is the same for the servers that are compared."""
    return (one.section, one.database, one.accounts, one.workers, one.workload, one.connections)


Groups = dict[tuple[Place, Target], list[Run]]


def grouped(runs: Iterable[Run]) -> Groups:
    """Answer the runs of each server in each place, in the order in which places were measured first."""
    groups: Groups = {}
    for run in runs:
        groups.setdefault((place_of(run), run.target), []).append(run)
    return groups


def _summary(runs: Sequence[Run]) -> Summary:
    first = runs[0]
    rates = [run.per_second for run in runs]
    return Summary(
        section=first.section,
        database=first.database,
        accounts=first.accounts,
        workers=first.workers,
        workload=first.workload,
        connections=first.connections,
        target=first.target,
        per_second=median(rates),
        spread=(max(rates) - min(rates)) / median(rates) if median(rates) else nan,
        p50_ms=median(run.p50_ms for run in runs),
        p99_ms=median(run.p99_ms for run in runs),
        server_cpu_us=_median(run.server_cpu_us for run in runs),
        database_cpu_us=_median(run.database_cpu_us for run in runs),
        memory_mib=_median(run.memory_mib for run in runs),
        refused=sum(run.refused for run in runs),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How two servers or places compare, over all turns."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> "Ratio":
        """Boil down; without any it is not a number, and meets no goal."""
        if not ratios:
            return cls(median=nan, lowest=nan, highest=nan)
        return cls(median=median(ratios), lowest=min(ratios), highest=max(ratios))

    def __str__(self) -> str:
        """Say it with how far the turns are apart."""
        return f"{self.median:.2f} ({self.lowest:.2f} to {self.highest:.2f})"


Measure = Callable[[Run], float]


def _rate(one: Run) -> float:
    return one.per_second


class Findings:
    """All summaries, looked up by what they are of."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        """Boil down."""
        self._runs = grouped(one for one in measured if isinstance(one, Run))
        self.summaries = [_summary(runs) for runs in self._runs.values()]
        self.memory = [one for one in measured if isinstance(one, Memory)]
        self.starts = [one for one in measured if isinstance(one, Start)]
        self._found = {(place_of(one), one.target): one for one in self.summaries}

    def find(self, target: Target, **wanted: object) -> Summary | None:
        """Answer the first summary of a server with these values."""
        for one in self.summaries:
            if one.target is target and all(getattr(one, name) == value for name, value in wanted.items()):
                return one
        return None

    def floor_of(self, one: Summary) -> Summary | None:
        """Answer the floor's summary in the same place."""
        return self._found.get((place_of(one), Target.FLOOR))

    def ratio(self, one: Summary, other: Summary, measure: Measure) -> Ratio:
        """Answer the ratios of runs of the same turn.

        A machine that is slower for a minute is so for both runs of a turn, and the ratio does not see it. The ratio of
        two medians does: they may be of different minutes.
        """
        others = {run.turn: measure(run) for run in self._runs[place_of(other), other.target]}
        ones = self._runs[place_of(one), one.target]
        return Ratio.of([measure(run) / others[run.turn] for run in ones if others.get(run.turn)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A goal on one kind of database, and what was reached."""

    database: Kind
    name: str
    reached: Ratio
    bound: float
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it was reached."""
        reached = self.reached.median
        return reached <= self.bound if self.at_most else reached >= self.bound


def goals(findings: Findings) -> Iterator[Goal]:
    """Answer each goal that was measured."""
    for kind in Kind:
        yield from _against_the_floor(findings, kind)
        yield from _growth(findings, kind)
        yield from _two_workers(findings, kind)
    for one in findings.memory:
        if one.after and one.warmed_up:
            name = f"memory after {one.events:,} events, against before"
            reached = Ratio.of([one.after / one.warmed_up])
            yield Goal(database=one.database, name=name, reached=reached, bound=1.2, at_most=True)


def _against_the_floor(findings: Findings, kind: Kind) -> Iterator[Goal]:
    usual = {"section": "connections", "database": kind, "connections": STANDARD}
    table: list[tuple[str, Workload, Measure, float, bool]] = [
        ("fresh events a second, against the floor", Workload.FRESH, _rate, 0.8, False),
        ("duplicates a second, against the floor", Workload.DUPLICATES, _rate, 0.9, False),
        ("status reads a second, against the floor", Workload.READ, _rate, 0.8, False),
        ("p99 of fresh events, against the floor's", Workload.FRESH, lambda one: one.p99_ms, 1.5, True),
    ]
    for name, workload, measure, bound, at_most in table:
        service = findings.find(Target.SERVICE, workload=workload, **usual)
        floor = findings.find(Target.FLOOR, workload=workload, **usual)
        if service and floor:
            reached = findings.ratio(service, floor, measure)
            yield Goal(database=kind, name=name, reached=reached, bound=bound, at_most=at_most)
    single = {"section": "alone", "database": kind, "connections": 1}
    service, alone = findings.find(Target.SERVICE, **single), findings.find(Target.ALONE, **single)
    if service and alone:
        name = "one connection's latency (p50), against the floor without group commit"
        reached = findings.ratio(service, alone, lambda one: one.p50_ms)
        yield Goal(database=kind, name=name, reached=reached, bound=1.3, at_most=True)


def _growth(findings: Findings, kind: Kind) -> Iterator[Goal]:
    for workload in (Workload.FRESH, Workload.READ):
        grown = [
            one
            for one in findings.summaries
            if (one.section, one.database, one.workload, one.target) == ("growth", kind, workload, Target.SERVICE)
        ]
        if len(grown) >= COMPARED:
            few, *_, many = sorted(grown, key=lambda one: one.accounts)
            name = f"{workload} with {many.accounts:,} accounts, against {few.accounts:,}"
            yield Goal(database=kind, name=name, reached=findings.ratio(many, few, _rate), bound=0.8)


def _two_workers(findings: Findings, kind: Kind) -> Iterator[Goal]:
    for workload in (Workload.FRESH, Workload.READ):
        gains: dict[Target, Ratio] = {}
        for target in (Target.SERVICE, Target.FLOOR):
            wanted = {"section": "workers", "database": kind, "workload": workload}
            one = findings.find(target, workers=1, **wanted)
            two = findings.find(target, workers=2, **wanted)
            if one and two:
                gains[target] = findings.ratio(two, one, _rate)
        if len(gains) == COMPARED:
            name = f"gain of a second worker, {workload}; the bound is the floor's own"
            yield Goal(database=kind, name=name, reached=gains[Target.SERVICE], bound=gains[Target.FLOOR].median)


HEADS = (
    *("workload", "connections", "accounts", "workers", "server", "per second", "ratio", "noise", "p50 ms", "p99 ms"),
    *("server CPU us", "database CPU us", "MiB", "refused"),
)


def rows(findings: Findings, kind: Kind) -> Iterator[tuple[str, ...]]:
    """Answer the table's rows for one kind of database."""
    for one in findings.summaries:
        if one.database is not kind:
            continue
        floor = findings.floor_of(one)
        yield (
            *(one.workload.value, str(one.connections), f"{one.accounts:,}", str(one.workers), one.target.value),
            f"{one.per_second:,.0f}",
            str(findings.ratio(one, floor, _rate)) if floor and one.target is not Target.FLOOR else "",
            f"±{one.spread * 50:.0f} %",
            *(f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}"),
            *(_number(one.server_cpu_us), _number(one.database_cpu_us), _number(one.memory_mib), str(one.refused)),
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def show(console: Console, findings: Findings) -> None:
    """Print the tables."""
    for kind in Kind:
        table = Table(*HEADS, title=f"On {kind}", title_justify="left")
        for row in rows(findings, kind):
            table.add_row(*row)
        if table.rows:
            console.print(table)
    for one in findings.memory:
        console.print(
            f"Memory of one worker on {one.database}: {_number(one.at_start)} MiB at start, {_number(one.warmed_up)} "
            f"after the first requests, {_number(one.after)} after {one.events:,} events."
        )
    for start in findings.starts:
        console.print(f"Start-up of the {start.target} on {start.database}: {start.seconds:.2f} s.")
    table = Table("database", "goal", "reached", "bound", "", title="Goals", title_justify="left")
    for goal in goals(findings):
        bound = f"at {'most' if goal.at_most else 'least'} {goal.bound:.2f}"
        table.add_row(goal.database.value, goal.name, str(goal.reached), bound, "met" if goal.is_met else "missed")
    if table.rows:
        console.print(table)


def markdown(findings: Findings) -> str:
    """Write the tables for the documentation."""
    lines: list[str] = []
    for kind in Kind:
        body = list(rows(findings, kind))
        if body:
            lines += [f"### On {kind}", "", *_markdown_table(HEADS, body), ""]
    met = [
        (
            *(goal.database.value, goal.name, str(goal.reached)),
            f"at {'most' if goal.at_most else 'least'} {goal.bound:.2f}",
            "met" if goal.is_met else "missed",
        )
        for goal in goals(findings)
    ]
    if met:
        lines += ["### Goals", "", *_markdown_table(("database", "goal", "reached", "bound", ""), met), ""]
    return "\n".join(lines)


def _markdown_table(heads: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *body)]
