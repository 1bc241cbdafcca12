"""Ratios are of runs of the same turn, so that a minute in which the machine is slow for everybody does not count."""

import pytest

from benchmarks.corpus import Workload
from benchmarks.databases import Kind
from benchmarks.measuring import Run, rotated
from benchmarks.plan import STANDARD
from benchmarks.processes import Target
from benchmarks.report import Findings, goals, markdown


def run(target: Target, per_second: float, *, turn: int, accounts: int = 1000, section: str = "connections") -> Run:
    """A run of fresh events on SQLite."""
    return Run(
        section=section,
        database=Kind.SQLITE,
        accounts=accounts,
        workers=1,
        workload=Workload.FRESH,
        connections=STANDARD,
        target=target,
        answers=1,
        per_second=per_second,
        p50_ms=1,
        p99_ms=1,
        server_cpu_us=1,
        database_cpu_us=0,
        memory_mib=1,
        refused=0,
        turn=turn,
    )


def reached(*runs: Run) -> dict[str, float]:
    """Answer what was reached of each goal, by its name."""
    return {goal.name: goal.reached.median for goal in goals(Findings(runs))}


def test_a_slow_minute_does_not_count() -> None:
    """The service has nine tenths of the floor in every turn, though most of its runs are of slow minutes."""
    speeds = {0: 1000.0, 1: 400.0, 2: 500.0}
    service = [run(Target.SERVICE, 0.9 * speed, turn=turn) for turn, speed in speeds.items()]
    floor = [run(Target.FLOOR, speed, turn=turn) for turn, speed in speeds.items()]
    assert reached(*service, *floor)["fresh events a second, against the floor"] == pytest.approx(0.9)


def test_one_odd_turn_does_not_count() -> None:
    """The median of the turns' ratios is taken: here 0.8, 0.9 and 5."""
    service = [run(Target.SERVICE, speed, turn=turn) for turn, speed in enumerate((80, 500, 90))]
    floor = [run(Target.FLOOR, 100, turn=turn) for turn in range(3)]
    assert reached(*service, *floor)["fresh events a second, against the floor"] == pytest.approx(0.9)


def test_runs_of_a_turn_that_was_cut_off_are_left_out() -> None:
    """A benchmark that is stopped half-way has turns without their other half."""
    service = [run(Target.SERVICE, speed, turn=turn) for turn, speed in enumerate((70, 1))]
    assert reached(*service, run(Target.FLOOR, 100, turn=0))["fresh events a second, against the floor"] == 0.7


def test_growth_compares_the_most_accounts_with_the_fewest() -> None:
    """In whatever order they were measured."""
    runs = [
        run(Target.SERVICE, speed, turn=0, accounts=accounts, section="growth")
        for accounts, speed in ((100_000, 95), (1_000_000, 85), (1000, 100))
    ]
    assert reached(*runs) == {"fresh with 1,000,000 accounts, against 1,000": 0.85}


def test_everybody_comes_first_once() -> None:
    """Each turn begins with another one."""
    assert ["".join(rotated("abc", turn)) for turn in range(4)] == ["abc", "bca", "cab", "abc"]


def test_what_cannot_be_compared_meets_no_goal() -> None:
    """A floor that answered nothing is no floor, and the table is written all the same."""
    findings = Findings([run(Target.SERVICE, 100, turn=0), run(Target.FLOOR, 0, turn=0)])
    assert not any(goal.is_met for goal in goals(findings) if goal.name.startswith("fresh"))
    assert "fresh" in markdown(findings)


def test_the_report_says_how_far_the_turns_are_apart() -> None:
    """One number alone would hide how little it may mean."""
    service = [run(Target.SERVICE, speed, turn=turn) for turn, speed in enumerate((80, 90, 70))]
    floor = [run(Target.FLOOR, 100, turn=turn) for turn in range(3)]
    assert "| 0.80 (0.70 to 0.90) |" in markdown(Findings([*service, *floor]))
