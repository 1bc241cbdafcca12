"""`billing dev` as a newcomer runs it: in a folder of its own, its printed lines pasted into a shell."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.service import START_SECONDS, STOP_SECONDS, free_port


class DevProcess:
    """One run of `billing dev`, on free ports."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Prepare; entering starts it."""
        self._folder = folder
        self._options = options
        self._printed = ""
        self.port, self.stripe_port = free_port(), free_port()

    @property
    def url(self) -> str:
        """Where the demo shop is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def stripe_url(self) -> str:
        """Where the control room is."""
        return f"http://127.0.0.1:{self.stripe_port}"

    @property
    def api_key(self) -> str:
        """The key that it printed."""
        found = re.search(r"^Its API key\s+(\S+)$", self._printed, re.MULTILINE)
        assert found is not None, self._printed
        return found.group(1)

    def __enter__(self) -> Self:
        """Start it and wait for what it prints."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
        self._log = self._folder / f"dev-{self.port}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "billing_service", "dev", *self._options),
                    *("--port", str(self.port), "--stripe-port", str(self.stripe_port)),
                ],
                env=environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C stops it" not in (printed := self._log.read_text()):
            assert self._process.poll() is None, printed
            assert time.monotonic() < deadline, printed
            time.sleep(0.02)
        self._printed = printed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it if the test has not."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def lines(self) -> list[str]:
        """Answer the lines to try, as they are printed."""
        return [line for line in self._printed.splitlines() if line.startswith("curl ")]

    def run(self, line: str) -> dict[str, Any]:
        """Run one line in a shell; answer the JSON it prints."""
        ran = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60, check=True, cwd=self._folder
        )
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer

    def stop(self) -> int:
        """Press Ctrl-C; answer the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(STOP_SECONDS)
