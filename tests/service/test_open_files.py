"""How many connections may come is no matter of the shell that the service was started from."""

import subprocess
import sys

import pytest

SCRIPT = """
import logging, resource, sys
from billing_service.cli.open_files import allow_open_files
logging.basicConfig(stream=sys.stdout, format="%(message)s")
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_open_files(500)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def outcome(soft: int, hard: int) -> list[str]:
    """Answer what a process with these limits says, and its own limit in the end."""
    script = SCRIPT.format(soft=soft, hard=hard)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_the_limit_is_raised_as_far_as_it_may() -> None:
    """To what is needed; to what is allowed, with a warning; and what is enough is left alone."""
    assert outcome(256, 1000) == ["500"]
    assert outcome(256, 300) == ["only 300 files may be open (ulimit -n), and 500 connections may come", "300"]
    assert outcome(600, 1000) == ["600"]
