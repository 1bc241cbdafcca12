"""The servers as processes, and what they cost."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.corpus import PRICE, SECRET

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 30


class Target(StrEnum):
    """What is measured."""

    SERVICE = "service"
    FLOOR = "floor"
    ALONE = "floor, no group commit"
    WHOLE = "floor, answers in one write"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers."""

    target: Target
    process: subprocess.Popen[bytes]
    port: int
    start_seconds: float
    """From its start to its first answer."""

    def cpu_seconds(self) -> float | None:
        """Answer the processor time that it and its workers have used."""
        return cpu_seconds(self.process.pid)

    def memory_bytes(self) -> int | None:
        """Answer the memory that it and its workers hold."""
        return memory_bytes(self.process.pid)


@contextlib.contextmanager
def serving(target: Target, *, database_url: str, workers: int, folder: Path) -> Generator[Server]:
    """Start a server, wait until it answers, and stop it in the end."""
    port = _free_port()
    module = ["billing_service", "serve"] if target is Target.SERVICE else ["benchmarks.floor"]
    command = [sys.executable, "-m", *module, "--port", str(port), "--workers", str(workers)]
    began = time.perf_counter()
    log_path = folder / f"{target}-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - ours
            command, env=_environment(target, database_url), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(port, process, log_path)
        yield Server(target=target, process=process, port=port, start_seconds=time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(target: Target, database_url: str) -> Mapping[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BILLING_", "FLOOR_"))}
    floor = {
        "FLOOR_DATABASE_URL": database_url,
        "FLOOR_WEBHOOK_SECRET": SECRET,
        "FLOOR_MAX_BATCH": "1" if target is Target.ALONE else "64",
        "FLOOR_WHOLE_ANSWERS": "1" if target is Target.WHOLE else "",
    }
    service = {
        "BILLING_DATABASE_URL": database_url,
        "BILLING_STRIPE_SECRET_KEY": "sk_test_of_the_benchmark",
        "BILLING_STRIPE_WEBHOOK_SECRETS": SECRET,
        # Nobody listens there: the events that are sent leave nothing to ask Stripe about.
        "BILLING_STRIPE_API_BASE": "http://127.0.0.1:9",
        "BILLING_PRICE_PRO": PRICE,
        "BILLING_PRICE_ENTERPRISE": "price_enterprise",
        "BILLING_CHECKOUT_SUCCESS_URL": "https://app.example/done",
        "BILLING_CHECKOUT_CANCEL_URL": "https://app.example/left",
        "BILLING_PORTAL_RETURN_URL": "https://app.example/",
    }
    return {**inherited, **(service if target is Target.SERVICE else floor)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            return
        time.sleep(0.01)
    raise RuntimeError(f"the server does not answer:\n{log_path.read_text()}")


def cpu_seconds(pid: int) -> float | None:
    """Answer the processor time that a process and its children have used; `None` where there is no /proc."""
    try:
        ticks = sum(_ticks(one, with_ended=one == pid) for one in _family(pid))
    except OSError:
        return None
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int | None:
    """Answer the resident memory of a process and its children; `None` where there is no /proc."""
    try:
        pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _family(pid))
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _family(pid: int) -> list[int]:
    """Answer a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(_stat(int(folder.name))[1]), []).append(int(folder.name))
    family = [pid]
    for one in family:
        family += parents.get(one, [])
    return family


def _ticks(pid: int, *, with_ended: bool) -> int:
    """Answer the ticks used in user and kernel mode, with those of children that have ended."""
    fields = _stat(pid)[11 : 15 if with_ended else 13]
    return sum(map(int, fields))


def _stat(pid: int) -> list[str]:
    """Answer the fields of `/proc/<pid>/stat` from the third on: the second one may contain anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
