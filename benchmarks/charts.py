"""The charts, as SVG."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.corpus import Workload
from benchmarks.databases import Kind
from benchmarks.processes import Target
from benchmarks.report import Findings, Summary

COLOURS = {Target.SERVICE: "#4f46e5", Target.FLOOR: "#a3a3a3", Target.ALONE: "#d4d4d4", Target.WHOLE: "#d4d4d4"}
_SECTIONS: Mapping[str, tuple[Callable[[Summary], int], str]] = {
    "connections": (lambda one: one.connections, "connections"),
    "growth": (lambda one: one.accounts, "accounts"),
}
"""What is drawn of which section: along which number, and what it is called."""


def draw(findings: Findings, folder: Path) -> Sequence[Path]:
    """Draw what there is to draw; raises `ImportError` without matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415 - a group that few need

    mpl.use("svg")
    # Without dates and random ids, so that the same figures make the same file.
    mpl.rcParams.update({"svg.hashsalt": "benchmark", "font.family": "sans-serif", "font.size": 9})
    drawn: list[Path] = []
    for kind in Kind:
        of_kind = [one for one in findings.summaries if one.database is kind]
        for section, (key, label) in _SECTIONS.items():
            chosen = [one for one in of_kind if one.section == section]
            if len({key(one) for one in chosen}) > 1:
                drawn.append(_draw(chosen, key, label, kind, folder / f"benchmark-{section}-{kind}.svg"))
    return drawn


def _draw(chosen: Sequence[Summary], key: Callable[[Summary], int], label: str, kind: Kind, path: Path) -> Path:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - a group that few need

    figure: Any
    axes: Any
    figure, axes = plt.subplots(2, 2, figsize=(8, 5), layout="constrained")
    for row, workload in zip(axes, (Workload.FRESH, Workload.READ), strict=True):
        ours = [one for one in chosen if one.workload is workload]
        _bars(row[0], ours, key=key, value=_per_second, title=f"{workload}: answers a second", label=label)
        _bars(row[1], ours, key=key, value=_p99_ms, title=f"{workload}: p99, ms", label=label)
    axes[0][0].legend(frameon=False)
    figure.suptitle(f"The service beside its floor on {kind}")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def _bars(
    axis: Any,
    ours: Sequence[Summary],
    *,
    key: Callable[[Summary], int],
    value: Callable[[Summary], float],
    title: str,
    label: str,
) -> None:
    keys = sorted({key(one) for one in ours})
    for offset, target in ((-0.2, Target.SERVICE), (0.2, Target.FLOOR)):
        values = {key(one): value(one) for one in ours if one.target is target}
        places = [place + offset for place in range(len(keys))]
        axis.bar(places, [values.get(one, 0) for one in keys], 0.4, color=COLOURS[target], label=target.value)
    axis.set_xticks(range(len(keys)), [f"{one:,}" for one in keys])
    axis.set_title(title, loc="left")
    axis.set_xlabel(label)
    axis.spines[["top", "right"]].set_visible(False)


def _per_second(one: Summary) -> float:
    return one.per_second


def _p99_ms(one: Summary) -> float:
    return one.p99_ms
