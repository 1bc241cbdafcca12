"""The benchmark runs. How fast anything is proves nothing here: no time ever fails a test."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_quick_mode_measures_service_and_floor_and_loses_nothing(tmp_path: Path) -> None:
    """A second of each workload on SQLite: every answer is a 2xx, the databases hold them, the tables are written."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--quick", "--database", "sqlite"),
            *("--output", str(tmp_path / "out"), "--folder", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    seen = {(one["workload"], one["target"]) for one in results["summaries"]}
    assert seen == {
        (workload, target) for workload in ("fresh", "duplicates", "mixed", "read") for target in ("service", "floor")
    }
    assert all(one["refused"] == 0 for one in results["summaries"])
    assert "| fresh | 16 |" in (tmp_path / "out" / "results.md").read_text()


def test_help_says_what_is_measured() -> None:
    """`--help` works without starting anything."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "floor" in ended.stdout
