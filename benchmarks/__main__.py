"""`python -m benchmarks`."""

import contextlib
import os
import platform
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import charts, load, report
from benchmarks.databases import Databases, Kind, Sqlite, postgres
from benchmarks.plan import FULL, QUICK, SECTIONS, Extent, Measured, Measuring

OUTPUT = Path("build/benchmarks")


@click.command()
@click.option("--quick", is_flag=True, help="A second of each workload on one database size, once: does it work?")
@click.option("--seconds", type=click.IntRange(1, 60), help="How long each run is.  [default: 2]")
@click.option("--repetitions", type=click.IntRange(1, 50), help="Runs of each server, of which the median counts.")
@click.option(
    "--database",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in Kind]),
    help="Only this one; may be repeated.",
)
@click.option("--section", "sections", multiple=True, type=click.Choice(SECTIONS), help="Only this; may be repeated.")
@click.option("--accounts", help="Numbers of accounts for `growth`, such as 1000,100000.")
@click.option("--connections", help="Numbers of connections, such as 1,64.")
@click.option("--storm", type=int, help="Events of the storm after which memory is looked at.")
@click.option("--output", type=click.Path(path_type=Path), default=OUTPUT, show_default=True, help="Where to write to.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where databases are made: the disk that is measured.")
def main(
    *,
    quick: bool,
    seconds: int | None,
    repetitions: int | None,
    kinds: Sequence[str],
    sections: Sequence[str],
    accounts: str | None,
    connections: str | None,
    storm: int | None,
    output: Path,
    folder: Path | None,
) -> None:
    """Measure the service beside its floor: the same routes written by hand, in the same run, turn and turn about.

    Writes results.json, results.md and charts (with matplotlib). Every run is checked: what was acknowledged must be in
    the database, and what is answered must be what it holds. With everything it takes about half an hour on two cores.
    """
    extent = QUICK if quick else FULL
    extent = replace(
        extent,
        seconds=seconds or extent.seconds,
        repetitions=repetitions or extent.repetitions,
        sections=tuple(sections) or extent.sections,
        accounts=tuple(map(int, accounts.split(","))) if accounts else extent.accounts,
        connections=tuple(map(int, connections.split(","))) if connections else extent.connections,
        storm_events=storm or extent.storm_events,
    )
    wanted = [Kind(kind) for kind in kinds] or list(Kind)
    console = Console(width=None if Console().is_terminal else 200)
    output.mkdir(parents=True, exist_ok=True)
    measured: list[Measured] = []
    try:
        with tempfile.TemporaryDirectory(prefix="billing-benchmark-", dir=folder, ignore_cleanup_errors=True) as made:
            # As root, PostgreSQL runs as another user, who must get in.
            Path(made).chmod(0o755)
            measured.extend(_measure(console, wanted, extent, Path(made)))
    finally:
        # Also when it is stopped half-way: what was measured until then is in the list.
        _write(console, measured, extent, output)


def _measure(console: Console, kinds: Sequence[Kind], extent: Extent, folder: Path) -> Iterator[Measured]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for kind in kinds:
            with _opened(kind, folder) as databases:
                steps = Measuring(databases, extent, folder).steps()
                task = progress.add_task(str(kind), total=len(steps))
                for name, do in steps:
                    progress.update(task, description=name)
                    yield from do()
                    progress.advance(task)
                progress.update(task, description=str(kind))


@contextlib.contextmanager
def _opened(kind: Kind, folder: Path) -> Generator[Databases]:
    if kind is Kind.SQLITE:
        yield Sqlite(folder)
        return
    with postgres(folder) as databases:
        yield databases


def _write(console: Console, measured: Sequence[Measured], extent: Extent, output: Path) -> None:
    findings = report.Findings(measured)
    report.show(console, findings)
    results = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": load.generator_name()},
        "extent": asdict(extent),
        "summaries": [asdict(one) for one in findings.summaries],
        "goals": [asdict(goal) | {"is_met": goal.is_met} for goal in report.goals(findings)],
        "measured": [{"what": type(one).__name__.lower(), **asdict(one)} for one in measured],
    }
    (output / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    (output / "results.md").write_text(report.markdown(findings))
    try:
        drawn: Sequence[Path] = charts.draw(findings, output)
    except ImportError:
        console.print("No charts: matplotlib is not installed (dependency group `benchmarks`).")
        drawn = ()
    names = ["results.json", "results.md", *(path.name for path in drawn)]
    console.print(f"Written to {output}: {', '.join(names)}")


if __name__ == "__main__":
    main()
