"""Sending a corpus to a server and measuring its answers: with wrk where it is installed, else with our generator."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from benchmarks.corpus import Corpus

FOREVER_SECONDS = 240.0
LONGEST_SECONDS = 300.0
"""A generator that takes longer hangs."""
_SCRIPT = Path(__file__).with_name("wrk.lua")


class Answers(msgspec.Struct, frozen=True):
    """What a server answered in one run."""

    seconds: float
    statuses: dict[str, int]
    outcomes: dict[str, int]
    """Answers to webhooks, by their outcome."""
    failures: int
    """Connections that failed, and requests that were not answered in time."""
    p50_ms: float
    p99_ms: float

    @property
    def count(self) -> int:
        """How many requests were answered with 200: a refusal is no work done."""
        return self.statuses.get("200", 0)

    @property
    def refused(self) -> int:
        """How many requests were not answered with 200."""
        return self.failures + sum(self.statuses.values()) - self.count

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.count / self.seconds


def generator_name() -> str:
    """Answer what will generate the load."""
    return "wrk" if shutil.which("wrk") else "benchmarks.generator"


def send(corpus: Corpus, *, port: int, connections: int, seconds: int) -> Answers:
    """Send for so many seconds, or until the corpus ends."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return _generate(corpus, port=port, connections=connections, seconds=seconds)
    return _run(
        [
            *(wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT)),
            *(f"http://127.0.0.1:{port}", "--", str(corpus.path)),
        ]
    )


def send_all(corpus: Corpus, *, port: int, connections: int = 16) -> Answers:
    """Send all of it, and wait for all answers."""
    return _generate(corpus, port=port, connections=connections, seconds=FOREVER_SECONDS)


def _generate(corpus: Corpus, *, port: int, connections: int, seconds: float) -> Answers:
    return _run(
        [
            *(sys.executable, "-m", "benchmarks.generator", "--port", str(port)),
            *("--connections", str(connections), "--seconds", str(seconds), str(corpus.path)),
        ]
    )


def _run(command: list[str]) -> Answers:
    root = Path(__file__).parent.parent
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)  # noqa: S603 - ours
    if ended.returncode:
        raise RuntimeError(f"the load generator failed:\n{ended.stdout}\n{ended.stderr}")
    return msgspec.json.decode(ended.stdout.splitlines()[-1], type=Answers)
